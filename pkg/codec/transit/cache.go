package transit

import (
	"bytes"
	"hash/maphash"
	"unicode/utf8"
)

// The key cache: writer and reader number the strings that are worth it in the
// order of the text, and a string that comes again is written as the code of its
// number. When all numbers are given, both begin anew.

const (
	codeDigits = 44
	codeZero   = '0'
	maxEntries = codeDigits * codeDigits
)

// entry is a string that has a number: a part of the message, or of the arena.
type entry struct {
	start, end uint32
	arena      bool
}

func (r *Reader) forget() { r.cache, r.arena = r.cache[:0], r.arena[:0] }

func isTag(b []byte) bool { return len(b) > 1 && b[0] == '~' && b[1] == '#' }

func isCode(b []byte) bool { return len(b) > 0 && b[0] == '^' }

// cacheable tells whether a string, as it is written, gets a number. Its length
// counts in UTF-16 units, as strings do where Transit comes from.
func cacheable(b []byte, key bool) bool {
	if len(b) < 4 || !key && (b[0] != '~' || b[1] != ':' && b[1] != '$' && b[1] != '#') {
		return false
	}
	if len(b) > 9 { // three bytes are at most one unit, and four are two
		return true
	}
	units := 0
	for _, r := range string(b) {
		if units++; r > 0xFFFF {
			units++
		}
	}
	return units > 3
}

// resolve returns the string that s is, or stands for as a code, and gives it a
// number where it gets one. known says that it was decoded before.
func (r *Reader) resolve(s text, key bool) (b []byte, known, ok bool) {
	if !isCode(s.b) {
		if cacheable(s.b, key) {
			r.remember(s)
		}
		return s.b, false, true
	}
	at := s.start - 1
	if len(s.b) == 2 && s.b[1] == ' ' {
		return nil, false, r.fail(at, ReasonTag) // the mark of a map, out of place
	}
	// Readers differ in how they number the key of a JSON object with one entry.
	k := -1
	if !r.object {
		k = codeIndex(s.b)
	}
	if k < 0 || k >= len(r.cache) {
		return nil, false, r.fail(at, ReasonCode)
	}
	e := r.cache[k]
	if r.room -= int64(e.end - e.start); r.room < 0 {
		return nil, false, r.fail(at, ReasonTooLong)
	}
	if e.arena {
		return r.arena[e.start:e.end], true, true
	}
	return r.p[e.start:e.end], true, true
}

func (r *Reader) remember(s text) {
	if len(r.cache) == maxEntries {
		r.forget()
	}
	e := entry{uint32(s.start), uint32(s.end), s.escaped}
	if s.escaped {
		e.start = uint32(len(r.arena))
		r.arena = append(r.arena, s.b...)
		e.end = uint32(len(r.arena))
	}
	r.cache = append(r.cache, e)
}

// codeIndex returns the number that a code stands for, or -1.
func codeIndex(b []byte) int {
	v := 0
	for _, c := range b[1:] {
		if c-codeZero >= codeDigits {
			return -1
		}
		v = v*codeDigits + int(c-codeZero)
	}
	if len(b) == 1 || len(b) > 3 {
		return -1
	}
	return v
}

func appendCode(dst []byte, k int) []byte {
	dst = append(dst, '^')
	if k >= codeDigits {
		dst = append(dst, byte(codeZero+k/codeDigits))
	}
	return append(dst, byte(codeZero+k%codeDigits))
}

// units returns the length in UTF-16 units of the inside of a JSON string.
func units(raw []byte) int {
	n := 0
	for i := 0; i < len(raw); n++ {
		switch c := raw[i]; {
		case c == '\\':
			if raw[i+1] == 'u' {
				i += 4
			}
			i += 2
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(raw[i:])
			if r > 0xFFFF {
				n++
			}
			i += size
		}
	}
	return n
}

// numbers gives the strings of a text their numbers. It holds the text while append
// runs only.
type numbers struct {
	slots []slot
	used  uint32 // slots with another number are free
	next  int
	maps  []position
}

// slot is a string that has a number, as a part of the text.
type slot struct {
	start, end uint32
	used       uint32
	number     uint16
}

// position is where a value is in an array: the keys of a map are at odd places.
type position struct {
	isMap bool
	n     int
}

const slots = 4096 // more than twice maxEntries

var seed = maphash.MakeSeed()

// append appends p, which must be a Writer's own text without codes, with codes.
func (c *numbers) append(dst, p []byte) []byte {
	if c.slots == nil {
		c.slots = make([]slot, slots)
	}
	c.clear()
	c.maps = append(c.maps[:0], position{})
	from := 0
	for i := 0; i < len(p); i++ {
		top := &c.maps[len(c.maps)-1]
		switch p[i] {
		case '[':
			c.maps = append(c.maps, position{isMap: i+3 < len(p) && p[i+1] == '"' && p[i+2] == '^'})
		case ']':
			c.maps = c.maps[:len(c.maps)-1]
		case ',':
			top.n++
		case '"':
			start := i + 1
			for i = start; p[i] != '"'; i++ {
				if p[i] == '\\' {
					i++
				}
			}
			key := top.isMap && top.n%2 == 1
			if k := c.number(p, start, i, key); k >= 0 {
				dst = appendCode(append(dst, p[from:start]...), k)
				from = i
			}
		}
	}
	return append(dst, p[from:]...)
}

func (c *numbers) clear() {
	c.next = 0
	if c.used++; c.used == 0 { // none may be taken for one of long ago
		clear(c.slots)
		c.used = 1
	}
}

// number returns the number that the string p[start:end] has, or -1 if it has none,
// and then gives it one if it is worth it.
func (c *numbers) number(p []byte, start, end int, key bool) int {
	s := p[start:end]
	if len(s) < 4 || !key && (s[0] != '~' || s[1] != ':' && s[1] != '$' && s[1] != '#') || units(s) < 4 {
		return -1
	}
	i := maphash.Bytes(seed, s) % slots
	for ; c.slots[i].used == c.used; i = (i + 1) % slots {
		if bytes.Equal(p[c.slots[i].start:c.slots[i].end], s) {
			return int(c.slots[i].number)
		}
	}
	if c.next == maxEntries {
		c.clear()
		i = maphash.Bytes(seed, s) % slots
	}
	c.slots[i] = slot{uint32(start), uint32(end), c.used, uint16(c.next)}
	c.next++
	return -1
}
