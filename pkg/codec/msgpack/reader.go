package msgpack

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/codec/check"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// keepBytes is how many bytes of scratch a Reader or Writer keeps between calls, at
// most.
const keepBytes = 64 << 10

// Codes stand for at most so many bytes, and so many for each byte of the message:
// else a message of a megabyte might become one of many gigabytes. A keyword of 80
// letters that is a key again and again takes 5 bytes each time, with its value.
const (
	roomFloor  = 64 << 10
	roomFactor = 16
)

// Reader reads messages. Its zero value is ready. It holds reusable scratch memory
// and must not be used concurrently.
type Reader struct {
	// MaxDepth is how deep values may nest, where that is to be less than value.MaxDepth. 0 is that.
	MaxDepth int

	// Set for one call.
	p     []byte // the message, or as much of it as what is read is in
	i     int
	sink  value.Sink
	own   *Writer // the sink, if it knows all that this format knows
	err   *Error
	outer forms
	inner forms // of the first of outer, if it is a vector
	top   bool  // the value is a vector
	from  int   // where the value is that Detach wants, or -1
	keys  int   // how many keys have a number
	room  int64 // bytes that codes may still stand for

	// Scratch, kept between calls.
	check     check.Checker
	numbered  [maxKeys]Form // of keywords and strings, their text
	digits    [20]byte
	numerator [20]byte
	text      []byte
	out       Writer
}

// forms collects the first elements of a vector.
type forms struct {
	into []Form
	n    int
}

func (f *forms) add(start, end int, k Kind) {
	if f.n < len(f.into) {
		f.into[f.n] = Form{start, end, k}
	}
	f.n++
}

// Walk checks the one value in p and tells it to sink. On an error, an *Error, sink
// has heard a part and must be thrown away. A Writer of this package is told all
// that the format knows; another Sink what EDN knows, and byte strings if it is a
// value.Binary. Walk keeps nothing of p.
func (r *Reader) Walk(p []byte, sink value.Sink) error {
	r.begin(p, sink)
	r.only()
	return r.end()
}

// Check returns nil if Walk would, and tells nobody.
func (r *Reader) Check(p []byte) error { return r.Walk(p, discard{}) }

// Split is Check for callers that want the parts as well. If the value is a vector or
// a map, it fills outer with its elements (keys and values in turn), as many as fit;
// and inner with those of its first element, if both are vectors. It returns the form
// of the whole and how many elements there are.
func (r *Reader) Split(p []byte, outer, inner []Form) (whole Form, nOuter, nInner int, err error) {
	r.begin(p, discard{})
	r.outer.into, r.inner.into = outer, inner
	whole = r.only()
	nOuter, nInner = r.outer.n, r.inner.n
	if err := r.end(); err != nil {
		return Form{}, 0, 0, err
	}
	return whole, nOuter, nInner, nil
}

// Detach appends the value f of p so that it means the same anywhere in bytes
// without codes, and Sente's packer reads it: as it is, if it does already, and
// otherwise rewritten. f must have come from Split with this p, and be no key. dst
// is returned unchanged on an error.
func (r *Reader) Detach(dst, p []byte, f Form) ([]byte, error) {
	if !mustRewrite(p[f.Start:f.End]) {
		return append(dst, p[f.Start:f.End]...), nil
	}
	r.begin(p, discard{})
	r.from = f.Start
	r.out.Reset(dst)
	r.only()
	switch r.err {
	case errDone:
		r.err = nil
	case nil:
		r.fail(f.Start, ReasonEOF) // no value begins there
	}
	if err := r.end(); err != nil {
		return dst, err
	}
	return r.out.Bytes()
}

// Portable reports that p, the bytes of a value or of a part of one, mean the same
// anywhere, so that Detach would copy them.
func Portable(p []byte) bool { return !mustRewrite(p) }

// mustRewrite looks for codes of keys, for times other than the 12 bytes that
// Sente's packer reads, and for the unsigned numbers that its ClojureScript refuses.
// It errs on the side of rewriting.
func mustRewrite(p []byte) bool {
	for i, c := range p {
		switch {
		case c == uint64s:
			return true
		case i == 0:
		case c == extKey && (p[i-1] == fixExt1 || p[i-1] == 1):
			return true
		case c == 0xFF && (p[i-1] == fixExt4 || p[i-1] == fixExt8 || p[i-1] == 4 || p[i-1] == 8):
			return true
		}
	}
	return false
}

func (r *Reader) begin(p []byte, sink value.Sink) {
	r.p, r.i, r.sink, r.err = p, 0, sink, nil
	r.own, _ = sink.(*Writer)
	r.outer, r.inner, r.top, r.from, r.keys = forms{}, forms{}, false, -1, 0
	r.room = roomFloor + roomFactor*int64(len(p))
	r.check.Reset()
	if len(p) > math.MaxInt32 {
		r.fail(0, ReasonTooLong)
	}
}

// end lets go of the message and of scratch beyond its bound.
func (r *Reader) end() error {
	err := r.err
	r.p, r.sink, r.own, r.err = nil, nil, nil, nil
	r.outer.into, r.inner.into = nil, nil
	if cap(r.text) > keepBytes {
		r.text = nil
	}
	if err != nil {
		return err
	}
	return nil
}

// fail records the first fault and returns false.
func (r *Reader) fail(at int, reason Reason) bool {
	if r.err == nil {
		r.err = &Error{Offset: at, Reason: reason}
	}
	return false
}

func (r *Reader) invalid(at int, reason Reason) Kind {
	r.fail(at, reason)
	return Invalid
}

// only reads the one value of the whole message.
func (r *Reader) only() Form {
	if r.err != nil {
		return Form{}
	}
	k := r.value(0)
	if k == Invalid {
		return Form{}
	}
	if r.i < len(r.p) {
		r.fail(r.i, ReasonExtra)
		return Form{}
	}
	return Form{0, r.i, k}
}

// take returns the next n bytes.
func (r *Reader) take(n int) ([]byte, bool) {
	if n < 0 || n > len(r.p)-r.i {
		return nil, r.fail(r.i, ReasonEOF)
	}
	b := r.p[r.i : r.i+n]
	r.i += n
	return b, true
}

// length reads a big-endian number of 1, 2 or 4 bytes.
func (r *Reader) length(width int) (int, bool) {
	b, ok := r.take(width)
	if !ok {
		return 0, false
	}
	n := 0
	for _, c := range b {
		n = n<<8 | int(c)
	}
	if n < 0 { // where an int has 32 bits
		return 0, r.fail(r.i, ReasonEOF)
	}
	return n, true
}

// value reads the value that must be next, inside of depth others. It returns
// Invalid after a fault.
func (r *Reader) value(depth int) Kind {
	at := r.i
	if at == r.from {
		r.from = -1
		r.sink, r.own = &r.out, &r.out
		if r.value(depth) != Invalid {
			r.err = errDone
		}
		return Invalid
	}
	b, ok := r.take(1)
	if !ok {
		return Invalid
	}
	switch c := b[0]; {
	case c < fixMap || c >= negative:
		return r.integer(int64(int8(c)))
	case c < fixArray:
		return r.mapping(int(c-fixMap), at, depth)
	case c < fixStr:
		return r.vector(int(c-fixArray), at, depth)
	case c < codeNil:
		return r.str(int(c-fixStr), at)
	case c == codeNil:
		r.check.Nil()
		r.sink.Nil()
		return Nil
	case c == isFalse || c == isTrue:
		r.check.Bool(c == isTrue)
		r.sink.Bool(c == isTrue)
		return Bool
	case c >= fixExt1 && c <= fixExt16:
		return r.extension(1<<(c-fixExt1), at, depth)
	case c >= float32s && c < fixExt1:
		return r.number(c, at, depth)
	case c == unused:
		return r.invalid(at, ReasonByte)
	default:
		return r.long(c, at, depth)
	}
}

// long reads what has its length behind its first byte.
func (r *Reader) long(c byte, at, depth int) Kind {
	width := 1
	switch c {
	case bin16, ext16, str16, array16, map16:
		width = 2
	case bin32, ext32, str32, array32, map32:
		width = 4
	}
	n, ok := r.length(width)
	if !ok {
		return Invalid
	}
	switch c {
	case bin8, bin16, bin32:
		return r.binary(n)
	case ext8, ext16, ext32:
		return r.extension(n, at, depth)
	case str8, str16, str32:
		return r.str(n, at)
	case array16, array32:
		return r.vector(n, at, depth)
	}
	return r.mapping(n, at, depth)
}

func (r *Reader) integer(v int64) Kind {
	r.digitsTold(strconv.AppendInt(r.digits[:0], v, 10))
	return Scalar
}

func (r *Reader) digitsTold(digits []byte) {
	r.check.Int(digits, false)
	r.sink.Int(digits, false)
}

// number reads what is behind the first byte of a number.
func (r *Reader) number(c byte, at, depth int) Kind {
	switch c {
	case float32s:
		if b, ok := r.take(4); ok {
			return r.float(float64(math.Float32frombits(binary.BigEndian.Uint32(b))), at, depth)
		}
	case float64s:
		if b, ok := r.take(8); ok {
			return r.float(math.Float64frombits(binary.BigEndian.Uint64(b)), at, depth)
		}
	default:
		if b, ok := r.take(1 << (c & 3)); ok {
			r.digitsTold(appendWhole(r.digits[:0], c, b))
			return Scalar
		}
	}
	return Invalid
}

// appendWhole appends the digits of a number in b, whose first byte is c.
func appendWhole(dst []byte, c byte, b []byte) []byte {
	v := uint64(0)
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	if c < int8s {
		return strconv.AppendUint(dst, v, 10)
	}
	shift := 64 - 8*len(b)
	return strconv.AppendInt(dst, int64(v<<shift)>>shift, 10)
}

func (r *Reader) float(f float64, at, depth int) Kind {
	if (math.IsNaN(f) || math.IsInf(f, 0)) && r.deep(depth) { // EDN nests ##NaN
		return r.invalid(at, ReasonDepth)
	}
	r.check.Float(f)
	r.sink.Float(f)
	return Scalar
}

func (r *Reader) str(n, at int) Kind {
	b, ok := r.take(n)
	if !ok {
		return Invalid
	}
	if !utf8.Valid(b) {
		return r.invalid(at, ReasonUTF8)
	}
	r.check.String(b)
	r.sink.String(b)
	return String
}

func (r *Reader) binary(n int) Kind {
	b, ok := r.take(n)
	if !ok {
		return Invalid
	}
	r.text = base64.StdEncoding.AppendEncode(r.text[:0], b)
	r.check.String(r.text)
	if s, ok := r.sink.(value.Binary); ok {
		s.ByteString(b)
	} else {
		r.sink.String(r.text)
	}
	return Scalar
}

// deep reports whether nothing may nest inside of depth others.
func (r *Reader) deep(depth int) bool {
	return depth >= value.MaxDepth || depth >= r.MaxDepth && r.MaxDepth > 0
}

// open begins a collection of n values inside of depth others. Each value takes a
// byte at least, so that a length is believed only if it can be true.
func (r *Reader) open(k value.Kind, n, at, depth int) bool {
	switch {
	case r.deep(depth):
		return r.fail(at, ReasonDepth)
	case n > len(r.p)-r.i:
		return r.fail(at, ReasonEOF)
	}
	r.check.Begin(k)
	r.sink.Begin(k, n)
	return true
}

func (r *Reader) close(at int, k Kind) Kind {
	if !r.check.End() {
		return r.invalid(at, ReasonDuplicate)
	}
	r.sink.End()
	return k
}

func (r *Reader) vector(n, at, depth int) Kind {
	if !r.open(value.Vector, n, at, depth) {
		return Invalid
	}
	var parts *forms
	switch {
	case depth == 0:
		parts, r.top = &r.outer, true
	case depth == 1 && r.top && r.outer.n == 0:
		parts = &r.inner
	}
	for range n {
		start := r.i
		k := r.value(depth + 1)
		if k == Invalid {
			return Invalid
		}
		if parts != nil {
			parts.add(start, r.i, k)
		}
	}
	return r.close(at, Vector)
}

func (r *Reader) mapping(n, at, depth int) Kind {
	if n > len(r.p)/2 {
		return r.invalid(at, ReasonEOF)
	}
	if !r.open(value.Map, 2*n, at, depth) {
		return Invalid
	}
	for range n {
		for _, part := range [...]func(*Reader, int) Kind{(*Reader).key, (*Reader).value} {
			start := r.i
			k := part(r, depth+1)
			if k == Invalid {
				return Invalid
			}
			if depth == 0 {
				r.outer.add(start, r.i, k)
			}
		}
	}
	return r.close(at, Map)
}

// key reads a key, or the code of one. Keywords and strings get a number, as they do
// where Sente's packer reads them: also when they had one already.
func (r *Reader) key(depth int) Kind {
	at := r.i
	if code := r.p[at:]; len(code) > 2 && code[0] == fixExt1 && code[1] == extKey {
		r.i += 3
		if int(code[2]) >= r.keys {
			return r.invalid(at, ReasonCode)
		}
		k := r.numbered[code[2]]
		b := r.p[k.Start:k.End]
		if r.room -= int64(len(b)); r.room < 0 {
			return r.invalid(at, ReasonTooLong)
		}
		if k.Kind == Keyword {
			r.check.Keyword(b)
			r.sink.Keyword(b)
		} else {
			r.check.String(b)
			r.sink.String(b)
		}
		return k.Kind
	}
	k := r.value(depth)
	if (k == Keyword || k == String) && r.keys < maxKeys {
		r.numbered[r.keys] = Form{r.i - textLength(r.p[at:r.i]), r.i, k}
		r.keys++
	}
	return k
}

// textLength returns how long the text at the end of a string or keyword is.
func textLength(p []byte) int {
	switch c := p[0]; c {
	case str8:
		return len(p) - 2
	case str16, ext8:
		return len(p) - 3
	case ext16:
		return len(p) - 4
	case str32:
		return len(p) - 5
	case ext32:
		return len(p) - 6
	case fixExt1, fixExt2, fixExt4, fixExt8, fixExt16:
		return len(p) - 2
	}
	return len(p) - 1
}

var readers = sync.Pool{New: func() any { return new(Reader) }}

// Walk is Reader.Walk with a Reader from a pool. It is safe for concurrent use, if
// the sinks differ.
func Walk(p []byte, sink value.Sink) error {
	r := readers.Get().(*Reader)
	err := r.Walk(p, sink)
	readers.Put(r)
	return err
}

// Check is Reader.Check with a Reader from a pool. It is safe for concurrent use.
func Check(p []byte) error { return Walk(p, discard{}) }

// discard is a Sink that forgets what it is told.
type discard struct{}

var _ value.Sink = discard{}

func (discard) Nil()                  {}
func (discard) Bool(bool)             {}
func (discard) Int([]byte, bool)      {}
func (discard) Float(float64)         {}
func (discard) Decimal([]byte)        {}
func (discard) Ratio(_, _ []byte)     {}
func (discard) Char(rune)             {}
func (discard) String([]byte)         {}
func (discard) Keyword([]byte)        {}
func (discard) Symbol([]byte)         {}
func (discard) Inst(time.Time)        {}
func (discard) UUID([16]byte)         {}
func (discard) Tag([]byte)            {}
func (discard) Begin(value.Kind, int) {}
func (discard) End()                  {}
