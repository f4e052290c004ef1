package transit

import (
	"slices"

	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// deep reports whether nothing may nest inside of depth others.
func (r *Reader) deep(depth int) bool {
	return depth >= value.MaxDepth || depth >= r.MaxDepth && r.MaxDepth > 0
}

// open begins a collection inside of depth others.
func (r *Reader) open(k value.Kind, at, depth int) bool {
	if r.deep(depth) {
		return r.fail(at, ReasonDepth)
	}
	r.check.Begin(k)
	r.sink.Begin(k, -1)
	return true
}

func (r *Reader) close(at int, k Kind) Kind {
	if !r.check.End() {
		return r.invalid(at, ReasonDuplicate)
	}
	r.sink.End()
	return k
}

// array reads a vector, and what is written as an array with a mark: a map, or a
// tagged value.
func (r *Reader) array(depth int) Kind {
	at := r.i
	r.i++
	first := text{start: -1}
	var b []byte
	var known, ok bool
	if r.peek() == '"' {
		mark := r.i
		if first, ok = r.str(); !ok {
			return Invalid
		}
		if string(first.b) == "^ " {
			return r.mapArray(at, depth)
		}
		if b, known, ok = r.resolve(first, false); !ok {
			return Invalid
		}
		if isTag(b) {
			if !r.expect(',') {
				return Invalid
			}
			k := r.tagged(b[2:], mark, depth)
			if k == Invalid || !r.expect(']') {
				return Invalid
			}
			return k
		}
	}
	top := depth == 0
	r.top = r.top || top
	return r.vector(at, depth, first, b, known)
}

// vector reads a vector behind its bracket, or behind its first element if that is
// a string.
func (r *Reader) vector(at, depth int, first text, b []byte, known bool) Kind {
	if !r.open(value.Vector, at, depth) {
		return Invalid
	}
	var parts *forms
	switch {
	case depth == 0:
		parts = &r.outer
	case depth == 1 && r.top && r.outer.n == 0:
		parts = &r.inner
	default:
		parts = nil
	}
	more := true
	if first.start >= 0 {
		start := first.start - 1
		if start == r.from {
			r.detach()
			return r.detached(r.scalar(b, known, start, depth+1))
		}
		k := r.scalar(b, known, start, depth+1)
		if k == Invalid {
			return Invalid
		}
		if parts != nil {
			parts.add(start, first.end+1, k)
		}
		more = r.more(']')
	} else if r.peek() == ']' {
		r.i++
		more = false
	}
	for more {
		r.space()
		start := r.i
		k := r.value(depth + 1)
		if k == Invalid {
			return Invalid
		}
		if parts != nil {
			parts.add(start, r.i, k)
		}
		more = r.more(']')
	}
	if r.err != nil {
		return Invalid
	}
	return r.close(at, Vector)
}

// elements reads the array that a set or a list is written as.
func (r *Reader) elements(kind value.Kind, depth int) bool {
	if !r.expect('[') {
		return false
	}
	for more := !r.empty(); more; more = r.more(']') {
		if kind == value.Map {
			if !r.entry(depth, (*Reader).value) {
				return false
			}
		} else if r.value(depth+1) == Invalid {
			return false
		}
	}
	return r.err == nil
}

// empty reads the end of an array without elements.
func (r *Reader) empty() bool {
	if r.peek() != ']' {
		return false
	}
	r.i++
	return true
}

// mapArray reads the map in an array behind its mark.
func (r *Reader) mapArray(at, depth int) Kind {
	if !r.open(value.Map, at, depth) {
		return Invalid
	}
	for r.more(']') {
		if !r.entry(depth, (*Reader).key) {
			return Invalid
		}
	}
	if r.err != nil {
		return Invalid
	}
	return r.close(at, Map)
}

// entry reads a key and its value in the array that a map is written as.
func (r *Reader) entry(depth int, key func(*Reader, int) Kind) bool {
	r.space()
	start := r.i
	k := key(r, depth+1)
	if k == Invalid {
		return false
	}
	r.part(start, depth, k)
	if r.peek() == ']' {
		return r.fail(r.i, ReasonOddMap)
	}
	if !r.expect(',') {
		return false
	}
	r.space()
	start = r.i
	if k = r.value(depth + 1); k == Invalid {
		return false
	}
	r.part(start, depth, k)
	return true
}

// part collects a key or value of the map that is the whole.
func (r *Reader) part(start, depth int, k Kind) {
	if depth == 0 {
		r.outer.add(start, r.i, k)
	}
}

// key reads a key that is no collection; with others a map is a cmap.
func (r *Reader) key(depth int) Kind {
	switch c := r.peek(); c {
	case 0:
		return r.invalid(r.i, ReasonJSON)
	case '"':
		at := r.i
		s, ok := r.str()
		if !ok {
			return Invalid
		}
		b, known, ok := r.resolve(s, true)
		if !ok {
			return Invalid
		}
		return r.scalar(b, known, at, depth)
	case '[', '{':
		return r.invalid(r.i, ReasonShape)
	default:
		return r.bare(c, depth)
	}
}

// mapOrTag reads an object: a map, or a tagged value as its one entry.
func (r *Reader) mapOrTag(depth int) Kind {
	at := r.i
	r.i++
	if r.peek() == '}' {
		r.i++
		if !r.open(value.Map, at, depth) {
			return Invalid
		}
		return r.close(at, Map)
	}
	opened := false
	for more := true; more; more = r.more('}') {
		if r.peek() != '"' {
			return r.invalid(r.i, ReasonJSON)
		}
		keyAt := r.i
		s, ok := r.str()
		if !ok {
			return Invalid
		}
		b, known, ok := r.resolve(s, true)
		if !ok || !r.expect(':') {
			return Invalid
		}
		if !opened {
			if isTag(b) {
				k := r.tagged(b[2:], keyAt, depth)
				if k == Invalid || !r.expect('}') {
					return Invalid
				}
				return k
			}
			opened, r.object = true, true
			if !r.open(value.Map, at, depth) {
				return Invalid
			}
		}
		k := r.scalar(b, known, keyAt, depth+1)
		if k == Invalid {
			return Invalid
		}
		if depth == 0 {
			r.outer.add(keyAt, s.end+1, k)
		}
		r.space()
		start := r.i
		if k = r.value(depth + 1); k == Invalid {
			return Invalid
		}
		r.part(start, depth, k)
	}
	if r.err != nil {
		return Invalid
	}
	return r.close(at, Map)
}

// tagged reads what follows a tag.
func (r *Reader) tagged(name []byte, at, depth int) Kind {
	switch {
	case r.deep(depth):
		return r.invalid(at, ReasonDepth)
	case r.lone:
		return r.invalid(at, ReasonUTF8)
	}
	switch string(name) {
	case "'":
		r.space()
		start := r.i
		k := r.value(depth + 1)
		if depth == 0 {
			r.quoted = Form{start, r.i, k}
		}
		return k
	case "set":
		return r.collection(value.Set, Set, at, depth)
	case "list":
		return r.collection(value.List, List, at, depth)
	case "cmap":
		return r.collection(value.Map, Map, at, depth)
	case "ints", "longs", "shorts", "floats", "doubles", "bools":
		if r.own != nil {
			r.own.tag(name)
		}
		return r.collection(value.Vector, Vector, at, depth)
	case "link":
		if r.own != nil {
			r.own.tag(name)
		}
		k := r.value(depth)
		if k != Map && k != Invalid {
			return r.invalid(at, ReasonShape)
		}
		return k
	case "ratio":
		return r.ratio()
	case "with-meta":
		return r.withMeta(at, depth)
	}
	if len(name) == 1 && isScalarTag(name[0]) {
		return r.taggedScalar(name[0], at, depth)
	}
	if r.check.LegalTag(name) {
		r.check.Tag(name)
		r.sink.Tag(name)
		if r.value(depth+1) == Invalid {
			return Invalid
		}
		return Tagged
	}
	if len(name) == 0 || slices.Contains(name, '/') { // with a namespace, but not as EDN writes it
		return r.invalid(at, ReasonTag)
	}
	r.beginUnknown(name)
	if r.own != nil {
		r.own.tag(name)
	}
	if r.value(depth+1) == Invalid || !r.endUnknown(at) {
		return Invalid
	}
	return Tagged
}

func (r *Reader) collection(kind value.Kind, k Kind, at, depth int) Kind {
	if !r.open(kind, at, depth) || !r.elements(kind, depth) {
		return Invalid
	}
	return r.close(at, k)
}

// ratio reads an array of two whole numbers.
func (r *Reader) ratio() Kind {
	at := r.i
	if !r.expect('[') {
		return Invalid
	}
	num, ok := r.wholeNumber()
	if !ok {
		return Invalid
	}
	r.number1 = append(r.number1[:0], num...)
	if !r.expect(',') {
		return Invalid
	}
	den, ok := r.wholeNumber()
	if !ok || !r.expect(']') {
		return Invalid
	}
	num = r.number1
	if den[0] == '-' {
		den = den[1:]
		switch {
		case num[0] == '-':
			num = num[1:]
		case num[0] != '0':
			r.bytes = append(append(r.bytes[:0], '-'), num...)
			num = r.bytes
		}
	}
	if den[0] == '0' {
		return r.invalid(at, ReasonScalar)
	}
	r.check.Ratio(num, den)
	r.sink.Ratio(num, den)
	return Scalar
}

// wholeNumber reads a number that is whole, in any of its forms.
func (r *Reader) wholeNumber() ([]byte, bool) {
	at := r.i
	var b []byte
	if r.peek() == '"' {
		s, ok := r.str()
		if !ok {
			return nil, false
		}
		if b, _, ok = r.resolve(s, false); !ok {
			return nil, false
		}
		if len(b) < 3 || b[0] != '~' || b[1] != 'n' && b[1] != 'i' {
			return nil, r.fail(at, ReasonScalar)
		}
		b = b[2:]
	} else {
		if c := r.peek(); c != '-' && c-'0' > 9 {
			return nil, r.fail(at, ReasonShape)
		}
		var float, ok bool
		if b, float, ok = r.number(); !ok {
			return nil, false
		}
		if float {
			return nil, r.fail(at, ReasonScalar)
		}
	}
	b, ok := wholeNumber(b)
	if !ok {
		return nil, r.fail(at, ReasonScalar)
	}
	return b, true
}

// withMeta reads a value with metadata, which only Transit is told.
func (r *Reader) withMeta(at, depth int) Kind {
	if r.own != nil {
		r.own.tag([]byte("with-meta"))
		r.own.Begin(value.Vector, 2)
	}
	if !r.expect('[') {
		return Invalid
	}
	k := r.value(depth + 1)
	if k == Invalid || !r.expect(',') {
		return Invalid
	}
	sink := r.sink
	if r.own == nil && r.from < 0 { // else Detach may want a part of the metadata
		r.sink = discard{}
	}
	r.check.Drop()
	meta := r.value(depth + 1)
	if meta == Invalid || !r.expect(']') {
		return Invalid
	}
	r.sink = sink
	if r.own != nil {
		r.own.End()
	}
	switch k {
	case Symbol, List, Vector, Set, Map:
	default:
		return r.invalid(at, ReasonShape)
	}
	if meta != Map && meta != Nil {
		return r.invalid(at, ReasonShape)
	}
	return k
}

// isScalarTag tells whether a tag is one of those that strings have.
func isScalarTag(c byte) bool {
	switch c {
	case '_', '?', 'i', 'n', 'd', 'z', 'f', 'c', 'b', 'm', 't', 'r', 'u', ':', '$':
		return true
	}
	return false
}

// taggedScalar reads a scalar with its tag apart: ["~#n","12"].
func (r *Reader) taggedScalar(tag byte, at, depth int) Kind {
	c := r.peek()
	switch {
	case c == '"':
		s, ok := r.str()
		if !ok {
			return Invalid
		}
		b, _, ok := r.resolve(s, false)
		switch {
		case !ok:
			return Invalid
		case r.lone:
			return r.invalid(at, ReasonUTF8)
		case len(b) == 0 || b[0] != '~':
		case len(b) > 1 && (b[1] == '~' || b[1] == '^' || b[1] == '`'):
			b = b[1:]
		default:
			return r.invalid(at, ReasonShape)
		}
		return r.extended(tag, b, false, at, depth)
	case c == '[' && tag == 'u':
		return r.uuidWords(at, depth)
	case c == '-' || c-'0' < 10:
		b, float, ok := r.number()
		switch {
		case !ok:
			return Invalid
		case tag == 'd' || !float && (tag == 'i' || tag == 'n' || tag == 'm'):
			return r.extended(tag, b, false, at, depth)
		}
	}
	return r.invalid(at, ReasonShape)
}

// uuidWords reads a UUID as its two signed 64-bit halves.
func (r *Reader) uuidWords(at, depth int) Kind {
	var u [16]byte
	if !r.expect('[') {
		return Invalid
	}
	for i := range 2 {
		b, ok := r.wholeNumber()
		if !ok {
			return Invalid
		}
		v, ok := value.Int64(b)
		if !ok {
			return r.invalid(at, ReasonUUID)
		}
		for k := range 8 {
			u[i*8+k] = byte(uint64(v) >> (56 - 8*k))
		}
		if !r.expect("],"[1-i]) {
			return Invalid
		}
	}
	return r.uuid(u, at, depth)
}
