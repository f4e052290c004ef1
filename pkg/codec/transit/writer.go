package transit

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/codec/check"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// Mode is a form of Transit in JSON.
type Mode uint8

// The modes.
const (
	Plain   Mode = iota // the ordinary form without cache codes, whose parts mean the same anywhere
	Cached              // the ordinary form, as other writers write it
	Verbose             // maps are objects, times are text
)

// Writer is a value.Sink that writes one value. Its zero value is ready and writes
// Plain; Reset makes it ready again, and Mode and Bare may be set before it. It
// does not allocate beyond what it appends to once its scratch has grown, and must
// not be used concurrently.
//
// It relies on what a Sink is promised. Times lose what is finer than a
// millisecond. A surrogate as character, which a Sink is never told, is an error of
// Bytes.
type Writer struct {
	Mode Mode
	// Bare leaves out the quote that readers of whole texts want around a value
	// that is no collection: for a value that becomes a part of a text.
	Bare bool

	dst    []byte
	base   int // len(dst) when it was given
	done   bool
	reason Reason
	frames []frame
	keys   []span  // of the entries of open maps
	heads  []int   // where a map begins that turned out to be a cmap
	before []byte  // what dst held before its last change
	codes  numbers // for Cached
}

var _ value.Binary = (*Writer)(nil)

// span is a part of what is written.
type span struct{ start, end int }

// frame is an open collection or tag.
type frame struct {
	kind  frameKind
	n     int // values told so far
	start int
	keys  int // where its keys begin
}

type frameKind uint8

const (
	frameArray frameKind = iota // a vector
	frameRep                    // a list or a set: an array inside of its tag
	frameMap
	frameLateMap // a map with a collection as a key that was not its first
	frameCmap
	frameTag
	frameQuote
)

// Reset makes the Writer append to dst, which it owns until Bytes.
func (w *Writer) Reset(dst []byte) {
	w.dst, w.base, w.done, w.reason = dst, len(dst), false, 0
	w.frames, w.keys, w.heads = w.frames[:0], w.keys[:0], w.heads[:0]
	if cap(w.keys) > keepKeys {
		w.keys = nil
	}
	if cap(w.heads) > keepKeys {
		w.heads = nil
	}
}

// Bytes returns dst with the text of the value. On an error, an *Error without a
// place, dst is returned with nothing appended.
func (w *Writer) Bytes() ([]byte, error) {
	if w.reason == 0 && !w.done {
		w.reason = ReasonCalls
	}
	if w.reason != 0 {
		return w.dst[:w.base], &Error{Offset: -1, Reason: w.reason}
	}
	if len(w.heads) > 0 {
		w.insertHeads()
	}
	if w.Mode == Cached {
		w.before = append(w.before[:0], w.dst[w.base:]...)
		w.dst = w.codes.append(w.dst[:w.base], w.before)
	}
	if cap(w.before) > keepText {
		w.before = nil
	}
	return w.dst, nil
}

func (w *Writer) fail(r Reason) {
	if w.reason == 0 {
		w.reason = r
	}
}

func (w *Writer) top() *frame {
	if len(w.frames) == 0 {
		return nil
	}
	return &w.frames[len(w.frames)-1]
}

// next writes what is before a value, and tells whether it is the key of a map.
func (w *Writer) next(collection bool) (key bool) {
	f := w.top()
	if f == nil {
		if w.done {
			w.fail(ReasonCalls)
		}
		if !collection && !w.Bare {
			w.tag([]byte("'"))
			w.top().kind = frameQuote
		}
		return false
	}
	switch f.kind {
	case frameTag, frameQuote:
		return false
	case frameMap, frameLateMap:
		return w.nextOfMap(f, collection)
	default:
		if f.n > 0 {
			w.dst = append(w.dst, ',')
		}
	}
	f.n++
	return false
}

func (w *Writer) nextOfMap(f *frame, collection bool) (key bool) {
	key = f.n%2 == 0
	if key && collection && f.kind == frameMap {
		if f.n == 0 { // nothing is written that a cmap writes otherwise
			w.dst = append(w.dst[:f.start], w.cmapHead()...)
			f.kind, f.n = frameCmap, 1
			return false
		}
		f.kind = frameLateMap
		w.heads = append(w.heads, f.start)
	}
	switch {
	case w.Mode != Verbose || key && f.n > 0:
		w.dst = append(w.dst, ',')
	case !key && f.kind == frameLateMap:
		w.dst = append(w.dst, ',')
	case !key:
		w.dst = append(w.dst, ':')
	}
	f.n++
	if key && f.kind == frameMap {
		w.keys = append(w.keys, span{start: len(w.dst)})
		return true
	}
	return false
}

// told ends a value, and with it the tags before it.
func (w *Writer) told() {
	for f := w.top(); f != nil; f = w.top() {
		switch {
		case f.kind == frameTag || f.kind == frameQuote:
			w.dst = append(w.dst, w.closing())
			w.frames = w.frames[:len(w.frames)-1]
			continue
		case f.kind == frameMap && f.n%2 == 1:
			w.keys[len(w.keys)-1].end = len(w.dst)
		}
		return
	}
	w.done = true
}

// closing is the bracket that closes what a tag opened.
func (w *Writer) closing() byte {
	if w.Mode == Verbose {
		return '}'
	}
	return ']'
}

func (w *Writer) cmapHead() string {
	if w.Mode == Verbose {
		return `{"~#cmap":[`
	}
	return `["~#cmap",[`
}

func (w *Writer) mapHead() string {
	if w.Mode == Verbose {
		return `{`
	}
	return `["^ "`
}

// Begin opens a collection; n is not needed.
func (w *Writer) Begin(k value.Kind, _ int) {
	switch k {
	case value.Set:
		w.tag([]byte("set"))
	case value.List:
		w.tag([]byte("list"))
	default:
		w.next(true)
	}
	f := frame{start: len(w.dst), keys: len(w.keys)}
	switch k {
	case value.Map:
		f.kind = frameMap
		w.dst = append(w.dst, w.mapHead()...)
	case value.Vector:
		w.dst = append(w.dst, '[')
	default:
		f.kind = frameRep
		w.dst = append(w.dst, '[')
	}
	w.frames = append(w.frames, f)
}

// End closes the innermost collection.
func (w *Writer) End() {
	f := w.top()
	if f == nil || f.kind == frameTag || f.kind == frameQuote || f.n%2 == 1 && (f.kind == frameMap || f.kind == frameLateMap || f.kind == frameCmap) {
		w.fail(ReasonCalls)
		return
	}
	switch f.kind {
	case frameMap:
		w.dst = append(w.dst, w.closing())
	case frameLateMap:
		w.unkey(f.keys)
		w.dst = append(w.dst, ']', w.closing())
	case frameCmap:
		w.dst = append(w.dst, ']', w.closing())
	default:
		w.dst = append(w.dst, ']')
	}
	w.keys = w.keys[:f.keys]
	w.frames = w.frames[:len(w.frames)-1]
	w.told()
}

// Tag writes the tag of the value that is told next.
func (w *Writer) Tag(name []byte) { w.tag(name) }

func (w *Writer) tag(name []byte) {
	w.next(true)
	w.frames = append(w.frames, frame{kind: frameTag})
	if w.Mode == Verbose {
		w.dst = append(w.dst, `{"~#`...)
	} else {
		w.dst = append(w.dst, `["~#`...)
	}
	w.dst = append(appendEscaped(w.dst, name), '"', ',')
	if w.Mode == Verbose {
		w.dst[len(w.dst)-1] = ':'
	}
}

// quoted writes a scalar that is a string in any position: its tag, and its text.
func (w *Writer) quoted(tag string, text []byte) {
	w.next(false)
	w.dst = append(append(w.dst, '"'), tag...)
	w.dst = append(appendEscaped(w.dst, text), '"')
	w.told()
}

// word writes a scalar that is a string as a key only.
func (w *Writer) word(asKey, asValue string) {
	if w.next(false) {
		w.dst = append(append(append(w.dst, '"'), asKey...), '"')
	} else {
		w.dst = append(w.dst, asValue...)
	}
	w.told()
}

// Nil writes null.
func (w *Writer) Nil() { w.word("~_", "null") }

// Bool writes true or false.
func (w *Writer) Bool(b bool) {
	if b {
		w.word("~?t", "true")
	} else {
		w.word("~?f", "false")
	}
}

// maxSafe is the largest whole number that JavaScript has no neighbour for.
const maxSafe = 1<<53 - 1

// Int writes a JSON number if JavaScript holds it, or a string.
func (w *Writer) Int(digits []byte, big bool) {
	v, fits := value.Int64(digits)
	switch {
	case big || !fits:
		w.quoted("~n", digits)
	case v > maxSafe || v < -maxSafe:
		w.quoted("~i", digits)
	default:
		w.keyed('i', w.next(false), digits)
	}
}

// keyed writes a number, which is a string as a key.
func (w *Writer) keyed(tag byte, key bool, text []byte) {
	if key {
		w.dst = append(w.dst, '"', '~', tag)
		w.dst = append(append(w.dst, text...), '"')
	} else {
		w.dst = append(w.dst, text...)
	}
	w.told()
}

// Float writes a number with a point or an exponent, by which readers that tell
// doubles from whole numbers know it.
func (w *Writer) Float(f float64) {
	switch {
	case math.IsNaN(f):
		w.quoted("~zNaN", nil)
	case math.IsInf(f, 1):
		w.quoted("~zINF", nil)
	case math.IsInf(f, -1):
		w.quoted("~z-INF", nil)
	default:
		var b [32]byte
		t := strconv.AppendFloat(b[:0], f, 'g', -1, 64)
		if digits(t, 0) == len(t) || t[0] == '-' && digits(t, 1) == len(t) {
			t = append(t, '.', '0')
		}
		w.keyed('d', w.next(false), t)
	}
}

// Decimal writes a string.
func (w *Writer) Decimal(text []byte) { w.quoted("~f", text) }

// Ratio writes a tag and two big numbers.
func (w *Writer) Ratio(numerator, denominator []byte) {
	w.tag([]byte("ratio"))
	w.dst = append(append(w.dst, `["~n`...), numerator...)
	w.dst = append(append(w.dst, `","~n`...), denominator...)
	w.dst = append(w.dst, `"]`...)
	w.told()
}

// Char writes a string.
func (w *Writer) Char(c rune) {
	if !utf8.ValidRune(c) || c > 0xFFFF {
		w.fail(ReasonScalar)
	}
	var b [utf8.UTFMax]byte
	w.quoted("~c", utf8.AppendRune(b[:0], c))
}

// String writes a string.
func (w *Writer) String(s []byte) {
	if len(s) > 0 && (s[0] == '~' || s[0] == '^' || s[0] == '`') {
		w.quoted("~", s)
		return
	}
	w.quoted("", s)
}

// Keyword writes a string.
func (w *Writer) Keyword(name []byte) { w.quoted("~:", name) }

// Symbol writes a string.
func (w *Writer) Symbol(name []byte) { w.quoted("~$", name) }

// Inst writes milliseconds since 1970, or in Verbose RFC 3339, but for the year 0, which Java's reader does not take there.
func (w *Writer) Inst(t time.Time) {
	var b [40]byte
	if w.Mode == Verbose && t.UTC().Year() > 0 {
		w.quoted("~t", t.UTC().AppendFormat(b[:0], "2006-01-02T15:04:05.000Z"))
		return
	}
	w.quoted("~m", strconv.AppendInt(b[:0], t.UnixMilli(), 10))
}

// UUID writes a string.
func (w *Writer) UUID(u [16]byte) {
	var b [36]byte
	w.quoted("~u", check.AppendUUID(b[:0], u))
}

// ByteString writes base64. It makes a Writer a value.Binary.
func (w *Writer) ByteString(b []byte) {
	w.next(false)
	w.dst = base64.StdEncoding.AppendEncode(append(w.dst, `"~b`...), b)
	w.dst = append(w.dst, '"')
	w.told()
}

func (w *Writer) uri(b []byte) { w.quoted("~r", b) }

// extended writes a string with a tag that an application has made up.
func (w *Writer) extended(tag byte, b []byte) {
	w.next(false)
	w.dst = append(w.dst, `"~`...)
	w.dst = appendEscaped(w.dst, []byte{tag})
	w.dst = append(appendEscaped(w.dst, b), '"')
	w.told()
}
