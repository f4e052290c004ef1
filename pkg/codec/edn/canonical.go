package edn

import (
	"bytes"
	"math"
	"math/big"
	"slices"
	"strconv"
)

// maxCanonical bounds the canonical text: a short text can have a very long one, as #:ns{} repeats its namespace.
const maxCanonical = 16 << 20

// maxConvert is how many digits of a number are converted, where they must be: in a ratio, and in a radix other than ten.
const maxConvert = 4096

// AppendCanonical appends the canonical text of the one value in p: values that are equal in Clojure have the same text,
// and others do not. It refuses, with an *Error, what Check refuses, ##NaN (equal to nothing), strings with a lone
// surrogate, ratios and numbers in a radix other than ten of more than 4,096 digits, what is longer than 16 MiB, and the few
// values whose text could not be read back. dst is returned unchanged on an error.
func AppendCanonical(dst, p []byte) ([]byte, error) { return AppendCanonicalMax(dst, p, maxCanonical) }

// AppendCanonicalMax is AppendCanonical for callers that can use no more than limit bytes of canonical text. It gives up
// with ReasonTooLong as soon as there are more.
func AppendCanonicalMax(dst, p []byte, limit int) ([]byte, error) {
	s := scanners.Get().(*Scanner)
	f, _, err := s.Split(p, nil)
	scanners.Put(s)
	if err != nil {
		return dst, err
	}
	c := canon{p: p, dst: dst, limit: len(dst) + min(limit, maxCanonical)}
	if c.value(f.Start); c.reason != 0 {
		return dst, newError(p, c.at, c.reason)
	}
	return c.dst, nil
}

// canon writes canonical text. Its input has passed Check.
type canon struct {
	p       []byte
	dst     []byte
	scratch []byte
	limit   int  // for len(dst)
	lenient bool // write ##NaN and lone surrogates: Clojure's reader finds two of them equal
	reason  Reason
	at      int
}

// span is the canonical text of an element or of a key, with its value behind it.
type span struct {
	start, keyEnd, end int
}

func (c *canon) fail(at int, r Reason) {
	if c.reason == 0 {
		c.reason, c.at = r, at
	}
}

// value appends the value at i and returns the offset behind it. It goes over the text once, so that its time is
// proportional to it.
func (c *canon) value(i int) int {
	start := i
	i = body(c.p, i)
	end := 0
	switch b := c.p[i]; {
	case b == '[' || b == '(':
		end = c.sequence(i + 1)
	case b == '{':
		end = c.mapping(i+1, nil)
	case b == '#':
		end = c.dispatch(i)
	case b == '"':
		end = skipString(c.p, i)
		c.string(i, c.p[i:end])
	default:
		var kind Kind
		end, kind = skip(c.p, i)
		c.scalar(i, c.p[i:end], kind)
	}
	if len(c.dst) > c.limit {
		c.fail(start, ReasonTooLong)
	}
	return end
}

func (c *canon) scalar(i int, text []byte, kind Kind) {
	switch kind {
	case Char:
		r, _ := charValue(text[1:])
		c.dst = appendChar(c.dst, r)
	case Float:
		c.float(i, parseFloat(text))
	case Int, BigInt, BigDec, Ratio:
		c.number(i, text)
	default:
		c.dst = append(c.dst, text...)
	}
}

func (c *canon) dispatch(i int) int {
	switch c.p[i+1] {
	case '{':
		return c.set(i + 2)
	case ':':
		return c.mapping(mapStart(c.p, i))
	case '#':
		at := body(c.p, skipBlank(c.p, i+2))
		end, _, _ := tokenEnd(c.p, at, classEndSym)
		v, _ := symbolicValue(c.p[at:end])
		c.float(i, v)
		return end
	default:
		return c.tagged(i)
	}
}

// key appends the key at i of a map with the namespace ns, or nil, and returns the offset behind it.
func (c *canon) key(i int, ns []byte) int {
	at := body(c.p, i)
	if ns == nil || class[c.p[at]]&classEndNum != 0 {
		return c.value(at)
	}
	end, kind := skip(c.p, at)
	text := c.p[at:end]
	if kind != Keyword && kind != Symbol {
		c.scalar(at, text, kind)
		return end
	}
	start := len(c.dst)
	c.dst = appendQualified(c.dst, ns, text, kind)
	if !c.lenient && !readsBack(c.dst[start:], ns, text, kind) {
		c.fail(i, ReasonNoCanonical)
	}
	if len(c.dst) > c.limit {
		c.fail(i, ReasonTooLong)
	}
	return end
}

// readsBack tells whether Clojure reads whole as the key that it makes of text in a map with the namespace ns. It makes keys
// that no text stands for: #:a{:1 2} has one that prints as :a/1, and #:a{_/:b 2} a symbol that prints as :b.
func readsBack(whole, ns, text []byte, kind Kind) bool {
	bare := bytes.TrimPrefix(text, []byte("_/"))
	if kind == Keyword {
		bare = bytes.TrimPrefix(text, []byte(":_/"))
	}
	return validToken(whole) && (kind != Symbol || whole[0] != ':') && plainStart(whole) && !numberLike(whole) && reserved(whole) == Symbol &&
		(len(ns) != 1 || ns[0] != '/' || Namespaced(text)) && (len(bare) == len(text) || !Namespaced(bare))
}

// numberLike tells whether Clojure would take a token for a number.
func numberLike(t []byte) bool {
	return isDigit(t[0]) || len(t) > 1 && (t[0] == '+' || t[0] == '-') && isDigit(t[1])
}

// more returns the offset of the next form inside a collection, or false and the offset behind its closing delimiter.
func (c *canon) more(i int) (int, bool) {
	i = skipBlank(c.p, i)
	if i >= len(c.p) || closes(c.p[i]) {
		return i + 1, false
	}
	return i, c.reason == 0
}

// sequence writes a list or a vector, which are equal when their elements are, as a vector.
func (c *canon) sequence(i int) int {
	c.dst = append(c.dst, '[')
	i, ok := c.more(i)
	for ok {
		if i, ok = c.more(c.value(i)); ok {
			c.dst = append(c.dst, ' ')
		}
	}
	c.dst = append(c.dst, ']')
	return i
}

func (c *canon) set(i int) int {
	c.dst = append(c.dst, "#{"...)
	var spans []span
	start := len(c.dst)
	i, ok := c.more(i)
	for ok {
		at := len(c.dst)
		i = c.value(i)
		spans = append(spans, span{at, len(c.dst), len(c.dst)})
		i, ok = c.more(i)
	}
	c.sorted(start, spans)
	c.dst = append(c.dst, '}')
	return i
}

func (c *canon) mapping(i int, ns []byte) int {
	c.dst = append(c.dst, '{')
	var spans []span
	start := len(c.dst)
	i, ok := c.more(i)
	for ok {
		at := len(c.dst)
		i = skipBlank(c.p, c.key(i, ns))
		keyEnd := len(c.dst)
		c.dst = append(c.dst, ' ')
		i = c.value(i)
		spans = append(spans, span{at, keyEnd, len(c.dst)})
		i, ok = c.more(i)
	}
	c.sorted(start, spans)
	c.dst = append(c.dst, '}')
	return i
}

// sorted puts the spans of dst from start into the order of their keys, with one space between them.
func (c *canon) sorted(start int, spans []span) {
	if len(spans) == 0 || c.reason != 0 {
		return
	}
	old := append(c.scratch[:0], c.dst[start:]...)
	slices.SortFunc(spans, func(a, b span) int {
		return bytes.Compare(old[a.start-start:a.keyEnd-start], old[b.start-start:b.keyEnd-start])
	})
	c.dst = c.dst[:start]
	for i, s := range spans {
		if i > 0 {
			c.dst = append(c.dst, ' ')
		}
		c.dst = append(c.dst, old[s.start-start:s.end-start]...)
	}
	c.scratch = old
}

func (c *canon) string(i int, text []byte) {
	text = text[1 : len(text)-1]
	if bytes.IndexByte(text, '\\') < 0 {
		c.dst = appendString(c.dst, text)
		return
	}
	var lone bool
	c.scratch, lone = appendUnquoted(c.scratch[:0], text)
	if lone && !c.lenient {
		c.fail(i, ReasonNoCanonical)
		return
	}
	c.dst = appendString(c.dst, c.scratch)
}

func (c *canon) tagged(i int) int {
	end, _, _ := tokenEnd(c.p, i, classEndSym)
	tag := c.p[i+1 : end]
	at := skipBlank(c.p, end)
	inst := bytes.Equal(tag, tagInst)
	if !inst && !bytes.Equal(tag, tagUUID) {
		c.dst = append(append(append(c.dst, '#'), tag...), ' ')
		return c.value(at)
	}
	strEnd := skipString(c.p, at)
	c.scratch, _ = appendUnquoted(c.scratch[:0], c.p[at+1:strEnd-1])
	if inst {
		ms, _ := parseInst(c.scratch)
		ok := false
		if c.dst, ok = appendInst(c.dst, ms, 0); !ok {
			if !c.lenient {
				c.fail(i, ReasonNoCanonical)
			}
			c.dst = strconv.AppendInt(c.dst, ms, 10)
		}
		return strEnd
	}
	hi, lo, _ := parseUUID(c.scratch)
	c.dst = appendUUID(c.dst, hi, lo)
	return strEnd
}

func (c *canon) number(i int, text []byte) {
	n, _ := parseNumber(text)
	switch {
	case n.kind == BigDec:
		if !c.decimal(&n) {
			c.fail(i, ReasonNoCanonical)
		}
	case n.kind == Ratio || n.radix != 10:
		if len(n.digits) > maxConvert || len(n.den) > maxConvert {
			c.fail(i, ReasonTooLong)
			return
		}
		v, ok := new(big.Int).SetString(string(n.digits), int(n.radix))
		if !ok {
			c.fail(i, ReasonNumber)
			return
		}
		if n.neg {
			v.Neg(v)
		}
		if n.kind == Ratio {
			den, _ := new(big.Int).SetString(string(n.den), 10)
			r := new(big.Rat).SetFrac(v, den)
			if !r.IsInt() {
				c.dst = append(c.dst, r.String()...)
				return
			}
			v = r.Num()
		}
		c.dst = v.Append(c.dst, 10)
	default:
		digits := bytes.TrimLeft(n.digits, "0")
		if len(digits) == 0 {
			c.dst = append(c.dst, '0')
			return
		}
		if n.neg {
			c.dst = append(c.dst, '-')
		}
		c.dst = append(c.dst, digits...)
	}
}

// decimal appends a decimal as Java's BigDecimal.toString writes it without trailing zeros (100M is 1E+2M), or returns
// false if its exponent leaves the range that can be read.
func (c *canon) decimal(n *numeral) bool {
	digits, scale := n.coefficient(&c.scratch)
	if len(digits) == 0 {
		c.dst = append(c.dst, "0M"...)
		return true
	}
	if n.neg {
		c.dst = append(c.dst, '-')
	}
	count := int64(len(digits))
	exp := count - 1 - scale
	switch {
	case scale == 0:
		c.dst = append(c.dst, digits...)
	case scale > 0 && exp >= 0:
		c.dst = append(append(append(c.dst, digits[:count-scale]...), '.'), digits[count-scale:]...)
	case scale > 0 && exp >= -6:
		c.dst = append(c.dst, "0.00000"[:2+scale-count]...)
		c.dst = append(c.dst, digits...)
	default:
		c.dst = append(c.dst, digits[0])
		if count > 1 {
			c.dst = append(append(c.dst, '.'), digits[1:]...)
		}
		if exp != 0 {
			c.dst = append(c.dst, 'E')
			if exp > 0 {
				c.dst = append(c.dst, '+')
			}
			c.dst = strconv.AppendInt(c.dst, exp, 10)
		}
	}
	c.dst = append(c.dst, 'M')
	return c.lenient || int64(int32(exp)) == exp && int64(int32(count-1-exp)) == count-1-exp
}

// float appends a double as Java's Double.toString writes it (since JDK 19: the shortest text that reads back the same).
func (c *canon) float(i int, v float64) {
	if math.IsNaN(v) && !c.lenient {
		c.fail(i, ReasonNoCanonical)
		return
	}
	c.dst = appendFloat(c.dst, v)
}

func appendFloat(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "##NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "##Inf"...)
	case math.IsInf(v, -1):
		return append(dst, "##-Inf"...)
	case v == 0:
		return append(dst, "0.0"...)
	}
	if a := math.Abs(v); a >= 1e-3 && a < 1e7 {
		start := len(dst)
		dst = strconv.AppendFloat(dst, v, 'f', -1, 64)
		if bytes.IndexByte(dst[start:], '.') < 0 {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	var b [32]byte
	t := strconv.AppendFloat(b[:0], v, 'e', -1, 64)
	if bytes.IndexByte(t, '.') < 0 {
		// Java writes two digits at least, and takes the closest two: 4.9E-324 rather than 5.0E-324.
		var d [32]byte
		two := strconv.AppendFloat(d[:0], v, 'e', 1, 64)
		if w, _ := strconv.ParseFloat(string(two), 64); w == v {
			t = two
		} else {
			e := bytes.IndexByte(t, 'e')
			t = slices.Insert(t, e, '.', '0')
		}
	}
	e := bytes.IndexByte(t, 'e')
	dst = append(append(dst, t[:e]...), 'E')
	exp := t[e+1:]
	if exp[0] == '-' {
		dst = append(dst, '-')
	}
	return append(dst, bytes.TrimLeft(exp[1:], "0")...)
}
