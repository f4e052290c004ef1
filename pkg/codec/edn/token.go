package edn

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// token reads a symbol, a keyword, nil, true or false.
func (s *Scanner) token(i int) (end int, kind Kind) {
	p := s.p
	start := i
	s.tok = start
	kind = Symbol
	if p[i] == ':' {
		kind = Keyword
		i++
	}
	first := i
	slash := -1
	for i < len(p) {
		c := class[p[i]] &^ classSharp
		if c == 0 {
			i++
			continue
		}
		if c == classSlash && slash < 0 {
			slash = i
			i++
			continue
		}
		if c&classEndSym != 0 {
			break
		}
		return s.oddToken(start, kind)
	}
	switch {
	case i == first || slash >= 0 && (slash == first || slash == i-1 || isDigit(p[slash+1])):
		return s.oddToken(start, kind)
	case kind == Symbol:
		kind = reserved(p[start:i])
	}
	return i, kind
}

// oddToken reads a token that the fast way through token does not cover.
func (s *Scanner) oddToken(start int, kind Kind) (int, Kind) {
	end, illegal, bad := tokenEnd(s.p, start, classEndSym)
	switch {
	case end < 0:
		return s.fail(bad, ReasonUTF8), Invalid
	case illegal || end == start || !validToken(s.p[start:end]) || !plainStart(s.p[start:end]):
		return s.fail(start, ReasonToken), Invalid
	case kind == Symbol:
		kind = reserved(s.p[start:end]) // ended by a space beyond ASCII
	}
	return end, kind
}

// plainStart refuses what begins with a digit of another script, which Clojure takes for a number and then refuses.
func plainStart(t []byte) bool {
	r, size := utf8.DecodeRune(t)
	if r == '+' || r == '-' {
		r, _ = utf8.DecodeRune(t[size:])
	}
	return r < utf8.RuneSelf || r > 0xFFFF || !unicode.IsDigit(r)
}

func reserved(t []byte) Kind {
	switch string(t) {
	case "nil":
		return Nil
	case "true", "false":
		return Bool
	}
	return Symbol
}

// validToken is Clojure's matchSymbol: the pattern [:]?([\D&&[^/]].*/)?(/|[\D&&[^/]][^/]*) on the whole token, and the rules
// on colons after it.
func validToken(t []byte) bool {
	if bytes.Contains(t, []byte("::")) {
		return false
	}
	colon := t[0] == ':'
	if len(t) == 1 {
		return !colon
	}
	if colon && len(t) == 2 && t[1] == '/' {
		return true
	}
	var ns, name []byte
	if t[len(t)-1] == '/' { // the name is "/" itself
		ns, name = t[:len(t)-1], t[len(t)-1:]
		if ns[len(ns)-1] != '/' {
			return false
		}
	} else {
		cut := bytes.LastIndexByte(t, '/') + 1
		ns, name = t[:cut], t[cut:]
	}
	if name[len(name)-1] == ':' || isDigit(name[0]) {
		return false
	}
	if len(ns) == 0 {
		return true
	}
	if len(ns) < 2 || ns[0] == '/' || ns[len(ns)-2] == ':' {
		return false
	}
	// The dot of the pattern does not match U+0085, but the first character may be one, with or without the colon before it.
	nel := bytes.LastIndex(ns, []byte("\u0085"))
	return nel <= 0 || nel == 1 && colon
}

// IsKeyword tells whether t is the text of a keyword and nothing else: no whitespace around it, no comment.
func IsKeyword(t []byte) bool {
	if len(t) == 0 || t[0] != ':' {
		return false
	}
	end, illegal, _ := tokenEnd(t, 0, classEndSym)
	return end == len(t) && !illegal && validToken(t)
}

// IsName tells whether name, behind a colon, is the text of a keyword to every reader: to Clojure's, as IsKeyword has it, and to
// ClojureScript's, which refuses a second slash and Unicode's white space. It is for names that come from elsewhere and can be
// left as strings, such as the keys of JSON; control characters are left out too.
func IsName(name []byte) bool {
	slash := -1
	for i, b := range name {
		c := class[b] &^ classSharp
		if c == classSlash && slash < 0 {
			slash = i
		} else if c != 0 || b < ' ' || b == 0x7F {
			return isOddName(name)
		}
	}
	if len(name) == 0 || slash >= 0 && (slash == 0 || slash == len(name)-1 || isDigit(name[slash+1])) {
		return isOddName(name)
	}
	return true
}

func isOddName(name []byte) bool {
	var b [128]byte
	if !IsKeyword(append(append(b[:0], ':'), name...)) {
		return false
	}
	switch slashes := bytes.Count(name, []byte("/")); {
	case slashes == 0 || len(name) == 1:
	case name[0] == '/' || slashes > 2 || slashes == 2 && !bytes.HasSuffix(name, []byte("//")):
		return false
	}
	for len(name) > 0 {
		r, size := utf8.DecodeRune(name)
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '\uFEFF' {
			return false
		}
		name = name[size:]
	}
	return true
}

// Namespaced tells whether a symbol or keyword, given as its text, has a namespace.
func Namespaced(t []byte) bool {
	if len(t) > 0 && t[0] == ':' {
		t = t[1:]
	}
	return len(t) > 1 && bytes.IndexByte(t, '/') >= 0
}

// appendQualified appends the text of a key of a #:ns{} map: one without namespace gets ns, and the namespace _ means none.
func appendQualified(dst, ns, text []byte, kind Kind) []byte {
	if kind == Keyword {
		dst = append(dst, ':')
		text = text[1:]
	}
	switch {
	case !Namespaced(text):
		dst = append(dst, ns...)
		dst = append(dst, '/')
	case bytes.HasPrefix(text, []byte("_/")):
		text = text[2:]
	}
	return append(dst, text...)
}
