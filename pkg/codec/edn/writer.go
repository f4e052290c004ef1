package edn

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// Writer is a value.Sink that writes one value as Clojure prints it: a comma between the entries of a map, N and M behind big
// numbers, in strings no escapes but \" \\ \n \r \t \b \f. Its zero value is ready; Reset makes it ready again. It does
// not allocate beyond what it appends to, and must not be used concurrently.
//
// It relies on what a Sink is promised. What EDN cannot say in spite of that makes Bytes fail: nesting deeper than MaxDepth,
// which #inst, #uuid and ##NaN count for too, a surrogate as character, a time that Clojure's reader would not read back, and a decimal whose exponent leaves Java's range.
type Writer struct {
	dst     []byte
	base    int // len(dst) when it was given
	depth   int
	done    bool // the value is complete
	reason  Reason
	scratch []byte
	levels  [MaxDepth]level
}

var _ value.Sink = (*Writer)(nil)

// level is what a Writer keeps of an open collection or tag: its value.Kind and what was in it so far.
type level uint8

const (
	levelKind  level = 3
	levelSome  level = 1 << 2 // not the first value
	levelValue level = 1 << 3 // the next value is that of a map's key
	levelTag   level = 1 << 4
)

// Reset makes the Writer append to dst, which it owns until Bytes.
func (w *Writer) Reset(dst []byte) {
	w.dst, w.base, w.depth, w.done, w.reason = dst, len(dst), 0, false, 0
}

// Bytes returns dst with the text of the value. On an error, an *Error without a place, dst is returned with nothing appended.
func (w *Writer) Bytes() ([]byte, error) {
	if w.reason == 0 && !w.done {
		w.reason = ReasonCalls
	}
	if w.reason != 0 {
		return w.dst[:w.base], &Error{Reason: w.reason}
	}
	return w.dst, nil
}

// Complete tells whether the value has been told to its end, or will never be: then Bytes has an answer.
func (w *Writer) Complete() bool { return w.done || w.reason != 0 }

func (w *Writer) fail(r Reason) {
	if w.reason == 0 {
		w.reason = r
	}
}

// next writes what is between the last value and the next, and returns false if there is no room for one.
func (w *Writer) next() bool {
	if w.reason != 0 {
		return false
	}
	if w.depth == 0 {
		if w.done {
			w.reason = ReasonCalls
		}
		return !w.done
	}
	l := &w.levels[w.depth-1]
	was := *l
	switch {
	case was&levelTag != 0:
		w.dst = append(w.dst, ' ')
		return true
	case was&levelKind == level(value.Map):
		*l = was ^ levelValue | levelSome
		if was&(levelSome|levelValue) == levelSome {
			w.dst = append(w.dst, ',')
		}
	default:
		*l = was | levelSome
	}
	if was&levelSome != 0 {
		w.dst = append(w.dst, ' ')
	}
	return true
}

// told ends a value, and with it the tags before it.
func (w *Writer) told() {
	for w.depth > 0 && w.levels[w.depth-1]&levelTag != 0 {
		w.depth--
	}
	w.done = w.depth == 0
}

// deeper tells whether another level fits.
func (w *Writer) deeper() bool {
	if w.depth >= MaxDepth {
		w.fail(ReasonDepth)
	}
	return w.reason == 0
}

func (w *Writer) word(text string) {
	if w.next() {
		w.dst = append(w.dst, text...)
		w.told()
	}
}

// Nil writes nil.
func (w *Writer) Nil() { w.word("nil") }

// Bool writes true or false.
func (w *Writer) Bool(b bool) {
	if b {
		w.word("true")
	} else {
		w.word("false")
	}
}

// Int writes the digits, and N if big says so or 64 bits do not hold them.
func (w *Writer) Int(digits []byte, big bool) {
	if !w.next() {
		return
	}
	w.dst = append(w.dst, digits...)
	if !big && len(digits) > 18 {
		_, fits := value.Int64(digits)
		big = !fits
	}
	if big {
		w.dst = append(w.dst, 'N')
	}
	w.told()
}

// Float writes a double as Java's Double.toString does since JDK 19.
func (w *Writer) Float(f float64) {
	if special := math.IsNaN(f) || math.IsInf(f, 0); special && !w.deeper() || !w.next() {
		return
	}
	if f == 0 && math.Signbit(f) {
		w.dst = append(w.dst, '-')
	}
	w.dst = appendFloat(w.dst, f)
	w.told()
}

// Decimal writes the text and M.
func (w *Writer) Decimal(text []byte) {
	if !w.next() {
		return
	}
	start := len(w.dst)
	w.dst = append(append(w.dst, text...), 'M')
	n, ok := parseNumber(w.dst[start:])
	if !ok || n.kind != BigDec || !hashable(&n, &w.scratch) { // a bound that other formats do not know
		w.fail(ReasonInexpressible)
	}
	w.told()
}

// Ratio writes numerator/denominator.
func (w *Writer) Ratio(numerator, denominator []byte) {
	if w.next() {
		w.dst = append(append(append(w.dst, numerator...), '/'), denominator...)
		w.told()
	}
}

// Char writes a character by its name, if it has one, or as it is.
func (w *Writer) Char(c rune) {
	if isHigh(c) || isLow(c) || c < 0 || c > 0xFFFF {
		w.fail(ReasonInexpressible)
	}
	if w.next() {
		w.dst = appendChar(w.dst, c)
		w.told()
	}
}

// String writes a string literal.
func (w *Writer) String(s []byte) {
	if w.next() {
		w.dst = appendString(w.dst, s)
		w.told()
	}
}

// Keyword writes a colon and the name.
func (w *Writer) Keyword(name []byte) {
	if w.next() {
		w.dst = append(append(w.dst, ':'), name...)
		w.told()
	}
}

// Symbol writes the name.
func (w *Writer) Symbol(name []byte) {
	if w.next() {
		w.dst = append(w.dst, name...)
		w.told()
	}
}

// Inst writes #inst in UTC: with milliseconds, or with nanoseconds where t has finer ones.
func (w *Writer) Inst(t time.Time) {
	if !w.deeper() || !w.next() {
		return
	}
	var ok bool
	if w.dst, ok = appendInst(w.dst, t.UnixMilli(), int64(t.Nanosecond()%1e6)); !ok {
		w.fail(ReasonInexpressible)
	}
	w.told()
}

// UUID writes #uuid.
func (w *Writer) UUID(u [16]byte) {
	if w.deeper() && w.next() {
		w.dst = appendUUID(w.dst, binary.BigEndian.Uint64(u[:8]), binary.BigEndian.Uint64(u[8:]))
		w.told()
	}
}

// Tag writes the tag of the value that is told next.
func (w *Writer) Tag(name []byte) {
	if w.deeper() && w.next() {
		w.dst = append(append(w.dst, '#'), name...)
		w.levels[w.depth] = levelTag
		w.depth++
	}
}

var opening = [...]string{value.List: "(", value.Vector: "[", value.Set: "#{", value.Map: "{"}

var closing = [...]byte{value.List: ')', value.Vector: ']', value.Set: '}', value.Map: '}'}

// Begin opens a collection; n is not needed.
func (w *Writer) Begin(k value.Kind, _ int) {
	if w.deeper() && w.next() {
		w.dst = append(w.dst, opening[k]...)
		w.levels[w.depth] = level(k)
		w.depth++
	}
}

// End closes the innermost collection.
func (w *Writer) End() {
	if w.reason != 0 {
		return
	}
	if w.depth == 0 || w.levels[w.depth-1]&(levelTag|levelValue) != 0 {
		w.reason = ReasonCalls
		return
	}
	w.depth--
	w.dst = append(w.dst, closing[w.levels[w.depth]&levelKind])
	w.told()
}
