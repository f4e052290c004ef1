package check

import (
	"bytes"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Classes of bytes in plain names, which are legal without further thought.
const (
	plainFirst = 1 << iota
	plainRest
)

var plain = func() (t [256]uint8) {
	for c := 'a'; c <= 'z'; c++ {
		t[c] = plainFirst | plainRest
		t[c-'a'+'A'] = plainFirst | plainRest
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = plainRest
	}
	for _, c := range "-_.?!*+<>=" {
		t[c] = plainRest
	}
	return t
}()

// plainName tells whether name is made of letters, digits and the usual marks,
// with at most one namespace. Most names are; the others cost a scan.
func plainName(name []byte) (ok, namespaced bool) {
	first := uint8(plainFirst)
	for _, b := range name {
		switch {
		case plain[b]&first != 0:
			first = plainRest
		case b == '/' && first == plainRest && !namespaced:
			namespaced, first = true, plainFirst
		default:
			return false, false
		}
	}
	return first == plainRest, namespaced
}

// LegalKeyword tells whether EDN can write the keyword with this name (without
// its colon).
func (c *Checker) LegalKeyword(name []byte) bool {
	if ok, _ := plainName(name); ok {
		return true
	}
	c.text = append(append(c.text[:0], ':'), name...)
	return edn.IsKeyword(c.text)
}

// LegalSymbol tells whether EDN can write the symbol with this name.
func (c *Checker) LegalSymbol(name []byte) bool {
	if ok, namespaced := plainName(name); ok && (namespaced || len(name) > 5) { // not nil, true, false
		return true
	}
	return c.reads(name, edn.Symbol)
}

// LegalTag tells whether EDN can write the tag with this name, and it has a
// namespace, without which Clojure's reader refuses it.
func (c *Checker) LegalTag(name []byte) bool {
	if ok, namespaced := plainName(name); ok {
		return namespaced
	}
	if !edn.Namespaced(name) || !c.reads(name, edn.Symbol) {
		return false
	}
	c.text = append(append(append(c.text[:0], '#'), name...), " nil"...)
	return c.reads(c.text, edn.Tagged)
}

// LegalDecimal returns text, a decimal as Java's BigDecimal reads it, in the grammar
// of JSON's numbers, or false if EDN cannot write it. What it returns is valid
// until the next call of one of these methods.
func (c *Checker) LegalDecimal(text []byte) ([]byte, bool) {
	c.text = c.text[:0]
	switch {
	case len(text) == 0:
		return nil, false
	case text[0] == '-':
		c.text = append(c.text, '-')
		fallthrough
	case text[0] == '+':
		text = text[1:]
	}
	whole := digitsEnd(text, 0)
	frac := whole
	if whole < len(text) && text[whole] == '.' {
		frac = digitsEnd(text, whole+1)
	}
	if frac == 0 || frac == 1 && whole == 0 || frac < len(text) && text[frac]|0x20 != 'e' {
		return nil, false
	}
	digits := bytes.TrimLeft(text[:whole], "0")
	if len(digits) == 0 {
		digits = zero
	}
	c.text = append(c.text, digits...)
	if frac > whole+1 {
		c.text = append(c.text, text[whole:frac]...)
	}
	c.text = append(append(c.text, text[frac:]...), 'M')
	if !c.reads(c.text, edn.BigDec) {
		return nil, false
	}
	return c.text[:len(c.text)-1], true
}

var zero = []byte("0")

func digitsEnd(t []byte, i int) int {
	for i < len(t) && t[i]-'0' < 10 {
		i++
	}
	return i
}

// reads tells whether the whole text, and no blank around it, is one value of
// this kind.
func (c *Checker) reads(text []byte, kind edn.Kind) bool {
	f, _, err := c.scan.Split(text, nil)
	return err == nil && f.Kind == kind && f.Start == 0 && f.Body == 0 && f.End == len(text)
}
