package transit

import (
	"math"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/check"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// keepText is how many bytes of each kind of scratch a Reader keeps between
// calls, at most.
const keepText = 64 << 10

// Codes stand for at most so many bytes, and so many for each byte of the message:
// else a message of a megabyte might become one of many gigabytes. A keyword of 80
// letters that comes again and again takes 5 bytes each time.
const (
	roomFloor  = 64 << 10
	roomFactor = 16
)

// Reader reads messages. Its zero value is ready. It holds reusable scratch memory
// and must not be used concurrently.
type Reader struct {
	// Mode is the form that Detach rewrites to: Plain, or Verbose.
	Mode Mode
	// MaxDepth is how deep values may nest, where that is to be less than value.MaxDepth. 0 is that.
	MaxDepth int

	// Set for one call.
	p      []byte
	i      int
	sink   value.Sink
	own    *Writer // the sink, if it knows all of Transit
	err    *Error
	outer  forms
	inner  forms // of the first of outer, if it is a vector
	top    bool  // the value is a vector
	object bool  // there was a JSON object that is a map
	lone   bool  // the last string had half of a surrogate pair
	from   int   // where the value is that Detach wants, or -1
	room   int64 // bytes that codes may still stand for
	quoted Form  // what is in the quote that is the whole

	// Scratch, kept between calls.
	check     check.Checker
	cache     []entry
	arena     []byte // decoded strings of cache
	unescaped []byte
	number1   []byte
	bytes     []byte
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
// that Transit knows; another Sink what EDN knows, and byte strings if it is a
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
// of the whole and how many elements there are; what has metadata or a quote, and what
// is neither vector nor map, has none.
func (r *Reader) Split(p []byte, outer, inner []Form) (whole Form, nOuter, nInner int, err error) {
	r.begin(p, discard{})
	r.outer.into, r.inner.into = outer, inner
	whole = r.only()
	if whole.Kind == Vector && !r.top {
		whole.Kind = Tagged
	}
	nOuter, nInner = r.outer.n, r.inner.n
	if err := r.end(); err != nil {
		return Form{}, 0, 0, err
	}
	return whole, nOuter, nInner, nil
}

// Value is Check, and returns the one value of p, without blanks and without the quote
// of a scalar.
func (r *Reader) Value(p []byte) (Form, error) {
	r.begin(p, discard{})
	whole := r.only()
	if r.quoted.Kind != Invalid {
		whole = r.quoted
	}
	if err := r.end(); err != nil {
		return Form{}, err
	}
	return whole, nil
}

// Detach appends the value f of p so that it means the same anywhere in a text
// without cache codes, and Clojure's reader of Transit reads it: as it is, if it does
// already, and otherwise rewritten in the form that Mode says. f must have come from
// Split or Value with this p, and be no key. dst is returned unchanged on an error.
func (r *Reader) Detach(dst, p []byte, f Form) ([]byte, error) {
	if !mustRewrite(p[f.Start:f.End]) {
		return append(dst, p[f.Start:f.End]...), nil
	}
	r.begin(p, discard{})
	r.from = f.Start
	r.out.Mode, r.out.Bare = r.Mode, true
	r.out.Reset(dst)
	r.only()
	switch r.err {
	case errDone:
		r.err = nil
	case nil:
		r.fail(f.Start, ReasonShape) // no value begins there
	}
	if err := r.end(); err != nil {
		return dst, err
	}
	return r.out.Bytes()
}

// detach begins to write what Detach wants.
func (r *Reader) detach() {
	r.from = -1
	r.sink, r.own = &r.out, &r.out
}

// detached ends the reading behind it.
func (r *Reader) detached(k Kind) Kind {
	if k != Invalid {
		r.err = errDone
	}
	return Invalid
}

// Portable reports that p, the text of a value or of a part of one, means the same
// anywhere, so that Detach would copy it.
func Portable(p []byte) bool { return !mustRewrite(p) }

func (r *Reader) begin(p []byte, sink value.Sink) {
	r.p, r.i, r.sink, r.err = p, 0, sink, nil
	r.own, _ = sink.(*Writer)
	r.outer, r.inner, r.top, r.object, r.from = forms{}, forms{}, false, false, -1
	r.room, r.quoted = roomFloor+roomFactor*int64(len(p)), Form{}
	r.check.Reset()
	r.forget()
	if len(p) > math.MaxInt32 { // cache entries hold 32-bit offsets
		r.fail(0, ReasonTooLong)
	}
}

// end lets go of the message and of scratch beyond its bound.
func (r *Reader) end() error {
	err := r.err
	r.p, r.sink, r.own, r.err = nil, nil, nil, nil
	r.outer.into, r.inner.into = nil, nil
	for _, b := range []*[]byte{&r.arena, &r.unescaped, &r.number1, &r.bytes} {
		if cap(*b) > keepText {
			*b = nil
		}
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

// only reads the one value of the whole text.
func (r *Reader) only() Form {
	if r.err != nil {
		return Form{}
	}
	r.space()
	start := r.i
	k := r.value(0)
	end := r.i
	if k == Invalid {
		return Form{}
	}
	if r.space(); r.i < len(r.p) {
		r.fail(r.i, ReasonExtra)
		return Form{}
	}
	return Form{start, end, k}
}

// value reads the value that must be next, inside of depth others. It returns
// Invalid after a fault.
func (r *Reader) value(depth int) Kind {
	c := r.peek()
	if r.i == r.from && c != 0 {
		r.detach()
		return r.detached(r.value(depth))
	}
	switch c {
	case 0:
		return r.invalid(r.i, ReasonJSON)
	case '"':
		at := r.i
		s, ok := r.str()
		if !ok {
			return Invalid
		}
		b, known, ok := r.resolve(s, false)
		if !ok {
			return Invalid
		}
		return r.scalar(b, known, at, depth)
	case '[':
		return r.array(depth)
	case '{':
		return r.mapOrTag(depth)
	}
	return r.bare(c, depth)
}

// bare reads null, true, false or a number.
func (r *Reader) bare(c byte, depth int) Kind {
	switch c {
	case 'n':
		if !r.word("null") {
			return Invalid
		}
		return r.null()
	case 't':
		if !r.word("true") {
			return Invalid
		}
		return r.boolean(true)
	case 'f':
		if !r.word("false") {
			return Invalid
		}
		return r.boolean(false)
	}
	if c != '-' && c-'0' > 9 {
		return r.invalid(r.i, ReasonJSON)
	}
	at := r.i
	b, float, ok := r.number()
	switch {
	case !ok:
		return Invalid
	case float:
		return r.float(parseFloat(b), at, depth)
	}
	return r.integer(b, false, at)
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
