package codec

import (
	"errors"
	"fmt"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
	"github.com/hoshi-ws/hoshi/pkg/codec/msgpack"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
)

// Reason tells why a message is no envelope. The set is small and fixed, so it can label a metric.
type Reason uint8

// The reasons.
const (
	ReasonUnknown      Reason = iota
	ReasonDeserialize         // the format's reader would refuse it; a field of Error has the place
	ReasonNotVector           // a value, but no vector
	ReasonEmptyVector         // [], or [[] ..]
	ReasonInvalidID           // the first element is no keyword with a namespace
	ReasonInvalidShape        // too many elements
)

var reasonNames = [...]string{
	ReasonUnknown:      "unknown",
	ReasonDeserialize:  "deserialize-failed",
	ReasonNotVector:    "not-vector",
	ReasonEmptyVector:  "empty-vector",
	ReasonInvalidID:    "invalid-event-id",
	ReasonInvalidShape: "invalid-format",
}

// String returns the reason in lower case with hyphens, for logs and metric labels.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return reasonNames[ReasonUnknown]
}

// Faults that carry no place are made once, so that bad input costs no memory.
var (
	errNotVector    = &Error{Reason: ReasonNotVector}
	errEmptyVector  = &Error{Reason: ReasonEmptyVector}
	errInvalidID    = &Error{Reason: ReasonInvalidID}
	errInvalidShape = &Error{Reason: ReasonInvalidShape}
)

// Error is returned for a message that is no envelope.
type Error struct {
	Reason Reason
	// The fault in the text, for ReasonDeserialize: one of them, by the format.
	EDN         *edn.Error
	JSON        *json.Error
	Transit     *transit.Error // of both forms
	MessagePack *msgpack.Error
}

// faultOf returns the Error of a reader's fault.
func faultOf(err error) *Error {
	e := &Error{Reason: ReasonDeserialize}
	if e.EDN, _ = errors.AsType[*edn.Error](err); e.EDN != nil {
		return e
	}
	e.JSON, _ = errors.AsType[*json.Error](err)
	e.Transit, _ = errors.AsType[*transit.Error](err)
	e.MessagePack, _ = errors.AsType[*msgpack.Error](err)
	return e
}

// Error returns the reason, and the place where the text is at fault.
func (e *Error) Error() string {
	if fault := e.Unwrap(); fault != nil {
		return fmt.Sprintf("message: %s: %v", e.Reason, fault)
	}
	return fmt.Sprintf("message: %s", e.Reason)
}

// Unwrap returns the fault in the text, if there is one.
func (e *Error) Unwrap() error {
	switch {
	case e.EDN != nil:
		return e.EDN
	case e.JSON != nil:
		return e.JSON
	case e.Transit != nil:
		return e.Transit
	case e.MessagePack != nil:
		return e.MessagePack
	}
	return nil
}

// Label returns the reason of the fault in the text, if there is one, and else the message's own: one of a small fixed set.
func (e *Error) Label() string {
	switch {
	case e.EDN != nil:
		return e.EDN.Reason.String()
	case e.JSON != nil:
		return e.JSON.Reason.String()
	case e.Transit != nil:
		return e.Transit.Reason.String()
	case e.MessagePack != nil:
		return e.MessagePack.Reason.String()
	}
	return e.Reason.String()
}
