package json_test

import (
	stdjson "encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
)

// toEDN converts with Walk and edn.Writer.
func toEDN(p []byte) (string, error) {
	var w edn.Writer
	w.Reset(nil)
	if err := json.Walk(p, &w); err != nil {
		return "", err
	}
	text, err := w.Bytes()
	return string(text), err
}

var accepted = []struct{ text, edn string }{
	{`null`, `nil`},
	{` true `, `true`},
	{"\t[\r\nfalse ]\n", `[false]`},
	{`[]`, `[]`},
	{`{ }`, `{}`},
	{`[1 , 2,[ 3 ]]`, `[1 2 [3]]`},
	{`["chat/hi",{"n":1,"text":"x"}]`, `["chat/hi" {:n 1, :text "x"}]`},
	// Keys.
	{`{"a/b":1}`, `{:a/b 1}`},
	{`{"":1," ":2,"a b":3,":a":4,"a:":5,"/a":6,"a/1":7,"a@":8,"[":9}`, `{"" 1, " " 2, "a b" 3, ":a" 4, "a:" 5, "/a" 6, "a/1" 7, "a@" 8, "[" 9}`},
	{`{"1":1,"é":2,"a/b/c":3,"/":4,"a//":8,"\u00a0":9,"\u0000":10,"\u2028":11,"#":5,"nil":6,"a\u002fb":7}`, "{:1 1, :é 2, \"a/b/c\" 3, :/ 4, :a// 8, \"\u00a0\" 9, \"\x00\" 10, \"\u2028\" 11, :# 5, :nil 6, :a/b 7}"},
	{`{"a":1,"A":2,"a ":3}`, `{:a 1, :A 2, "a " 3}`},
	{`{"a":{"a":{"a":1},"b":2}}`, `{:a {:a {:a 1}, :b 2}}`},
	// Numbers.
	{`0`, `0`},
	{`-0`, `0`},
	{`-1`, `-1`},
	{`9007199254740993`, `9007199254740993`},
	{`9223372036854775808`, `9223372036854775808N`},
	{`123456789012345678901234567890`, `123456789012345678901234567890N`},
	{`1.0`, `1.0`},
	{`-0.0`, `-0.0`},
	{`1e2`, `100.0`},
	{`1E+2`, `100.0`},
	{`1.5e-3`, `0.0015`},
	{`0e0`, `0.0`},
	{`1e400`, `##Inf`},
	{`-1e400`, `##-Inf`},
	{`1e-400`, `0.0`},
	// Strings.
	{`"\"\\\/\b\f\n\r\t"`, `"\"\\/\b\f\n\r\t"`},
	{`"\u0041\u00e9\u2028"`, "\"Aé\u2028\""},
	{`"\ud83d\ude00😀"`, `"😀😀"`},
	{`"\ud83d"`, "\"\uFFFD\""},
	{`"\ude00\ud83d\u0041"`, "\"\uFFFD\uFFFDA\""},
	{`"\u0000"`, "\"\x00\""},
	{"\"\x7f\"", "\"\x7f\""},
	{`"long enough for words of eight bytes \" and é after it"`, `"long enough for words of eight bytes \" and é after it"`},
}

func TestWalk(t *testing.T) {
	for _, tt := range accepted {
		if got, err := toEDN([]byte(tt.text)); err != nil || got != tt.edn {
			t.Errorf("%s: %s, %v, want %s", tt.text, got, err, tt.edn)
		}
		if err := json.Check([]byte(tt.text)); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		if !stdjson.Valid([]byte(tt.text)) {
			t.Errorf("%s is no JSON", tt.text)
		}
	}
}

var refused = []struct {
	text   string
	reason json.Reason
	offset int
}{
	{``, json.ReasonEmpty, 0},
	{" \n", json.ReasonEmpty, 2},
	{`1 2`, json.ReasonExtra, 2},
	{`[]]`, json.ReasonExtra, 2},
	{"\ufeff1", json.ReasonSyntax, 0},
	{"\u00a01", json.ReasonSyntax, 0},
	{`nul`, json.ReasonEOF, 3},
	{`nult`, json.ReasonSyntax, 3},
	{`nulll`, json.ReasonExtra, 4},
	{`True`, json.ReasonSyntax, 0},
	{`[`, json.ReasonEOF, 1},
	{`[1`, json.ReasonEOF, 2},
	{`[1,`, json.ReasonEOF, 3},
	{`[1,]`, json.ReasonSyntax, 3},
	{`[,]`, json.ReasonSyntax, 1},
	{`[1 2]`, json.ReasonSyntax, 3},
	{`[1}`, json.ReasonSyntax, 2},
	{`{`, json.ReasonEOF, 1},
	{`{"a"`, json.ReasonEOF, 4},
	{`{"a":`, json.ReasonEOF, 5},
	{`{"a":1`, json.ReasonEOF, 6},
	{`{"a":1,`, json.ReasonEOF, 7},
	{`{"a":1,}`, json.ReasonSyntax, 7},
	{`{"a" 1}`, json.ReasonSyntax, 5},
	{`{a:1}`, json.ReasonSyntax, 1},
	{`{1:1}`, json.ReasonSyntax, 1},
	{`{"a":1 "b":2}`, json.ReasonSyntax, 7},
	{`{"a":1]`, json.ReasonSyntax, 6},
	{`//c`, json.ReasonSyntax, 0},
	// Numbers.
	{`-`, json.ReasonNumber, 0},
	{`+1`, json.ReasonSyntax, 0},
	{`01`, json.ReasonNumber, 0},
	{`-00`, json.ReasonNumber, 0},
	{`.5`, json.ReasonSyntax, 0},
	{`1.`, json.ReasonNumber, 0},
	{`1.e5`, json.ReasonNumber, 0},
	{`[1e]`, json.ReasonNumber, 1},
	{`1e+`, json.ReasonNumber, 0},
	{`0x1`, json.ReasonExtra, 1},
	{`1N`, json.ReasonExtra, 1},
	{`NaN`, json.ReasonSyntax, 0},
	// Strings.
	{`"a`, json.ReasonEOF, 2},
	{`"\`, json.ReasonString, 1},
	{`"\x"`, json.ReasonString, 1},
	{`"\u12"`, json.ReasonString, 1},
	{`"\u123g"`, json.ReasonString, 1},
	{"\"a\nb\"", json.ReasonString, 2},
	{"\"abcdefgh\x00\"", json.ReasonString, 9},
	{"\"abcdefghi\x1fjklmnopq\"", json.ReasonString, 10},
	{"\"\xff\"", json.ReasonUTF8, 0},
	{"\"\xed\xa0\x80\"", json.ReasonUTF8, 0},
	{"[\"abcdefgh\xc3\"]", json.ReasonUTF8, 1},
	// Keys.
	{`{"a":1,"a":2}`, json.ReasonDuplicate, 7},
	{`{"a":1,"\u0061":2}`, json.ReasonDuplicate, 7},
	{`{"a/b":1,"a\/b":2}`, json.ReasonDuplicate, 9},
	{`[{"":1,"":2}]`, json.ReasonDuplicate, 7},
	{`{"\ud800":1}`, json.ReasonSurrogate, 1},
	{`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12,"m":13,"c":14}`, json.ReasonDuplicate, 83},
}

func TestRefused(t *testing.T) {
	for _, tt := range refused {
		for name, err := range map[string]error{"check": json.Check([]byte(tt.text)), "walk": json.Walk([]byte(tt.text), new(edn.Writer))} {
			fault, ok := errors.AsType[*json.Error](err)
			if !ok || fault.Reason != tt.reason || fault.Offset != tt.offset {
				t.Errorf("%s %q: %v, want %v at %d", name, tt.text, err, tt.reason, tt.offset)
			}
		}
	}
}

func TestDepth(t *testing.T) {
	for _, tt := range []struct {
		open, inner, closing string
	}{
		{"[", "1", "]"},
		{`{"a":`, "1", "}"},
	} {
		deep := func(n int) []byte {
			return []byte(strings.Repeat(tt.open, n) + tt.inner + strings.Repeat(tt.closing, n))
		}
		if _, err := toEDN(deep(edn.MaxDepth)); err != nil {
			t.Errorf("%s: %v", tt.open, err)
		}
		err := json.Check(deep(edn.MaxDepth + 1))
		if fault, ok := errors.AsType[*json.Error](err); !ok || fault.Reason != json.ReasonDepth {
			t.Errorf("%s: %v", tt.open, err)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		text  string
		whole string
		kind  json.Kind
		n     int
		elems []string
	}{
		{` "x" `, `"x"`, json.String, 0, nil},
		{`[]`, `[]`, json.Array, 0, nil},
		{` ["a/b", {"k": [1]} ,null]`, `["a/b", {"k": [1]} ,null]`, json.Array, 3, []string{`"a/b"`, `{"k": [1]}`}},
		{`{"a" : 1.5, "b":true}`, `{"a" : 1.5, "b":true}`, json.Object, 4, []string{`"a"`, `1.5`}},
	} {
		var s json.Scanner
		var elems [2]json.Form
		whole, n, err := s.Split([]byte(tt.text), elems[:])
		if err != nil || string(whole.Text([]byte(tt.text))) != tt.whole || whole.Kind != tt.kind || n != tt.n {
			t.Errorf("%s: %v, %d, %v", tt.text, whole, n, err)
		}
		for i, want := range tt.elems {
			if got := elems[i].Text([]byte(tt.text)); string(got) != want {
				t.Errorf("%s: element %d is %s, want %s", tt.text, i, got, want)
			}
		}
	}
}

const event128 = `["sente-lite/publish",{"channel-id":"room/42","data":{"n":12345,"user":"alice","text":"a short line of chat"},"exclude-sender?":true}]`

func TestAllocs(t *testing.T) {
	var s json.Scanner
	var w edn.Writer
	var dst [1024]byte
	p := []byte(`[1,2.5,"line\none",{"a":1,"b c":{"d":null}},` + event128 + `]`)
	for name, f := range map[string]func() error{
		"check": func() error { return s.Check(p) },
		"walk": func() error {
			w.Reset(dst[:0])
			return s.Walk(p, &w)
		},
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = f() }); n != 0 && !raceEnabled {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestScratchIsBounded(t *testing.T) {
	var s json.Scanner
	var b strings.Builder
	b.WriteString(`{"` + strings.Repeat(`\n`, 1<<17) + `":0`)
	for i := range 20_000 {
		b.WriteString(`,"` + strings.Repeat("k", i%7) + string(rune(0x4E00+i/7)) + `":0`)
	}
	b.WriteString("}")
	if err := s.Check([]byte(b.String())); err != nil {
		t.Fatal(err)
	}
	if n := s.ScratchSize(); n > 192<<10 {
		t.Errorf("keeps %d bytes", n)
	}
}
