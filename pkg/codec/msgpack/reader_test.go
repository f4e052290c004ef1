package msgpack_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/msgpack"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// unhex reads hexadecimal digits with blanks between them; 'text' stands for itself.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var p []byte
	for i, part := range strings.Split(text, "'") {
		if i%2 == 1 {
			p = append(p, part...)
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		p = append(p, b...)
	}
	return p
}

func toEDN(t *testing.T, p []byte) string {
	t.Helper()
	var w edn.Writer
	w.Reset(nil)
	if err := msgpack.Walk(p, &w); err != nil {
		t.Fatalf("%x: %v", p, err)
	}
	text, err := w.Bytes()
	if err != nil {
		t.Fatalf("%x: %v", p, err)
	}
	return string(text)
}

// values holds messages, and what they are in EDN.
var values = []struct{ hex, edn string }{
	{`c0`, `nil`},
	{`93 c3 c2 c0`, `[true false nil]`},
	// Whole numbers of each width.
	{`93 00 7f e0`, `[0 127 -32]`},
	{`94 cc80 cdffff ceffffffff cf7fffffffffffffff`, `[128 65535 4294967295 9223372036854775807]`},
	{`cf8000000000000000`, `9223372036854775808N`},
	{`94 d080 d18000 d280000000 d38000000000000000`, `[-128 -32768 -2147483648 -9223372036854775808]`},
	{`94 d07f d1ffff d200000001 d37fffffffffffffff`, `[127 -1 1 9223372036854775807]`},
	// Doubles.
	{`92 ca3fc00000 cb3ff8000000000000`, `[1.5 1.5]`},
	{`93 cb7ff8000000000001 ca7f800000 cbfff0000000000000`, `[##NaN ##Inf ##-Inf]`},
	// Strings and bytes of each length.
	{`94 a0 a2'hi' d903'abc' da0002 c3a9`, `["" "hi" "abc" "é"]`},
	{`db00000001'x'`, `"x"`},
	{`93 c403010203 c5000101 c60000000100`, `["AQID" "AQ==" "AA=="]`},
	// Collections of each length.
	{`94 90 dc0000 dd00000001c0 9101`, `[[] [] [nil] [1]]`},
	{`94 80 de0000 df000000010102 8101c0`, `[{} {} {1 2} {1 nil}]`},
	// Extensions.
	{`93 d40061 c7030061'/b' c800030061'/b'`, `[:a :a/b :a/b]`},
	{`c9000000010061`, `:a`},
	{`92 d40161 d601'ab/c'`, `[a ab/c]`},
	{`93 d40261 c70302 e697a5 d4020a`, `[\a \日 \newline]`},
	{`93 d503 0102 d503 ff02 d503 0102`, `[1/2 -1/2 1/2]`},
	{`95 d503 01fe d503 fffe d503 00fe c712 03 d37fffffffffffffff d38000000000000001 d603 cc80 cc81`, `[-1/2 1/2 0/2 -9223372036854775807/9223372036854775807 128/129]`},
	{`94 d404 90 c70304 dc0000 d504 91c0 c70404 93 010203`, `[#{} #{} #{nil} #{1 2 3}]`},
	{`c70804 dd00000003 010203`, `#{1 2 3}`},
	{`93 d705 00000001ffffffff d606 3fc00000 d707 3ff8000000000000`, `[[1 -1] [1.5] [1.5]]`},
	{`c70005`, `[]`},
	{`92 c70cff 000f4240 0000000000000001 d6ff 00000001`, `[#inst "1970-01-01T00:00:01.001-00:00" #inst "1970-01-01T00:00:01.000-00:00"]`},
	{`d7ff 003d0900 00000001`, `#inst "1970-01-01T00:00:01.001-00:00"`},
	{`c70cff 3b9ac9ff fffffff1868b8400`, `#inst "0000-01-03T00:00:00.999999999-00:00"`},
	{`c72409'5a2cbea3-e8c6-428b-b525-21239370dd55'`, `#uuid "5a2cbea3-e8c6-428b-b525-21239370dd55"`},
	{`92 d42a61 d5ab0102`, `[{:tag 42, :value "YQ=="} {:tag -85, :value "AQI="}]`},
	// Codes of keys.
	{`92 81 d40061 01 81 d40800 02`, `[{:a 1} {:a 2}]`},
	{`93 81 a161 01 81 d40061 81 d40800 02 82 d40801 03 d40800 04`, `[{"a" 1} {:a {"a" 2}} {:a 3, "a" 4}]`},
	{`93 82 01 c0 a161 c0 81 c0 a162 82 d40800 01 a162 02`, `[{1 nil, "a" nil} {nil "b"} {"a" 1, "b" 2}]`},
	{`94 81 a161 01 81 a161 02 81 a162 03 82 d40801 04 d40802 05`, `[{"a" 1} {"a" 2} {"b" 3} {"a" 4, "b" 5}]`},
	{`92 81 81 a161 01 a162 81 d40800 02`, `[{{"a" 1} "b"} {"a" 2}]`},
	{`92 81 da000161 01 c70704 92 81 d40800 02 01`, `[{"a" 1} #{{"a" 2} 1}]`},
	{`92 c70504 91 81 a161 02 81 d40800 03`, `[#{{"a" 2}} {"a" 3}]`},
	{`92 83 d90161 01 db0000000162 02 c70200'cd' 03 83 d40800 01 d40801 02 d40802 03`, `[{"a" 1, "b" 2, :cd 3} {"a" 1, "b" 2, :cd 3}]`},
	{`92 82 c80001 0061 01 c900000001 0062 02 82 d40800 01 d40801 02`, `[{:a 1, :b 2} {:a 1, :b 2}]`},
	// What looks like a duplicate and is none.
	{`c70d04 93 01 cb3ff0000000000000 a131`, `#{1 1.0 "1"}`},
}

func TestWalk(t *testing.T) {
	for _, tt := range values {
		p := unhex(t, tt.hex)
		if got := toEDN(t, p); got != tt.edn {
			t.Errorf("%s: %s, want %s", tt.hex, got, tt.edn)
		}
		if err := msgpack.Check(p); err != nil {
			t.Errorf("%s: %v", tt.hex, err)
		}
		// Whatever is cut off is missed.
		for n := range p {
			if err := msgpack.Check(p[:n]); err == nil {
				t.Errorf("%s: its first %d bytes are taken", tt.hex, n)
			}
		}
	}
}

var refused = []struct {
	hex    string
	reason msgpack.Reason
	offset int
}{
	{``, msgpack.ReasonEOF, 0},
	{`c1`, msgpack.ReasonByte, 0},
	{`01 02`, msgpack.ReasonExtra, 1},
	{`cc`, msgpack.ReasonEOF, 1},
	{`da00`, msgpack.ReasonEOF, 1},
	{`a2'a'`, msgpack.ReasonEOF, 1},
	{`dbffffffff`, msgpack.ReasonEOF, 5},
	{`ddffffffff01`, msgpack.ReasonEOF, 0},
	{`dfffffffff0102`, msgpack.ReasonEOF, 0},
	{`df800000000102`, msgpack.ReasonEOF, 0},
	{`92 01`, msgpack.ReasonEOF, 0},
	{`81 01`, msgpack.ReasonEOF, 0},
	{`c9ffffffff00`, msgpack.ReasonEOF, 6},
	{`c6ffffffff00`, msgpack.ReasonEOF, 5},
	{`d4`, msgpack.ReasonEOF, 1},
	{`a1ff`, msgpack.ReasonUTF8, 0},
	{`a3eda080`, msgpack.ReasonUTF8, 0},
	// Names.
	{`d400 20`, msgpack.ReasonName, 0},
	{`c70000`, msgpack.ReasonName, 0},
	{`d500'a/'`, msgpack.ReasonName, 0},
	{`d500'::'`, msgpack.ReasonName, 0},
	{`d400ff`, msgpack.ReasonName, 0},
	{`d401'1'`, msgpack.ReasonName, 0},
	{`c70301'nil'`, msgpack.ReasonName, 0},
	// Extensions.
	{`d502'ab'`, msgpack.ReasonExtension, 0},
	{`c70002`, msgpack.ReasonExtension, 0},
	{`d402ff`, msgpack.ReasonExtension, 0},
	{`d602 f09f9880`, msgpack.ReasonExtension, 0},
	{`c70302 eda080`, msgpack.ReasonExtension, 0},
	{`d503 0100`, msgpack.ReasonExtension, 0},
	{`d503 01c0`, msgpack.ReasonExtension, 3},
	{`d403 01`, msgpack.ReasonEOF, 3},
	{`c70303 010203`, msgpack.ReasonExtension, 5},
	{`c70003`, msgpack.ReasonEOF, 3},
	{`d404 01`, msgpack.ReasonExtension, 0},
	{`d404 80`, msgpack.ReasonExtension, 0},
	{`d404 91`, msgpack.ReasonEOF, 0},
	{`d504 9001`, msgpack.ReasonExtension, 3},
	{`92 d504 92 01 02`, msgpack.ReasonEOF, 1}, // the set ends before its second element
	{`c70004`, msgpack.ReasonEOF, 3},
	{`c70305 000000`, msgpack.ReasonExtension, 0},
	{`d607 00000000`, msgpack.ReasonExtension, 0},
	{`d409 61`, msgpack.ReasonUUID, 0},
	{`c72409'5a2cbea3-e8c6-428b-b525-21239370dd5g'`, msgpack.ReasonUUID, 0},
	{`c72409'5a2cbea3_e8c6-428b-b525-21239370dd55'`, msgpack.ReasonUUID, 0},
	{`d5ff 0000`, msgpack.ReasonInst, 0},
	{`c70cff 3b9aca00 0000000000000000`, msgpack.ReasonInst, 0},
	{`c70cff 00000000 0000003afff44180`, msgpack.ReasonInst, 0},
	{`c70cff 00000000 fffffff1868b83ff`, msgpack.ReasonInst, 0},
	{`d7ff ffffffff 00000000`, msgpack.ReasonInst, 0},
	// Codes.
	{`81 d40800 01`, msgpack.ReasonCode, 1},
	{`92 81 a161 01 81 d40801 01`, msgpack.ReasonCode, 6},
	{`92 81 01 01 81 d40800 01`, msgpack.ReasonCode, 5},
	{`92 81 a161 01 d40800`, msgpack.ReasonCode, 5},
	{`92 81 a161 01 81 01 d40800`, msgpack.ReasonCode, 7},
	{`92 81 a161 01 81 d50800 00 01`, msgpack.ReasonCode, 6},
	// Duplicates.
	{`82 a161 01 a161 02`, msgpack.ReasonDuplicate, 0},
	{`92 81 a161 01 82 a161 01 d40800 02`, msgpack.ReasonDuplicate, 5},
	{`c70504 92 01 cd0001`, msgpack.ReasonDuplicate, 0},
	{`d604 92 01 d001`, msgpack.ReasonDuplicate, 0},
	{`c70804 92 d503 0202 cd0001`, msgpack.ReasonDuplicate, 0},
	{`c70504 92 9101 9101`, msgpack.ReasonDuplicate, 0},
	{`c70904 92 9101 d605 00000001`, msgpack.ReasonDuplicate, 0},
	{`c70904 92 c40161 a4'YQ=='`, msgpack.ReasonDuplicate, 0}, // EDN has no bytes
}

func TestWalkRefuses(t *testing.T) {
	for _, tt := range refused {
		err := msgpack.Check(unhex(t, tt.hex))
		fault, ok := errors.AsType[*msgpack.Error](err)
		if !ok || fault.Reason != tt.reason || fault.Offset != tt.offset {
			t.Errorf("%s: %v, want %v at %d", tt.hex, err, tt.reason, tt.offset)
			continue
		}
		if !strings.Contains(err.Error(), tt.reason.String()) || tt.reason.String() == "unknown" {
			t.Errorf("%s: %v", tt.hex, err)
		}
	}
	if s := msgpack.Reason(200).String(); s != "unknown" {
		t.Errorf("got %q", s)
	}
}

// TestDepth nests each construct as deep as EDN can, and one deeper.
func TestDepth(t *testing.T) {
	for _, tt := range []struct {
		name, inner string
		wrap        func(p []byte) []byte
		levels      int // of inner
	}{
		{"vector", `01`, func(p []byte) []byte { return append([]byte{0x91}, p...) }, 0},
		{"map", `01`, func(p []byte) []byte { return append([]byte{0x81, 0x01}, p...) }, 0},
		{"key", `01`, func(p []byte) []byte { return append(append([]byte{0x81}, p...), 1) }, 0},
		{"set", `01`, func(p []byte) []byte {
			n := len(p) + 1
			return append([]byte{0xC8, byte(n >> 8), byte(n), 4, 0x91}, p...)
		}, 0},
		{"inst", `d6ff00000000`, func(p []byte) []byte { return append([]byte{0x91}, p...) }, 1},
		{"uuid", `c72409'5a2cbea3-e8c6-428b-b525-21239370dd55'`, func(p []byte) []byte { return append([]byte{0x91}, p...) }, 1},
		{"nan", `cb7ff8000000000000`, func(p []byte) []byte { return append([]byte{0x91}, p...) }, 1},
		{"unknown", `d42a00`, func(p []byte) []byte { return append([]byte{0x91}, p...) }, 1},
		{"ints", `c70005`, func(p []byte) []byte { return append([]byte{0x91}, p...) }, 1},
		{"doubles", `d707fff0000000000000`, func(p []byte) []byte { return append([]byte{0x91}, p...) }, 2},
	} {
		for _, depth := range []int{value.MaxDepth - 1, value.MaxDepth, value.MaxDepth + 1, 5000} {
			p := unhex(t, tt.inner)
			for range depth - tt.levels {
				p = tt.wrap(p)
			}
			err := msgpack.Check(p)
			if depth <= value.MaxDepth {
				if err != nil {
					t.Errorf("%s, %d deep: %v", tt.name, depth, err)
					continue
				}
				if err := edn.Check([]byte(toEDN(t, p))); err != nil {
					t.Errorf("%s, %d deep, in EDN: %v", tt.name, depth, err)
				}
				continue
			}
			if fault, ok := errors.AsType[*msgpack.Error](err); !ok || fault.Reason != msgpack.ReasonDepth {
				t.Errorf("%s, %d deep: %v", tt.name, depth, err)
			}
		}
	}
}

// TestKeyNumbers gives numbers to the first 256 keys, and to no more.
func TestKeyNumbers(t *testing.T) {
	p := []byte{0x92, 0xDE, 1, 1} // a map of 257 entries
	for i := range 257 {
		p = append(p, fmt.Sprintf("\xa4k%03d\x01", i)...)
	}
	for _, tt := range []struct {
		code byte
		want string
	}{{0, "k000"}, {1, "k001"}, {255, "k255"}} {
		text := toEDN(t, append(bytes.Clone(p), 0x81, 0xD4, 8, tt.code, 0x02))
		if want := fmt.Sprintf(`{"%s" 2}]`, tt.want); !strings.HasSuffix(text, want) {
			t.Errorf("code %d: %s, want %s", tt.code, text[len(text)-20:], want)
		}
	}
	// The last key is written out again.
	if text := toEDN(t, append(bytes.Clone(p), "\x81\xa4k256\x02"...)); !strings.HasSuffix(text, `{"k256" 2}]`) {
		t.Errorf("%s", text[len(text)-20:])
	}
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		hex          string
		kind         msgpack.Kind
		outer, inner []string
	}{
		{`92 92 c7030061'/b' 8101c0 a2'cb'`, msgpack.Vector, []string{`92c70300612f628101c0`, `a26362`}, []string{`c70300612f62`, `8101c0`}},
		{`92 01 9102`, msgpack.Vector, []string{`01`, `9102`}, nil},
		{`91 90`, msgpack.Vector, []string{`90`}, nil},
		{`90`, msgpack.Vector, nil, nil},
		{`81 9101 02`, msgpack.Map, []string{`9101`, `02`}, nil},
		{`82 d40061 8101 02 c0 a162`, msgpack.Map, []string{`d40061`, `810102`, `c0`, `a162`}, nil},
		{`c70304 91 9101`, msgpack.Set, nil, nil},
		{`c0`, msgpack.Nil, nil, nil},
	} {
		var r msgpack.Reader
		var outer, inner [4]msgpack.Form
		p := unhex(t, tt.hex)
		whole, n, m, err := r.Split(p, outer[:], inner[:])
		if err != nil || whole != (msgpack.Form{End: len(p), Kind: tt.kind}) || n != len(tt.outer) || m != len(tt.inner) {
			t.Errorf("%s: %v, %d, %d, %v", tt.hex, whole, n, m, err)
			continue
		}
		for i, want := range tt.outer {
			if got := hex.EncodeToString(p[outer[i].Start:outer[i].End]); got != want {
				t.Errorf("%s: element %d is %s, want %s", tt.hex, i, got, want)
			}
		}
		for i, want := range tt.inner {
			if got := hex.EncodeToString(p[inner[i].Start:inner[i].End]); got != want {
				t.Errorf("%s: inner element %d is %s, want %s", tt.hex, i, got, want)
			}
		}
	}
	var r msgpack.Reader
	if _, _, _, err := r.Split([]byte{0x91}, nil, nil); err == nil {
		t.Error("half a vector is taken")
	}
}

// TestCodesAreBounded: a short message does not become one of any length.
func TestCodesAreBounded(t *testing.T) {
	message := func(key, n int) []byte {
		p := []byte{0xDD, 0, 0, byte(n >> 8), byte(n), 0x81, 0xDA, byte(key >> 8), byte(key)}
		p = append(append(p, strings.Repeat("k", key)...), 1)
		return append(p, strings.Repeat("\x81\xd4\x08\x00\x01", n-1)...)
	}
	for n, want := range map[int]bool{1: true, 10: true, 30: false, 1000: false} {
		err := msgpack.Check(message(60_000, n))
		if fault, _ := errors.AsType[*msgpack.Error](err); (err == nil) != want || err != nil && fault.Reason != msgpack.ReasonTooLong {
			t.Errorf("%d codes: %v", n, err)
		}
	}
	// Keys as people have them may come as often as they like.
	if err := msgpack.Check(message(75, 60_000)); err != nil {
		t.Error(err)
	}
}

func TestDetach(t *testing.T) {
	for _, tt := range []struct{ message, data string }{
		{`92 81 a161 01 81 a162 02`, `81 a162 02`},
		{`92 81 a161 01 da0001'a'`, `da0001'a'`}, // not the shortest form, and left alone
		{`92 81 a161 01 81 d40800 da0001'a'`, `81 a161 a161`},
		{`92 81 d40061 01 92 81 d40800 02 81 d40800 03`, `92 81 d40061 02 81 d40061 03`},
		{`92 01 d6ff 00000001`, `c70cff 00000000 0000000000000001`},
		{`92 01 d7ff 0000000400000001`, `c70cff 00000001 0000000000000001`},
		{`92 01 cf0000000000000001`, `01`},
		{`92 01 cfffffffffffffffff`, `b4'18446744073709551615'`},
		// What EDN has not stays what it is.
		{`92 81 a161 01 96 c40161 d60500000001 d6063fc00000 d42a61 d5ab0102 81 d40800 02`, `96 c40161 d60500000001 d6063fc00000 d42a61 d5ab0102 81 a161 02`},
	} {
		var r msgpack.Reader
		var forms [2]msgpack.Form
		p := unhex(t, tt.message)
		if _, n, _, err := r.Split(p, forms[:], nil); err != nil || n != 2 {
			t.Errorf("%s: %d elements, %v", tt.message, n, err)
			continue
		}
		got, err := r.Detach([]byte("x"), p, forms[1])
		if want := unhex(t, "'x'"+tt.data); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, %v, want %x", tt.message, got, err, want)
		}
	}
	var r msgpack.Reader
	for _, f := range []msgpack.Form{{Start: 1, End: 4}, {Start: 0, End: 4}} {
		if got, err := r.Detach([]byte("x"), []byte{0x81, 0xD4, 8, 0, 1}, f); err == nil || string(got) != "x" {
			t.Errorf("%v: %q, %v", f, got, err)
		}
	}
	if got, err := r.Detach([]byte("x"), []byte{0x91, 0xD9, 1, 8}, msgpack.Form{Start: 2, End: 4}); err == nil || string(got) != "x" {
		t.Errorf("a form of no value: %q, %v", got, err)
	}
}
