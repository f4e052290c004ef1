package edn

// MaxDepth is how deep a value may nest: collections, tags, metadata and discards count alike.
const MaxDepth = 512

// Kind is the kind of a value as it is written: 4/2 is a Ratio and 99999999999999999999 an Int.
type Kind uint8

// The kinds. Float includes ##Inf, ##-Inf and ##NaN; Map includes #:ns{}; Tagged includes #inst and #uuid.
const (
	Invalid Kind = iota
	Nil
	Bool
	Int
	BigInt
	Float
	BigDec
	Ratio
	String
	Char
	Symbol
	Keyword
	List
	Vector
	Map
	Set
	Tagged
)

// Form is the span of one value in a text: p[Start:End] is all of it, with its metadata, and p[Body:End] the value
// without metadata.
type Form struct {
	Start, Body, End int
	Kind             Kind
}

// Text returns the value without its metadata, as a part of p, which must be the text that the form was found in.
func (f Form) Text(p []byte) []byte { return p[f.Body:f.End] }
