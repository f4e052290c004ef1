package codec

import (
	"bytes"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
	"github.com/hoshi-ws/hoshi/pkg/codec/msgpack"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// Envelope is one message taken apart. Its fields are values in the message's format, and each means the same in any other
// message: nothing is unescaped, and they are parts of the message's own bytes, except in Transit and MessagePack where
// something has cache codes, or must be rewritten for other readers (see their Readers' Detach). That, and an ID, which has one
// form for all formats, is the Parser's until its next call.
type Envelope struct {
	Event    []byte // the event vector, such as [:chat/hi {:n 1}], without metadata
	ID       []byte // the event id, a keyword with a namespace, with its ':', as EDN text
	Data     []byte // the event's data, any value, with its metadata; nil when there is none ("[id]")
	Callback []byte // the callback as it was written, such as "\"cb\"" with its quotes; nil when there is none, or nil
}

// Parser takes messages apart. Its zero value is ready; it must not be used concurrently. It keeps scratch of a bounded size
// between calls.
type Parser struct {
	scan Scanner
	id   idText
	text []byte // what was detached

	// Where readers put parts.
	edn     [2]edn.Form
	json    [2]json.Form
	transit [2][2]transit.Form
	msgpack [2][2]msgpack.Form
	fields  fields
}

// What a Parser keeps between calls of each kind of scratch, at most.
const (
	maxID    = 4 << 10 // a longer id fits no subject anyway
	keepText = 64 << 10
)

// SetMaxDepth bounds how deep values of a message may nest, the vectors of the message counted: 0, and what is more than
// value.MaxDepth, are that.
func (p *Parser) SetMaxDepth(n int) { p.scan.setMaxDepth(n) }

// Parse takes apart a message in format f: [id], [id data], [[id data] callback], [[id] callback], and [[id data]], where a
// callback may be nil. It checks the whole message by the format's own rules. In JSON the id is a string, with or without a
// colon before it, that must be the name of a keyword to every reader (edn.IsName). On an error, an *Error, e is empty.
func (p *Parser) Parse(f Format, msg []byte, e *Envelope) error {
	*e = Envelope{}
	var s shape
	if err := p.split(f, msg, &s); err != nil {
		return err
	}
	switch {
	case s.whole.kind != vector:
		return errNotVector
	case s.outer.n == 0:
		return errEmptyVector
	case s.outer.n > 2:
		return errInvalidShape
	}
	if s.outer.parts[0].kind == vector {
		return p.event(f, msg, s.outer.parts[0], &s.inner, s.callback(), e)
	}
	return p.event(f, msg, s.whole, &s.outer, part{}, e)
}

// EDN is Parse for EDN.
func (p *Parser) EDN(msg []byte, e *Envelope) error { return p.Parse(EDN, msg, e) }

// JSON is Parse for JSON.
func (p *Parser) JSON(msg []byte, e *Envelope) error { return p.Parse(JSON, msg, e) }

// Transit is Parse for Transit, in both of its forms.
func (p *Parser) Transit(msg []byte, e *Envelope) error { return p.Parse(Transit, msg, e) }

// MessagePack is Parse for MessagePack.
func (p *Parser) MessagePack(msg []byte, e *Envelope) error { return p.Parse(MessagePack, msg, e) }

// ParseWrapped takes apart a message of those who wrap everything, [value] or [value callback], and returns how many elements
// it has. The value need be no event: then e.Event is the value, with its metadata, and e.ID nil. A message of another shape is
// such a value as a whole, and has 0 elements. An *Error says that the message is no value of its format; then e is empty.
func (p *Parser) ParseWrapped(f Format, msg []byte, e *Envelope) (elements int, err error) {
	*e = Envelope{}
	var s shape
	if err := p.split(f, msg, &s); err != nil {
		return 0, err
	}
	if s.whole.kind != vector || s.outer.n == 0 || s.outer.n > 2 {
		return 0, p.value(f, msg, s.whole, part{}, e)
	}
	inside, callback := s.outer.parts[0], s.callback()
	if inside.kind == vector && p.event(f, msg, inside, &s.inner, callback, e) == nil {
		return s.outer.n, nil
	}
	return s.outer.n, p.value(f, msg, inside, callback, e)
}

// ParseBare is ParseWrapped for a message that is the value alone.
func (p *Parser) ParseBare(f Format, msg []byte, e *Envelope) error {
	*e = Envelope{}
	var s shape
	if err := p.split(f, msg, &s); err != nil {
		return err
	}
	if s.whole.kind == vector && p.event(f, msg, s.whole, &s.outer, part{}, e) == nil {
		return nil
	}
	return p.value(f, msg, s.whole, part{}, e)
}

// callback is the second element of the message, if it is one.
func (s *shape) callback() part {
	if c := s.outer.parts[1]; s.outer.n == 2 && c.kind != null {
		return c
	}
	return part{}
}

// event fills in e, whose event is the vector whole of msg with these elements. Without an error e is complete, else empty.
func (p *Parser) event(f Format, msg []byte, whole part, of *elements, callback part, e *Envelope) error {
	switch id := of.parts[0]; {
	case of.n == 0:
		return errEmptyVector
	case of.n > 2:
		return errInvalidShape
	case id.kind != name:
		return errInvalidID
	case f == EDN:
		if e.ID = msg[id.body:id.end]; !hasNamespace(e.ID) {
			e.ID = nil
			return errInvalidID
		}
	case !p.id.set(&p.scan, f, msg[id.body:id.end]):
		return errInvalidID
	default:
		e.ID = p.id.text
	}
	e.Event = msg[whole.body:whole.end]
	if of.n == 2 {
		data := of.parts[1]
		e.Data = msg[data.start:data.end]
	}
	return p.finish(f, msg, whole, callback, e)
}

// value fills in e for a value that is no event.
func (p *Parser) value(f Format, msg []byte, whole, callback part, e *Envelope) error {
	*e = Envelope{Event: msg[whole.start:whole.end]}
	return p.finish(f, msg, whole, callback, e)
}

// finish fills in the callback, and takes what needs it out of its message.
func (p *Parser) finish(f Format, msg []byte, whole, callback part, e *Envelope) error {
	if callback.kind != none {
		e.Callback = msg[callback.body:callback.end]
	}
	if f == EDN || f == JSON || portable(f, e.Event) && portable(f, e.Callback) {
		return nil
	}
	err := p.detach(f, msg, whole, callback, e)
	if err != nil {
		*e = Envelope{}
	}
	return err
}

func portable(f Format, text []byte) bool {
	if f == MessagePack {
		return msgpack.Portable(text)
	}
	return transit.Portable(text)
}

// detach puts e's parts into scratch, where they mean the same anywhere.
func (p *Parser) detach(f Format, msg []byte, whole, callback part, e *Envelope) error {
	if cap(p.text) > keepText {
		p.text = nil
	}
	buf, err := p.scan.detach(f, p.text[:0], msg, whole)
	n := len(buf)
	if err == nil && callback.kind != none {
		buf, err = p.scan.detach(f, buf, msg, callback)
	}
	if err != nil {
		return faultOf(err)
	}
	p.text = buf
	e.Event = buf[:n:n]
	if callback.kind != none {
		e.Callback = buf[n:]
	}
	if e.Data == nil {
		return nil
	}
	var s shape
	if err := p.split(f, e.Event, &s); err != nil {
		return err
	}
	data := s.outer.parts[1]
	e.Data = e.Event[data.start:data.end]
	return nil
}

// hasNamespace is stricter than Clojure by one oddity: ":/a/b" has an empty namespace, which no subject can hold.
func hasNamespace(keyword []byte) bool { return edn.Namespaced(keyword) && keyword[1] != '/' }

// idText makes the text of a keyword of what names one: a keyword, or in JSON a string.
type idText struct {
	value.Sink // nil: told nothing but one of the two
	text       []byte
}

// set takes the id from a legal part, and reports whether it is one.
func (t *idText) set(scan *Scanner, f Format, text []byte) bool {
	if cap(t.text) > maxID {
		t.text = nil
	}
	if f != JSON {
		if name := plainName(f, text); name != nil {
			t.Keyword(name)
		} else if scan.walk(f, text, t) != nil {
			return false
		}
		return hasNamespace(t.text)
	}
	inside := text[1 : len(text)-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		t.String(inside)
	} else if scan.walk(f, text, t) != nil || bytes.ContainsRune(t.text, utf8.RuneError) {
		return false // half of a surrogate pair would be told as U+FFFD
	}
	return edn.IsName(t.text[1:]) && hasNamespace(t.text)
}

// plainName returns the name of a legal keyword of Transit or MessagePack that is written as most are, or nil.
func plainName(f Format, text []byte) []byte {
	if f == MessagePack {
		const ext8, fixExt1, fixExt16 = 0xC7, 0xD4, 0xD8
		switch c := text[0]; {
		case c == ext8:
			return text[3:]
		case c >= fixExt1 && c <= fixExt16:
			return text[2:]
		}
		return nil
	}
	if inside, ok := bytes.CutPrefix(text, beforeKeyword); ok && bytes.IndexByte(inside, '\\') < 0 {
		return inside[:len(inside)-1]
	}
	return nil
}

var beforeKeyword = []byte(`"~:`)

// Keyword takes the name of the keyword.
func (t *idText) Keyword(name []byte) {
	t.text = append(t.text[:0], ':')
	t.text = append(t.text, name...)
}

// String takes the value of the literal.
func (t *idText) String(s []byte) { t.Keyword(bytes.TrimPrefix(s, colon)) }

var colon = []byte(":")
