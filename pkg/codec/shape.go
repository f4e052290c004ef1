package codec

import (
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
	"github.com/hoshi-ws/hoshi/pkg/codec/msgpack"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
)

// shape is what an envelope is read from, in any format: the elements of a message, and those of its first.
type shape struct {
	whole part
	outer elements
	inner elements // of the first of outer, if both are vectors
}

// elements are the first of n.
type elements struct {
	n     int
	parts [2]part
}

// part is a value in a message: msg[start:end], and msg[body:end] without its metadata.
type part struct {
	start, body, end int
	kind             kind
}

// kind is what an envelope needs to know of a value.
type kind uint8

const (
	none  kind = iota // no value
	other             // any but the following
	null
	vector
	name // a keyword, or in JSON a string
)

// split checks msg and finds its elements. The error is an *Error.
func (p *Parser) split(f Format, msg []byte, s *shape) error {
	var err error
	switch f {
	case JSON:
		err = p.splitJSON(msg, s)
	case Transit, TransitVerbose:
		err = p.splitTransit(msg, s)
	case MessagePack:
		err = p.splitMessagePack(msg, s)
	default:
		err = p.splitEDN(msg, s)
	}
	if err != nil {
		return faultOf(err)
	}
	return nil
}

func (p *Parser) splitEDN(msg []byte, s *shape) error {
	whole, n, err := p.scan.edn.Split(msg, p.edn[:])
	if err != nil {
		return err
	}
	s.whole = ednPart(whole)
	if whole.Kind != edn.Vector {
		return nil
	}
	s.outer.n = n
	for i, f := range p.edn[:min(n, 2)] {
		s.outer.parts[i] = ednPart(f)
	}
	if s.outer.parts[0].kind != vector {
		return nil
	}
	inner := edn.ElementsOf(msg, p.edn[0])
	for s.inner.n <= 2 { // a third tells that there are too many
		f, ok := inner.Next()
		if !ok {
			break
		}
		if s.inner.n < 2 {
			s.inner.parts[s.inner.n] = ednPart(f)
		}
		s.inner.n++
	}
	return nil
}

func ednPart(f edn.Form) part {
	k := other
	switch f.Kind {
	case edn.Nil:
		k = null
	case edn.Vector:
		k = vector
	case edn.Keyword:
		k = name
	default:
	}
	return part{f.Start, f.Body, f.End, k}
}

func (p *Parser) splitJSON(msg []byte, s *shape) error {
	whole, n, err := p.scan.json.Split(msg, p.json[:])
	if err != nil {
		return err
	}
	s.whole = jsonPart(whole, 0)
	if whole.Kind != json.Array {
		return nil
	}
	s.outer.n = n
	for i, f := range p.json[:min(n, 2)] {
		s.outer.parts[i] = jsonPart(f, 0)
	}
	first := s.outer.parts[0]
	if first.kind != vector || n > 2 {
		return nil
	}
	_, n, err = p.scan.json.Split(msg[first.start:first.end], p.json[:])
	s.inner.n = n
	for i, f := range p.json[:min(n, 2)] {
		s.inner.parts[i] = jsonPart(f, first.start)
	}
	return err // an array that has been checked is one
}

func jsonPart(f json.Form, at int) part {
	k := other
	switch f.Kind {
	case json.Null:
		k = null
	case json.Array:
		k = vector
	case json.String:
		k = name
	default:
	}
	return part{at + f.Start, at + f.Start, at + f.End, k}
}

func (p *Parser) splitTransit(msg []byte, s *shape) error {
	outer, inner := &p.transit[0], &p.transit[1]
	whole, n, m, err := p.scan.transitReader().Split(msg, outer[:], inner[:])
	if err != nil {
		return err
	}
	fill(s, whole, n, m, outer[:], inner[:], transitPart)
	return nil
}

// fill notes the forms that a reader has found: of the whole, of its elements, and
// of those of the first of them.
func fill[F any](s *shape, whole F, n, m int, outer, inner []F, as func(F) part) {
	s.whole = as(whole)
	s.outer.n, s.inner.n = n, m
	for i := range min(n, 2) {
		s.outer.parts[i] = as(outer[i])
	}
	for i := range min(m, 2) {
		s.inner.parts[i] = as(inner[i])
	}
}

func transitPart(f transit.Form) part {
	k := other
	switch f.Kind {
	case transit.Nil:
		k = null
	case transit.Vector:
		k = vector
	case transit.Keyword:
		k = name
	default:
	}
	return part{f.Start, f.Start, f.End, k}
}

func (p *Parser) splitMessagePack(msg []byte, s *shape) error {
	outer, inner := &p.msgpack[0], &p.msgpack[1]
	whole, n, m, err := p.scan.msgpackReader().Split(msg, outer[:], inner[:])
	if err != nil {
		return err
	}
	fill(s, whole, n, m, outer[:], inner[:], msgpackPart)
	return nil
}

func msgpackPart(f msgpack.Form) part {
	k := other
	switch f.Kind {
	case msgpack.Nil:
		k = null
	case msgpack.Vector:
		k = vector
	case msgpack.Keyword:
		k = name
	default:
	}
	return part{f.Start, f.Start, f.End, k}
}

// detach appends a part of msg so that it means the same anywhere.
func (s *Scanner) detach(f Format, dst, msg []byte, v part) ([]byte, error) {
	if f == MessagePack {
		return s.msgpackReader().Detach(dst, msg, msgpack.Form{Start: v.start, End: v.end})
	}
	r := s.transitReader()
	r.Mode = modeOf(f)
	return r.Detach(dst, msg, transit.Form{Start: v.start, End: v.end})
}
