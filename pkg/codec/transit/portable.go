package transit

import (
	"bytes"

	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// mustRewrite looks, in the text of a value that has been read, for what means something in its own message only, or for what
// another reader fails on:
//
//   - cache codes;
//   - doubles with the tag of whole numbers, as transit-js writes them where they are keys, and whole numbers with it that 64
//     bits do not hold;
//   - times in milliseconds with a zero before them, which Java's reader takes for octal, and times in text that are not in the
//     form that writers use, as it parses them by the rules of XML Schema;
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
		number := bytes.TrimPrefix(s[2:], minus)
		_, fits := value.Int64(s[2:])
		return digits(number, 0) != len(number) || !fits
	case 'm':
		number := bytes.TrimPrefix(s[2:], minus)
		return digits(number, 0) != len(number) || len(number) > 1 && number[0] == '0'
	case 't':
		return !usualTime(s[2:])
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

// usualTime tells whether a time is written as 2014-04-07T22:17:17.000Z, and not in the year 0, which XML Schema lacks.
func usualTime(b []byte) bool {
	const pattern = "dddd-dd-ddTdd:dd:dd.dddZ"
	if len(b) != len(pattern) || bytes.HasPrefix(b, yearZero) {
		return false
	}
	for i, c := range []byte(pattern) {
		if c == 'd' && b[i]-'0' > 9 || c != 'd' && b[i] != c {
			return false
		}
	}
	return true
}

var (
	minus      = []byte("-")
	yearZero   = []byte("0000")
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
