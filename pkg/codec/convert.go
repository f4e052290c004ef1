package codec

import (
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
	"github.com/hoshi-ws/hoshi/pkg/codec/msgpack"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// Scanner checks values of every format by the format's own rules. Its zero value is ready; it must not be used concurrently.
type Scanner struct {
	edn      edn.Scanner
	json     json.Scanner
	maxDepth int

	// Made when they are needed first: most who scan meet neither.
	transit *transit.Reader
	msgpack *msgpack.Reader
}

// setMaxDepth bounds the nesting in every format.
func (s *Scanner) setMaxDepth(n int) {
	s.maxDepth, s.edn.MaxDepth, s.json.MaxDepth = n, n, n
	s.transit, s.msgpack = nil, nil
}

func (s *Scanner) transitReader() *transit.Reader {
	if s.transit == nil {
		s.transit = &transit.Reader{MaxDepth: s.maxDepth}
	}
	return s.transit
}

func (s *Scanner) msgpackReader() *msgpack.Reader {
	if s.msgpack == nil {
		s.msgpack = &msgpack.Reader{MaxDepth: s.maxDepth}
	}
	return s.msgpack
}

// Value returns the one value that p holds in format f as a part of any message in f has it: without what is around it, such
// as blanks, or the quote of a scalar in Transit, and with its cache codes resolved. It is a part of p, and Value does not
// allocate, unless there is something to resolve or to rewrite: then it is the caller's. The error is that of the format's
// package.
func (s *Scanner) Value(f Format, p []byte) ([]byte, error) {
	switch f {
	case JSON:
		form, _, err := s.json.Split(p, nil)
		if err != nil {
			return nil, err
		}
		return form.Text(p), nil
	case Transit, TransitVerbose:
		r := s.transitReader()
		form, err := r.Value(p)
		if err != nil {
			return nil, err
		}
		if part := p[form.Start:form.End]; transit.Portable(part) {
			return part, nil
		}
		r.Mode = modeOf(f)
		return r.Detach(nil, p, form)
	case MessagePack:
		r := s.msgpackReader()
		form, _, _, err := r.Split(p, nil, nil)
		if err != nil {
			return nil, err
		}
		if msgpack.Portable(p) {
			return p, nil
		}
		return r.Detach(nil, p, form)
	default:
		form, _, err := s.edn.Split(p, nil)
		if err != nil {
			return nil, err
		}
		return p[form.Start:form.End], nil
	}
}

// modeOf is the form of Transit that f is.
func modeOf(f Format) transit.Mode {
	if f == TransitVerbose {
		return transit.Verbose
	}
	return transit.Plain
}

// walk tells sink the one value in p.
func (s *Scanner) walk(f Format, p []byte, sink value.Sink) error {
	switch f {
	case JSON:
		return s.json.Walk(p, sink)
	case Transit, TransitVerbose:
		return s.transitReader().Walk(p, sink)
	case MessagePack:
		return s.msgpackReader().Walk(p, sink)
	default:
		return s.edn.Walk(p, sink)
	}
}

// Converter says in one format what was said in another, by the table of docs/formats.md. Its zero value is ready; it must not
// be used concurrently. It does not allocate beyond what it appends to, except while scratch grows.
//
// What it appends is a part of a message, ready to be put anywhere in one: in Transit a scalar is bare, and nothing has cache
// codes. Where it is to be all of a body, Format.AppendWhole says what is missing.
type Converter struct {
	scan Scanner
	edn  edn.Writer
	json json.Writer

	// Made when they are needed first.
	transit, verbose *transit.Writer
	msgpack          *msgpack.Writer
}

// writer is what all writers have.
type writer interface {
	value.Sink
	Reset(dst []byte)
	Bytes() ([]byte, error)
}

func (c *Converter) writer(f Format) writer {
	switch f {
	case JSON:
		return &c.json
	case Transit:
		if c.transit == nil {
			c.transit = &transit.Writer{Bare: true}
		}
		return c.transit
	case TransitVerbose:
		if c.verbose == nil {
			c.verbose = &transit.Writer{Mode: transit.Verbose, Bare: true}
		}
		return c.verbose
	case MessagePack:
		if c.msgpack == nil {
			c.msgpack = new(msgpack.Writer)
		}
		return c.msgpack
	default:
		return &c.edn
	}
}

// Append appends in format to the one value that p holds in format from; where they are the same it copies p unread, and so p
// must be a part of a message, such as Scanner.Value returns. The two forms of Transit are two formats here. On an error,
// which is that of one of the two formats' packages, dst is returned unchanged: p is no value, or one that to cannot say.
func (c *Converter) Append(dst, p []byte, from, to Format) ([]byte, error) {
	if from == to {
		return append(dst, p...), nil
	}
	w := c.writer(to)
	w.Reset(dst)
	err := c.scan.walk(from, p, w)
	out, fault := w.Bytes()
	w.Reset(nil) // keeps nothing of dst alive
	if err == nil {
		err = fault
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// AppendEvent appends in format to the event that e holds in format from, without its callback: like Append, but that the id is
// a keyword where the format has them, and in JSON the string of its name.
func (c *Converter) AppendEvent(dst []byte, e *Envelope, from, to Format) ([]byte, error) {
	if from == to {
		return append(dst, e.Event...), nil
	}
	var out []byte
	switch {
	case to != MessagePack:
		out = append(dst, '[')
	case e.Data == nil:
		out = append(dst, arrayOf1)
	default:
		out = append(dst, arrayOf2)
	}
	out = c.appendID(out, e.ID, to)
	if e.Data != nil {
		switch to {
		case EDN:
			out = append(out, ' ')
		case MessagePack:
		default:
			out = append(out, ',')
		}
		var err error
		if out, err = c.Append(out, e.Data, from, to); err != nil {
			return dst, err
		}
	}
	if to == MessagePack {
		return out, nil
	}
	return append(out, ']'), nil
}

// Heads of arrays in MessagePack.
const (
	arrayOf1 = 0x91
	arrayOf2 = 0x92
)

// appendID appends the keyword with this text.
func (c *Converter) appendID(dst, keyword []byte, to Format) []byte {
	if to == EDN {
		return append(dst, keyword...)
	}
	w := c.writer(to)
	w.Reset(dst)
	w.Keyword(keyword[1:])
	out, _ := w.Bytes() // one scalar is always a value
	w.Reset(nil)
	return out
}
