package json_test

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// fromEDN converts with edn.Walk and Writer.
func fromEDN(p []byte) (string, error) {
	var w json.Writer
	w.Reset(nil)
	if err := edn.Walk(p, &w); err != nil {
		return "", err
	}
	text, err := w.Bytes()
	return string(text), err
}

func TestWriter(t *testing.T) {
	for _, tt := range []struct{ edn, json string }{
		{`nil`, `null`},
		{`true`, `true`},
		{`[false]`, `[false]`},
		{`[]`, `[]`},
		{`{}`, `{}`},
		{`[:chat/hi {:n 1, :text "x"}]`, `["chat/hi",{"n":1,"text":"x"}]`},
		{`(1 #{2} [3])`, `[1,[2],[3]]`},
		{`[a b/c :d]`, `["a","b/c","d"]`},
		{`[{} {:a {}} [] [[] []]]`, `[{},{"a":{}},[],[[],[]]]`},
		// Numbers.
		{`[0 -7 +7 0x10]`, `[0,-7,7,16]`},
		{`[9007199254740991 -9007199254740991]`, `[9007199254740991,-9007199254740991]`},
		{`[9007199254740992 -9007199254740992]`, `["9007199254740992","-9007199254740992"]`},
		{`[9223372036854775808 1N 0N]`, `["9223372036854775808","1","0"]`},
		{`[1.0 -0.0 0.1 1.5e10 1e20 1e21 1e-6 1e-7 5e-324]`, `[1.0,-0.0,0.1,15000000000.0,100000000000000000000.0,1e+21,0.000001,1e-07,5e-324]`},
		{`[##NaN ##Inf ##-Inf]`, `["NaN","Infinity","-Infinity"]`},
		{`[1.50M 1e5M 1/2 -4/2]`, `["1.50","1e5","1/2","-4/2"]`},
		// Text.
		{`[\a \newline \u0001 \é]`, `["a","\n","\u0001","é"]`},
		{"\"\\\"\\\\/\\b\\f\\n\\r\\t\x00\x1f\x7fé😀\u2028\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7fé😀\u2028\""},
		{`"long enough for words of eight bytes \" and é after it"`, `"long enough for words of eight bytes \" and é after it"`},
		// Tags.
		{`#inst "2020-01-02T03:04:05.678-00:00"`, `"2020-01-02T03:04:05.678Z"`},
		{`#inst "2020-01-02T03:04:05.678901Z"`, `"2020-01-02T03:04:05.678901000Z"`},
		{`#inst "2020"`, `"2020-01-01T00:00:00.000Z"`},
		{`#uuid "00112233-4455-6677-8899-AABBCCDDEEFF"`, `"00112233-4455-6677-8899-aabbccddeeff"`},
		{`[#a/b 1 #a/b #c/d [2] 3]`, `[{"tag":"a/b","value":1},{"tag":"a/b","value":{"tag":"c/d","value":[2]}},3]`},
		{`{:k #a/b {:x 1} :l #a/b nil}`, `{"k":{"tag":"a/b","value":{"x":1}},"l":{"tag":"a/b","value":null}}`},
		// Keys.
		{`{:a/b 1 "c" 2}`, `{"a/b":1,"c":2}`},
		{`{1 :a, nil :b, [1 "x"] :c, x/y :d}`, `{"1":"a","nil":"b","[1 \"x\"]":"c","x/y":"d"}`},
		{`{\a 1 1.5M 2 #a/b {:c 1} 3 #uuid "0-0-0-0-1" 4 {} 5 true 6}`, `{"\\a":1,"1.5M":2,"#a/b {:c 1}":3,"#uuid \"00000000-0000-0000-0000-000000000001\"":4,"{}":5,"true":6}`},
		{`{{{:k 1} 2} {{:l 3} 4}}`, `{"{{:k 1} 2}":{"{:l 3}":4}}`},
		{`{:a {:a {"a" 1}} "b" {:a 2}}`, `{"a":{"a":{"a":1}},"b":{"a":2}}`},
		// Keys that meet.
		{`{:a 1 "a" 2}`, `{"a":1,"\"a\"":2}`},
		{`{"a" 1 :a 2}`, `{"a":1,":a":2}`},
		{`{"a" 1 :a 2 a 3}`, `{"a":1,":a":2,"\"a\"":3}`},
		{`{a 1 "a" 2 :a 3}`, `{"a":1,"\"a\"":2,":a":3}`},
		{`{"a" 1 ":a" 2 :a 3}`, `{"a":1,":a":2,"\":a\"":3}`},
		{`{"a" 1 ":a" 2 "\":a\"" 3 :a 4}`, `{"a":1,":a":2,"\":a\"":3,"\"\\\":a\\\"\"":4}`},
		{`{1 1 "1" 2 :1 3}`, `{"1":1,"\"1\"":2,":1":3}`},
		{`{{##NaN 1} 1 {##NaN 1} 2}`, `{"{##NaN 1}":1,"\"{##NaN 1}\"":2}`},
		{`[{:a 1} {"a" 1 :b {:a 1}}]`, `[{"a":1},{"a":1,"b":{"a":1}}]`},
	} {
		got, err := fromEDN([]byte(tt.edn))
		if err != nil || got != tt.json {
			t.Errorf("%s:\n%s, %v, want\n%s", tt.edn, got, err, tt.json)
		}
		if !stdjson.Valid([]byte(got)) {
			t.Errorf("%s is no JSON", got)
		}
		if err := json.Check([]byte(got)); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
}

// TestManyMixedKeys has maps, one in the other, in which every third key meets another, and which are too large to be
// compared key by key.
func TestManyMixedKeys(t *testing.T) {
	build := func(n int, inner string) string {
		var b strings.Builder
		b.WriteString("{")
		for i := range n {
			fmt.Fprintf(&b, "k%d 1 :k%d %s \"k%d\" 3 ", i, i, inner, i)
		}
		return b.String() + "}"
	}
	began := time.Now()
	for _, text := range []string{build(10_000, "2"), build(100, build(30, "2"))} {
		got, err := fromEDN([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Check([]byte(got)); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("took %v: not in proportion to the text", d)
	}
}

func TestWriterFails(t *testing.T) {
	nested := func(w *json.Writer, n int) {
		for range n {
			w.Begin(value.Vector, 1)
		}
		w.Nil()
		for range n {
			w.End()
		}
	}
	for _, tt := range []struct {
		name   string
		tell   func(w *json.Writer)
		reason json.Reason // 0: none
	}{
		{"nothing", func(*json.Writer) {}, json.ReasonCalls},
		{"two values", func(w *json.Writer) { w.Nil(); w.Nil() }, json.ReasonCalls},
		{"tag alone", func(w *json.Writer) { w.Tag([]byte("a/b")) }, json.ReasonCalls},
		{"end alone", func(w *json.Writer) { w.End() }, json.ReasonCalls},
		{"odd map", func(w *json.Writer) { w.Begin(value.Map, 2); w.Keyword([]byte("a")); w.End() }, json.ReasonCalls},
		{"odd map with a composite key", func(w *json.Writer) { w.Begin(value.Map, 2); w.Nil(); w.End() }, json.ReasonCalls},
		{"key without end", func(w *json.Writer) { w.Begin(value.Map, 2); w.Begin(value.Map, 2) }, json.ReasonCalls},
		{"year 10000", func(w *json.Writer) { w.Inst(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) }, json.ReasonInexpressible},
		{"surrogate in a key", func(w *json.Writer) { w.Begin(value.Map, 2); w.Char(0xD800); w.Nil(); w.End() }, json.ReasonInexpressible},
		{"deep", func(w *json.Writer) { nested(w, value.MaxDepth) }, 0},
		{"too deep", func(w *json.Writer) { nested(w, value.MaxDepth+1) }, json.ReasonDepth},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w json.Writer
			w.Reset([]byte("x"))
			tt.tell(&w)
			got, err := w.Bytes()
			if tt.reason == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			fault, ok := errors.AsType[*json.Error](err)
			if !ok || fault.Reason != tt.reason || string(got) != "x" {
				t.Errorf("%q, %v, want %v", got, err, tt.reason)
			}
			w.Reset(nil)
			w.Nil()
			if got, err := w.Bytes(); err != nil || string(got) != "null" {
				t.Errorf("after Reset %q, %v", got, err)
			}
		})
	}
}

func TestWriterAllocs(t *testing.T) {
	text := []byte(`[:chat/msg {:n 12345, "text" "line\none", #{1} 1.5M, :in {:b 1/2}, 1 #inst "2020-01-01T00:00:00.000-00:00", :f 1.5, :c \a, "c" #uuid "0-0-0-0-1"}]`)
	var s edn.Scanner
	var w json.Writer
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
