package msgpack

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/hoshi-ws/hoshi/pkg/codec/check"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// Writer is a value.Sink that writes one value, without codes of keys. Its zero
// value is ready; Reset makes it ready again. It does not allocate beyond what it
// appends to once its scratch has grown, and must not be used concurrently.
//
// What MessagePack cannot say is replaced by the table in docs/formats.md. Where that
// would make two keys or elements equal that were not, Bytes fails.
type Writer struct {
	dst     []byte
	raw     []byte // the value without the heads of its collections
	heads   []head
	frames  []frame
	done    bool
	replace bool // a key, an element, or what is in one was replaced
	reason  Reason
	reader  *Reader // looks at what was replaced; it is rarely needed
}

var _ value.Binary = (*Writer)(nil)

// head is what is written before a collection. How long it is depends on what is in
// the collection, so that all heads are written at the end, in one go: the time
// stays proportional to the size, however sets are nested.
type head struct {
	kind headKind
	n    int // elements, or entries of a map
	at   int // in raw
	end  int // of the collection, in raw
	last int // the index behind the heads that are in it
	size int // of a set: of its array, with its head
	sum  int // of this head and all behind it
}

type headKind uint8

const (
	headArray headKind = iota
	headMap
	headSet
)

// frame is an open collection or tag.
type frame struct {
	head int
	n    int // values told so far
	kind frameKind
	same bool // the whole is compared, as a key or an element, or in one
}

type frameKind uint8

const (
	frameArray frameKind = iota
	frameSet
	frameMap
	frameTag
)

// keepHeads is how many heads a Writer keeps room for between values.
const keepHeads = 1 << 10

// Reset makes the Writer append to dst, which it owns until Bytes.
func (w *Writer) Reset(dst []byte) {
	w.dst, w.raw, w.heads, w.frames = dst, w.raw[:0], w.heads[:0], w.frames[:0]
	w.done, w.replace, w.reason = false, false, 0
	if cap(w.raw) > keepBytes {
		w.raw = nil
	}
	if cap(w.heads) > keepHeads {
		w.heads = nil
	}
}

// Bytes returns dst with the bytes of the value. On an error, an *Error without a
// place, dst is returned with nothing appended.
func (w *Writer) Bytes() ([]byte, error) {
	if w.reason == 0 && !w.done {
		w.reason = ReasonCalls
	}
	if w.reason != 0 {
		return w.dst, &Error{Offset: -1, Reason: w.reason}
	}
	base := len(w.dst)
	dst := w.assemble()
	if w.replace {
		if w.reader == nil {
			w.reader = new(Reader)
		}
		if err := w.reader.Check(dst[base:]); err != nil {
			return dst[:base], &Error{Offset: -1, Reason: ReasonDuplicate}
		}
	}
	return dst, nil
}

// assemble puts the heads before what they belong to.
func (w *Writer) assemble() []byte {
	sum := func(i int) int {
		if i < len(w.heads) {
			return w.heads[i].sum
		}
		return 0
	}
	for i := len(w.heads) - 1; i >= 0; i-- {
		h := &w.heads[i]
		size := lengthSize(h.n)
		if h.kind == headSet {
			h.size = size + h.end - h.at + sum(i+1) - sum(h.last)
			size += extensionSize(h.size)
		}
		h.sum = size + sum(i+1)
	}
	dst, at := w.dst, 0
	for i := range w.heads {
		h := &w.heads[i]
		dst = append(dst, w.raw[at:h.at]...)
		at = h.at
		switch h.kind {
		case headMap:
			dst = appendLength(dst, h.n, fixMap, map16)
		case headSet:
			dst = appendExtension(dst, extSet, h.size)
			fallthrough
		default:
			dst = appendLength(dst, h.n, fixArray, array16)
		}
	}
	return append(dst, w.raw[at:]...)
}

// lengthSize is what appendLength appends.
func lengthSize(n int) int {
	switch {
	case n < 16:
		return 1
	case n < 1<<16:
		return 3
	}
	return 5
}

func appendLength(dst []byte, n int, fix, long byte) []byte {
	switch {
	case n < 16:
		return append(dst, fix|byte(n))
	case n < 1<<16:
		return append(dst, long, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, long+1), uint32(n))
}

// extensionSize is what appendExtension appends.
func extensionSize(n int) int {
	switch {
	case n == 1 || n == 2 || n == 4 || n == 8 || n == 16:
		return 2
	case n < 1<<8:
		return 3
	case n < 1<<16:
		return 4
	}
	return 6
}

// appendExtension appends what is before the content of an extension of n bytes.
func appendExtension(dst []byte, id int8, n int) []byte {
	switch {
	case n == 1:
		dst = append(dst, fixExt1)
	case n == 2:
		dst = append(dst, fixExt2)
	case n == 4:
		dst = append(dst, fixExt4)
	case n == 8:
		dst = append(dst, fixExt8)
	case n == 16:
		dst = append(dst, fixExt16)
	case n < 1<<8:
		dst = append(dst, ext8, byte(n))
	case n < 1<<16:
		dst = append(dst, ext16, byte(n>>8), byte(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, ext32), uint32(n))
	}
	return append(dst, byte(id))
}

func (w *Writer) fail(r Reason) {
	if w.reason == 0 {
		w.reason = r
	}
}

// compared tells whether the next value is a key or an element, or in one.
func (w *Writer) compared() bool {
	if len(w.frames) == 0 {
		return false
	}
	f := &w.frames[len(w.frames)-1]
	return f.same || f.kind == frameSet || f.kind == frameMap && f.n%2 == 0
}

// replaced says that a value becomes another, and tells whether it is compared.
func (w *Writer) replaced() bool {
	same := w.compared()
	w.replace = w.replace || same
	return same
}

// told ends a value, and with it the tags before it.
func (w *Writer) told() {
	for n := len(w.frames); n > 0; n-- {
		f := &w.frames[n-1]
		if f.n++; f.kind != frameTag {
			return
		}
		w.closeHead(f.head)
		w.frames = w.frames[:n-1]
	}
	if w.done {
		w.fail(ReasonCalls)
	}
	w.done = true
}

func (w *Writer) openHead(kind headKind) int {
	w.heads = append(w.heads, head{kind: kind, at: len(w.raw)})
	return len(w.heads) - 1
}

func (w *Writer) closeHead(i int) {
	w.heads[i].end, w.heads[i].last = len(w.raw), len(w.heads)
}

// Begin opens a collection; n is not needed. A list becomes a vector.
func (w *Writer) Begin(k value.Kind, _ int) {
	f := frame{same: w.compared()}
	kind := headArray
	switch k {
	case value.Set:
		f.kind, kind = frameSet, headSet
	case value.Map:
		f.kind, kind = frameMap, headMap
	default:
	}
	f.head = w.openHead(kind)
	w.frames = append(w.frames, f)
}

// End closes the innermost collection.
func (w *Writer) End() {
	if len(w.frames) == 0 {
		w.fail(ReasonCalls)
		return
	}
	f := w.frames[len(w.frames)-1]
	if f.kind == frameMap {
		if f.n%2 == 1 {
			w.fail(ReasonCalls)
		}
		f.n /= 2
	}
	if f.kind == frameTag {
		w.fail(ReasonCalls)
		return
	}
	w.heads[f.head].n = f.n
	w.closeHead(f.head)
	w.frames = w.frames[:len(w.frames)-1]
	w.told()
}

// Tag writes a map of the tag, as a string, and of the value that is told next.
func (w *Writer) Tag(name []byte) {
	f := frame{kind: frameTag, same: w.replaced(), head: w.openHead(headMap)}
	w.heads[f.head].n = 2
	w.appendNamed(extKeyword, nameTag)
	w.appendString(name)
	w.appendNamed(extKeyword, nameValue)
	w.frames = append(w.frames, f)
}

// Nil writes nil.
func (w *Writer) Nil() {
	w.raw = append(w.raw, codeNil)
	w.told()
}

// Bool writes true or false.
func (w *Writer) Bool(b bool) {
	if b {
		w.raw = append(w.raw, isTrue)
	} else {
		w.raw = append(w.raw, isFalse)
	}
	w.told()
}

// Int writes a number if 64 bits hold it, and otherwise its digits as a string.
func (w *Writer) Int(digits []byte, _ bool) {
	if v, ok := value.Int64(digits); ok {
		w.raw = appendInt(w.raw, v)
		w.told()
		return
	}
	if w.replaced() {
		w.text(digits, "N")
		return
	}
	w.text(digits, "")
}

// appendInt appends the shortest form that has a sign where it needs 64 bits, as
// ClojureScript reads no other.
func appendInt(dst []byte, v int64) []byte {
	switch {
	case v >= -32 && v <= 127:
		return append(dst, byte(v))
	case v >= 0 && v <= math.MaxUint8:
		return append(dst, uint8s, byte(v))
	case v >= 0 && v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, uint16s), uint16(v))
	case v >= 0 && v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, uint32s), uint32(v))
	case v >= math.MinInt8 && v < 0:
		return append(dst, int8s, byte(v))
	case v >= math.MinInt16 && v < 0:
		return binary.BigEndian.AppendUint16(append(dst, int16s), uint16(v))
	case v >= math.MinInt32 && v < 0:
		return binary.BigEndian.AppendUint32(append(dst, int32s), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, int64s), uint64(v))
}

// Float writes a double.
func (w *Writer) Float(f float64) {
	w.raw = binary.BigEndian.AppendUint64(append(w.raw, float64s), math.Float64bits(f))
	w.told()
}

// Decimal writes a double, as Sente's packer does; as a key or an element, or in
// one, a string.
func (w *Writer) Decimal(text []byte) {
	if w.replaced() {
		w.text(text, "M")
		return
	}
	// ParseFloat does not keep its argument, but for an error that is dropped here.
	f, _ := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), 64)
	w.Float(f)
}

// Ratio writes two numbers if 64 bits hold each, and otherwise a string.
func (w *Writer) Ratio(numerator, denominator []byte) {
	n, ok := value.Int64(numerator)
	d, fits := value.Int64(denominator)
	if ok && fits {
		var b [18]byte
		content := appendInt(appendInt(b[:0], n), d)
		w.extension(extRatio, content)
		return
	}
	w.replaced()
	w.raw = appendStringHead(w.raw, len(numerator)+1+len(denominator))
	w.raw = append(append(append(w.raw, numerator...), '/'), denominator...)
	w.told()
}

// Char writes an extension.
func (w *Writer) Char(c rune) {
	if !utf8.ValidRune(c) || c > 0xFFFF {
		w.fail(ReasonExtension)
	}
	var b [utf8.UTFMax]byte
	w.extension(extChar, utf8.AppendRune(b[:0], c))
}

// String writes a string.
func (w *Writer) String(s []byte) { w.text(s, "") }

func (w *Writer) text(s []byte, suffix string) {
	w.raw = appendStringHead(w.raw, len(s)+len(suffix))
	w.raw = append(append(w.raw, s...), suffix...)
	w.told()
}

func (w *Writer) appendString(s []byte) { w.raw = append(appendStringHead(w.raw, len(s)), s...) }

func appendStringHead(dst []byte, n int) []byte {
	switch {
	case n < 32:
		return append(dst, fixStr|byte(n))
	case n < 1<<8:
		return append(dst, str8, byte(n))
	case n < 1<<16:
		return append(dst, str16, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, str32), uint32(n))
}

// Keyword writes an extension.
func (w *Writer) Keyword(name []byte) { w.extension(extKeyword, name) }

// Symbol writes an extension.
func (w *Writer) Symbol(name []byte) { w.extension(extSymbol, name) }

func (w *Writer) appendNamed(id int8, name []byte) {
	w.raw = append(appendExtension(w.raw, id, len(name)), name...)
}

// extension writes an extension of any type.
func (w *Writer) extension(id int8, content []byte) {
	w.appendNamed(id, content)
	w.told()
}

// Inst writes a timestamp of 12 bytes, the only one that Sente's packer reads.
func (w *Writer) Inst(t time.Time) {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:4], uint32(t.Nanosecond()))
	binary.BigEndian.PutUint64(b[4:], uint64(t.Unix()))
	w.extension(extTime, b[:])
}

// UUID writes an extension.
func (w *Writer) UUID(u [16]byte) {
	var b [36]byte
	w.extension(extUUID, check.AppendUUID(b[:0], u))
}

// ByteString writes bytes. It makes a Writer a value.Binary.
func (w *Writer) ByteString(b []byte) {
	switch n := len(b); {
	case n < 1<<8:
		w.raw = append(w.raw, bin8, byte(n))
	case n < 1<<16:
		w.raw = append(w.raw, bin16, byte(n>>8), byte(n))
	default:
		w.raw = binary.BigEndian.AppendUint32(append(w.raw, bin32), uint32(n))
	}
	w.raw = append(w.raw, b...)
	w.told()
}
