package transit

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/hoshi-ws/hoshi/pkg/codec/check"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// Each of these tells a value to the Checker and to the sink.

func (r *Reader) null() Kind {
	r.check.Nil()
	r.sink.Nil()
	return Nil
}

func (r *Reader) boolean(b bool) Kind {
	r.check.Bool(b)
	r.sink.Bool(b)
	return Bool
}

func (r *Reader) string(b []byte) Kind {
	r.check.String(b)
	r.sink.String(b)
	return String
}

func (r *Reader) integer(text []byte, big bool, at int) Kind {
	b, ok := wholeNumber(text)
	if !ok {
		return r.invalid(at, ReasonScalar)
	}
	r.check.Int(b, big)
	r.sink.Int(b, big)
	return Scalar
}

// wholeNumber takes an optional minus and digits, and drops leading zeros.
func wholeNumber(text []byte) ([]byte, bool) {
	first := 0
	if len(text) > 0 && text[0] == '-' {
		first = 1
	}
	if first == len(text) || digits(text, first) != len(text) {
		return nil, false
	}
	if text[first] != '0' || first == 0 && len(text) == 1 {
		return text, true
	}
	abs := bytes.TrimLeft(text[first:], "0")
	switch {
	case len(abs) == 0:
		return text[len(text)-1:], true
	case first == 0:
		return abs, true
	}
	return append([]byte{'-'}, abs...), true // nobody writes -07
}

func milliseconds(text []byte) (int64, bool) {
	b, ok := wholeNumber(text)
	if !ok {
		return 0, false
	}
	return value.Int64(b)
}

func (r *Reader) float(f float64, at, depth int) Kind {
	if (math.IsNaN(f) || math.IsInf(f, 0)) && r.deep(depth) { // EDN nests ##NaN
		return r.invalid(at, ReasonDepth)
	}
	r.check.Float(f)
	r.sink.Float(f)
	return Scalar
}

// parseFloat returns the double that a legal number stands for; what is too large
// is an infinity.
func parseFloat(b []byte) float64 {
	// ParseFloat does not keep its argument, but for an error that is dropped here.
	v, _ := strconv.ParseFloat(unsafe.String(&b[0], len(b)), 64)
	return v
}

func (r *Reader) keyword(name []byte, known bool, at int) Kind {
	if !known && !r.check.LegalKeyword(name) {
		return r.invalid(at, ReasonName)
	}
	r.check.Keyword(name)
	r.sink.Keyword(name)
	return Keyword
}

func (r *Reader) symbol(name []byte, known bool, at int) Kind {
	if !known && !r.check.LegalSymbol(name) {
		return r.invalid(at, ReasonName)
	}
	r.check.Symbol(name)
	r.sink.Symbol(name)
	return Symbol
}

func (r *Reader) inst(t time.Time, ok bool, at, depth int) Kind {
	switch {
	case !ok || t.Year() < 0 || t.Year() > 9999:
		return r.invalid(at, ReasonInst)
	case r.deep(depth): // EDN nests #inst
		return r.invalid(at, ReasonDepth)
	}
	r.check.Inst(t)
	r.sink.Inst(t)
	return Scalar
}

func (r *Reader) uuid(u [16]byte, at, depth int) Kind {
	if r.deep(depth) { // EDN nests #uuid
		return r.invalid(at, ReasonDepth)
	}
	r.check.UUID(u)
	r.sink.UUID(u)
	return Scalar
}

// scalar reads a value that is written as a string. known says that the same
// string was read before.
func (r *Reader) scalar(b []byte, known bool, at, depth int) Kind {
	plain := len(b) == 0 || b[0] != '~'
	if !plain && len(b) == 1 {
		return r.invalid(at, ReasonScalar)
	}
	plain = plain || b[1] == '~' || b[1] == '^' || b[1] == '`'
	if r.lone && !known && (!plain || r.check.Compared()) { // two that differ might become equal
		return r.invalid(at, ReasonUTF8)
	}
	if len(b) == 0 || b[0] != '~' {
		return r.string(b)
	}
	switch c := b[1]; c {
	case '~', '^', '`':
		return r.string(b[1:])
	case '#':
		return r.invalid(at, ReasonTag)
	default:
		return r.extended(c, b[2:], known, at, depth)
	}
}

// extended reads a scalar by its tag and its text.
func (r *Reader) extended(tag byte, b []byte, known bool, at, depth int) Kind {
	switch tag {
	case ':':
		return r.keyword(b, known, at)
	case '$':
		return r.symbol(b, known, at)
	case '\'':
		return r.string(b)
	case 'i':
		if _, ok := wholeNumber(b); !ok && isFloat(b) { // so transit-js writes a double that is a key
			return r.float(parseFloat(b), at, depth)
		}
		return r.integer(b, false, at)
	case 'n':
		return r.integer(b, true, at)
	case 'm':
		ms, ok := milliseconds(b)
		return r.inst(time.UnixMilli(ms).UTC(), ok, at, depth)
	case 't':
		t, ok := parseTime(b)
		return r.inst(t, ok, at, depth)
	case 'u':
		u, ok := check.ParseUUID(b)
		if !ok {
			return r.invalid(at, ReasonUUID)
		}
		return r.uuid(u, at, depth)
	case '_':
		if len(b) == 0 {
			return r.null()
		}
	case '?':
		if len(b) == 1 && (b[0] == 't' || b[0] == 'f') {
			return r.boolean(b[0] == 't')
		}
	case 'd':
		if isFloat(b) {
			return r.float(parseFloat(b), at, depth)
		}
	case 'z':
		switch string(b) {
		case "NaN":
			return r.float(math.NaN(), at, depth)
		case "INF":
			return r.float(math.Inf(1), at, depth)
		case "-INF":
			return r.float(math.Inf(-1), at, depth)
		}
	case 'f':
		if d, ok := r.check.LegalDecimal(b); ok {
			r.check.Decimal(d)
			r.sink.Decimal(d)
			if r.check.Failed() {
				break
			}
			return Scalar
		}
	case 'c':
		if c, size := utf8.DecodeRune(b); size == len(b) && size > 0 && c <= 0xFFFF {
			r.check.Char(c)
			r.sink.Char(c)
			return Scalar
		}
	case 'r':
		if validURI(b) {
			r.uri(b)
			return Scalar
		}
	case 'b':
		if r.binary(b) {
			return Scalar
		}
	default:
		return r.unknown(tag, b, at, depth)
	}
	return r.invalid(at, ReasonScalar)
}

func (r *Reader) uri(b []byte) {
	r.check.String(b)
	if r.own != nil {
		r.own.uri(b)
		return
	}
	r.sink.String(b)
}

func (r *Reader) binary(b []byte) bool {
	r.bytes = append(r.bytes[:0], b...)
	n, err := base64.StdEncoding.Strict().Decode(r.bytes, b)
	if err != nil || base64.StdEncoding.EncodedLen(n) != len(b) { // the decoder skips line ends
		return false
	}
	r.check.String(b)
	if s, ok := r.sink.(value.Binary); ok {
		s.ByteString(r.bytes[:n])
	} else {
		r.sink.String(b)
	}
	return true
}

// unknown reads a string with a tag that an application has made up.
func (r *Reader) unknown(tag byte, b []byte, at, depth int) Kind {
	switch {
	case tag <= ' ' || tag >= 0x7F:
		return r.invalid(at, ReasonTag)
	case r.deep(depth):
		return r.invalid(at, ReasonDepth)
	}
	r.bytes = append(r.bytes[:0], tag)
	r.beginUnknown(r.bytes)
	r.check.String(b)
	if r.own != nil {
		r.own.extended(tag, b)
	} else {
		r.sink.String(b)
	}
	if !r.endUnknown(at) {
		return Invalid
	}
	return Scalar
}

var (
	nameTag   = []byte("tag")
	nameValue = []byte("value")
)

// beginUnknown begins a map of the tag and the value that comes next, which a tag
// without namespace is where there is no Transit.
func (r *Reader) beginUnknown(tag []byte) {
	r.check.Begin(value.Map)
	r.check.Keyword(nameTag)
	r.check.String(tag)
	r.check.Keyword(nameValue)
	if r.own != nil {
		return
	}
	r.sink.Begin(value.Map, 4)
	r.sink.Keyword(nameTag)
	r.sink.String(tag)
	r.sink.Keyword(nameValue)
}

func (r *Reader) endUnknown(at int) bool {
	if !r.check.End() {
		return r.fail(at, ReasonDuplicate)
	}
	if r.own == nil {
		r.sink.End()
	}
	return true
}

// isFloat tells whether b is a number as Java and JavaScript write doubles.
func isFloat(b []byte) bool {
	i := 0
	if len(b) > 0 && b[0] == '-' {
		i = 1
	}
	whole := digits(b, i)
	if whole == i {
		return false
	}
	if i = whole; i < len(b) && b[i] == '.' {
		if i = digits(b, i+1); i == whole+1 {
			return false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '-' || b[i] == '+') {
			i++
		}
		exp := i
		if i = digits(b, exp); i == exp {
			return false
		}
	}
	return i == len(b)
}

// parseTime reads RFC 3339, without leap seconds.
func parseTime(b []byte) (time.Time, bool) {
	// 2014-04-07T22:17:17.000Z
	const pattern = "dddd-dd-ddTdd:dd:dd"
	if len(b) <= len(pattern) {
		return time.Time{}, false
	}
	var f [6]int
	k := 0
	for i, c := range []byte(pattern) {
		switch {
		case c != 'd':
			if b[i] != c {
				return time.Time{}, false
			}
			k++
		case b[i]-'0' > 9:
			return time.Time{}, false
		default:
			f[k] = f[k]*10 + int(b[i]-'0')
		}
	}
	b = b[len(pattern):]
	nanos := 0
	if b[0] == '.' {
		end := digits(b, 1)
		if end == 1 {
			return time.Time{}, false
		}
		for i := 1; i <= 9; i++ {
			nanos *= 10
			if i < end {
				nanos += int(b[i] - '0')
			}
		}
		b = b[end:]
	}
	offset, ok := parseOffset(b)
	t := time.Date(f[0], time.Month(f[1]), f[2], f[3], f[4], f[5], nanos, time.UTC)
	ok = ok && f[1] >= 1 && f[1] <= 12 && t.Day() == f[2] && t.Hour() == f[3] && t.Minute() == f[4] && t.Second() == f[5]
	return t.Add(-offset), ok
}

func parseOffset(b []byte) (time.Duration, bool) {
	if len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != 6 || b[0] != '+' && b[0] != '-' || b[3] != ':' {
		return 0, false
	}
	for _, i := range [...]int{1, 2, 4, 5} {
		if b[i]-'0' > 9 {
			return 0, false
		}
	}
	h, m := int(b[1]-'0')*10+int(b[2]-'0'), int(b[4]-'0')*10+int(b[5]-'0')
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if b[0] == '-' {
		d = -d
	}
	return d, h < 24 && m < 60
}
