package codec

import "github.com/hoshi-ws/hoshi/pkg/codec/edn"

// Envelope is one message taken apart. All fields are parts of the message's own bytes: nothing is copied or unescaped.
type Envelope struct {
	Event    []byte // the event vector, such as [:chat/hi {:n 1}]
	ID       []byte // the event id, a keyword with a namespace, with its ':'
	Data     []byte // the event's data; nil when it has none ("[id]")
	Callback []byte // the callback as it was written, such as "\"cb\"" with its quotes; nil when there is none, or nil
}

// Parser takes messages apart. Its zero value is ready; it must not be used concurrently.
type Parser struct {
	scan  edn.Scanner
	elems [3]edn.Form
}

// EDN takes apart a message in EDN: [id], [id data], [[id data] callback], [[id] callback], where a callback may be nil. It
// checks the whole message by the rules of edn.Scanner.Check. On an error, an *Error, e is empty.
func (p *Parser) EDN(msg []byte, e *Envelope) error {
	*e = Envelope{}
	return &Error{Reason: ReasonUnknown}
}
