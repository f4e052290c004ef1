package edn

import (
	"errors"
	"fmt"
)

// Reason tells why a text was refused. The set is small and fixed, so it can label a metric.
type Reason uint8

// The reasons.
const (
	ReasonUnknown       Reason = iota
	ReasonEmpty                // no value, only whitespace, comments and discarded forms
	ReasonExtra                // something after the value
	ReasonEOF                  // the text ends inside a value
	ReasonDelimiter            // a closing delimiter that does not match
	ReasonToken                // no legal symbol or keyword
	ReasonNumber               // no legal number, or a ratio with denominator zero
	ReasonString               // an illegal escape in a string
	ReasonChar                 // an illegal character literal
	ReasonDispatch             // an illegal # construct
	ReasonTag                  // a tag without namespace that is neither #inst nor #uuid
	ReasonInst                 // a bad #inst
	ReasonUUID                 // a bad #uuid
	ReasonMeta                 // metadata of an illegal type, or on a value that takes none
	ReasonOddMap               // a map with an odd number of forms
	ReasonDuplicate            // a key or an element twice
	ReasonDepth                // nested deeper than MaxDepth
	ReasonUTF8                 // not UTF-8
	ReasonTooLong              // beyond the size this package works on
	ReasonNoCanonical          // no canonical text: NaN, a lone surrogate, or a value whose text cannot be read back
	ReasonInexpressible        // no reader would read the value's text as the same: what Walk and a Writer do not pass on
	ReasonCalls                // a Writer was told what is no value: an End without Begin, or nothing
)

var reasonNames = [...]string{
	ReasonUnknown:       "unknown",
	ReasonEmpty:         "empty",
	ReasonExtra:         "extra-form",
	ReasonEOF:           "unexpected-end",
	ReasonDelimiter:     "unmatched-delimiter",
	ReasonToken:         "invalid-token",
	ReasonNumber:        "invalid-number",
	ReasonString:        "invalid-string",
	ReasonChar:          "invalid-character",
	ReasonDispatch:      "invalid-dispatch",
	ReasonTag:           "unknown-tag",
	ReasonInst:          "invalid-inst",
	ReasonUUID:          "invalid-uuid",
	ReasonMeta:          "invalid-metadata",
	ReasonOddMap:        "odd-map",
	ReasonDuplicate:     "duplicate-key",
	ReasonDepth:         "too-deep",
	ReasonUTF8:          "invalid-utf8",
	ReasonTooLong:       "too-long",
	ReasonNoCanonical:   "no-canonical-text",
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

// Error is the place and the reason of a fault in a text. All errors of this package that speak about a text are of this
// type, except ErrNoForm and those of Decode and Marshal. Errors of a Writer have no place.
type Error struct {
	Offset int // byte offset, from 0
	Line   int // from 1; 0 if there is no place
	Column int // in bytes, from 1
	Reason Reason
}

// Error returns the reason and the place in words.
func (e *Error) Error() string {
	if e.Line == 0 {
		return "edn: " + e.Reason.String()
	}
	return fmt.Sprintf("edn: %s at line %d, column %d (byte %d)", e.Reason, e.Line, e.Column, e.Offset)
}

// ErrNoForm is returned by Scanner.Form when only whitespace, comments and discarded forms are left, or a closing delimiter
// is next.
var ErrNoForm = errors.New("edn: no form")

func newError(p []byte, off int, r Reason) *Error {
	off = min(max(off, 0), len(p))
	e := &Error{Offset: off, Line: 1, Column: 1, Reason: r}
	for _, c := range p[:off] {
		if c == '\n' {
			e.Line++
			e.Column = 1
			continue
		}
		e.Column++
	}
	return e
}
