package check

import (
	"bytes"
	"crypto/rand"
	"hash/maphash"
	"math"
	"math/bits"
)

var (
	seed  = maphash.MakeSeed()
	k0    = maphash.String(seed, "first")
	k1    = maphash.String(seed, "second")
	prime = randomPrime()
)

const (
	saltSequence = 0x9E3779B97F4A7C15 * (iota + 1) & (1<<63 - 1)
	saltKeyword
	saltSymbol
	saltSet
	saltMap
	saltTag
	saltInst
	saltUUID
	saltString
	saltChar
	saltNumber
	saltDecimal
	saltFloat
	saltWord
)

// mum mixes two words; their order counts.
func mum(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^k0, b^k1)
	return hi ^ lo
}

func hashBytes(b []byte, salt uint64) uint64 { return mum(maphash.Bytes(seed, b), salt) }

// Numbers are hashed as their residue modulo a prime that nobody knows: that takes
// time in proportion to their digits, and gives 4/2 the hash of 2 without a
// greatest common divisor.
func randomPrime() uint64 {
	n, err := rand.Prime(rand.Reader, 62)
	if err != nil {
		panic("check: no random prime: " + err.Error()) // the system's random source never fails
	}
	return n.Uint64()
}

func mulMod(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return bits.Rem64(hi, lo, prime)
}

// residue returns the number with these decimal digits modulo prime.
func residue(digits []byte) uint64 {
	v := uint64(0)
	for len(digits) > 0 {
		chunk, scale := uint64(0), uint64(1)
		n := min(len(digits), 18)
		for _, c := range digits[:n] {
			chunk = chunk*10 + uint64(c-'0')
			scale *= 10
		}
		digits = digits[n:]
		v = (mulMod(v, scale) + chunk%prime) % prime
	}
	return v
}

// inverse returns 1/v modulo prime.
func inverse(v uint64) uint64 {
	r := uint64(1)
	for e := prime - 2; e > 0; e >>= 1 {
		if e&1 != 0 {
			r = mulMod(r, v)
		}
		v = mulMod(v, v)
	}
	return r
}

func hashInteger(v uint64, neg bool) uint64 {
	if neg && v != 0 {
		v = prime - v
	}
	return mum(v, saltNumber)
}

// sign takes the minus off.
func sign(digits []byte) (abs []byte, neg bool) {
	if len(digits) > 0 && digits[0] == '-' {
		return digits[1:], true
	}
	return digits, false
}

// hashFloat gives zeros one hash, as Clojure does, and NaN too: its reader makes
// one object of it, which is a duplicate of itself.
func hashFloat(f float64) uint64 {
	switch {
	case f == 0:
		f = 0
	case math.IsNaN(f):
		f = math.NaN() // of its many bit patterns one
	}
	return mum(math.Float64bits(f), saltFloat)
}

// decimal is the hash of a decimal: 1.0M equals 1.00M and differs from 1. It
// returns false where Clojure fails to hash, as trailing zeros carry the exponent
// out of range.
func (c *Checker) decimal(text []byte) (uint64, bool) {
	text, neg := sign(text)
	exp := int64(0)
	if e := bytes.IndexAny(text, "eE"); e >= 0 {
		digits := text[e+1:]
		text = text[:e]
		if len(digits) > 0 && digits[0] == '+' {
			digits = digits[1:]
		}
		digits, negExp := sign(digits)
		for _, d := range digits {
			exp = min(exp*10+int64(d-'0'), math.MaxInt32+1)
		}
		if negExp {
			exp = -exp
		}
	}
	whole, frac, _ := bytes.Cut(text, []byte{'.'})
	c.digits = append(append(c.digits[:0], whole...), frac...)
	digits := bytes.TrimLeft(c.digits, "0")
	if len(digits) == 0 {
		return mum(0, saltDecimal), true
	}
	full := len(digits)
	digits = bytes.TrimRight(digits, "0")
	scale := int64(len(frac)) - exp - int64(full-len(digits))
	return mum(hashInteger(residue(digits), neg), uint64(scale)+saltDecimal), scale >= math.MinInt32
}
