package transit

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// The notation below Transit: RFC 8259, in UTF-8, without byte order mark.

func (r *Reader) space() {
	p := r.p
	i := r.i
	for i < len(p) && (p[i] == ' ' || p[i] == '\n' || p[i] == '\t' || p[i] == '\r') {
		i++
	}
	r.i = i
}

// peek skips blanks and returns the next byte, or 0 after a fault.
func (r *Reader) peek() byte {
	r.space()
	if r.i >= len(r.p) {
		r.fail(r.i, ReasonEOF)
		return 0
	}
	return r.p[r.i]
}

// expect reads one byte of punctuation.
func (r *Reader) expect(c byte) bool {
	switch r.peek() {
	case c:
		r.i++
		return true
	case 0:
		return r.fail(r.i, ReasonJSON)
	}
	return r.fail(r.i, ReasonJSON)
}

// more reads what follows an element: a comma, or the closing byte.
func (r *Reader) more(closing byte) bool {
	switch r.peek() {
	case ',':
		r.i++
		return true
	case closing:
		r.i++
		return false
	}
	return r.fail(r.i, ReasonJSON)
}

func (r *Reader) word(w string) bool {
	if rest := r.p[r.i:]; len(rest) < len(w) || string(rest[:len(w)]) != w {
		return r.fail(r.i, ReasonJSON)
	}
	r.i += len(w)
	return true
}

// text is a decoded string: a part of the message, or of scratch if it had escapes.
type text struct {
	b          []byte
	start, end int // in the message, without the quotes
	escaped    bool
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// zeroByte is not zero if a byte of w is zero.
func zeroByte(w uint64) uint64 { return (w - lowBits) &^ w & highBits }

// str reads a string. Half of a surrogate pair, which no UTF-8 can hold, is read as
// U+FFFD, and lone is set. What it returns is valid until the next
// string with escapes.
func (r *Reader) str() (text, bool) {
	p := r.p
	r.lone = false
	start := r.i + 1
	i := start
	var seen uint64
	for i+8 <= len(p) {
		w := binary.LittleEndian.Uint64(p[i:])
		// A quote, a backslash, or a control character.
		if zeroByte(w^'"'*lowBits)|zeroByte(w^'\\'*lowBits)|zeroByte(w&(0xE0*lowBits)) != 0 {
			break
		}
		seen |= w
		i += 8
	}
	high := seen&highBits != 0
	for i < len(p) && p[i] != '"' && p[i] != '\\' && p[i] >= ' ' {
		high = high || p[i] >= utf8.RuneSelf
		i++
	}
	switch {
	case i >= len(p):
		return text{}, r.fail(start-1, ReasonEOF)
	case high && !utf8.Valid(p[start:i]):
		return text{}, r.fail(start-1, ReasonUTF8)
	case p[i] == '"':
		r.i = i + 1
		return text{b: p[start:i], start: start, end: i}, true
	}
	return r.escapedStr(start, i)
}

// escapedStr reads on where the first escape is.
func (r *Reader) escapedStr(start, i int) (text, bool) {
	p := r.p
	dst := append(r.unescaped[:0], p[start:i]...)
	for {
		j := i
		for j < len(p) && p[j] != '"' && p[j] != '\\' && p[j] >= ' ' {
			j++
		}
		switch {
		case j >= len(p):
			return text{}, r.fail(start-1, ReasonEOF)
		case !utf8.Valid(p[i:j]):
			return text{}, r.fail(i, ReasonUTF8)
		case p[j] < ' ':
			return text{}, r.fail(j, ReasonJSON)
		}
		dst = append(dst, p[i:j]...)
		if p[j] == '"' {
			r.unescaped = dst
			r.i = j + 1
			return text{b: dst, start: start, end: j, escaped: true}, true
		}
		c, next := escape(p, j)
		if next < 0 {
			return text{}, r.fail(j, ReasonJSON)
		}
		if c >= 0xD800 && c < 0xE000 {
			low, after := rune(0), -1
			if c < 0xDC00 && next < len(p) && p[next] == '\\' {
				low, after = escape(p, next)
			}
			if after < 0 || low < 0xDC00 || low >= 0xE000 {
				c, r.lone = utf8.RuneError, true
			} else {
				c, next = (c-0xD800)<<10+(low-0xDC00)+0x10000, after
			}
		}
		dst = utf8.AppendRune(dst, c)
		i = next
	}
}

const (
	escapes  = `"\/bfnrt`
	meanings = "\"\\/\b\f\n\r\t"
)

// escape returns the UTF-16 unit that the escape at p[i] stands for and the offset
// behind it, or -1.
func escape(p []byte, i int) (unit rune, next int) {
	if i++; i >= len(p) {
		return 0, -1
	}
	if p[i] == 'u' {
		if i+5 > len(p) {
			return 0, -1
		}
		for _, c := range p[i+1 : i+5] {
			d := hex(c)
			if d > 15 {
				return 0, -1
			}
			unit = unit<<4 | rune(d)
		}
		return unit, i + 5
	}
	k := bytes.IndexByte([]byte(escapes), p[i])
	if k < 0 {
		return 0, -1
	}
	return rune(meanings[k]), i + 1
}

func hex(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// number reads a number and tells whether it has a point or an exponent.
func (r *Reader) number() (b []byte, float, ok bool) {
	p := r.p
	start, i := r.i, r.i
	if p[i] == '-' {
		i++
	}
	first := i
	i = digits(p, i)
	if i == first || p[first] == '0' && i > first+1 {
		return nil, false, r.fail(start, ReasonJSON)
	}
	if i < len(p) && p[i] == '.' {
		float = true
		frac := i + 1
		if i = digits(p, frac); i == frac {
			return nil, false, r.fail(start, ReasonJSON)
		}
	}
	if i < len(p) && p[i]|0x20 == 'e' {
		float = true
		if i++; i < len(p) && (p[i] == '+' || p[i] == '-') {
			i++
		}
		exp := i
		if i = digits(p, exp); i == exp {
			return nil, false, r.fail(start, ReasonJSON)
		}
	}
	r.i = i
	return p[start:i], float, true
}

func digits(p []byte, i int) int {
	for i < len(p) && p[i]-'0' < 10 {
		i++
	}
	return i
}

const hexDigits = "0123456789abcdef"

// appendEscaped appends the inside of a string.
func appendEscaped(dst, s []byte) []byte {
	start := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		if k := bytes.IndexByte([]byte(meanings), c); k >= 0 {
			dst = append(dst, '\\', escapes[k])
			continue
		}
		dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, s[start:]...)
}
