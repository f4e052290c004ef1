package transit

// Kind is the kind of a value, as far as callers and this package tell them apart.
type Kind uint8

// The kinds. Scalar is what has none of its own: numbers, characters, times,
// UUIDs, URIs, bytes.
const (
	Invalid Kind = iota
	Nil
	Bool
	String
	Keyword
	Symbol
	Scalar
	List
	Vector
	Set
	Map
	Tagged
)

// Form is the span of one value in a message: p[Start:End] is its text, which may
// hold cache codes that mean something in this message only.
type Form struct {
	Start, End int
	Kind       Kind
}
