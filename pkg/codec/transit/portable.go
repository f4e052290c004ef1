package transit

import "bytes"

// mustRewrite looks, in the text of a value that has been read, for what means something in its own message only, or for what
// another reader fails on:
//
//   - cache codes;
//   - doubles with the tag of whole numbers, as transit-js writes them where they are keys;
//   - scalars whose tag is apart, and ratios of numbers that are not written as big ones: Java's reader casts what it finds.
//
// It errs on the side of rewriting where an escape at the beginning of a string may hide one of these.
func mustRewrite(p []byte) bool {
	for i := 0; i < len(p); i++ {
		if p[i] != '"' {
			continue
		}
		start := i + 1
		i = stringEnd(p, start)
		if s := p[start:i]; len(s) > 1 && suspect(s, p[i:]) {
			return true
		}
	}
	return false
}

// stringEnd returns the offset of the quote that ends the string whose inside begins at i.
func stringEnd(p []byte, i int) int {
	for i < len(p) && p[i] != '"' {
		if p[i] == '\\' {
			i++
		}
		i++
	}
	return min(i, len(p))
}

// suspect tells whether a string, as it is written and of two bytes at least, makes its value one to rewrite. rest is what comes
// from its closing quote on.
func suspect(s, rest []byte) bool {
	switch {
	case s[0] == '\\':
		return s[1] == 'u'
	case s[0] == '^':
		return s[1] != ' '
	case s[0] != '~':
		return false
	}
	switch s[1] {
	case '\\':
		return len(s) > 2 && s[2] == 'u'
	case 'i':
		digitsFrom := 2
		if len(s) > 2 && s[2] == '-' {
			digitsFrom = 3
		}
		return digits(s, digitsFrom) != len(s)
	case '#':
		switch {
		case len(s) == 3:
			return isScalarTag(s[2])
		case len(s) > 3 && s[2] == '\\':
			return true
		}
		return bytes.HasPrefix(s, tagOfRatio) && (len(s) > len(tagOfRatio) || !ofBigNumbers(rest))
	}
	return false
}

var (
	tagOfRatio = []byte("~#ratio")
	beforeTop  = []byte(`,["~n`)
	beforeLow  = []byte(`","~n`)
)

// ofBigNumbers tells whether a ratio, from the closing quote of its tag on, is written as Clojure writes it. In verbose Transit
// there is a colon, not a comma.
func ofBigNumbers(p []byte) bool {
	if len(p) < 2 || p[1] != ',' && p[1] != ':' || !bytes.HasPrefix(p[2:], beforeTop[1:]) {
		return false
	}
	p = p[1+len(beforeTop):]
	if len(p) > 0 && p[0] == '-' {
		p = p[1:]
	}
	p = p[digits(p, 0):]
	if !bytes.HasPrefix(p, beforeLow) {
		return false
	}
	p = p[len(beforeLow):]
	end := digits(p, 0)
	return bytes.HasPrefix(p[end:], []byte(`"]`))
}
