package transit_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

func fromEDN(t testing.TB, text string, w *transit.Writer) string {
	t.Helper()
	w.Reset(nil)
	if err := edn.Walk([]byte(text), w); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	p, err := w.Bytes()
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return string(p)
}

func TestWriter(t *testing.T) {
	for _, tt := range []struct{ edn, plain, verbose string }{
		// Scalars, quoted.
		{`nil`, `["~#'",null]`, `{"~#'":null}`},
		{`1`, `["~#'",1]`, `{"~#'":1}`},
		{`"x"`, `["~#'","x"]`, `{"~#'":"x"}`},
		{`#inst "2020-01-01T00:00:00.001-00:00"`, `["~#'","~m1577836800001"]`, `{"~#'":"~t2020-01-01T00:00:00.001Z"}`},
		// Scalars as values.
		{`[nil true false]`, `[null,true,false]`, `[null,true,false]`},
		{`[9007199254740991 -9007199254740991]`, `[9007199254740991,-9007199254740991]`, ``},
		{`[9007199254740992 -9223372036854775808]`, `["~i9007199254740992","~i-9223372036854775808"]`, ``},
		{`[9223372036854775808 1N]`, `["~n9223372036854775808","~n1"]`, ``},
		{`[1.0 -0.0 1.5e300 1e-7 0.1]`, `[1.0,-0.0,1.5e+300,1e-07,0.1]`, ``},
		{`[##NaN ##Inf ##-Inf]`, `["~zNaN","~zINF","~z-INF"]`, ``},
		{`[1.50M 1e5M]`, `["~f1.50","~f1e5"]`, ``},
		{`[1/3 -4/2]`, `[["~#ratio",["~n1","~n3"]],["~#ratio",["~n-4","~n2"]]]`, `[{"~#ratio":["~n1","~n3"]},{"~#ratio":["~n-4","~n2"]}]`},
		{`[\a \newline \~ \"]`, `["~ca","~c\n","~c~","~c\""]`, ``},
		{`["" "~a" "^ " "` + "`" + `" "a~" "é\"\\/\n\u0001"]`, `["","~~a","~^ ","~` + "`" + `","a~","é\"\\/\n\u0001"]`, ``},
		{`[:a/b a/b]`, `["~:a/b","~$a/b"]`, ``},
		{`[#uuid "5a2cbea3-e8c6-428b-b525-21239370dd55"]`, `["~u5a2cbea3-e8c6-428b-b525-21239370dd55"]`, ``},
		// Collections.
		{`[]`, `[]`, `[]`},
		{`{}`, `["^ "]`, `{}`},
		{`#{1}`, `["~#set",[1]]`, `{"~#set":[1]}`},
		{`(1 (2))`, `["~#list",[1,["~#list",[2]]]]`, `{"~#list":[1,{"~#list":[2]}]}`},
		{`{:a {:b []}}`, `["^ ","~:a",["^ ","~:b",[]]]`, `{"~:a":{"~:b":[]}}`},
		{`#a/b #c/d [1]`, `["~#a/b",["~#c/d",[1]]]`, `{"~#a/b":{"~#c/d":[1]}}`},
		{`[#a/b nil 1]`, `[["~#a/b",null],1]`, `[{"~#a/b":null},1]`},
		// Keys.
		{
			`{nil 1, true 2, 12 3, 1.5 4}`,
			`["^ ","~_",1,"~?t",2,"~i12",3,"~d1.5",4]`, `{"~_":1,"~?t":2,"~i12":3,"~d1.5":4}`,
		},
		{`{[1] 2, 3 4}`, `["~#cmap",[[1],2,3,4]]`, `{"~#cmap":[[1],2,3,4]}`},
		{
			`{nil 1, true 2, false 3, 12 4, 1.5 5, "x" 6, 9007199254740993 7, [1] 8, 2 {3 4}}`,
			`["~#cmap",[null,1,true ,2,false,3,12    ,4,1.5    ,5,"x",6,"~i9007199254740993",7,[1],8,2,["^ ","~i3",4]]]`,
			`{"~#cmap":[null,1,true ,2,false,3,12    ,4,1.5    ,5,"x",6,"~i9007199254740993",7,[1],8,2,{"~i3":4}]}`,
		},
		{
			`{:a {:b 1, #{} 2}, 1/2 3}`, `["~#cmap",["~:a",["~#cmap",["~:b",1,["~#set",[]],2]],["~#ratio",["~n1","~n2"]],3]]`,
			`{"~#cmap":["~:a",{"~#cmap":["~:b",1,{"~#set":[]},2]},{"~#ratio":["~n1","~n2"]},3]}`,
		},
		{`{{1 2} {3 4}, #a/b 1 2}`, `["~#cmap",[["^ ","~i1",2],["^ ","~i3",4],["~#a/b",1],2]]`, `{"~#cmap":[{"~i1":2},{"~i3":4},{"~#a/b":1},2]}`},
		{`{1 {2 3, [] 4}, 5 {6 7, () 8}, [] 9}`, `["~#cmap",[1    ,["~#cmap",[2    ,3,[],4]],5    ,["~#cmap",[6    ,7,["~#list",[]],8]],[],9]]`, ``},
	} {
		if got := fromEDN(t, tt.edn, &transit.Writer{}); got != tt.plain {
			t.Errorf("%s: %s, want %s", tt.edn, got, tt.plain)
		}
		verbose := tt.verbose
		if verbose == "" && !strings.Contains(tt.edn, "{") {
			verbose = tt.plain
		}
		if got := fromEDN(t, tt.edn, &transit.Writer{Mode: transit.Verbose}); verbose != "" && got != verbose {
			t.Errorf("%s: %s, want %s", tt.edn, got, verbose)
		}
		for _, mode := range []transit.Mode{transit.Plain, transit.Cached, transit.Verbose} {
			for _, bare := range []bool{false, true} {
				got := fromEDN(t, tt.edn, &transit.Writer{Mode: mode, Bare: bare})
				if back := toEDN(t, []byte(got)); canonical(t, back) != canonical(t, tt.edn) {
					t.Errorf("%s: mode %d: %s is %s", tt.edn, mode, got, back)
				}
				if bare && strings.Contains(got, "~#'") {
					t.Errorf("%s: mode %d: %s is not bare", tt.edn, mode, got)
				}
			}
		}
	}
}

func TestWriterCaches(t *testing.T) {
	for _, tt := range []struct{ edn, cached string }{
		{`[:abc :abc :ab :ab]`, `["~:abc","^0","~:ab","^1"]`},
		{`[:a :a]`, `["~:a","~:a"]`},
		{`["abcd" "abcd" {"abcd" "abcd"} {"abcd" 1}]`, `["abcd","abcd",["^ ","abcd","abcd"],["^ ","^0",1]]`},
		{
			`[{"abc" 1} {"abc" 2} {"日本語é" 3} {"日本語é" 4} {"😀😀" 5} {"😀😀" 6} {"😀a" 7} {"😀a" 8}]`,
			`[["^ ","abc",1],["^ ","abc",2],["^ ","日本語é",3],["^ ","^0",4],["^ ","😀😀",5],["^ ","^1",6],["^ ","😀a",7],["^ ","😀a",8]]`,
		},
		{`[{"a\"\n\u0001" 1} {"a\"\n\u0001" 2} {"\u0001\n\"" 1} {"\u0001\n\"" 2}]`, `[["^ ","a\"\n\u0001",1],["^ ","^0",2],["^ ","\u0001\n\"",1],["^ ","\u0001\n\"",2]]`},
		{`[(1) (2) #{1} abc abc]`, `[["~#list",[1]],["^0",[2]],["~#set",[1]],"~$abc","^2"]`},
		{`{:abc :abc, "x" {:abc "]["}}`, `["^ ","~:abc","^0","x",["^ ","^0","]["]]`},
		{`{"abcd" 1, [] {"abcd" "abcd"}}`, `["~#cmap",["abcd",1,[],["^ ","abcd","abcd"]]]`},
		{`[{1234 1} {1234 2}]`, `[["^ ","~i1234",1],["^ ","^0",2]]`},
		{`["x^0" {"a" ["b" {:abcd 1}]} :abcd]`, `["x^0",["^ ","a",["b",["^ ","~:abcd",1]]],"^0"]`},
	} {
		if got := fromEDN(t, tt.edn, &transit.Writer{Mode: transit.Cached}); got != tt.cached {
			t.Errorf("%s: %s, want %s", tt.edn, got, tt.cached)
		}
	}
}

// TestWriterBytes tells what no EDN text says.
func TestWriterBytes(t *testing.T) {
	for _, tt := range []struct {
		name string
		tell func(w *transit.Writer)
		text string
	}{
		{"bytes", func(w *transit.Writer) { w.ByteString([]byte{1, 2, 3}) }, `["~#'","~bAQID"]`},
		{"year 0", func(w *transit.Writer) { w.Inst(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)) }, `["~#'","~m-62167219200000"]`},
		{"other zone", func(w *transit.Writer) { w.Inst(time.Date(1970, 1, 1, 1, 0, 0, 999_999, time.FixedZone("", 3600))) }, `["~#'","~m0"]`},
		{"payload NaN", func(w *transit.Writer) { w.Float(math.Float64frombits(0xFFF8000000000001)) }, `["~#'","~zNaN"]`},
	} {
		w := &transit.Writer{}
		w.Reset([]byte("x"))
		tt.tell(w)
		if p, err := w.Bytes(); err != nil || string(p) != "x"+tt.text {
			t.Errorf("%s: %s, %v", tt.name, p, err)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tell   func(w *transit.Writer)
		reason transit.Reason
	}{
		{"nothing", func(*transit.Writer) {}, transit.ReasonCalls},
		{"two values", func(w *transit.Writer) { w.Nil(); w.Nil() }, transit.ReasonCalls},
		{"two collections", func(w *transit.Writer) { w.Begin(value.Set, 0); w.End(); w.Begin(value.Map, 0); w.End() }, transit.ReasonCalls},
		{"open vector", func(w *transit.Writer) { w.Begin(value.Vector, 1); w.Nil() }, transit.ReasonCalls},
		{"end alone", func(w *transit.Writer) { w.End() }, transit.ReasonCalls},
		{"tag alone", func(w *transit.Writer) { w.Tag([]byte("a/b")) }, transit.ReasonCalls},
		{"end behind tag", func(w *transit.Writer) { w.Begin(value.List, 1); w.Tag([]byte("a/b")); w.End() }, transit.ReasonCalls},
		{"key alone", func(w *transit.Writer) { w.Begin(value.Map, 2); w.Nil(); w.End() }, transit.ReasonCalls},
		{"key alone of a cmap", func(w *transit.Writer) { w.Begin(value.Map, 2); w.Begin(value.Map, 0); w.End(); w.End() }, transit.ReasonCalls},
		{"surrogate", func(w *transit.Writer) { w.Char(0xD800) }, transit.ReasonScalar},
		{"no unit", func(w *transit.Writer) { w.Char(0x1F600) }, transit.ReasonScalar},
	} {
		for _, mode := range []transit.Mode{transit.Plain, transit.Cached, transit.Verbose} {
			w := &transit.Writer{Mode: mode}
			w.Reset([]byte("x"))
			tt.tell(w)
			p, err := w.Bytes()
			fault, ok := errors.AsType[*transit.Error](err)
			if !ok || fault.Reason != tt.reason || string(p) != "x" || strings.Contains(err.Error(), "byte") {
				t.Errorf("%s: %q, %v", tt.name, p, err)
			}
			w.Reset(nil)
			w.Nil()
			if _, err := w.Bytes(); err != nil {
				t.Errorf("%s: not ready again: %v", tt.name, err)
			}
		}
	}
}

const event = `[[:chat/message {:room "general", :users #{:alice :bob}, :text "a short line of chat", :n 12345, :at #inst "2020-01-01T00:00:00.000-00:00", :list (1 2 3), :more [{:room 1} {:room 2}]}] "84da23"]`

func TestNoAllocation(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	var r transit.Reader
	var e edn.Writer
	var forms [2]transit.Form
	for _, mode := range []transit.Mode{transit.Plain, transit.Cached, transit.Verbose} {
		w := transit.Writer{Mode: mode}
		text := []byte(fromEDN(t, event, &w))
		dst := make([]byte, 0, 4096)
		for name, call := range map[string]func(){
			"check":  func() { _ = r.Check(text) },
			"split":  func() { _, _, _, _ = r.Split(text, forms[:], nil) },
			"detach": func() { _, _ = r.Detach(dst, text, forms[0]) },
			"to EDN": func() {
				e.Reset(dst)
				_ = r.Walk(text, &e)
				_, _ = e.Bytes()
			},
			"from Transit": func() {
				w.Reset(dst)
				_ = r.Walk(text, &w)
				_, _ = w.Bytes()
			},
		} {
			call()
			if n := testing.AllocsPerRun(100, call); n != 0 {
				t.Errorf("mode %d, %s: %v allocations", mode, name, n)
			}
		}
	}
}

func BenchmarkTransit(b *testing.B) {
	var r transit.Reader
	var e edn.Writer
	dst, source := make([]byte, 0, 4096), []byte(event)
	for _, mode := range []struct {
		name string
		mode transit.Mode
	}{{"plain", transit.Plain}, {"cached", transit.Cached}, {"verbose", transit.Verbose}} {
		w := transit.Writer{Mode: mode.mode}
		text := []byte(fromEDN(b, event, &w))
		for _, bm := range []struct {
			name string
			call func() error
		}{
			{"check", func() error { return r.Check(text) }},
			{"to=edn", func() error {
				e.Reset(dst)
				return r.Walk(text, &e)
			}},
			{"rewrite", func() error {
				w.Reset(dst)
				err := r.Walk(text, &w)
				_, _ = w.Bytes()
				return err
			}},
			{"from=edn", func() error {
				w.Reset(dst)
				err := edn.Walk(source, &w)
				_, _ = w.Bytes()
				return err
			}},
		} {
			b.Run("mode="+mode.name+"/"+bm.name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					if err := bm.call(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
