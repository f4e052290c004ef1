package edn

import "unicode/utf8"

// Classes of bytes. A byte of class 0 continues a symbol, a keyword or a number without further thought.
const (
	classBlank  = 1 << iota // whitespace, and the comma
	classMacro              // ends every token
	classSharp              // '#', which ends a number but not a symbol
	classBad                // @ ` ~, illegal in a token
	classHigh               // part of a character beyond ASCII
	classSlash              // '/'
	classColon              // ':'
	classEndSym = classBlank | classMacro
	classEndNum = classBlank | classMacro | classSharp
)

// class follows Clojure's EdnReader: Character.isWhitespace, its macro table, and nonConstituent. The quote is no macro
// there, and neither is '%'.
var class = func() (t [256]uint8) {
	for _, c := range "\t\n\v\f\r\x1c\x1d\x1e\x1f ," {
		t[c] = classBlank
	}
	for _, c := range "\";^()[]{}\\" {
		t[c] = classMacro
	}
	for _, c := range "@`~" {
		t[c] = classBad
	}
	t['#'] = classSharp
	t['/'] = classSlash
	t[':'] = classColon
	for c := utf8.RuneSelf; c < len(t); c++ {
		t[c] = classHigh
	}
	return t
}()

// isSpace is Java's Character.isWhitespace for characters beyond ASCII: the no-break spaces are none.
func isSpace(r rune) bool {
	switch {
	case r >= 0x2000 && r <= 0x200A:
		return r != 0x2007
	case r == 0x1680, r == 0x2028, r == 0x2029, r == 0x205F, r == 0x3000:
		return true
	}
	return false
}

func isDigit(c byte) bool { return c-'0' < 10 }

// digit returns the value of c in bases up to 36, or 255.
func digit(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case c-'a' < 26:
		return c - 'a' + 10
	case c-'A' < 26:
		return c - 'A' + 10
	}
	return 255
}

// tokenEnd returns the end of the token that p[i] belongs to, ended by one of the classes in ends. It says whether a
// character that is illegal in symbols was met, and returns -1 for the end where the text is not UTF-8, at bad.
func tokenEnd(p []byte, i int, ends uint8) (end int, illegal bool, bad int) {
	for i < len(p) {
		c := class[p[i]]
		switch {
		case c&ends != 0:
			return i, illegal, 0
		case c == classHigh:
			r, size := utf8.DecodeRune(p[i:])
			if r == utf8.RuneError && size == 1 {
				return -1, illegal, i
			}
			if isSpace(r) {
				return i, illegal, 0
			}
			i += size
			continue
		case c == classBad:
			illegal = true
		}
		i++
	}
	return i, illegal, 0
}
