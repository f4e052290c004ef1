package check

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// What a Checker keeps between values, at most, of each kind of scratch.
const (
	keepKeys = 16 << 10 // of 8 bytes
	keepText = 64 << 10
)

// arrayMap is how many entries a map of Clojure holds, at most, that is searched
// rather than hashed.
const arrayMap = 8

// Checker follows one value and finds out whether Clojure's reader would take it.
// Its zero value is ready; Reset makes it ready for the next value. It must not be
// used concurrently. The methods that follow a value have the names of those of
// value.Sink, and are promised the same, but for what they check.
type Checker struct {
	frames []frame
	keys   []uint64 // hashes of the keys and elements of open maps and sets
	want   bool     // the next value is compared
	number bool     // a number was told that Clojure cannot hash
	maps   uint64   // how many maps with a key ##NaN there were

	scan   edn.Scanner
	text   []byte
	digits []byte
}

// The kinds of frame besides value.Kind.
const (
	tagged = value.Map + 1 + iota
	dropped
)

// frame is an open collection or tag.
type frame struct {
	kind value.Kind
	want bool // the whole is compared; for what is dropped: what was wanted before
	nan  bool
	n    int
	base int    // of its keys
	h    uint64 // of what was told; of a tag's name
	key  uint64 // of the key whose value is next
}

// Reset forgets the value, finished or not.
func (c *Checker) Reset() {
	c.frames, c.keys = c.frames[:0], c.keys[:0]
	c.want, c.number = false, false
	if cap(c.keys) > keepKeys {
		c.keys = nil
	}
	if cap(c.text) > keepText {
		c.text = nil
	}
	if cap(c.digits) > keepText {
		c.digits = nil
	}
}

// told gives the hash of a value, of no meaning unless it is wanted, to what the
// value is in.
func (c *Checker) told(h uint64) {
	for len(c.frames) > 0 {
		f := &c.frames[len(c.frames)-1]
		f.n++
		switch f.kind {
		case value.List, value.Vector:
			if f.want {
				f.h = mum(f.h, h)
			}
		case value.Set:
			c.keys = append(c.keys, h)
			f.h += mum(h, saltSet)
		case value.Map:
			if f.n%2 == 1 {
				c.keys = append(c.keys, h)
				f.key, c.want = h, f.want
				f.nan = f.nan || h == hashNaN
				return
			}
			if f.want {
				f.h += mum(f.key, h)
			}
			c.want = true
		case tagged:
			h = mum(f.h, h+saltTag)
			c.want = f.want
			c.frames = c.frames[:len(c.frames)-1]
			continue
		case dropped:
			c.want = f.want
			c.frames = c.frames[:len(c.frames)-1]
		}
		return
	}
}

var hashNaN = hashFloat(math.NaN())

func (c *Checker) scalar(b []byte, salt uint64) {
	h := uint64(0)
	if c.want {
		h = hashBytes(b, salt)
	}
	c.told(h)
}

// Nil follows nil.
func (c *Checker) Nil() { c.told(mum(0, saltWord)) }

// Bool follows true or false.
func (c *Checker) Bool(b bool) {
	if b {
		c.told(mum(1, saltWord))
	} else {
		c.told(mum(2, saltWord))
	}
}

// Int follows a whole number.
func (c *Checker) Int(digits []byte, _ bool) {
	h := uint64(0)
	if c.want {
		abs, neg := sign(digits)
		h = hashInteger(residue(abs), neg)
	}
	c.told(h)
}

// Float follows a double.
func (c *Checker) Float(f float64) { c.told(hashFloat(f)) }

// Decimal follows a decimal number.
func (c *Checker) Decimal(text []byte) {
	h := uint64(0)
	if c.want {
		ok := false
		if h, ok = c.decimal(text); !ok {
			c.number = true
		}
	}
	c.told(h)
}

// Ratio follows a quotient.
func (c *Checker) Ratio(numerator, denominator []byte) {
	h := uint64(0)
	if c.want {
		abs, neg := sign(numerator)
		h = hashInteger(mulMod(residue(abs), inverse(residue(denominator))), neg)
	}
	c.told(h)
}

// Char follows a character.
func (c *Checker) Char(r rune) { c.told(mum(uint64(r), saltChar)) }

// String follows a string.
func (c *Checker) String(s []byte) { c.scalar(s, saltString) }

// Keyword follows a keyword.
func (c *Checker) Keyword(name []byte) { c.scalar(name, saltKeyword) }

// Symbol follows a symbol.
func (c *Checker) Symbol(name []byte) { c.scalar(name, saltSymbol) }

// Inst follows a point in time, of which Clojure compares milliseconds.
func (c *Checker) Inst(t time.Time) { c.told(mum(uint64(t.UnixMilli()), saltInst)) }

// UUID follows a UUID.
func (c *Checker) UUID(u [16]byte) {
	c.told(mum(mum(binary.BigEndian.Uint64(u[:8]), binary.BigEndian.Uint64(u[8:])), saltUUID))
}

// Tag follows the tag of the next value.
func (c *Checker) Tag(name []byte) {
	h := uint64(0)
	if c.want {
		h = hashBytes(name, saltTag)
	}
	c.frames = append(c.frames, frame{kind: tagged, want: c.want, h: h})
}

// Drop says that the next value is checked and then forgotten, as metadata is.
func (c *Checker) Drop() {
	c.frames = append(c.frames, frame{kind: dropped, want: c.want})
	c.want = false
}

// Begin follows the beginning of a collection.
func (c *Checker) Begin(k value.Kind) {
	c.frames = append(c.frames, frame{kind: k, want: c.want, base: len(c.keys)})
	c.want = c.want || k == value.Set || k == value.Map
}

// End follows the end of the innermost collection, and tells whether it is one
// that Clojure's reader takes: no key or element twice. A map with a key that has
// no value is for the reader to find.
func (c *Checker) End() bool {
	f := c.frames[len(c.frames)-1]
	c.frames = c.frames[:len(c.frames)-1]
	ok := true
	h, salt, n := f.h, uint64(saltSequence), f.n
	switch f.kind {
	default:
	case value.Set:
		salt, ok = saltSet, c.distinct(f.base)
	case value.Map:
		salt, n = saltMap, n/2
		if f.nan && n <= arrayMap { // Clojure does not find NaN in it, so it equals no other map
			c.maps++
			h += mum(c.maps, saltMap)
		}
		ok = c.distinct(f.base)
	}
	c.want = f.want
	c.told(mum(h+salt, uint64(n)))
	return ok && !c.number
}

// fewKeys is how many keys are compared with each other rather than sorted.
const fewKeys = 12

// distinct takes the keys from base off the stack and tells whether no two are
// equal.
func (c *Checker) distinct(base int) bool {
	keys := c.keys[base:]
	c.keys = c.keys[:base]
	if len(keys) > fewKeys {
		slices.Sort(keys)
		for i := 1; i < len(keys); i++ {
			if keys[i] == keys[i-1] {
				return false
			}
		}
		return true
	}
	for i := range keys {
		for j := range i {
			if keys[i] == keys[j] {
				return false
			}
		}
	}
	return true
}

// Compared tells whether the next value is a key or an element, or in one.
func (c *Checker) Compared() bool { return c.want }

// Failed tells that a decimal was told that Clojure cannot compare, as its exponent
// leaves the range of one.
func (c *Checker) Failed() bool { return c.number }
