package codec

import (
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// Format is a notation of values.
type Format uint8

// The formats, numbered from 0, so that an array by Format holds one thing for each.
const (
	EDN  Format = iota // the default
	JSON               // by the rule of docs/formats.md

	Formats = iota // how many there are
)

var formatNames = [Formats]string{EDN: "edn", JSON: "json"}

// String returns the name that settings and counters have for the format.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return "unknown"
}

// ParseFormat returns the format with this name.
func ParseFormat(name string) (f Format, ok bool) {
	for i, s := range formatNames {
		if s == name {
			return Format(i), true
		}
	}
	return 0, false
}

// Nil returns the text of the value that is nothing.
func (f Format) Nil() string {
	if f == JSON {
		return "null"
	}
	return "nil"
}

// Scanner checks values of every format by the format's own rules. Its zero value is ready; it must not be used concurrently.
type Scanner struct {
	edn  edn.Scanner
	json json.Scanner
}

// Value returns the one value that p holds in format f, without what is around it. It does not allocate. The error is that of
// the format's package.
func (s *Scanner) Value(f Format, p []byte) ([]byte, error) {
	if f == JSON {
		form, _, err := s.json.Split(p, nil)
		if err != nil {
			return nil, err
		}
		return form.Text(p), nil
	}
	form, _, err := s.edn.Split(p, nil)
	if err != nil {
		return nil, err
	}
	return p[form.Start:form.End], nil
}

// Converter says in one format what was said in another, by the table of docs/formats.md. Its zero value is ready; it must not
// be used concurrently. It does not allocate beyond what it appends to, except while scratch grows.
type Converter struct {
	scan Scanner
	edn  edn.Writer
	json json.Writer
}

// writer is what all writers have.
type writer interface {
	value.Sink
	Reset(dst []byte)
	Bytes() ([]byte, error)
}

func (c *Converter) writer(f Format) writer {
	if f == JSON {
		return &c.json
	}
	return &c.edn
}

// Append appends in format to the one value that p holds in format from; where they are the same it copies p unread. On an
// error, which is that of one of the two formats' packages, dst is returned unchanged: p is no value, or one that to cannot
// say.
func (c *Converter) Append(dst, p []byte, from, to Format) ([]byte, error) {
	if from == to {
		return append(dst, p...), nil
	}
	w := c.writer(to)
	w.Reset(dst)
	var err error
	if from == JSON {
		err = c.scan.json.Walk(p, w)
	} else {
		err = c.scan.edn.Walk(p, w)
	}
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
	out := append(dst, '[')
	out = c.appendID(out, e.ID, to)
	if e.Data != nil {
		if to == JSON {
			out = append(out, ',')
		} else {
			out = append(out, ' ')
		}
		var err error
		if out, err = c.Append(out, e.Data, from, to); err != nil {
			return dst, err
		}
	}
	return append(out, ']'), nil
}

// appendID appends the keyword with this text.
func (c *Converter) appendID(dst, keyword []byte, to Format) []byte {
	if to != JSON {
		return append(dst, keyword...)
	}
	c.json.Reset(dst)
	c.json.Keyword(keyword[1:])
	out, _ := c.json.Bytes() // one scalar is always a value
	c.json.Reset(nil)
	return out
}
