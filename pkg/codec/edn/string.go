package edn

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// zeroByte is not zero if a byte of w is zero, and then its lowest bit is in the lowest such byte.
func zeroByte(w uint64) uint64 { return (w - lowBits) &^ w & highBits }

// plainRun returns the offset of the first quote or backslash at or after i, or len(p), and whether a byte beyond ASCII was
// passed on the way.
func plainRun(p []byte, i int) (end int, high bool) {
	var seen uint64
	for i+8 <= len(p) {
		w := binary.LittleEndian.Uint64(p[i:])
		if zeroByte(w^'"'*lowBits)|zeroByte(w^'\\'*lowBits) != 0 {
			break
		}
		seen |= w
		i += 8
	}
	high = seen&highBits != 0
	for i < len(p) && p[i] != '"' && p[i] != '\\' {
		high = high || p[i] >= utf8.RuneSelf
		i++
	}
	return i, high
}

// str reads a string. Raw control characters are legal in it, line ends too.
func (s *Scanner) str(start int, want bool) (end int, h uint64) {
	p := s.p
	i := start + 1
	high, escaped := false, false
	for {
		var hi bool
		i, hi = plainRun(p, i)
		high = high || hi
		if i >= len(p) {
			return s.fail(start, ReasonEOF), 0
		}
		if p[i] == '"' {
			break
		}
		escaped = true
		_, next := escape(p, i)
		if next < 0 {
			return s.fail(i, ReasonString), 0
		}
		i = next
	}
	if high && !utf8.Valid(p[start:i]) {
		return s.failUTF8(start), 0
	}
	if want {
		text := p[start+1 : i]
		if escaped {
			s.text, _ = appendUnquoted(s.text[:0], text)
			text = s.text
		}
		h = hashString(text)
	}
	return i + 1, h
}

// escape returns the UTF-16 unit that the escape at p[i] stands for and the offset behind it, or -1.
func escape(p []byte, i int) (unit rune, next int) {
	i++
	if i >= len(p) {
		return 0, -1
	}
	switch c := p[i]; c {
	case 't':
		return '\t', i + 1
	case 'n':
		return '\n', i + 1
	case 'r':
		return '\r', i + 1
	case 'b':
		return '\b', i + 1
	case 'f':
		return '\f', i + 1
	case '"', '\\':
		return rune(c), i + 1
	case 'u':
		unit, ok := hexUnit(p, i+1)
		if !ok {
			return 0, -1
		}
		return unit, i + 5
	default:
		return octal(p, i)
	}
}

func hexUnit(p []byte, i int) (rune, bool) {
	if i+4 > len(p) {
		return 0, false
	}
	v := rune(0)
	for _, c := range p[i : i+4] {
		d := digit(c)
		if d > 15 {
			return 0, false
		}
		v = v<<4 | rune(d)
	}
	return v, true
}

// octal reads one to three octal digits. Fewer than three must be followed by something that ends a number.
func octal(p []byte, i int) (unit rune, next int) {
	for n := range 3 {
		switch {
		case i < len(p) && p[i]-'0' < 8:
			unit = unit<<3 | rune(p[i]-'0')
			i++
			continue
		case n == 0:
			return 0, -1
		case i == len(p) || class[p[i]]&classEndNum != 0:
			return unit, i
		}
		if r, _ := utf8.DecodeRune(p[i:]); isSpace(r) {
			return unit, i
		}
		return 0, -1
	}
	if unit > 0o377 {
		return 0, -1
	}
	return unit, i
}

func isHigh(r rune) bool { return r >= 0xD800 && r < 0xDC00 }
func isLow(r rune) bool  { return r >= 0xDC00 && r < 0xE000 }

// appendUnquoted appends the value of the legal inside of a string literal. Two escapes that make a surrogate pair are one
// character; a lone surrogate, which no UTF-8 can hold, is written as its three bytes, and reported.
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
		if isHigh(r) || isLow(r) {
			lone = true
			dst = append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
		i = next
	}
	return dst, lone
}

// Unquote appends the value of a string literal (with its quotes), as UTF-8. It refuses anything else, and lone surrogates.
// dst is returned unchanged on an error.
func Unquote(dst, literal []byte) ([]byte, error) {
	s := scanners.Get().(*Scanner)
	defer scanners.Put(s)
	f, _, err := s.Split(literal, nil)
	if err != nil {
		return dst, err
	}
	if f.Kind != String || f.Start != 0 || f.End != len(literal) {
		return dst, newError(literal, 0, ReasonString)
	}
	out, lone := appendUnquoted(dst, literal[1:len(literal)-1])
	if lone {
		return dst, newError(literal, 0, ReasonNoCanonical)
	}
	return out, nil
}

// AppendString appends s, which must be UTF-8, as a string literal in which only \" \\ \n \r \t \b \f are escaped.
func AppendString(dst []byte, s string) []byte { return appendString(dst, s) }

func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		e := byte(0)
		switch s[i] {
		case '"', '\\':
			e = s[i]
		case '\n':
			e = 'n'
		case '\r':
			e = 'r'
		case '\t':
			e = 't'
		case '\b':
			e = 'b'
		case '\f':
			e = 'f'
		default:
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = append(dst, '\\', e)
		start = i + 1
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
