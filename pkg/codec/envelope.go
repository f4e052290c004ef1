package codec

import (
	"errors"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
)

// Envelope is one message taken apart. Its fields are parts of the message's own bytes, in the message's format: nothing is
// copied or unescaped. ID alone has one form for all formats, and is the Parser's until its next call where the message has
// another.
type Envelope struct {
	Event    []byte // the event vector, such as [:chat/hi {:n 1}], without metadata
	ID       []byte // the event id, a keyword with a namespace, with its ':', as EDN text
	Data     []byte // the event's data, any value, with its metadata; nil when there is none ("[id]")
	Callback []byte // the callback as it was written, such as "\"cb\"" with its quotes; nil when there is none, or nil
}

// Parser takes messages apart. Its zero value is ready; it must not be used concurrently.
type Parser struct {
	scan  edn.Scanner
	elems [2]edn.Form

	// Of JSON.
	json  json.Scanner
	parts [2]json.Form
	id    idText
}

// Parse takes apart a message in format f: see EDN and JSON.
func (p *Parser) Parse(f Format, msg []byte, e *Envelope) error {
	if f == JSON {
		return p.JSON(msg, e)
	}
	return p.EDN(msg, e)
}

// EDN takes apart a message in EDN: [id], [id data], [[id data] callback], [[id] callback], and [[id data]], where a callback
// may be nil. It checks the whole message by the rules of edn.Scanner.Check and does not allocate. On an error, an *Error, e
// is empty.
func (p *Parser) EDN(msg []byte, e *Envelope) error {
	*e = Envelope{}
	whole, n, err := p.scan.Split(msg, p.elems[:])
	if err != nil {
		fault, _ := errors.AsType[*edn.Error](err)
		return &Error{Reason: ReasonDeserialize, EDN: fault}
	}
	switch {
	case whole.Kind != edn.Vector:
		return errNotVector
	case n == 0:
		return errEmptyVector
	case n > 2:
		return errInvalidShape
	}
	event, id, data := whole, p.elems[0], p.elems[1]
	var callback []byte
	hasData := n == 2
	if id.Kind == edn.Vector { // [event callback]
		if n == 2 && data.Kind != edn.Nil {
			callback = data.Text(msg)
		}
		event = id
		inner := edn.ElementsOf(msg, event)
		var ok bool
		if id, ok = inner.Next(); !ok {
			return errEmptyVector
		}
		if data, hasData = inner.Next(); hasData {
			if _, more := inner.Next(); more {
				return errInvalidShape
			}
		}
	}
	if id.Kind != edn.Keyword || !hasNamespace(id.Text(msg)) {
		return errInvalidID
	}
	e.Event = event.Text(msg)
	e.ID = id.Text(msg)
	if hasData {
		e.Data = msg[data.Start:data.End]
	}
	e.Callback = callback
	return nil
}

// hasNamespace is stricter than Clojure by one oddity: ":/a/b" has an empty namespace, which no subject can hold.
func hasNamespace(keyword []byte) bool { return edn.Namespaced(keyword) && keyword[1] != '/' }
