package msgpack_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/msgpack"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

func fromEDN(t testing.TB, text string) []byte {
	t.Helper()
	var w msgpack.Writer
	w.Reset(nil)
	if err := edn.Walk([]byte(text), &w); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	p, err := w.Bytes()
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return p
}

func TestWriter(t *testing.T) {
	for _, tt := range []struct {
		edn, hex string
		back     string // what comes back, if not the same
	}{
		{`nil`, `c0`, ``},
		{`[true false]`, `92 c3 c2`, ``},
		{`[0 127 128 255 256 65535 65536 4294967295 4294967296]`, `99 00 7f cc80 ccff cd0100 cdffff ce00010000 ceffffffff d30000000100000000`, ``},
		{`[-1 -32 -33 -128 -129 -32768 -32769 -2147483648 -2147483649]`, `99 ff e0 d0df d080 d1ff7f d18000 d2ffff7fff d280000000 d3ffffffff7fffffff`, ``},
		{`[9223372036854775807 -9223372036854775808 7N]`, `93 d37fffffffffffffff d38000000000000000 07`, `[9223372036854775807 -9223372036854775808 7]`},
		{`9223372036854775808`, `b3'9223372036854775808'`, `"9223372036854775808"`},
		{`[1.5 ##NaN ##-Inf]`, `93 cb3ff8000000000000 cb7ff8000000000001 cbfff0000000000000`, ``},
		{`[1.50M -1e400M]`, `92 cb3ff8000000000000 cbfff0000000000000`, `[1.5 ##-Inf]`},
		{`[1/2 -4/2]`, `92 d50301 02 d503fc02`, ``},
		{`1/9223372036854775808`, `b5'1/9223372036854775808'`, `"1/9223372036854775808"`},
		{`[\a \newline \日]`, `93 d40261 d4020a c70302e697a5`, ``},
		{`["" "é"]`, `92 a0 a2c3a9`, ``},
		{`[:a a :a/b]`, `93 d40061 d40161 c7030061'/b'`, ``},
		{`#inst "1969-12-31T23:59:59.999-00:00"`, `c70cff 3b8b87c0 ffffffffffffffff`, ``},
		{`#inst "2020-01-01T00:00:00.123456789-00:00"`, `c70cff 075bcd15 000000005e0be100`, ``},
		{`#uuid "5a2cbea3-e8c6-428b-b525-21239370dd55"`, `c72409'5a2cbea3-e8c6-428b-b525-21239370dd55'`, ``},
		// Collections.
		{`[[] () {} #{}]`, `94 90 90 80 d40490`, `[[] [] {} #{}]`},
		{`(1 (2))`, `92 01 9102`, `[1 [2]]`},
		{`{:a {:b 1} :c 2}`, `82 d40061 81 d40062 01 d40063 02`, ``},
		{`#{[1 #{2}]}`, `c70704 91 92 01 d504 91 02`, ``},
		{`#a/b #c/d 1`, `82 c7030074 6167 a3'a/b' c7050076616c7565 82 c7030074 6167 a3'c/d' c7050076616c7565 01`, `{:tag "a/b", :value {:tag "c/d", :value 1}}`},
		// In keys and elements, what would become equal does not.
		{`#{1.0 1.0M}`, `c70f04 92 cb3ff0000000000000 a4'1.0M'`, `#{1.0 "1.0M"}`},
		{`{[123456789012345678901 "123456789012345678901"] 1}`, ``, `{["123456789012345678901N" "123456789012345678901"] 1}`},
		{`{1M {1 2M}, 2 3M}`, ``, `{"1M" {1 2.0}, 2 3.0}`},
		{`#{#a/b 1M}`, ``, `#{{:tag "a/b", :value "1M"}}`},
		{`[#a/b 1M]`, ``, `[{:tag "a/b", :value 1.0}]`},
	} {
		p := fromEDN(t, tt.edn)
		if tt.hex != "" {
			if want := unhex(t, tt.hex); !bytes.Equal(p, want) {
				t.Errorf("%s: %x, want %x", tt.edn, p, want)
			}
		}
		want := tt.back
		if want == "" {
			want = strings.ReplaceAll(tt.edn, "} :c", "}, :c")
		}
		if got := toEDN(t, p); got != want {
			t.Errorf("%s: %x is %s, want %s", tt.edn, p, got, want)
		}
	}
}

// TestWriterLengths writes collections, strings and sets around each length that
// changes a head.
func TestWriterLengths(t *testing.T) {
	for _, n := range []int{0, 1, 14, 15, 16, 17, 255, 256, 65535, 65536} {
		var list, entries strings.Builder
		for i := range n {
			fmt.Fprintf(&list, " %d", i)
			fmt.Fprintf(&entries, " %d :%d,", i, i)
		}
		for _, want := range []string{
			"[" + strings.TrimPrefix(list.String(), " ") + "]",
			"{" + strings.TrimSuffix(strings.TrimPrefix(entries.String(), " "), ",") + "}",
			"#{" + strings.TrimPrefix(list.String(), " ") + "}",
		} {
			if got := toEDN(t, fromEDN(t, want)); got != want {
				t.Errorf("%d: %.60s, want %.60s", n, got, want)
			}
		}
	}
	for _, n := range []int{0, 1, 2, 3, 4, 7, 8, 13, 14, 15, 16, 17, 31, 32, 250, 252, 253, 254, 255, 256, 257, 65530, 65531, 65532, 65533, 65534, 65535, 65536, 65537} {
		text := strings.Repeat("x", n)
		for _, want := range []string{
			`"` + text + `"`,
			`#{"` + text + `"}`,
			`#{[#{"` + text + `"} {#{1} 2}] #{}}`,
			":x" + text,
		} {
			if got := toEDN(t, fromEDN(t, want)); got != want {
				t.Errorf("%d: %.60s, want %.60s", n, got, want)
			}
		}
		var w msgpack.Writer
		w.Reset(nil)
		w.ByteString([]byte(text))
		p, err := w.Bytes()
		if err != nil || !bytes.HasSuffix(p, []byte(text)) || msgpack.Check(p) != nil {
			t.Errorf("%d bytes: %.20x, %v", n, p, err)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tell   func(w *msgpack.Writer)
		reason msgpack.Reason
	}{
		{"nothing", func(*msgpack.Writer) {}, msgpack.ReasonCalls},
		{"two values", func(w *msgpack.Writer) { w.Nil(); w.Nil() }, msgpack.ReasonCalls},
		{"two collections", func(w *msgpack.Writer) { w.Begin(value.Set, 0); w.End(); w.Begin(value.Map, 0); w.End() }, msgpack.ReasonCalls},
		{"open vector", func(w *msgpack.Writer) { w.Begin(value.Vector, 1); w.Nil() }, msgpack.ReasonCalls},
		{"end alone", func(w *msgpack.Writer) { w.End() }, msgpack.ReasonCalls},
		{"tag alone", func(w *msgpack.Writer) { w.Tag([]byte("a/b")) }, msgpack.ReasonCalls},
		{"end behind tag", func(w *msgpack.Writer) { w.Begin(value.List, 1); w.Tag([]byte("a/b")); w.End() }, msgpack.ReasonCalls},
		{"key alone", func(w *msgpack.Writer) { w.Begin(value.Map, 2); w.Nil(); w.End() }, msgpack.ReasonCalls},
		{"surrogate", func(w *msgpack.Writer) { w.Char(0xD800) }, msgpack.ReasonExtension},
		{"no unit", func(w *msgpack.Writer) { w.Char(0x1F600) }, msgpack.ReasonExtension},
		{"keys that become equal", func(w *msgpack.Writer) {
			w.Begin(value.Set, 2)
			w.Decimal([]byte("1.0"))
			w.String([]byte("1.0M"))
			w.End()
		}, msgpack.ReasonDuplicate},
		{"tags that become equal", func(w *msgpack.Writer) {
			if err := edn.Walk([]byte(`{#a/b 1 2, {:tag "a/b" :value 1} 3}`), w); err != nil {
				t.Error(err)
			}
		}, msgpack.ReasonDuplicate},
	} {
		var w msgpack.Writer
		w.Reset([]byte("x"))
		tt.tell(&w)
		p, err := w.Bytes()
		fault, ok := errors.AsType[*msgpack.Error](err)
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

const event = `[[:chat/message {:room "general", :users #{:alice :bob}, :text "a short line of chat", :n 12345, :at #inst "2020-01-01T00:00:00.000-00:00", :list (1 2 3), :more [{:room 1} {:room 2}]}] "84da23"]`

func TestNoAllocation(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	var r msgpack.Reader
	var e edn.Writer
	var w msgpack.Writer
	var forms [2]msgpack.Form
	plain := fromEDN(t, event)
	// The same with a key that is a code.
	coded := bytes.Replace(plain, []byte("\x81\xd6\x00room\x02"), []byte("\x81\xd4\x08\x00\x02"), 1)
	if len(coded) == len(plain) || toEDN(t, coded) != toEDN(t, plain) {
		t.Fatalf("%x", coded)
	}
	dst := make([]byte, 0, 4096)
	for _, p := range [][]byte{plain, coded} {
		for name, call := range map[string]func(){
			"check":  func() { _ = r.Check(p) },
			"split":  func() { _, _, _, _ = r.Split(p, forms[:], nil) },
			"detach": func() { _, _ = r.Detach(dst, p, forms[0]) },
			"to EDN": func() {
				e.Reset(dst)
				_ = r.Walk(p, &e)
				_, _ = e.Bytes()
			},
			"rewrite": func() {
				w.Reset(dst)
				_ = r.Walk(p, &w)
				_, _ = w.Bytes()
			},
		} {
			call()
			if n := testing.AllocsPerRun(100, call); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	}
}

func BenchmarkMessagePack(b *testing.B) {
	var r msgpack.Reader
	var e edn.Writer
	var w msgpack.Writer
	dst, source := make([]byte, 0, 4096), []byte(event)
	p := fromEDN(b, event)
	for _, bm := range []struct {
		name string
		call func() error
	}{
		{"check", func() error { return r.Check(p) }},
		{"to=edn", func() error {
			e.Reset(dst)
			return r.Walk(p, &e)
		}},
		{"from=edn", func() error {
			w.Reset(dst)
			err := edn.Walk(source, &w)
			_, _ = w.Bytes()
			return err
		}},
		{"rewrite", func() error {
			w.Reset(dst)
			err := r.Walk(p, &w)
			_, _ = w.Bytes()
			return err
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if err := bm.call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
