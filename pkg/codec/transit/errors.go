package transit

import "fmt"

// Reason tells why a text was refused. The set is small and fixed, so it can label
// a metric.
type Reason uint8

// The reasons.
const (
	ReasonUnknown   Reason = iota
	ReasonJSON             // no legal JSON
	ReasonEOF              // the text ends inside a value
	ReasonExtra            // something after the value
	ReasonUTF8             // a string that is not UTF-8, or has a lone surrogate
	ReasonCode             // a cache code for which there is no string
	ReasonTag              // a tag out of place, or one that EDN cannot write
	ReasonShape            // what follows a tag is not what it must be
	ReasonName             // a keyword or symbol that EDN cannot write
	ReasonScalar           // a number, character, boolean or URI that its tag does not allow
	ReasonInst             // no time, or one before year 0 or after year 9999
	ReasonUUID             // no UUID
	ReasonOddMap           // a map with a key that has no value
	ReasonDuplicate        // a key or an element twice
	ReasonDepth            // nested deeper than value.MaxDepth
	ReasonTooLong          // beyond the size this package works on
	ReasonCalls            // a Writer was told what is no value: an End without Begin, or nothing
)

var reasonNames = [...]string{
	ReasonUnknown:   "unknown",
	ReasonJSON:      "invalid-json",
	ReasonEOF:       "unexpected-end",
	ReasonExtra:     "extra-form",
	ReasonUTF8:      "invalid-utf8",
	ReasonCode:      "invalid-cache-code",
	ReasonTag:       "invalid-tag",
	ReasonShape:     "invalid-content",
	ReasonName:      "invalid-name",
	ReasonScalar:    "invalid-scalar",
	ReasonInst:      "invalid-inst",
	ReasonUUID:      "invalid-uuid",
	ReasonOddMap:    "odd-map",
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
		return "transit: " + e.Reason.String()
	}
	return fmt.Sprintf("transit: %s at byte %d", e.Reason, e.Offset)
}
