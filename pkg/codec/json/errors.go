package json

import "fmt"

// Reason tells why a text was refused, or a value cannot be written. The set is small and fixed, so it can label a metric.
type Reason uint8

// The reasons.
const (
	ReasonUnknown       Reason = iota
	ReasonEmpty                // no value, only whitespace
	ReasonExtra                // something after the value
	ReasonEOF                  // the text ends inside a value
	ReasonSyntax               // a character where none like it may be
	ReasonNumber               // no legal number
	ReasonString               // an illegal escape, or a raw control character, in a string
	ReasonUTF8                 // not UTF-8
	ReasonSurrogate            // a lone surrogate in a key
	ReasonDuplicate            // a key twice
	ReasonDepth                // nested deeper than value.MaxDepth
	ReasonTooLong              // beyond the size this package works on
	ReasonInexpressible        // a Writer was told what JSON cannot say
	ReasonCalls                // a Writer was told what is no value: an End without Begin, or nothing
)

var reasonNames = [...]string{
	ReasonUnknown:       "unknown",
	ReasonEmpty:         "empty",
	ReasonExtra:         "extra-value",
	ReasonEOF:           "unexpected-end",
	ReasonSyntax:        "invalid-syntax",
	ReasonNumber:        "invalid-number",
	ReasonString:        "invalid-string",
	ReasonUTF8:          "invalid-utf8",
	ReasonSurrogate:     "lone-surrogate",
	ReasonDuplicate:     "duplicate-key",
	ReasonDepth:         "too-deep",
	ReasonTooLong:       "too-long",
	ReasonInexpressible: "inexpressible",
	ReasonCalls:         "unbalanced-calls",
}

// String returns the reason in lower case with hyphens, for logs and metric labels.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return reasonNames[ReasonUnknown]
}

// Error is the place and the reason of a fault in a text. All errors of this package are of this type.
type Error struct {
	Offset int // byte offset, from 0; -1 for a fault in what a Writer was told
	Reason Reason
}

// Error returns the reason and the place in words.
func (e *Error) Error() string {
	if e.Offset < 0 {
		return "json: " + e.Reason.String()
	}
	return fmt.Sprintf("json: %s at byte %d", e.Reason, e.Offset)
}
