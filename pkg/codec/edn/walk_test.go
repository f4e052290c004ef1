package edn_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// calls is a Sink that writes down what it is told.
type calls struct{ out strings.Builder }

func (c *calls) say(format string, args ...any) {
	if c.out.Len() > 0 {
		c.out.WriteByte(' ')
	}
	fmt.Fprintf(&c.out, format, args...)
}

func (c *calls) Nil()                         { c.say("nil") }
func (c *calls) Bool(b bool)                  { c.say("%v", b) }
func (c *calls) Int(d []byte, big bool)       { c.say("int:%s:%v", d, big) }
func (c *calls) Float(f float64)              { c.say("float:%v", f) }
func (c *calls) Decimal(t []byte)             { c.say("decimal:%s", t) }
func (c *calls) Ratio(n, d []byte)            { c.say("ratio:%s:%s", n, d) }
func (c *calls) Char(r rune)                  { c.say("char:%U", r) }
func (c *calls) String(s []byte)              { c.say("string:%q", s) }
func (c *calls) Keyword(n []byte)             { c.say("keyword:%s", n) }
func (c *calls) Symbol(n []byte)              { c.say("symbol:%s", n) }
func (c *calls) Inst(t time.Time)             { c.say("inst:%s", t.Format(time.RFC3339Nano)) }
func (c *calls) UUID(u [16]byte)              { c.say("uuid:%x", u) }
func (c *calls) Tag(n []byte)                 { c.say("tag:%s", n) }
func (c *calls) Begin(k value.Kind, size int) { c.say("%d{%d", k, size) }
func (c *calls) End()                         { c.say("}") }

func TestWalk(t *testing.T) {
	for _, tt := range []struct {
		text, calls string
		written     string // by Writer; the text itself if empty
	}{
		{"nil", "nil", ""},
		{"true", "true", ""},
		{"false", "false", ""},
		{"[:chat/hi {:n 1, :text \"x\"}]", `1{-1 keyword:chat/hi 3{-1 keyword:n int:1:false keyword:text string:"x" } }`, ""},
		{" [1,2 (a/b) #{}] ;c", "1{-1 int:1:false int:2:false 0{-1 symbol:a/b } 2{-1 } }", "[1 2 (a/b) #{}]"},
		{"^{:m 1} [^:x ^:y a #^:z [] #_b]", "1{-1 symbol:a 1{-1 } }", "[a []]"},
		{"{^:m [] ^:n ()}", "3{-1 1{-1 } 0{-1 } }", "{[] ()}"},
		// Numbers.
		{"0", "int:0:false", ""},
		{"-0", "int:0:false", "0"},
		{"+7", "int:7:false", "7"},
		{"7N", "int:7:true", ""},
		{"-0N", "int:0:true", "0N"},
		{"00", "int:0:false", "0"},
		{"9223372036854775807", "int:9223372036854775807:false", ""},
		{"-9223372036854775808", "int:-9223372036854775808:false", ""},
		{"9223372036854775808", "int:9223372036854775808:false", "9223372036854775808N"},
		{"0x1F", "int:31:false", "31"},
		{"-017N", "int:-15:true", "-15N"},
		{"-0x0", "int:0:false", "0"},
		{"36rZZ", "int:1295:false", "1295"},
		{"0xFFFFFFFFFFFFFFFFFF", "int:4722366482869645213695:false", "4722366482869645213695N"},
		{"-0xFFFFFFFFFFFFFFFFFF", "int:-4722366482869645213695:false", "-4722366482869645213695N"},
		{"4/2", "ratio:4:2", ""},
		{"-06/04", "ratio:-6:4", "-6/4"},
		{"-0/5", "ratio:0:5", "0/5"},
		{"1.50M", "decimal:1.50", ""},
		{"-01.M", "decimal:-1", "-1M"},
		{"+.5", "symbol:+.5", ""},
		{"017M", "decimal:17", "17M"},
		{"-0.0M", "decimal:-0.0", ""},
		{"1.5E+05M", "decimal:1.5e+05", "1.5e+05M"},
		{"1.0", "float:1", ""},
		{"-0.0", "float:-0", ""},
		{"1e400", "float:+Inf", "##Inf"},
		{"## ^:m -Inf", "float:-Inf", "##-Inf"},
		{"##NaN", "float:NaN", ""},
		{"1.0E10", "float:1e+10", ""},
		// Text.
		{`"a\tb\u0041\101\n"`, `string:"a\tbAA\n"`, `"a\tbAA\n"`},
		{`"\ud83d\ude00"`, `string:"😀"`, `"😀"`},
		{`"a\ud83dé"`, `string:"a�é"`, `"a�é"`},
		{"\"a\n\x01\"", `string:"a\n\x01"`, "\"a\\n\x01\""},
		{`[\a \newline \u0041 \o101 \] \space]`, "1{-1 char:U+0061 char:U+000A char:U+0041 char:U+0041 char:U+005D char:U+0020 }", `[\a \newline \A \A \] \space]`},
		{"[:a :b/c d e/f nil/a :é]", "1{-1 keyword:a keyword:b/c symbol:d symbol:e/f symbol:nil/a keyword:é }", ""},
		// Namespaced maps.
		{
			`#:n{:b 1 a 2 :x/y 3 :_/z 4 "s" 5 nil 6 [:k] 7}`,
			`3{-1 keyword:n/b int:1:false symbol:n/a int:2:false keyword:x/y int:3:false keyword:z int:4:false string:"s" int:5:false nil int:6:false 1{-1 keyword:k } int:7:false }`,
			`{:n/b 1, n/a 2, :x/y 3, :z 4, "s" 5, nil 6, [:k] 7}`,
		},
		{"#:n{^:m a #:k{:b #:l{:c 1}}}", "3{-1 symbol:n/a 3{-1 keyword:k/b 3{-1 keyword:l/c int:1:false } } }", "{n/a {:k/b {:l/c 1}}}"},
		// Tags.
		{`#inst "2020-02-29T12:34:56.789-01:30"`, "inst:2020-02-29T14:04:56.789Z", `#inst "2020-02-29T14:04:56.789-00:00"`},
		{`#inst "2020"`, "inst:2020-01-01T00:00:00Z", `#inst "2020-01-01T00:00:00.000-00:00"`},
		{`#inst "2020-01-01T00:00:00.1234567891234Z"`, "inst:2020-01-01T00:00:00.123456789Z", `#inst "2020-01-01T00:00:00.123456789-00:00"`},
		{`#inst "2020-01-01T00:00:00.000001Z"`, "inst:2020-01-01T00:00:00.000001Z", `#inst "2020-01-01T00:00:00.000001000-00:00"`},
		{`#inst "1969-12-31T23:59:59.999999Z"`, "inst:1969-12-31T23:59:59.999999Z", `#inst "1969-12-31T23:59:59.999999000-00:00"`},
		{`#inst "1582-10-04"`, "inst:1582-10-14T00:00:00Z", `#inst "1582-10-04T00:00:00.000-00:00"`}, // of the Julian calendar
		{`#inst #_x "202\u0030"`, "inst:2020-01-01T00:00:00Z", `#inst "2020-01-01T00:00:00.000-00:00"`},
		{`#uuid "1-2-3-4-5"`, "uuid:00000001000200030004000000000005", `#uuid "00000001-0002-0003-0004-000000000005"`},
		{`[#a/b #c/d nil #a/b[#e/f 1] 2]`, "1{-1 tag:a/b tag:c/d nil tag:a/b 1{-1 tag:e/f int:1:false } int:2:false }", "[#a/b #c/d nil #a/b [#e/f 1] 2]"},
		{`{#a/b 1 #a/b 2, #a/c [] #{#a/d {}}}`, "3{-1 tag:a/b int:1:false tag:a/b int:2:false tag:a/c 1{-1 } 2{-1 tag:a/d 3{-1 } } }", "{#a/b 1 #a/b 2, #a/c [] #{#a/d {}}}"},
	} {
		var c calls
		if err := edn.Walk([]byte(tt.text), &c); err != nil || c.out.String() != tt.calls {
			t.Errorf("%s: calls\n%s, %v, want\n%s", tt.text, c.out.String(), err, tt.calls)
		}
		var w edn.Writer
		w.Reset([]byte("before"))
		if err := edn.Walk([]byte(tt.text), &w); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		want := tt.written
		if want == "" {
			want = tt.text
		}
		if got, err := w.Bytes(); err != nil || string(got) != "before"+want {
			t.Errorf("%s: written %s, %v, want %s", tt.text, got, err, want)
		}
	}
}

func TestWalkRefuses(t *testing.T) {
	long := strings.Repeat("n", 100<<10)
	for _, tt := range []struct {
		name, text string
		reason     edn.Reason
		offset     int
	}{
		{"what Check refuses", "[1 {:a 1 :a 2}]", edn.ReasonDuplicate, 9},
		{"key without text", "#:a{:b 1 :1 2}", edn.ReasonInexpressible, 9},
		{"symbol as keyword", "#:a{_/:b 1}", edn.ReasonInexpressible, 4},
		{"lone surrogate in a set", `[#{[1 "\ud800"]}]`, edn.ReasonInexpressible, 6},
		{"lone surrogate in a key", `{"\ud800" 1}`, edn.ReasonInexpressible, 1},
		{"year 10000", `#inst "9999-12-31T23:59:59-01:00"`, edn.ReasonInexpressible, 6},
		{"year -1", `#inst "0000-01-01T00:00:00+01:00"`, edn.ReasonInexpressible, 6},
		{"Julian year 0 is Gregorian -1", `#inst "0000-01-01"`, edn.ReasonInexpressible, 6},
		{"29 February 1500", `#inst "1500-02-28T23:59:60Z"`, edn.ReasonInexpressible, 6},
		{"decimal beyond Java", "[100e2147483647M]", edn.ReasonInexpressible, 1},
		{"long number", "0x" + strings.Repeat("F", 5000), edn.ReasonTooLong, 0},
		{"names unfold", "#:" + long + "{" + manyKeys(50) + "}", edn.ReasonTooLong, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := edn.Walk([]byte(tt.text), new(calls))
			fault, ok := errors.AsType[*edn.Error](err)
			if !ok || fault.Reason != tt.reason || tt.offset != 0 && fault.Offset != tt.offset {
				t.Errorf("%v, want %v at %d", err, tt.reason, tt.offset)
			}
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ":k%d 1 ", i)
	}
	return b.String()
}

func TestWalkAllocs(t *testing.T) {
	text := []byte(`[:chat/msg {:n 12345, :text "line\none", #{1} 1.5M, :in #:a{:b 1/2}, :at #inst "2020-01-01T00:00:00.000-00:00", :f 1.5, :c \a, :x 0x1F}]`)
	var s edn.Scanner
	var w edn.Writer
	dst := make([]byte, 0, 1024)
	write := func() {
		w.Reset(dst)
		if err := s.Walk(text, &w); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Bytes(); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if n := testing.AllocsPerRun(100, write); n != 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
