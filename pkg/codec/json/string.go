package json

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// special is not zero if a byte of w is a quote, a backslash, a control character, or beyond ASCII.
func special(w uint64) uint64 {
	quote, slash := w^'"'*lowBits, w^'\\'*lowBits
	return ((quote-lowBits)&^quote | (slash-lowBits)&^slash | (w - ' '*lowBits) | w) & highBits
}

// str reads the string at start, and returns its value, which is valid until the next use of scratch, and the offset behind it.
func (s *Scanner) str(start int, isKey bool) (text []byte, end int) {
	p := s.p
	i := start + 1
	high, escaped := false, false
	for {
		for i+8 <= len(p) && special(binary.LittleEndian.Uint64(p[i:])) == 0 {
			i += 8
		}
		for i < len(p) && p[i] != '"' && p[i] != '\\' && p[i] >= ' ' {
			high = high || p[i] >= utf8.RuneSelf
			i++
		}
		switch {
		case i >= len(p):
			return nil, s.fail(i, ReasonEOF)
		case p[i] < ' ':
			return nil, s.fail(i, ReasonString)
		}
		if p[i] == '"' {
			break
		}
		escaped = true
		_, next := escape(p, i)
		if next < 0 {
			return nil, s.fail(i, ReasonString)
		}
		i = next
	}
	text, end = p[start+1:i], i+1
	if high && !utf8.Valid(text) {
		return nil, s.fail(start, ReasonUTF8)
	}
	if escaped && (isKey || s.sink != nil) {
		var lone bool
		if s.text, lone = appendUnquoted(s.text[:0], text); lone && isKey {
			// Two keys that differ might become equal.
			return nil, s.fail(start, ReasonSurrogate)
		}
		text = s.text
	}
	return text, end
}

// escape returns the UTF-16 unit that the escape at p[i] stands for and the offset behind it, or -1.
func escape(p []byte, i int) (unit rune, next int) {
	if i+1 >= len(p) {
		return 0, -1
	}
	switch c := p[i+1]; c {
	case '"', '\\', '/':
		return rune(c), i + 2
	case 'b':
		return '\b', i + 2
	case 'f':
		return '\f', i + 2
	case 'n':
		return '\n', i + 2
	case 'r':
		return '\r', i + 2
	case 't':
		return '\t', i + 2
	case 'u':
	default:
		return 0, -1
	}
	if i+6 > len(p) {
		return 0, -1
	}
	for _, c := range p[i+2 : i+6] {
		unit <<= 4
		switch {
		case c-'0' < 10:
			unit |= rune(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			unit |= rune(c | 0x20 - 'a' + 10)
		default:
			return 0, -1
		}
	}
	return unit, i + 6
}

func isHigh(r rune) bool { return r >= 0xD800 && r < 0xDC00 }
func isLow(r rune) bool  { return r >= 0xDC00 && r < 0xE000 }

// appendUnquoted appends the value of the legal inside of a string. A lone surrogate, which no UTF-8 can hold, becomes U+FFFD
// and is reported.
func appendUnquoted(dst, text []byte) (out []byte, lone bool) {
	for i := 0; i < len(text); {
		j := i
		for j < len(text) && text[j] != '\\' {
			j++
		}
		dst = append(dst, text[i:j]...)
		if j == len(text) {
			break
		}
		r, next := escape(text, j)
		if next < 0 {
			break
		}
		if isHigh(r) && next < len(text) && text[next] == '\\' {
			if low, after := escape(text, next); after > 0 && isLow(low) {
				r, next = (r-0xD800)<<10+(low-0xDC00)+0x10000, after
			}
		}
		lone = lone || isHigh(r) || isLow(r)
		dst = utf8.AppendRune(dst, r) // U+FFFD for a surrogate
		i = next
	}
	return dst, lone
}

// shortEscapes are the letters of the escapes of one character.
var shortEscapes = [...]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// appendString appends s, which is UTF-8, as a string; nothing is escaped that need not be.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && special(binary.LittleEndian.Uint64(s[i:])) == 0 {
			i += 8
			continue
		}
		c := s[i]
		i++
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i-1]...)
		if e := shortEscapes[c]; e != 0 {
			dst = append(dst, '\\', e)
		} else {
			dst = append(dst, '\\', 'u', '0', '0', '0'+c>>4, "0123456789abcdef"[c&15])
		}
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
