package msgpack

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/codec/check"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// extension reads a type and a content of n bytes.
func (r *Reader) extension(n, at, depth int) Kind {
	id, ok := r.take(1)
	if !ok {
		return Invalid
	}
	content := r.i
	b, ok := r.take(n)
	if !ok {
		return Invalid
	}
	switch t := int8(id[0]); t {
	case extKeyword:
		if !r.check.LegalKeyword(b) {
			return r.invalid(at, ReasonName)
		}
		r.check.Keyword(b)
		r.sink.Keyword(b)
		return Keyword
	case extSymbol:
		if !r.check.LegalSymbol(b) {
			return r.invalid(at, ReasonName)
		}
		r.check.Symbol(b)
		r.sink.Symbol(b)
		return Symbol
	case extChar:
		c, size := utf8.DecodeRune(b)
		if size != len(b) || size == 0 || c > 0xFFFF || c == utf8.RuneError && size == 1 {
			return r.invalid(at, ReasonExtension)
		}
		r.check.Char(c)
		r.sink.Char(c)
		return Scalar
	case extRatio:
		return r.within(content, b, func() Kind { return r.ratio(at) })
	case extSet:
		return r.within(content, b, func() Kind { return r.set(at, depth) })
	case extInts, extFloats, extDoubles:
		return r.numbers(t, b, at, depth)
	case extKey:
		return r.invalid(at, ReasonCode) // no key of a map
	case extUUID:
		u, ok := check.ParseUUID(b)
		switch {
		case !ok:
			return r.invalid(at, ReasonUUID)
		case r.deep(depth): // EDN nests #uuid
			return r.invalid(at, ReasonDepth)
		}
		r.check.UUID(u)
		r.sink.UUID(u)
		return Scalar
	case extTime:
		return r.inst(b, at, depth)
	default:
		return r.unknown(t, b, at, depth)
	}
}

// within reads values in the content of an extension, which must use up all of it.
func (r *Reader) within(start int, content []byte, read func() Kind) Kind {
	whole := r.p
	end := start + len(content)
	r.p, r.i = whole[:end], start
	k := read()
	if k != Invalid && r.i != end {
		k = r.invalid(r.i, ReasonExtension)
	}
	r.p = whole
	return k
}

// set reads the array of a set's elements.
func (r *Reader) set(at, depth int) Kind {
	b, ok := r.take(1)
	if !ok {
		return Invalid
	}
	n := 0
	switch c := b[0]; {
	case c >= fixArray && c < fixStr:
		n = int(c - fixArray)
	case c == array16:
		n, ok = r.length(2)
	case c == array32:
		n, ok = r.length(4)
	default:
		return r.invalid(at, ReasonExtension)
	}
	if !ok || !r.open(value.Set, n, at, depth) {
		return Invalid
	}
	for range n {
		if r.value(depth+1) == Invalid {
			return Invalid
		}
	}
	return r.close(at, Set)
}

// ratio reads two whole numbers.
func (r *Reader) ratio(at int) Kind {
	num, ok := r.whole(r.numerator[:0])
	if !ok {
		return Invalid
	}
	den, ok := r.whole(r.digits[:0])
	if !ok {
		return Invalid
	}
	var b [24]byte
	if den[0] == '-' {
		den = den[1:]
		switch {
		case num[0] == '-':
			num = num[1:]
		case num[0] != '0':
			num = append(append(b[:0], '-'), num...)
			num = append(r.numerator[:0], num...)
		}
	}
	if den[0] == '0' {
		return r.invalid(at, ReasonExtension)
	}
	r.check.Ratio(num, den)
	r.sink.Ratio(num, den)
	return Scalar
}

// whole appends the digits of the whole number that must be next.
func (r *Reader) whole(dst []byte) ([]byte, bool) {
	at := r.i
	b, ok := r.take(1)
	if !ok {
		return nil, false
	}
	switch c := b[0]; {
	case c < fixMap || c >= negative:
		return strconv.AppendInt(dst, int64(int8(c)), 10), true
	case c >= uint8s && c <= int64s:
		if b, ok = r.take(1 << (c & 3)); !ok {
			return nil, false
		}
		return appendWhole(dst, c, b), true
	}
	return nil, r.fail(at, ReasonExtension)
}

// numbers reads an array of Java's int, float or double, which is a vector to others.
func (r *Reader) numbers(id int8, b []byte, at, depth int) Kind {
	size := 4
	if id == extDoubles {
		size = 8
	}
	if len(b)%size != 0 {
		return r.invalid(at, ReasonExtension)
	}
	if r.deep(depth) {
		return r.invalid(at, ReasonDepth)
	}
	sink := r.sink
	if r.own != nil {
		r.own.extension(id, b)
		r.sink = discard{}
	}
	r.check.Begin(value.Vector)
	r.sink.Begin(value.Vector, len(b)/size)
	for ; len(b) > 0; b = b[size:] {
		var k Kind
		switch id {
		case extInts:
			k = r.integer(int64(int32(binary.BigEndian.Uint32(b))))
		case extFloats:
			k = r.float(float64(math.Float32frombits(binary.BigEndian.Uint32(b))), at, depth+1)
		default:
			k = r.float(math.Float64frombits(binary.BigEndian.Uint64(b)), at, depth+1)
		}
		if k == Invalid {
			return Invalid
		}
	}
	k := r.close(at, Vector)
	r.sink = sink
	return k
}

// inst reads a timestamp of 4, 8 or 12 bytes.
func (r *Reader) inst(b []byte, at, depth int) Kind {
	var seconds, nanos int64
	switch len(b) {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(b))
	case 8:
		v := binary.BigEndian.Uint64(b)
		seconds, nanos = int64(v&(1<<34-1)), int64(v>>34)
	case 12:
		seconds, nanos = int64(binary.BigEndian.Uint64(b[4:])), int64(binary.BigEndian.Uint32(b))
	default:
		return r.invalid(at, ReasonInst)
	}
	const first, last = -62167219200, 253402300799 // years 0 to 9999
	switch {
	case nanos > 999_999_999 || seconds < first || seconds > last:
		return r.invalid(at, ReasonInst)
	case r.deep(depth): // EDN nests #inst
		return r.invalid(at, ReasonDepth)
	}
	t := time.Unix(seconds, nanos).UTC()
	r.check.Inst(t)
	r.sink.Inst(t)
	return Scalar
}

var (
	nameTag   = []byte("tag")
	nameValue = []byte("value")
)

// unknown reads a type that an application has made up: a map of its number and its
// content, where there is no MessagePack.
func (r *Reader) unknown(id int8, b []byte, at, depth int) Kind {
	if r.deep(depth) {
		return r.invalid(at, ReasonDepth)
	}
	sink := r.sink
	if r.own != nil {
		r.own.extension(id, b)
		r.sink = discard{}
	}
	r.check.Begin(value.Map)
	r.sink.Begin(value.Map, 4)
	r.check.Keyword(nameTag)
	r.sink.Keyword(nameTag)
	r.integer(int64(id))
	r.check.Keyword(nameValue)
	r.sink.Keyword(nameValue)
	r.text = base64.StdEncoding.AppendEncode(r.text[:0], b)
	r.check.String(r.text)
	r.sink.String(r.text)
	if r.close(at, Map) == Invalid {
		return Invalid
	}
	r.sink = sink
	return Scalar
}
