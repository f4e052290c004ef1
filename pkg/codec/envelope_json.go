package codec

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// JSON takes apart a message in JSON: ["ns/name"], ["ns/name", data], [["ns/name", data], callback], [["ns/name"], callback],
// and [["ns/name", data]], where a callback may be null, and the id may begin with a colon. It checks the whole message by the
// rules of json.Scanner.Check; the id must be the name of a keyword with a namespace to every reader (edn.IsName). It does not
// allocate. On an error, an *Error, e is empty.
func (p *Parser) JSON(msg []byte, e *Envelope) error {
	*e = Envelope{}
	whole, n, err := p.json.Split(msg, p.parts[:])
	if err != nil {
		fault, _ := errors.AsType[*json.Error](err)
		return &Error{Reason: ReasonDeserialize, JSON: fault}
	}
	switch {
	case whole.Kind != json.Array:
		return errNotVector
	case n == 0:
		return errEmptyVector
	case n > 2:
		return errInvalidShape
	}
	event, in := whole.Text(msg), msg // the parts are parts of in
	var callback []byte
	if p.parts[0].Kind == json.Array { // [event, callback]
		if n == 2 && p.parts[1].Kind != json.Null {
			callback = p.parts[1].Text(msg)
		}
		event = p.parts[0].Text(msg)
		in = event
		// It is an array, and has been checked.
		if _, n, err = p.json.Split(event, p.parts[:]); err != nil || n == 0 {
			return errEmptyVector
		}
		if n > 2 {
			return errInvalidShape
		}
	}
	if p.parts[0].Kind != json.String || !p.id.set(&p.json, p.parts[0].Text(in)) {
		return errInvalidID
	}
	e.Event = event
	e.ID = p.id.text
	if n == 2 {
		e.Data = p.parts[1].Text(in)
	}
	e.Callback = callback
	return nil
}

// idText makes the text of a keyword of a string that names one.
type idText struct {
	value.Sink // nil: told nothing but one string
	text       []byte
}

// maxID bounds what is kept of an id between messages; a longer one fits no subject anyway.
const maxID = 4 << 10

// set takes the id from a legal string literal, and reports whether it is one.
func (t *idText) set(scan *json.Scanner, literal []byte) bool {
	if cap(t.text) > maxID {
		t.text = nil
	}
	name := literal[1 : len(literal)-1]
	if bytes.IndexByte(name, '\\') < 0 {
		t.String(name)
	} else if scan.Walk(literal, t) != nil || bytes.ContainsRune(t.text, utf8.RuneError) {
		return false // half of a surrogate pair would be told as U+FFFD
	}
	return edn.IsName(t.text[1:]) && hasNamespace(t.text)
}

// String takes the value of the literal.
func (t *idText) String(s []byte) {
	t.text = append(t.text[:0], ':')
	t.text = append(t.text, bytes.TrimPrefix(s, colon)...)
}

var colon = []byte(":")
