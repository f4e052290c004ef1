package edn

import (
	"bytes"
	"unicode/utf8"
)

// Everything here walks texts that have passed Check, so it looks only for the ends of things.

// Elements walks the forms directly inside a list, vector or set (for a map: keys and values in turn). It does not
// allocate. The text must have passed Check, and must not change meanwhile.
type Elements struct {
	p   []byte
	pos int // -1 at the end
}

// ElementsOf returns a walk over the collection f of p. A form that is no collection has no elements.
func ElementsOf(p []byte, f Form) Elements {
	e := Elements{p: p, pos: -1}
	switch f.Kind {
	case List, Vector:
		e.pos = f.Body + 1
	case Set:
		e.pos = f.Body + 2
	case Map:
		e.pos, _ = mapStart(p, f.Body)
	default:
	}
	return e
}

// mapStart returns the offset behind the opening brace of the map at i, and its namespace.
func mapStart(p []byte, i int) (int, []byte) {
	if p[i] == '{' {
		return i + 1, nil
	}
	i = skipBlank(p, i+2)
	end, _ := skip(p, i)
	return spaces(p, end) + 1, p[body(p, i):end]
}

// Next returns the next form, or false after the last.
func (e *Elements) Next() (Form, bool) {
	if e.pos < 0 {
		return Form{}, false
	}
	i := skipBlank(e.p, e.pos)
	if i >= len(e.p) || closes(e.p[i]) {
		e.pos = -1
		return Form{}, false
	}
	end, kind := skip(e.p, i)
	e.pos = end
	return Form{Start: i, Body: body(e.p, i), End: end, Kind: kind}, true
}

// Entries walks the entries of a map, #:ns{} included. It does not allocate. The text must have passed Check, and must not
// change meanwhile.
type Entries struct {
	el Elements
	ns []byte
}

// EntriesOf returns a walk over the map f of p. A form that is no map has no entries.
func EntriesOf(p []byte, f Form) Entries {
	e := Entries{el: Elements{p: p, pos: -1}}
	if f.Kind == Map {
		e.el.pos, e.ns = mapStart(p, f.Body)
	}
	return e
}

// Next returns the next key and value, or false after the last. In a #:ns{} map the key's own text lacks the namespace:
// KeyIs and AppendKey know it.
func (e *Entries) Next() (key, value Form, ok bool) {
	if key, ok = e.el.Next(); !ok {
		return Form{}, Form{}, false
	}
	value, ok = e.el.Next()
	return key, value, ok
}

// KeyIs tells, without allocation, whether key, which Next returned, is the keyword or symbol with this text, such as ":channel-id".
func (e *Entries) KeyIs(key Form, text string) bool {
	if key.Kind != Keyword && key.Kind != Symbol {
		return false
	}
	t := key.Text(e.el.p)
	if e.ns == nil {
		return string(t) == text
	}
	if key.Kind == Keyword {
		if text == "" || text[0] != ':' {
			return false
		}
		t, text = t[1:], text[1:]
	}
	switch {
	case !Namespaced(t):
		n := len(e.ns)
		return len(text) == n+1+len(t) && text[:n] == string(e.ns) && text[n] == '/' && text[n+1:] == string(t)
	case bytes.HasPrefix(t, []byte("_/")):
		t = t[2:]
	}
	return string(t) == text
}

// AppendKey appends the text of key, which Next returned, with the namespace that a #:ns{} map gives it.
func (e *Entries) AppendKey(dst []byte, key Form) []byte {
	t := key.Text(e.el.p)
	if e.ns == nil || key.Kind != Keyword && key.Kind != Symbol {
		return append(dst, t...)
	}
	return appendQualified(dst, e.ns, t, key.Kind)
}

func closes(c byte) bool { return c == ')' || c == ']' || c == '}' }

// skipBlank skips whitespace, commas, comments and discarded forms.
func skipBlank(p []byte, i int) int {
	for i < len(p) {
		switch c := p[i]; {
		case class[c] == classBlank:
			i++
		case c == ';':
			i = skipComment(p, i)
		case c == '#' && i+1 < len(p) && p[i+1] == '_':
			i, _ = skip(p, skipBlank(p, i+2))
		case c >= utf8.RuneSelf:
			j := spaces(p, i)
			if j == i {
				return i
			}
			i = j
		default:
			return i
		}
	}
	return i
}

func skipComment(p []byte, i int) int {
	for i < len(p) && p[i] != '\n' && p[i] != '\r' {
		i++
	}
	return i
}

func skipString(p []byte, i int) int {
	i++
	for {
		i, _ = plainRun(p, i)
		if i >= len(p) || p[i] == '"' {
			return min(i+1, len(p))
		}
		i += 2
	}
}

// skipCollection returns the offset behind the delimiter that closes the one at i.
func skipCollection(p []byte, i int) int {
	depth := 0
	for i < len(p) {
		switch p[i] {
		case '"':
			i = skipString(p, i)
			continue
		case ';':
			i = skipComment(p, i)
			continue
		case '\\': // whatever follows is part of a character
			i++
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(p)
}

// body returns the offset of a form without its metadata.
func body(p []byte, i int) int {
	for {
		switch {
		case p[i] == '^':
			i++
		case p[i] == '#' && i+1 < len(p) && p[i+1] == '^':
			i += 2
		default:
			return i
		}
		i, _ = skip(p, skipBlank(p, i))
		i = skipBlank(p, i)
	}
}

// skip returns the offset behind the form at i, and its kind (that of what has it, for metadata).
func skip(p []byte, i int) (int, Kind) {
	if i >= len(p) {
		return len(p), Invalid
	}
	i = body(p, i)
	switch c := p[i]; c {
	case '"':
		return skipString(p, i), String
	case '[':
		return skipCollection(p, i), Vector
	case '(':
		return skipCollection(p, i), List
	case '{':
		return skipCollection(p, i), Map
	case '\\':
		_, size := utf8.DecodeRune(p[i+1:])
		end, _, _ := tokenEnd(p, i+1+size, classEndSym)
		return end, Char
	case '#':
		switch p[i+1] {
		case '{':
			return skipCollection(p, i), Set
		case ':':
			brace, _ := mapStart(p, i)
			return skipCollection(p, brace-1), Map
		case '#':
			end, _ := skip(p, skipBlank(p, i+2))
			return end, Float
		}
		end, _, _ := tokenEnd(p, i+1, classEndSym)
		end, _ = skip(p, skipBlank(p, end))
		return end, Tagged
	case ':':
		end, _, _ := tokenEnd(p, i, classEndSym)
		return end, Keyword
	default:
		if isDigit(c) || (c == '+' || c == '-') && i+1 < len(p) && isDigit(p[i+1]) {
			end, _, _ := tokenEnd(p, i, classEndNum)
			return end, numberKind(p[i:end])
		}
		end, _, _ := tokenEnd(p, i, classEndSym)
		return end, reserved(p[i:end])
	}
}

func numberKind(t []byte) Kind {
	if bytes.IndexByte(t, '/') >= 0 {
		return Ratio
	}
	n, _ := parseNumber(t)
	return n.kind
}
