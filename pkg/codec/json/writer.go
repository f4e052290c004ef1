package json

import (
	"bytes"
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// maxSafe is the largest whole number that JavaScript, and whoever else reads numbers into doubles, can tell from its
// neighbours.
const maxSafe = 1<<53 - 1

// Writer is a value.Sink that writes one value as JSON without spaces, by the table in docs/formats.md. Its zero value is
// ready; Reset makes it ready again. It does not allocate beyond what it appends to, except while scratch grows and in
// maps of more than 16 keys of several types. It must not be used concurrently.
//
// It relies on what a Sink is promised; beyond that it fails where values nest deeper than value.MaxDepth, and for
// times outside the years 0 to 9999.
type Writer struct {
	dst    []byte
	base   int  // len(dst) when it was given
	done   bool // the value is complete
	reason Reason
	levels []level
	keys   keys
}

var _ value.Sink = (*Writer)(nil)

// level is what a Writer keeps of an open collection or tag.
type level struct {
	state  state
	types  keyType // of the keys of a map so far
	first  int     // in keys.spans, of a map
	id     int     // of a map
	hashed int     // how many keys of a map are in keys.table
}

type state uint8

const (
	levelMap   state = 1 << iota
	levelTag         // the object that stands for a tagged value
	levelSome        // not the first value
	levelValue       // the next value is that of a map's key
)

// Reset makes the Writer append to dst, which it owns until Bytes.
func (w *Writer) Reset(dst []byte) {
	w.dst, w.base, w.levels, w.done, w.reason = dst, len(dst), w.levels[:0], false, 0
	w.keys.reset()
}

// Bytes returns dst with the text of the value. On an error, an *Error without a place, dst is returned with nothing appended.
func (w *Writer) Bytes() ([]byte, error) {
	if w.reason == 0 && !w.done {
		w.reason = ReasonCalls
	}
	if w.reason != 0 {
		return w.dst[:w.base], &Error{Offset: -1, Reason: w.reason}
	}
	return w.dst, nil
}

func (w *Writer) fail(r Reason) {
	if w.reason == 0 {
		w.reason = r
	}
}

// isKey tells whether the next value is a key.
func (w *Writer) isKey() bool {
	n := len(w.levels)
	return n > 0 && w.levels[n-1].state&(levelMap|levelValue) == levelMap
}

// next writes what is between the last value and the next, which is no key, and returns false if there is no room for one.
func (w *Writer) next() bool {
	if w.reason != 0 {
		return false
	}
	if len(w.levels) == 0 {
		if w.done {
			w.reason = ReasonCalls
		}
		return !w.done
	}
	l := &w.levels[len(w.levels)-1]
	switch {
	case l.state&levelMap != 0:
		l.state &^= levelValue
	case l.state&(levelSome|levelTag) == levelSome:
		w.dst = append(w.dst, ',')
	}
	l.state |= levelSome
	return true
}

// told ends a value, and with it the objects that stand for its tags.
func (w *Writer) told() {
	n := len(w.levels)
	for n > 0 && w.levels[n-1].state&levelTag != 0 {
		w.dst = append(w.dst, '}')
		n--
	}
	w.levels = w.levels[:n]
	w.done = n == 0
}

func (w *Writer) word(text string) {
	if w.next() {
		w.dst = append(w.dst, text...)
		w.told()
	}
}

func (w *Writer) text(s []byte) {
	if w.next() {
		w.dst = appendString(w.dst, s)
		w.told()
	}
}

// Nil writes null.
func (w *Writer) Nil() {
	if k := w.composite(); k != nil {
		k.Nil()
		w.composed()
		return
	}
	w.word("null")
}

// Bool writes true or false.
func (w *Writer) Bool(b bool) {
	if k := w.composite(); k != nil {
		k.Bool(b)
		w.composed()
		return
	}
	if b {
		w.word("true")
	} else {
		w.word("false")
	}
}

// Int writes a number, or a string of its digits if big says so or a double does not hold it exactly with its neighbours.
func (w *Writer) Int(digits []byte, big bool) {
	if k := w.composite(); k != nil {
		k.Int(digits, big)
		w.composed()
		return
	}
	if !w.next() {
		return
	}
	if !big && len(digits) > 15 {
		v, ok := value.Int64(digits)
		big = !ok || v > maxSafe || v < -maxSafe
	}
	if big {
		w.dst = appendString(w.dst, digits)
	} else {
		w.dst = append(w.dst, digits...)
	}
	w.told()
}

// Float writes a number with a point or an exponent, or "NaN", "Infinity" or "-Infinity".
func (w *Writer) Float(f float64) {
	if k := w.composite(); k != nil {
		k.Float(f)
		w.composed()
		return
	}
	if w.next() {
		w.dst = appendFloat(w.dst, f)
		w.told()
	}
}

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) { // as JavaScript does
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}

// Decimal writes a string.
func (w *Writer) Decimal(text []byte) {
	if k := w.composite(); k != nil {
		k.Decimal(text)
		w.composed()
		return
	}
	w.text(text)
}

// Ratio writes the string "numerator/denominator".
func (w *Writer) Ratio(numerator, denominator []byte) {
	if k := w.composite(); k != nil {
		k.Ratio(numerator, denominator)
		w.composed()
		return
	}
	if w.next() {
		w.dst = append(append(w.dst, '"'), numerator...)
		w.dst = append(append(w.dst, '/'), denominator...)
		w.dst = append(w.dst, '"')
		w.told()
	}
}

// Char writes a string.
func (w *Writer) Char(c rune) {
	if k := w.composite(); k != nil {
		k.Char(c)
		w.composed()
		return
	}
	var b [utf8.UTFMax]byte
	w.text(utf8.AppendRune(b[:0], c))
}

// String writes a string, or a key.
func (w *Writer) String(s []byte) {
	switch {
	case w.keys.open:
		w.keys.edn.String(s)
		w.composed()
	case w.isKey():
		w.key(keyString, s)
	default:
		w.text(s)
	}
}

// Keyword writes its name, as a string or as a key.
func (w *Writer) Keyword(name []byte) {
	switch {
	case w.keys.open:
		w.keys.edn.Keyword(name)
		w.composed()
	case w.isKey():
		w.key(keyKeyword, name)
	default:
		w.text(name)
	}
}

// Symbol writes its name, as a string.
func (w *Writer) Symbol(name []byte) {
	if k := w.composite(); k != nil {
		k.Symbol(name)
		w.composed()
		return
	}
	w.text(name)
}

// Inst writes a string by RFC 3339: in UTC, with milliseconds, or with nanoseconds where t has finer ones.
func (w *Writer) Inst(t time.Time) {
	if k := w.composite(); k != nil {
		k.Inst(t)
		w.composed()
		return
	}
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		w.fail(ReasonInexpressible)
	}
	if !w.next() {
		return
	}
	layout := `"2006-01-02T15:04:05.000Z"`
	if t.Nanosecond()%1e6 != 0 {
		layout = `"2006-01-02T15:04:05.000000000Z"`
	}
	w.dst = t.AppendFormat(w.dst, layout)
	w.told()
}

// UUID writes a string.
func (w *Writer) UUID(u [16]byte) {
	if k := w.composite(); k != nil {
		k.UUID(u)
		w.composed()
		return
	}
	if !w.next() {
		return
	}
	w.dst = append(w.dst, '"')
	for i, span := range [...][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			w.dst = append(w.dst, '-')
		}
		w.dst = hex.AppendEncode(w.dst, span)
	}
	w.dst = append(w.dst, '"')
	w.told()
}

// Tag writes the beginning of {"tag":name,"value":..}.
func (w *Writer) Tag(name []byte) {
	if k := w.composite(); k != nil {
		k.Tag(name)
		w.composed()
		return
	}
	if w.open(levelTag) {
		w.dst = append(w.dst, `{"tag":`...)
		w.dst = appendString(w.dst, name)
		w.dst = append(w.dst, `,"value":`...)
	}
}

// Begin opens an object for a map, and an array for anything else.
func (w *Writer) Begin(k value.Kind, n int) {
	if e := w.composite(); e != nil {
		e.Begin(k, n)
		w.composed()
		return
	}
	if k == value.Map {
		if w.open(levelMap) {
			w.dst = append(w.dst, '{')
		}
	} else if w.open(0) {
		w.dst = append(w.dst, '[')
	}
}

// open makes a level for the value that is told next, if there is room.
func (w *Writer) open(s state) bool {
	if len(w.levels) >= value.MaxDepth {
		w.fail(ReasonDepth)
	}
	if !w.next() {
		return false
	}
	w.keys.maps++
	w.levels = append(w.levels, level{state: s, first: len(w.keys.spans), id: w.keys.maps})
	return true
}

// End closes the innermost collection.
func (w *Writer) End() {
	n := len(w.levels) - 1
	switch {
	case w.reason != 0:
		return
	case w.keys.open:
		w.keys.edn.End()
		w.composed()
		return
	case n < 0 || w.levels[n].state&(levelTag|levelValue) != 0:
		w.reason = ReasonCalls
		return
	}
	l := w.levels[n]
	w.levels = w.levels[:n]
	if l.state&levelMap != 0 {
		w.keys.spans = w.keys.spans[:l.first]
		w.dst = append(w.dst, '}')
	} else {
		w.dst = append(w.dst, ']')
	}
	w.told()
}
