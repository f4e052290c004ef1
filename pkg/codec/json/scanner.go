package json

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"sync"
	"unsafe"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// What a Scanner keeps between calls, at most: 128 KiB of key records and 64 KiB of text. A text that needs more allocates.
const (
	keepKeys = 8 << 10
	keepText = 64 << 10
)

// Kind is the kind of a value as it is written.
type Kind uint8

// The kinds.
const (
	Invalid Kind = iota
	Null
	Bool
	Int   // a number without point and exponent
	Float // any other number
	String
	Array
	Object
)

// Form is the span of one value in a text: p[Start:End].
type Form struct {
	Start, End int
	Kind       Kind
}

// Text returns the value as a part of p, which must be the text that the form was found in.
func (f Form) Text(p []byte) []byte { return p[f.Start:f.End] }

// Scanner reads texts. Its zero value is ready. It holds reusable scratch memory, of a bounded size between calls, and must
// not be used concurrently.
type Scanner struct {
	// MaxDepth is how deep values may nest, where that is to be less than value.MaxDepth. 0 is that.
	MaxDepth int

	// Set for one call.
	p      []byte
	sink   value.Sink // nil: nobody is told
	err    *Error
	elems  []Form // where Split wants the forms directly inside the value
	nelems int

	// Scratch, kept between calls.
	keys []key
	text []byte
}

// Check returns nil if p holds exactly one value that Walk would tell, with nothing but whitespace around it; otherwise an
// *Error. It keeps nothing of p.
func (s *Scanner) Check(p []byte) error {
	_, _, err := s.read(p, nil, nil)
	return err
}

// Split is Check for callers that want the parts as well: it fills elems with the forms directly inside the value, as many as
// fit, when it is an array or an object (keys and values in turn), and returns the value's own form and how many forms it
// holds.
func (s *Scanner) Split(p []byte, elems []Form) (Form, int, error) { return s.read(p, nil, elems) }

// Walk tells sink the one value in p: a key that is the name of a keyword as one (edn.IsName), any other as a string, and a
// lone surrogate in a value as U+FFFD. It tells while it checks, by all rules of Check: after an error, an *Error, sink has
// heard a part and must be discarded.
func (s *Scanner) Walk(p []byte, sink value.Sink) error {
	_, _, err := s.read(p, sink, nil)
	return err
}

var scanners = sync.Pool{New: func() any { return new(Scanner) }}

// Check is Scanner.Check with a Scanner from a pool. It is safe for concurrent use.
func Check(p []byte) error { return Walk(p, nil) }

// Walk is Scanner.Walk with a Scanner from a pool. It is safe for concurrent use, if the sinks differ.
func Walk(p []byte, sink value.Sink) error {
	s := scanners.Get().(*Scanner)
	_, _, err := s.read(p, sink, nil)
	scanners.Put(s)
	return err
}

func (s *Scanner) read(p []byte, sink value.Sink, elems []Form) (f Form, n int, err error) {
	s.p, s.sink, s.err, s.elems, s.nelems = p, sink, nil, elems, 0
	s.keys = s.keys[:0]
	switch i := blank(p, 0); {
	case len(p) > math.MaxInt32: // key records hold 32-bit offsets
		s.fail(0, ReasonTooLong)
	case i == len(p):
		s.fail(i, ReasonEmpty)
	default:
		f.Start = i
		f.End, f.Kind = s.value(i, 0)
		if s.err == nil {
			if i = blank(p, f.End); i < len(p) {
				s.fail(i, ReasonExtra)
			}
		}
	}
	n = s.nelems
	if s.err != nil {
		f, n, err = Form{}, 0, s.err
	}
	s.p, s.sink, s.err, s.elems = nil, nil, nil, nil
	if cap(s.keys) > keepKeys {
		s.keys = nil
	}
	if cap(s.text) > keepText {
		s.text = nil
	}
	return f, n, err
}

// deep reports whether nothing may nest inside of depth others.
func (s *Scanner) deep(depth int) bool {
	return depth >= value.MaxDepth || depth >= s.MaxDepth && s.MaxDepth > 0
}

// fail records the first fault and returns -1, which every reading method returns in place of an offset from then on.
func (s *Scanner) fail(off int, r Reason) int {
	if s.err == nil {
		s.err = &Error{Offset: off, Reason: r}
	}
	return -1
}

// unexpected is the fault of a text that has something else at i, or ends there.
func (s *Scanner) unexpected(i int) int {
	if i >= len(s.p) {
		return s.fail(len(s.p), ReasonEOF)
	}
	return s.fail(i, ReasonSyntax)
}

func blank(p []byte, i int) int {
	for i < len(p) && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t') {
		i++
	}
	return i
}

// value reads the value that begins at i, and returns the offset behind it.
func (s *Scanner) value(i, depth int) (int, Kind) {
	if i >= len(s.p) {
		return s.fail(i, ReasonEOF), Invalid
	}
	switch c := s.p[i]; c {
	case '"':
		text, end := s.str(i, false)
		if s.sink != nil && end >= 0 {
			s.sink.String(text)
		}
		return end, String
	case '{':
		return s.object(i, depth), Object
	case '[':
		return s.array(i, depth), Array
	case 't':
		return s.word(i, "true"), Bool
	case 'f':
		return s.word(i, "false"), Bool
	case 'n':
		return s.word(i, "null"), Null
	default:
		if c == '-' || c-'0' < 10 {
			return s.number(i)
		}
		return s.fail(i, ReasonSyntax), Invalid
	}
}

func (s *Scanner) word(i int, text string) int {
	end := i + len(text)
	if end > len(s.p) || string(s.p[i:end]) != text {
		for k := range len(text) {
			if i+k >= len(s.p) || s.p[i+k] != text[k] {
				return s.unexpected(i + k)
			}
		}
	}
	if s.sink != nil {
		switch text[0] {
		case 'n':
			s.sink.Nil()
		default:
			s.sink.Bool(text[0] == 't')
		}
	}
	return end
}

func digitsEnd(p []byte, i int) int {
	for i < len(p) && p[i]-'0' < 10 {
		i++
	}
	return i
}

func (s *Scanner) number(start int) (int, Kind) {
	p := s.p
	i := start
	if p[i] == '-' {
		i++
	}
	first := i
	i = digitsEnd(p, i)
	if i == first || p[first] == '0' && i > first+1 {
		return s.fail(start, ReasonNumber), Invalid
	}
	if i == len(p) || p[i] != '.' && p[i]|0x20 != 'e' {
		if s.sink != nil {
			if p[first] == '0' {
				start = first // -0
			}
			s.sink.Int(p[start:i], false)
		}
		return i, Int
	}
	if p[i] == '.' {
		first = i + 1
		if i = digitsEnd(p, first); i == first {
			return s.fail(start, ReasonNumber), Invalid
		}
	}
	if i < len(p) && p[i]|0x20 == 'e' {
		i++
		if i < len(p) && (p[i] == '+' || p[i] == '-') {
			i++
		}
		first = i
		if i = digitsEnd(p, first); i == first {
			return s.fail(start, ReasonNumber), Invalid
		}
	}
	if s.sink != nil {
		// ParseFloat does not keep its argument, but for an error that is dropped here: what is too large is an infinity.
		v, _ := strconv.ParseFloat(unsafe.String(&p[start], i-start), 64)
		s.sink.Float(v)
	}
	return i, Float
}

func (s *Scanner) array(start, depth int) int {
	if s.deep(depth) {
		return s.fail(start, ReasonDepth)
	}
	if s.sink != nil {
		s.sink.Begin(value.Vector, -1)
	}
	i := blank(s.p, start+1)
	for more := i >= len(s.p) || s.p[i] != ']'; more; {
		end, kind := s.value(i, depth+1)
		if end < 0 {
			return -1
		}
		if depth == 0 {
			s.element(i, end, kind)
		}
		if i = blank(s.p, end); i < len(s.p) && s.p[i] == ',' {
			i = blank(s.p, i+1)
			continue
		}
		if i >= len(s.p) || s.p[i] != ']' {
			return s.unexpected(i)
		}
		more = false
	}
	if s.sink != nil {
		s.sink.End()
	}
	return i + 1
}

// element records a form directly inside the value that Split was called for.
func (s *Scanner) element(i, end int, kind Kind) {
	if s.nelems < len(s.elems) {
		s.elems[s.nelems] = Form{Start: i, End: end, Kind: kind}
	}
	s.nelems++
}

func (s *Scanner) object(start, depth int) int {
	if s.deep(depth) {
		return s.fail(start, ReasonDepth)
	}
	if s.sink != nil {
		s.sink.Begin(value.Map, -1)
	}
	base := len(s.keys)
	i := blank(s.p, start+1)
	for more := i >= len(s.p) || s.p[i] != '}'; more; {
		end := s.key(i)
		if end < 0 {
			return -1
		}
		if depth == 0 {
			s.element(i, end, String)
		}
		if i = blank(s.p, end); i >= len(s.p) || s.p[i] != ':' {
			return s.unexpected(i)
		}
		i = blank(s.p, i+1)
		end, kind := s.value(i, depth+1)
		if end < 0 {
			return -1
		}
		if depth == 0 {
			s.element(i, end, kind)
		}
		if i = blank(s.p, end); i < len(s.p) && s.p[i] == ',' {
			i = blank(s.p, i+1)
			continue
		}
		if i >= len(s.p) || s.p[i] != '}' {
			return s.unexpected(i)
		}
		more = false
	}
	if !s.distinct(base) {
		return -1
	}
	if s.sink != nil {
		s.sink.End()
	}
	return i + 1
}

// key reads the key at i and remembers it.
func (s *Scanner) key(i int) int {
	if i >= len(s.p) || s.p[i] != '"' {
		return s.unexpected(i)
	}
	text, end := s.str(i, true)
	if end < 0 {
		return -1
	}
	s.keys = append(s.keys, key{hash: maphash.Bytes(seed, text), start: uint32(i), end: uint32(end)})
	switch {
	case s.sink == nil:
	case edn.IsName(text):
		s.sink.Keyword(text)
	default:
		s.sink.String(text)
	}
	return end
}

// seed makes hashes that nobody outside can make collide.
var seed = maphash.MakeSeed()

// key is the span of a key of an object that is being read, and the hash of its value.
type key struct {
	hash       uint64
	start, end uint32
}

// fewKeys is how many keys are compared with each other rather than sorted.
const fewKeys = 12

// distinct takes the keys from base off the stack and tells whether no two are equal.
func (s *Scanner) distinct(base int) bool {
	keys := s.keys[base:]
	s.keys = s.keys[:base]
	if len(keys) > fewKeys {
		slices.SortFunc(keys, func(a, b key) int { return cmp.Compare(a.hash, b.hash) })
		for i := range keys {
			for j := i + 1; j < len(keys) && keys[i].hash == keys[j].hash; j++ {
				if s.same(keys[i], keys[j]) {
					s.fail(int(max(keys[i].start, keys[j].start)), ReasonDuplicate)
					return false
				}
			}
		}
		return true
	}
	for i := range keys {
		for j := range i {
			if keys[i].hash == keys[j].hash && s.same(keys[i], keys[j]) {
				s.fail(int(keys[i].start), ReasonDuplicate)
				return false
			}
		}
	}
	return true
}

// same confirms that two keys with the same hash are equal, which happens once, for the duplicate that ends the scan.
func (s *Scanner) same(a, b key) bool {
	ta, _ := appendUnquoted(nil, s.p[a.start+1:a.end-1])
	tb, _ := appendUnquoted(nil, s.p[b.start+1:b.end-1])
	return bytes.Equal(ta, tb)
}
