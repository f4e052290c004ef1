package edn

import (
	"bytes"
	"hash/maphash"
	"unicode"
	"unicode/utf8"
)

// The reading methods take the offset of a value's first byte and its depth, and return the offset behind the value (-1 after
// a fault), its kind, and, if want is set, its hash: equal values have equal hashes. Only keys of maps, elements of sets, and
// what is inside of those is hashed.

// blank skips whitespace, commas, comments and discarded forms.
func (s *Scanner) blank(i, depth int) int {
	p := s.p
	for i < len(p) {
		c := p[i]
		switch {
		case c == ' ' || class[c] == classBlank:
			i++
		case c == ';':
			start := i
			for i < len(p) && p[i] != '\n' && p[i] != '\r' {
				i++
			}
			if !utf8.Valid(p[start:i]) {
				return s.failUTF8(start)
			}
		case c == '#' && i+1 < len(p) && p[i+1] == '_':
			if s.deep(depth) {
				return s.fail(i, ReasonDepth)
			}
			if i, _, _ = s.next(i+2, depth+1, false); i < 0 {
				return -1
			}
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(p[i:])
			if !isSpace(r) {
				return i
			}
			i += size
		default:
			return i
		}
	}
	return i
}

// next reads the value that must follow, after blank.
func (s *Scanner) next(i, depth int, want bool) (end int, kind Kind, h uint64) {
	if i = s.blank(i, depth); i < 0 {
		return -1, Invalid, 0
	}
	return s.value(i, depth, want)
}

func (s *Scanner) value(i, depth int, want bool) (end int, kind Kind, h uint64) {
	p := s.p
	if i >= len(p) {
		return s.fail(i, ReasonEOF), Invalid, 0
	}
	c := p[i]
	switch c {
	case '"':
		end, h = s.str(i, want)
		return end, String, h
	case '[':
		end, h = s.sequence(i, ']', depth, want)
		return end, Vector, h
	case '(':
		end, h = s.sequence(i, ')', depth, want)
		return end, List, h
	case '{':
		end, h = s.mapping(i, i+1, depth, want, nil)
		return end, Map, h
	case '#':
		return s.dispatch(i, depth, want)
	case '^':
		return s.meta(i, i+1, depth, want)
	case '\\':
		end, h = s.char(i)
		return end, Char, h
	case ']', ')', '}':
		return s.fail(i, ReasonDelimiter), Invalid, 0
	case '+', '-':
		if i+1 < len(p) && isDigit(p[i+1]) {
			return s.number(i, want)
		}
	default:
		if isDigit(c) {
			return s.number(i, want)
		}
	}
	end, kind = s.token(i)
	if want && end >= 0 {
		h = hashSymbol(p[i:end], kind)
	}
	return end, kind, h
}

// sequence reads a list or a vector, which are equal when their elements are.
func (s *Scanner) sequence(i int, closing byte, depth int, want bool) (end int, h uint64) {
	start := i
	if s.deep(depth) {
		return s.fail(i, ReasonDepth), 0
	}
	i++
	n := uint64(0)
	for {
		if i = s.blank(i, depth+1); i < 0 {
			return -1, 0
		}
		if i >= len(s.p) {
			return s.fail(start, ReasonEOF), 0
		}
		if s.p[i] == closing {
			return i + 1, hashEnd(h, n, saltSequence)
		}
		e, kind, eh := s.value(i, depth+1, want)
		if e < 0 {
			return -1, 0
		}
		if depth == s.top {
			s.element(i, e, kind)
		}
		if want {
			h = mum(h, eh)
			n++
		}
		i = e
	}
}

// set reads what follows "#{".
func (s *Scanner) set(i, depth int, want bool) (end int, h uint64) {
	start := i
	if s.deep(depth) {
		return s.fail(i, ReasonDepth), 0
	}
	i += 2
	base := len(s.keys)
	for {
		if i = s.blank(i, depth+1); i < 0 {
			return -1, 0
		}
		if i >= len(s.p) {
			return s.fail(start, ReasonEOF), 0
		}
		if s.p[i] == '}' {
			break
		}
		e, kind, eh := s.value(i, depth+1, true)
		if e < 0 {
			return -1, 0
		}
		if depth == s.top {
			s.element(i, e, kind)
		}
		s.keys = append(s.keys, key{hash: eh, start: uint32(i), end: uint32(e)})
		h += mum(eh, saltSet)
		i = e
	}
	n := len(s.keys) - base
	if !s.distinct(base, nil) {
		return -1, 0
	}
	return i + 1, hashEnd(h, uint64(n), saltSet)
}

// arrayMap is how many entries a map of Clojure holds, at most, that is searched rather than hashed.
const arrayMap = 8

// mapping reads the forms of a map from i, behind its opening brace. ns is the namespace of a #:ns{} map, or nil.
func (s *Scanner) mapping(start, i, depth int, want bool, ns []byte) (end int, h uint64) {
	if s.deep(depth) {
		return s.fail(start, ReasonDepth), 0
	}
	nsHash, nan := uint64(0), false
	if ns != nil {
		nsHash = maphash.Bytes(seed, ns)
	}
	base := len(s.keys)
	for {
		if i = s.blank(i, depth+1); i < 0 {
			return -1, 0
		}
		if i >= len(s.p) {
			return s.fail(start, ReasonEOF), 0
		}
		if s.p[i] == '}' {
			break
		}
		e, kind, kh := s.value(i, depth+1, true)
		if e < 0 {
			return -1, 0
		}
		if depth == s.top {
			s.element(i, e, kind)
		}
		if ns != nil && (kind == Keyword || kind == Symbol) {
			kh = hashInNamespace(nsHash, s.p[s.tok:e], kind, kh)
		}
		nan = nan || kind == Float && kh == hashNaN
		s.keys = append(s.keys, key{hash: kh, start: uint32(i), end: uint32(e)})
		if i = s.blank(e, depth+1); i < 0 {
			return -1, 0
		}
		if i < len(s.p) && s.p[i] == '}' {
			return s.fail(start, ReasonOddMap), 0
		}
		e, kind, vh := s.value(i, depth+1, want)
		if e < 0 {
			return -1, 0
		}
		if depth == s.top {
			s.element(i, e, kind)
		}
		if want {
			h += mum(kh, vh)
		}
		i = e
	}
	n := len(s.keys) - base
	if nan && n <= arrayMap { // Clojure does not find NaN in it, so it equals no other map
		h += uint64(start) + 1
	}
	if !s.distinct(base, ns) {
		return -1, 0
	}
	return i + 1, hashEnd(h, uint64(n), saltMap)
}

// element records a form directly inside the value that Split was called for.
func (s *Scanner) element(i, end int, kind Kind) {
	if s.nelems < len(s.elems) {
		s.elems[s.nelems] = Form{Start: i, Body: body(s.p, i), End: end, Kind: kind}
	}
	s.nelems++
}

// dispatch reads what begins with '#', discards aside.
func (s *Scanner) dispatch(i, depth int, want bool) (end int, kind Kind, h uint64) {
	if i+1 >= len(s.p) {
		return s.fail(i, ReasonEOF), Invalid, 0
	}
	switch c := s.p[i+1]; {
	case c == '{':
		end, h = s.set(i, depth, want)
		return end, Set, h
	case c == ':':
		end, h = s.namespacedMap(i, depth, want)
		return end, Map, h
	case c == '^':
		return s.meta(i, i+2, depth, want)
	case c == '#':
		end, h = s.symbolic(i, depth)
		return end, Float, h
	case c|0x20 >= 'a' && c|0x20 <= 'z':
	case c >= utf8.RuneSelf:
		// Clojure's table of dispatch macros ends at U+00FF, and it fails beyond.
		if r, _ := utf8.DecodeRune(s.p[i+1:]); r > 0xFF || !unicode.IsLetter(r) {
			return s.fail(i, ReasonDispatch), Invalid, 0
		}
	default:
		return s.fail(i, ReasonDispatch), Invalid, 0
	}
	end, h = s.tagged(i, depth, want)
	return end, Tagged, h
}

// symbolic reads ##Inf, ##-Inf or ##NaN. Clojure reads any form there and then looks what it is, so that spaces pass.
func (s *Scanner) symbolic(i, depth int) (end int, h uint64) {
	if s.deep(depth) {
		return s.fail(i, ReasonDepth), 0
	}
	j := s.blank(i+2, depth+1)
	if j < 0 {
		return -1, 0
	}
	end, kind, _ := s.value(j, depth+1, false)
	if end < 0 {
		return -1, 0
	}
	v, ok := symbolicValue(s.p[min(s.tok, end):end])
	if kind != Symbol || !ok {
		return s.fail(i, ReasonDispatch), 0
	}
	return end, hashFloat(v)
}

// namespacedMap reads #:ns{}. Between the colon, the namespace and the brace Clojure allows spaces.
func (s *Scanner) namespacedMap(i, depth int, want bool) (end int, h uint64) {
	if s.deep(depth) {
		return s.fail(i, ReasonDepth), 0
	}
	j := s.blank(i+2, depth+1)
	if j < 0 {
		return -1, 0
	}
	e, kind, _ := s.value(j, depth+1, false)
	if e < 0 {
		return -1, 0
	}
	ns := s.p[min(s.tok, e):e]
	if kind != Symbol || Namespaced(ns) {
		return s.fail(i, ReasonDispatch), 0
	}
	e = spaces(s.p, e)
	if e >= len(s.p) {
		return s.fail(i, ReasonEOF), 0
	}
	if s.p[e] != '{' {
		return s.fail(i, ReasonDispatch), 0
	}
	return s.mapping(i, e+1, depth, want, ns)
}

// spaces skips whitespace and commas only.
func spaces(p []byte, i int) int {
	for i < len(p) {
		switch {
		case class[p[i]] == classBlank:
			i++
		case p[i] >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(p[i:])
			if !isSpace(r) {
				return i
			}
			i += size
		default:
			return i
		}
	}
	return i
}

// meta reads metadata from i, and the value that it is on. Clojure takes symbols, keywords, strings and maps as metadata, and
// symbols and collections as what has it.
func (s *Scanner) meta(start, i, depth int, want bool) (end int, kind Kind, h uint64) {
	if s.deep(depth) {
		return s.fail(start, ReasonDepth), Invalid, 0
	}
	if depth == s.top {
		s.top = depth + 1
	}
	top := s.top
	s.top = -1
	i, kind, _ = s.next(i, depth+1, false)
	s.top = top
	switch {
	case i < 0:
		return -1, Invalid, 0
	case kind != Symbol && kind != Keyword && kind != String && kind != Map:
		return s.fail(start, ReasonMeta), Invalid, 0
	}
	if i, kind, h = s.next(i, depth+1, want); i < 0 {
		return -1, Invalid, 0
	}
	switch kind {
	case Symbol, List, Vector, Map, Set:
		return i, kind, h
	default:
		return s.fail(start, ReasonMeta), Invalid, 0
	}
}

var (
	tagInst = []byte("inst")
	tagUUID = []byte("uuid")
)

// tagged reads a tag and its value.
func (s *Scanner) tagged(i, depth int, want bool) (end int, h uint64) {
	if s.deep(depth) {
		return s.fail(i, ReasonDepth), 0
	}
	e, kind := s.token(i + 1)
	if e < 0 {
		return -1, 0
	}
	tag := s.p[i+1 : e]
	builtin := bytes.Equal(tag, tagInst) || bytes.Equal(tag, tagUUID)
	if kind != Symbol || !Namespaced(tag) && !builtin {
		return s.fail(i, ReasonTag), 0
	}
	j := s.blank(e, depth+1)
	if j < 0 {
		return -1, 0
	}
	end, kind, h = s.value(j, depth+1, want && !builtin)
	if end < 0 {
		return -1, 0
	}
	if !builtin {
		return end, mum(maphash.Bytes(seed, tag), h+saltTagged)
	}
	bad := ReasonInst
	if tag[0] == 'u' {
		bad = ReasonUUID
	}
	if kind != String {
		return s.fail(i, bad), 0
	}
	text := s.p[j+1 : end-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		s.text, _ = appendUnquoted(s.text[:0], text)
		text = s.text
	}
	if bad == ReasonUUID {
		hi, lo, ok := parseUUID(text)
		if !ok {
			return s.fail(i, bad), 0
		}
		return end, mum(mum(hi, lo), saltUUID)
	}
	ms, ok := parseInst(text)
	if !ok {
		return s.fail(i, bad), 0
	}
	return end, mum(uint64(ms), saltInst)
}

func (s *Scanner) failUTF8(i int) int {
	for i < len(s.p) {
		r, size := utf8.DecodeRune(s.p[i:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		i += size
	}
	return s.fail(i, ReasonUTF8)
}
