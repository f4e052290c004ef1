package gzip

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"sync"
)

// What the first byte says.
const (
	raw        = 0
	compressed = 1
)

// minSize is how long a message is, at least, that is compressed.
const minSize = 1024

// Faults are made once, so that bad input costs no memory.
var (
	// ErrWrapper is returned for what has no wrapper, or one of another kind.
	ErrWrapper = errors.New("gzip: no wrapper")
	// ErrStream is returned where the compressed message is damaged, or something
	// follows it.
	ErrStream = errors.New("gzip: damaged stream")
	// ErrTooLong is returned where a message is longer than the caller takes.
	ErrTooLong = errors.New("gzip: message too long")
)

// appender is an io.Writer that appends.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

type writer struct {
	zip *gzip.Writer
	out appender
}

var writers = sync.Pool{New: func() any { return &writer{zip: gzip.NewWriter(nil)} }}

// Wrap appends p with its wrapper to dst.
func Wrap(dst, p []byte) []byte {
	if len(p) < minSize {
		return append(append(dst, raw), p...)
	}
	w := writers.Get().(*writer)
	w.out.b = append(dst, compressed)
	w.zip.Reset(&w.out)
	_, _ = w.zip.Write(p) // an appender does not fail
	_ = w.zip.Close()
	dst, w.out.b = w.out.b, nil
	writers.Put(w)
	return dst
}

type reader struct {
	zip gzip.Reader
	in  bytes.Reader
}

var readers = sync.Pool{New: func() any { return new(reader) }}

// Unwrap returns the message in p, of no more than limit bytes. It is a part of p if
// it is not compressed, and otherwise in the memory of scratch, whose content is
// overwritten, or in new memory. The errors are ErrWrapper, ErrStream and ErrTooLong.
func Unwrap(scratch, p []byte, limit int) ([]byte, error) {
	switch {
	case len(p) == 0:
		return nil, ErrWrapper
	case p[0] == raw:
		if len(p)-1 > limit {
			return nil, ErrTooLong
		}
		return p[1:], nil
	case p[0] != compressed:
		return nil, ErrWrapper
	}
	r := readers.Get().(*reader)
	b, err := r.unwrap(scratch[:0], p[1:], limit)
	r.in.Reset(nil)
	readers.Put(r)
	return b, err
}

func (r *reader) unwrap(dst, p []byte, limit int) ([]byte, error) {
	r.in.Reset(p)
	if err := r.zip.Reset(&r.in); err != nil {
		return nil, ErrStream
	}
	r.zip.Multistream(false) // browsers refuse a second stream
	for {
		if len(dst) == cap(dst) {
			// Double, from what a message has that is worth compressing.
			dst = append(make([]byte, 0, max(4*minSize, 2*cap(dst))), dst...)
		}
		n, err := r.zip.Read(dst[len(dst):min(cap(dst), max(limit, 0)+1)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > limit:
			return nil, ErrTooLong
		case errors.Is(err, io.EOF) && r.in.Len() == 0:
			return dst, nil
		case err != nil:
			return nil, ErrStream
		}
	}
}
