package codec_test

import (
	"errors"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

const absent = "\x00"

func text(p []byte) string {
	if p == nil {
		return absent
	}
	return string(p)
}

func TestEDN(t *testing.T) {
	for _, tt := range []struct {
		msg, event, id, data, callback string
	}{
		{`[:a/b]`, `[:a/b]`, `:a/b`, absent, absent},
		{`[:a/b nil]`, `[:a/b nil]`, `:a/b`, `nil`, absent},
		{` [ :a/b, {:n 1} ] ;c`, `[ :a/b, {:n 1} ]`, `:a/b`, `{:n 1}`, absent},
		{`[:a/b [1 2]]`, `[:a/b [1 2]]`, `:a/b`, `[1 2]`, absent},
		{`[:a/b ^:m [1]]`, `[:a/b ^:m [1]]`, `:a/b`, `^:m [1]`, absent},
		{`[[:a/b 1] "cb"]`, `[:a/b 1]`, `:a/b`, `1`, `"cb"`},
		{`[[:a/b] "cb"]`, `[:a/b]`, `:a/b`, absent, `"cb"`},
		{`[[:a/b 1] nil]`, `[:a/b 1]`, `:a/b`, `1`, absent},
		{`[[:a/b nil] nil]`, `[:a/b nil]`, `:a/b`, `nil`, absent},
		{`[[:a/b 1]]`, `[:a/b 1]`, `:a/b`, `1`, absent},
		{`[[:a/b 1] :ajax]`, `[:a/b 1]`, `:a/b`, `1`, `:ajax`},
		{`[#_x [#_y :a/b #_z 1] #_q "c\u0062"]`, `[#_y :a/b #_z 1]`, `:a/b`, `1`, `"c\u0062"`},
		{`^:m [^:n [:a/b ^:o {}] "cb"]`, `[:a/b ^:o {}]`, `:a/b`, `^:o {}`, `"cb"`},
		{`[:a.b/c.d/e]`, `[:a.b/c.d/e]`, `:a.b/c.d/e`, absent, absent},
	} {
		var p codec.Parser
		var e codec.Envelope
		if err := p.EDN([]byte(tt.msg), &e); err != nil {
			t.Errorf("%q: %v", tt.msg, err)
			continue
		}
		if string(e.Event) != tt.event || string(e.ID) != tt.id || text(e.Data) != tt.data || text(e.Callback) != tt.callback {
			t.Errorf("%q: event %q, id %q, data %q, callback %q", tt.msg, e.Event, e.ID, text(e.Data), text(e.Callback))
		}
	}
}

func TestEDNRefuses(t *testing.T) {
	for _, tt := range []struct {
		msg    string
		reason codec.Reason
	}{
		{``, codec.ReasonDeserialize},
		{`[:a/b`, codec.ReasonDeserialize},
		{`[:a/b {:a 1 :a 2}]`, codec.ReasonDeserialize},
		{`[:a/b] [:a/b]`, codec.ReasonDeserialize},
		{`[:a/b #_#x 1]`, codec.ReasonDeserialize},
		{`[[:a/b 08] "cb"]`, codec.ReasonDeserialize},
		{`+[:a/b]`, codec.ReasonDeserialize},
		{`:a/b`, codec.ReasonNotVector},
		{`(:a/b 1)`, codec.ReasonNotVector},
		{`{:type :a/b}`, codec.ReasonNotVector},
		{`#{:a/b}`, codec.ReasonNotVector},
		{`#a/b [:a/b]`, codec.ReasonNotVector},
		{`nil`, codec.ReasonNotVector},
		{`[]`, codec.ReasonEmptyVector},
		{`[#_:a/b]`, codec.ReasonEmptyVector},
		{`[[] "cb"]`, codec.ReasonEmptyVector},
		{`[:a]`, codec.ReasonInvalidID},
		{`[a/b]`, codec.ReasonInvalidID},
		{`["a/b" 1]`, codec.ReasonInvalidID},
		{`[:/ 1]`, codec.ReasonInvalidID},
		{`[:/a/b 1]`, codec.ReasonInvalidID},
		{`[[[:a/b]] nil]`, codec.ReasonInvalidID},
		{`[[:a] nil]`, codec.ReasonInvalidID},
		{`[(:a/b 1) "cb"]`, codec.ReasonInvalidID},
		{`[nil nil]`, codec.ReasonInvalidID},
		{`[:a/b 1 2]`, codec.ReasonInvalidShape},
		{`[[:a/b 1 2] nil]`, codec.ReasonInvalidShape},
		{`[[:a/b] nil 1]`, codec.ReasonInvalidShape},
	} {
		p := codec.Parser{}
		e := codec.Envelope{ID: []byte("stale")}
		err := p.EDN([]byte(tt.msg), &e)
		fault, ok := errors.AsType[*codec.Error](err)
		if !ok || fault.Reason != tt.reason {
			t.Errorf("%q: got %v, want %v", tt.msg, err, tt.reason)
			continue
		}
		if e.ID != nil || e.Event != nil || e.Data != nil || e.Callback != nil {
			t.Errorf("%q: %+v is not empty", tt.msg, e)
		}
		if _, inner := errors.AsType[*edn.Error](err); inner != (tt.reason == codec.ReasonDeserialize) {
			t.Errorf("%q: reader's error: %v", tt.msg, inner)
		}
		if err.Error() == "" || fault.Reason.String() == "unknown" {
			t.Errorf("%q: no text", tt.msg)
		}
	}
	if s := codec.Reason(99).String(); s != "unknown" {
		t.Errorf("got %q", s)
	}
}

const publish = `[:sente-lite/publish {:channel-id "room/42" :data {:n 12345 :user "alice" :text "a short line of chat"} :exclude-sender? true}]`

func TestEDNDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	var p codec.Parser
	var e codec.Envelope
	for _, msg := range []string{publish, `[[:chat/hi {:n 1}] "cb"]`, `[:a]`, `{}`} {
		b := []byte(msg)
		_ = p.EDN(b, &e)
		if n := testing.AllocsPerRun(100, func() { _ = p.EDN(b, &e) }); n != 0 {
			t.Errorf("%s: %v allocations", msg, n)
		}
	}
}

func BenchmarkEDN(b *testing.B) {
	for _, bm := range []struct{ name, msg string }{
		{"ping", `[:chsk/ws-ping]`},
		{"publish", publish},
		{"callback", `[[:chat/hi {:n 1 :text "hello there"}] "84da23"]`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			var p codec.Parser
			var e codec.Envelope
			msg := []byte(bm.msg)
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				if err := p.EDN(msg, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzEDN(f *testing.F) {
	for _, msg := range []string{publish, `[[:a/b 1] "cb"]`, `[[:a/b] nil]`, `^:m [^:n [:a/b ^:o {}] "cb"]`, `[:a]`, `[[]]`, `[:a/b 1 2]`, `[#_x :a/b]`} {
		f.Add([]byte(msg))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var p codec.Parser
		var e codec.Envelope
		if err := p.EDN(msg, &e); err != nil {
			return
		}
		var again codec.Envelope
		if err := p.EDN(e.Event, &again); err != nil {
			t.Fatalf("%q: its event %q: %v", msg, e.Event, err)
		}
		if string(again.ID) != string(e.ID) || text(again.Data) != text(e.Data) || again.Callback != nil {
			t.Fatalf("%q: its event %q has other parts", msg, e.Event)
		}
		for _, part := range [][]byte{e.ID, e.Data, e.Callback} {
			if part != nil && edn.Check(part) != nil {
				t.Fatalf("%q: part %q is no value", msg, part)
			}
		}
	})
}
