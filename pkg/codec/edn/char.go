package edn

import "unicode/utf8"

var charNames = [...]struct {
	name string
	char rune
}{
	{"newline", '\n'},
	{"space", ' '},
	{"tab", '\t'},
	{"backspace", '\b'},
	{"formfeed", '\f'},
	{"return", '\r'},
}

// char reads a character literal. Its hash costs nothing, so it is always computed.
func (s *Scanner) char(i int) (end int, h uint64) {
	p := s.p
	if i+1 >= len(p) {
		return s.fail(i, ReasonEOF), 0
	}
	// The first character may be anything, whitespace and delimiters too.
	r, size := utf8.DecodeRune(p[i+1:])
	if r == utf8.RuneError && size == 1 {
		return s.fail(i+1, ReasonUTF8), 0
	}
	end, illegal, bad := tokenEnd(p, i+1+size, classEndSym)
	if end < 0 {
		return s.fail(bad, ReasonUTF8), 0
	}
	r, ok := charValue(p[i+1 : end])
	if illegal || !ok {
		return s.fail(i, ReasonChar), 0
	}
	return end, mum(uint64(r), saltChar)
}

// charValue returns the character that the text behind a backslash names. Clojure's characters are UTF-16 units, and it
// refuses surrogates.
func charValue(t []byte) (rune, bool) {
	r, size := utf8.DecodeRune(t)
	if size == len(t) {
		return r, r <= 0xFFFF
	}
	for _, n := range charNames {
		if string(t) == n.name {
			return n.char, true
		}
	}
	switch {
	case t[0] == 'u' && len(t) == 5:
		r, ok := hexUnit(t, 1)
		return r, ok && !isHigh(r) && !isLow(r)
	case t[0] == 'o' && len(t) <= 4:
		r, next := octal(t, 1)
		return r, next == len(t)
	}
	return 0, false
}

func appendChar(dst []byte, r rune) []byte {
	dst = append(dst, '\\')
	for _, n := range charNames {
		if r == n.char {
			return append(dst, n.name...)
		}
	}
	return utf8.AppendRune(dst, r)
}
