package edn

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"
)

// numeral is the text of a number taken apart. All slices are digits without sign.
type numeral struct {
	kind   Kind
	neg    bool
	radix  uint64
	digits []byte // of an integer, of a ratio's numerator, and of a decimal without its point
	den    []byte // the denominator of a ratio
	frac   []byte // what follows the point
	exp    []byte // with its sign
}

// number reads what begins with a digit, or with a sign and a digit.
func (s *Scanner) number(start int, want bool) (end int, kind Kind, h uint64) {
	p := s.p
	i := start
	neg := p[i] == '-'
	if neg || p[i] == '+' {
		i++
	}
	first := i
	v := uint64(0)
	for i < len(p) && isDigit(p[i]) {
		v = v*10 + uint64(p[i]-'0')
		i++
	}
	if n := i - first; n <= 18 && (n == 1 || p[first] != '0') && (i == len(p) || class[p[i]]&classEndNum != 0) {
		if want {
			h = hashInteger(v, neg) // 18 digits are less than prime
		}
		return i, Int, h
	}
	end, _, bad := tokenEnd(p, i, classEndNum)
	if end < 0 {
		return s.fail(bad, ReasonUTF8), Invalid, 0
	}
	n, ok := parseNumber(p[start:end])
	if ok && want {
		h, ok = s.hashNumber(&n, p[start:end])
	}
	if !ok {
		return s.fail(start, ReasonNumber), Invalid, 0
	}
	return end, n.kind, h
}

func digitsEnd(t []byte, i int) int {
	for i < len(t) && isDigit(t[i]) {
		i++
	}
	return i
}

func allDigits(t []byte, radix uint64) bool {
	for _, c := range t {
		if uint64(digit(c)) >= radix {
			return false
		}
	}
	return len(t) > 0
}

// parseNumber is Clojure's matchNumber: its patterns for integers, decimals and ratios, in this order.
func parseNumber(t []byte) (n numeral, ok bool) {
	n.radix = 10
	if t[0] == '+' || t[0] == '-' {
		n.neg = t[0] == '-'
		t = t[1:]
	}
	if len(t) > 1 && t[0] == '0' && t[1]|0x20 == 'x' {
		n.kind = integer(&t)
		n.digits, n.radix = t[2:], 16
		return n, allDigits(n.digits, 16)
	}
	k := digitsEnd(t, 0)
	switch rest := t[k:]; {
	case len(rest) == 0 || len(rest) == 1 && rest[0] == 'N':
		n.kind = integer(&t)
		if n.digits = t; len(t) > 1 && t[0] == '0' {
			n.digits, n.radix = t[1:], 8
		}
		return n, allDigits(n.digits, n.radix)
	case rest[0]|0x20 == 'r' && k <= 2 && t[0] != '0':
		// N is a digit here, or an error, and never the suffix.
		radix, _ := strconv.Atoi(string(t[:k]))
		n.kind, n.radix, n.digits = Int, uint64(radix), rest[1:]
		return n, radix >= 2 && radix <= 36 && allDigits(n.digits, n.radix)
	case rest[0] == '/':
		n.kind, n.digits, n.den = Ratio, t[:k], rest[1:]
		return n, allDigits(n.den, 10) && len(bytes.TrimLeft(n.den, "0")) > 0
	default:
		n.digits = t[:k]
		return n, n.decimal(rest)
	}
}

// integer takes the suffix N off.
func integer(t *[]byte) Kind {
	if v := *t; v[len(v)-1] == 'N' {
		*t = v[:len(v)-1]
		return BigInt
	}
	return Int
}

// decimal reads what follows the whole digits of a double or a decimal.
func (n *numeral) decimal(t []byte) bool {
	n.kind = Float
	if t[len(t)-1] == 'M' {
		n.kind = BigDec
		t = t[:len(t)-1]
	}
	if len(t) > 0 && t[0] == '.' {
		k := digitsEnd(t, 1)
		n.frac, t = t[1:k], t[k:]
	}
	if len(t) > 0 && t[0]|0x20 == 'e' {
		n.exp, t = t[1:], nil
		e := n.exp
		if len(e) > 0 && (e[0] == '+' || e[0] == '-') {
			e = e[1:]
		}
		if !allDigits(e, 10) {
			return false
		}
	}
	if len(t) > 0 {
		return false
	}
	_, ok := n.scale()
	return n.kind == Float || ok
}

// scale returns how many digits a decimal has behind its point, within the bounds of Java's BigDecimal.
func (n *numeral) scale() (int64, bool) {
	exp := int64(0)
	if len(n.exp) > 0 {
		e := bytes.TrimLeft(bytes.TrimLeft(n.exp, "+-"), "0")
		if len(e) > 10 {
			return 0, false
		}
		for _, c := range e {
			exp = exp*10 + int64(c-'0')
		}
		if n.exp[0] == '-' {
			exp = -exp
		}
	}
	scale := int64(len(n.frac)) - exp
	return scale, int64(int32(exp)) == exp && int64(int32(scale)) == scale
}

// coefficient returns the digits of a decimal without zeros at its ends, and its scale then; none for zero.
func (n *numeral) coefficient(scratch *[]byte) (digits []byte, scale int64) {
	scale, _ = n.scale()
	digits = n.digits
	if len(n.frac) > 0 {
		*scratch = append(append((*scratch)[:0], n.digits...), n.frac...)
		digits = *scratch
	}
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) == 0 {
		return nil, 0
	}
	full := len(digits)
	digits = bytes.TrimRight(digits, "0")
	return digits, scale - int64(full-len(digits))
}

// hashable tells whether Clojure can hash a decimal: its exponent stays in range when its trailing zeros are taken off.
func hashable(n *numeral, scratch *[]byte) bool {
	_, scale := n.coefficient(scratch)
	return scale >= math.MinInt32
}

// hashNumber returns the hash of a number, and false for a decimal so large that Clojure fails to hash it.
func (s *Scanner) hashNumber(n *numeral, t []byte) (uint64, bool) {
	switch n.kind {
	case Float:
		return hashFloat(parseFloat(t)), true
	case BigDec:
		digits, scale := n.coefficient(&s.text)
		if scale < math.MinInt32 {
			return 0, false
		}
		return mum(hashInteger(residue(digits, 10), n.neg), uint64(scale)+saltDecimal), true
	case Ratio:
		return hashInteger(mulMod(residue(n.digits, 10), inverse(residue(n.den, 10))), n.neg), true
	default:
		return hashInteger(residue(n.digits, n.radix), n.neg), true
	}
}

// parseFloat returns the double that a legal text stands for; what is too large is an infinity, as in Java.
func parseFloat(t []byte) float64 {
	// ParseFloat does not keep its argument, but for an error that is dropped here.
	v, _ := strconv.ParseFloat(unsafe.String(&t[0], len(t)), 64)
	return v
}

func symbolicValue(t []byte) (float64, bool) {
	switch string(t) {
	case "Inf":
		return math.Inf(1), true
	case "-Inf":
		return math.Inf(-1), true
	case "NaN":
		return math.NaN(), true
	}
	return 0, false
}
