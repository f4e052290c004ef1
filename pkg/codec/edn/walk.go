package edn

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// maxQualified bounds the names that a text of #:ns{} maps unfolds to: each key repeats its namespace, so that a short text
// can stand for a very long one.
const maxQualified = 4 << 20

// Walk tells sink the one value in p, after all of p has passed Check: what Check refuses is not told at all. Keys of a #:ns{}
// map are told with their namespace; metadata, comments and discarded forms are not told. Numbers keep their type and
// precision, and #inst its nanoseconds. A lone surrogate in a string is told as U+FFFD.
//
// Beyond Check it refuses, with an *Error and after sink has heard a part, what no other text could say: a lone surrogate in a
// key or an element of a set, keys of a #:ns{} map that have no text, an #inst whose year in UTC is not 0 to 9999, a decimal
// that Clojure fails to hash, integers in a radix other than ten of more than 4,096 digits, and #:ns{} maps whose names add up to more than 4 MiB. It does not
// allocate, but for numbers beyond 64 bits in a radix other than ten, and while scratch grows.
func (s *Scanner) Walk(p []byte, sink value.Sink) error {
	f, _, err := s.Split(p, nil)
	if err != nil {
		return err
	}
	w := walker{p: p, sink: sink, text: s.text[:0]}
	w.value(f.Body)
	if cap(w.text) <= keepText {
		s.text = w.text
	}
	if w.reason != 0 {
		return newError(p, w.at, w.reason)
	}
	return nil
}

// Walk is Scanner.Walk with a Scanner from a pool. It is safe for concurrent use, if the sinks differ.
func Walk(p []byte, sink value.Sink) error {
	s := scanners.Get().(*Scanner)
	err := s.Walk(p, sink)
	scanners.Put(s)
	return err
}

// walker tells a sink a text that has passed Check. Its methods return the offset behind what they told.
type walker struct {
	p         []byte
	sink      value.Sink
	text      []byte // scratch
	keys      int    // how many keys and elements of sets are around the value
	qualified int    // bytes of names of #:ns{} maps told so far
	reason    Reason
	at        int
}

func (w *walker) fail(at int, r Reason) {
	if w.reason == 0 {
		w.reason, w.at = r, at
	}
}

func (w *walker) value(i int) int {
	p := w.p
	switch c := p[i]; c {
	case '"':
		return w.string(i)
	case ':':
		end := symbolEnd(p, i+1)
		w.sink.Keyword(p[i+1 : end])
		return end
	case '[':
		return w.sequence(value.Vector, i+1)
	case '(':
		return w.sequence(value.List, i+1)
	case '{':
		return w.mapping(i+1, nil)
	case '#':
		return w.dispatch(i)
	case '^':
		return w.value(body(p, i))
	case '\\':
		_, size := utf8.DecodeRune(p[i+1:])
		end, _, _ := tokenEnd(p, i+1+size, classEndSym)
		r, _ := charValue(p[i+1 : end])
		w.sink.Char(r)
		return end
	case '+', '-':
		if i+1 < len(p) && isDigit(p[i+1]) {
			return w.number(i)
		}
	default:
		if isDigit(c) {
			return w.number(i)
		}
	}
	end := symbolEnd(p, i)
	switch t := p[i:end]; reserved(t) {
	case Nil:
		w.sink.Nil()
	case Bool:
		w.sink.Bool(t[0] == 't')
	default:
		w.sink.Symbol(t)
	}
	return end
}

// symbolEnd returns the end of the symbol or keyword that p[i] belongs to.
func symbolEnd(p []byte, i int) int {
	for i < len(p) {
		c := class[p[i]]
		if c&classEndSym != 0 {
			return i
		}
		if c == classHigh {
			end, _, _ := tokenEnd(p, i, classEndSym)
			return end
		}
		i++
	}
	return i
}

// more is the offset of the next form inside a collection, or false and the offset behind its closing delimiter.
func (w *walker) more(i int) (int, bool) {
	p := w.p
	if i < len(p) && p[i] == ' ' { // nearly always exactly one
		i++
	}
	if c := class[p[i]]; c == 0 || c == classColon {
		return i, w.reason == 0
	}
	if i = skipBlank(p, i); i >= len(p) || closes(p[i]) {
		return i + 1, false
	}
	return i, w.reason == 0
}

func (w *walker) sequence(k value.Kind, i int) int {
	w.sink.Begin(k, -1)
	i, ok := w.more(i)
	for ok {
		i, ok = w.more(w.value(i))
	}
	w.sink.End()
	return i
}

func (w *walker) set(i int) int {
	w.sink.Begin(value.Set, -1)
	w.keys++
	i, ok := w.more(i)
	for ok {
		i, ok = w.more(w.value(i))
	}
	w.keys--
	w.sink.End()
	return i
}

// mapping tells the entries of a map from i, behind its opening brace. ns is the namespace of a #:ns{} map, or nil.
func (w *walker) mapping(i int, ns []byte) int {
	w.sink.Begin(value.Map, -1)
	i, ok := w.more(i)
	for ok {
		w.keys++
		if ns == nil {
			i = w.value(i)
		} else {
			i = w.key(i, ns)
		}
		w.keys--
		if i, ok = w.more(i); ok {
			i, ok = w.more(w.value(i))
		}
	}
	w.sink.End()
	return i
}

// key tells a key of a #:ns{} map.
func (w *walker) key(i int, ns []byte) int {
	i = body(w.p, i)
	if class[w.p[i]]&classEndNum != 0 {
		return w.value(i)
	}
	end, kind := skip(w.p, i)
	if kind != Keyword && kind != Symbol {
		return w.value(i)
	}
	text := w.p[i:end]
	w.text = appendQualified(w.text[:0], ns, text, kind)
	w.qualified += len(w.text)
	switch {
	case w.qualified > maxQualified:
		w.fail(i, ReasonTooLong)
	case !readsBack(w.text, ns, text, kind):
		w.fail(i, ReasonInexpressible)
	case kind == Keyword:
		w.sink.Keyword(w.text[1:])
	default:
		w.sink.Symbol(w.text)
	}
	return end
}

func (w *walker) dispatch(i int) int {
	p := w.p
	switch p[i+1] {
	case '{':
		return w.set(i + 2)
	case ':':
		return w.mapping(mapStart(p, i))
	case '^':
		return w.value(body(p, i))
	case '#':
		at := body(p, skipBlank(p, i+2))
		end := symbolEnd(p, at)
		v, _ := symbolicValue(p[at:end])
		w.sink.Float(v)
		return end
	}
	end := symbolEnd(p, i+1)
	tag := p[i+1 : end]
	at := body(p, skipBlank(p, end))
	switch {
	case bytes.Equal(tag, tagInst):
		return w.inst(at)
	case bytes.Equal(tag, tagUUID):
		return w.uuid(at)
	}
	w.sink.Tag(tag)
	return w.value(at)
}

// literal returns the value of the string literal at i, which is valid until the next use of scratch.
func (w *walker) literal(i int) (text []byte, end int, lone bool) {
	end = skipString(w.p, i)
	text = w.p[i+1 : end-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		w.text, lone = appendUnquoted(w.text[:0], text)
		text = w.text
	}
	return text, end, lone
}

func (w *walker) string(i int) int {
	text, end, lone := w.literal(i)
	if lone {
		if w.keys > 0 { // two that differ might become equal
			w.fail(i, ReasonInexpressible)
			return end
		}
		replaceLone(text)
	}
	w.sink.String(text)
	return end
}

// replaceLone replaces surrogates, which appendUnquoted writes as three bytes, by U+FFFD, which has three bytes too.
func replaceLone(text []byte) {
	for i := 0; i+2 < len(text); i++ {
		if text[i] == 0xED && text[i+1] >= 0xA0 {
			copy(text[i:], "\uFFFD")
		}
	}
}

func (w *walker) inst(i int) int {
	text, end, _ := w.literal(i)
	ms, nanos, _ := parseInstant(text)
	t := time.UnixMilli(ms).Add(time.Duration(nanos)).UTC()
	if ms < gregorian*msPerDay || ms > lastInst {
		var ok bool
		if w.text, ok = appendInst(w.text[:0], ms, nanos); !ok || t.Year() < 0 {
			w.fail(i, ReasonInexpressible)
			return end
		}
	}
	w.sink.Inst(t)
	return end
}

func (w *walker) uuid(i int) int {
	text, end, _ := w.literal(i)
	hi, lo, _ := parseUUID(text)
	var u [16]byte
	binary.BigEndian.PutUint64(u[:8], hi)
	binary.BigEndian.PutUint64(u[8:], lo)
	w.sink.UUID(u)
	return end
}

func (w *walker) number(start int) int {
	p := w.p
	i := start
	if p[i] == '-' || p[i] == '+' {
		i++
	}
	first := i
	i = digitsEnd(p, i)
	if n := i - first; n <= 18 && (n == 1 || p[first] != '0') && (i == len(p) || class[p[i]]&classEndNum != 0) {
		if p[start] == '+' || n == 1 && p[first] == '0' {
			start = first
		}
		w.sink.Int(p[start:i], false)
		return i
	}
	end, _, _ := tokenEnd(p, i, classEndNum)
	n, _ := parseNumber(p[start:end])
	switch n.kind {
	case Float:
		w.sink.Float(parseFloat(p[start:end]))
	case BigDec:
		w.decimal(start, &n)
	case Ratio:
		w.text = appendDigits(w.text[:0], n.digits, n.neg)
		w.sink.Ratio(w.text, bytes.TrimLeft(n.den, "0"))
	default:
		w.integer(start, &n)
	}
	return end
}

func (w *walker) integer(at int, n *numeral) {
	if n.radix == 10 {
		w.text = appendDigits(w.text[:0], n.digits, n.neg)
	} else {
		digits := bytes.TrimLeft(n.digits, "0")
		if len(digits) > maxConvert {
			w.fail(at, ReasonTooLong)
			return
		}
		w.text = appendConverted(w.text[:0], digits, n.radix, n.neg)
	}
	w.sink.Int(w.text, n.kind == BigInt)
}

// appendDigits appends decimal digits without leading zeros.
func appendDigits(dst, digits []byte, neg bool) []byte {
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) == 0 {
		return append(dst, '0')
	}
	if neg {
		dst = append(dst, '-')
	}
	return append(dst, digits...)
}

// appendConverted appends in decimal the integer that digits, without leading zeros, are in radix.
func appendConverted(dst, digits []byte, radix uint64, neg bool) []byte {
	if neg && len(digits) > 0 {
		dst = append(dst, '-')
	}
	if len(digits) <= 12 { // 36^12 < 2^64
		v := uint64(0)
		for _, c := range digits {
			v = v*radix + uint64(digit(c))
		}
		return strconv.AppendUint(dst, v, 10)
	}
	v, _ := new(big.Int).SetString(string(digits), int(radix))
	return v.Append(dst, 10)
}

// decimal tells a decimal in the grammar of JSON's numbers: 01.M is 1, and +1e5M is 1e5.
func (w *walker) decimal(at int, n *numeral) {
	if !hashable(n, &w.text) {
		w.fail(at, ReasonInexpressible)
		return
	}
	digits := bytes.TrimLeft(n.digits, "0")
	if len(digits) == 0 {
		digits = zero
	}
	w.text = w.text[:0]
	if n.neg {
		w.text = append(w.text, '-')
	}
	w.text = append(w.text, digits...)
	if len(n.frac) > 0 {
		w.text = append(append(w.text, '.'), n.frac...)
	}
	if len(n.exp) > 0 {
		w.text = append(append(w.text, 'e'), n.exp...)
	}
	w.sink.Decimal(w.text)
}

var zero = []byte("0")
