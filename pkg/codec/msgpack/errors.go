package msgpack

import "fmt"

// Reason tells why bytes were refused. The set is small and fixed, so it can label a
// metric.
type Reason uint8

// The reasons.
const (
	ReasonUnknown   Reason = iota
	ReasonByte             // the byte that MessagePack does not use
	ReasonEOF              // a value ends beyond the message, or beyond what it is in
	ReasonExtra            // something after the value
	ReasonUTF8             // a string that is not UTF-8
	ReasonCode             // the code of a key for which there is no key, or which is none
	ReasonExtension        // the content of an extension type is not what it must be
	ReasonName             // a keyword or symbol that EDN cannot write
	ReasonInst             // no time, or one before year 0 or after year 9999
	ReasonUUID             // no UUID
	ReasonDuplicate        // a key or an element twice
	ReasonDepth            // nested deeper than value.MaxDepth
	ReasonTooLong          // beyond the size this package works on
	ReasonCalls            // a Writer was told what is no value: an End without Begin, or nothing
)

var reasonNames = [...]string{
	ReasonUnknown:   "unknown",
	ReasonByte:      "invalid-byte",
	ReasonEOF:       "unexpected-end",
	ReasonExtra:     "extra-form",
	ReasonUTF8:      "invalid-utf8",
	ReasonCode:      "invalid-cache-code",
	ReasonExtension: "invalid-extension",
	ReasonName:      "invalid-name",
	ReasonInst:      "invalid-inst",
	ReasonUUID:      "invalid-uuid",
	ReasonDuplicate: "duplicate-key",
	ReasonDepth:     "too-deep",
	ReasonTooLong:   "too-long",
	ReasonCalls:     "unbalanced-calls",
}

// String returns the reason in lower case with hyphens, for logs and metric labels.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return reasonNames[ReasonUnknown]
}

// Error is the place and the reason of a fault. All errors of this package are of
// this type; those of a Writer have no place.
type Error struct {
	Offset int // byte offset, from 0; -1 if there is no place
	Reason Reason
}

// errDone is no fault: Detach has what it wants.
var errDone = &Error{}

// Error returns the reason and the place in words.
func (e *Error) Error() string {
	if e.Offset < 0 {
		return "msgpack: " + e.Reason.String()
	}
	return fmt.Sprintf("msgpack: %s at byte %d", e.Reason, e.Offset)
}
