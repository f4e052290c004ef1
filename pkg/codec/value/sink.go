package value

import "time"

// Kind is a kind of collection.
type Kind uint8

// Kinds of collection.
const (
	List Kind = iota
	Vector
	Set
	Map
)

// Sink is told one value, as a sequence of calls. Slices are valid until the
// call returns. A Sink belongs to one goroutine.
//
// The caller promises what Clojure's reader would demand: every Begin has its
// End, a map has an even number of values within it (keys and values in turn), no
// key or element occurs twice, Tag is followed by exactly one value, text is
// UTF-8, nesting is bounded by MaxDepth, and names are names that EDN can write.
type Sink interface {
	Nil()
	Bool(b bool)

	// Int is a whole number of any length: an optional minus and decimal digits
	// without leading zeros. big says that it is one even where it would fit 64 bits
	// (Clojure's 1N).
	Int(digits []byte, big bool)
	// Float is a double; NaN and the infinities are among them.
	Float(f float64)
	// Decimal is a decimal number of any precision, Clojure's 1.50M without its M, in the grammar of JSON's numbers.
	Decimal(text []byte)
	// Ratio is a quotient, as it was written (4/2 is one); both are as Int takes them, and only the numerator has a sign.
	Ratio(numerator, denominator []byte)

	// Char is one UTF-16 code unit, as Java's char, and no surrogate: EDN cannot say those.
	Char(c rune)
	String(s []byte)
	// Keyword and Symbol are ns/name or name; a keyword has no colon here.
	Keyword(name []byte)
	Symbol(name []byte)

	// Inst is a point in time in UTC, of the years 0 to 9999; readers that know only
	// milliseconds drop the rest.
	Inst(t time.Time)
	UUID(u [16]byte)

	// Tag says that the next value is the content of a tagged value; the name has
	// a namespace.
	Tag(name []byte)

	// Begin opens a collection of n values, keys and values of a map counted each;
	// n is -1 where the reader does not know it yet.
	Begin(k Kind, n int)
	End()
}

// MaxDepth is how deep values may nest: collections and tags alike.
const MaxDepth = 512
