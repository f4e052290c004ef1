package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// inFormat is what an EDN text is in a format, as a part.
func inFormat(t testing.TB, f codec.Format, text string) []byte {
	t.Helper()
	var c codec.Converter
	p, err := c.Append(nil, []byte(text), codec.EDN, f)
	if err != nil {
		t.Fatalf("%s to %s: %v", text, f, err)
	}
	return p
}

// inEDN is what a part in a format is in EDN; absent where there is none.
func inEDN(t testing.TB, f codec.Format, p []byte) string {
	t.Helper()
	if p == nil {
		return absent
	}
	var c codec.Converter
	text, err := c.Append(nil, p, f, codec.EDN)
	if err != nil {
		t.Fatalf("%s %q to EDN: %v", f, p, err)
	}
	return string(text)
}

// texts are values that are the same in EDN when they have been in JSON.
type texts struct{ event, id, data, callback string }

func (w texts) of(f codec.Format) texts {
	if f == codec.JSON {
		w.event = strings.ReplaceAll(w.event, `:a/b`, `"a/b"`)
	}
	return w
}

func textsOf(t testing.TB, f codec.Format, e *codec.Envelope) texts {
	t.Helper()
	id := absent
	if e.ID != nil {
		id = string(e.ID)
	}
	return texts{inEDN(t, f, e.Event), id, inEDN(t, f, e.Data), inEDN(t, f, e.Callback)}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		msg  string
		want texts
	}{
		{`[:a/b]`, texts{`[:a/b]`, `:a/b`, absent, absent}},
		{`[:a/b nil]`, texts{`[:a/b nil]`, `:a/b`, `nil`, absent}},
		{`[:a/b {:n 1}]`, texts{`[:a/b {:n 1}]`, `:a/b`, `{:n 1}`, absent}},
		{`[:a/b [1 2]]`, texts{`[:a/b [1 2]]`, `:a/b`, `[1 2]`, absent}},
		{`[[:a/b 1] "cb"]`, texts{`[:a/b 1]`, `:a/b`, `1`, `"cb"`}},
		{`[[:a/b] "cb"]`, texts{`[:a/b]`, `:a/b`, absent, `"cb"`}},
		{`[[:a/b 1] nil]`, texts{`[:a/b 1]`, `:a/b`, `1`, absent}},
		{`[[:a/b 1]]`, texts{`[:a/b 1]`, `:a/b`, `1`, absent}},
		{`[[:a/b [[1]]] 0]`, texts{`[:a/b [[1]]]`, `:a/b`, `[[1]]`, `0`}},
		{`[[:a/b 1] {:c [7]}]`, texts{`[:a/b 1]`, `:a/b`, `1`, `{:c [7]}`}},
	} {
		for f := range codec.Format(codec.Formats) {
			var p codec.Parser
			var e codec.Envelope
			msg := inFormat(t, f, tt.msg)
			if err := p.Parse(f, msg, &e); err != nil {
				t.Errorf("%s %q: %v", f, msg, err)
			} else if got := textsOf(t, f, &e); got != tt.want.of(f) {
				t.Errorf("%s %q: %q, want %q", f, msg, got, tt.want.of(f))
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		msg    string
		reason codec.Reason
	}{
		{`nil`, codec.ReasonNotVector},
		{`"a/b"`, codec.ReasonNotVector},
		{`{:type 1}`, codec.ReasonNotVector},
		{`[]`, codec.ReasonEmptyVector},
		{`[[] "cb"]`, codec.ReasonEmptyVector},
		{`[:a]`, codec.ReasonInvalidID},
		{`[1 1]`, codec.ReasonInvalidID},
		{`[:/a/b 1]`, codec.ReasonInvalidID},
		{`[[[:a/b]] nil]`, codec.ReasonInvalidID},
		{`[nil nil]`, codec.ReasonInvalidID},
		{`[{:a/b 1} "cb"]`, codec.ReasonInvalidID},
		{`[:a/b 1 2]`, codec.ReasonInvalidShape},
		{`[[:a/b 1 2] nil]`, codec.ReasonInvalidShape},
		{`[[:a/b] nil 1]`, codec.ReasonInvalidShape},
	} {
		for f := range codec.Format(codec.Formats) {
			var p codec.Parser
			e := codec.Envelope{ID: []byte("stale"), Callback: []byte("stale")}
			msg := inFormat(t, f, tt.msg)
			fault, _ := errors.AsType[*codec.Error](p.Parse(f, msg, &e))
			if fault == nil || fault.Reason != tt.reason || fault.Label() != tt.reason.String() || fault.Unwrap() != nil {
				t.Errorf("%s %q: got %v, want %v", f, msg, fault, tt.reason)
			}
			if e.ID != nil || e.Event != nil || e.Data != nil || e.Callback != nil {
				t.Errorf("%s %q: %+v is not empty", f, msg, e)
			}
		}
	}
	for f, tt := range map[codec.Format]struct{ msg, label string }{
		codec.EDN:            {`[:a/b {:a 1 :a 2}]`, "duplicate-key"},
		codec.JSON:           {`["a/b",{"a":1,"a":2}]`, "duplicate-key"},
		codec.Transit:        {`["~:a/b",["^ ","~:a",1,"~:a",2]]`, "duplicate-key"},
		codec.TransitVerbose: {`["~:a/b",{"~:a":1,"~:a":2}]`, "duplicate-key"},
		codec.MessagePack:    {"\x92\xc7\x03\x00a/b\x82\xa1a\x01\xa1a\x02", "duplicate-key"},
	} {
		for name, parse := range map[string]func(p *codec.Parser, e *codec.Envelope) error{
			"Parse":     func(p *codec.Parser, e *codec.Envelope) error { return p.Parse(f, []byte(tt.msg), e) },
			"ParseBare": func(p *codec.Parser, e *codec.Envelope) error { return p.ParseBare(f, []byte(tt.msg), e) },
			"ParseWrapped": func(p *codec.Parser, e *codec.Envelope) error {
				n, err := p.ParseWrapped(f, []byte(tt.msg), e)
				if n != 0 {
					t.Errorf("%s: %d elements", f, n)
				}
				return err
			},
		} {
			var p codec.Parser
			e := codec.Envelope{ID: []byte("stale")}
			fault, _ := errors.AsType[*codec.Error](parse(&p, &e))
			if fault == nil || fault.Reason != codec.ReasonDeserialize || fault.Label() != tt.label || fault.Unwrap() == nil || e.ID != nil {
				t.Errorf("%s of %s %q: %v", name, f, tt.msg, fault)
			}
		}
	}
}

// TestParseDetaches: what is taken out of a message with codes means the same elsewhere.
func TestParseDetaches(t *testing.T) {
	for _, tt := range []struct {
		f                         codec.Format
		msg                       string
		event, id, data, callback string
	}{
		{codec.Transit, `[["~:a/bc",{"~:a/bc":1}],"cb"]`, `["~:a/bc",{"~:a/bc":1}]`, `:a/bc`, `{"~:a/bc":1}`, `"cb"`},
		{codec.Transit, `[["~:a/bc",["^ ","^0",1]],"cb"]`, `["~:a/bc",["^ ","~:a/bc",1]]`, `:a/bc`, `["^ ","~:a/bc",1]`, `"cb"`},
		{codec.Transit, `[["~:a/bc"],"^0"]`, `["~:a/bc"]`, `:a/bc`, absent, `"~:a/bc"`},
		{codec.Transit, `[["~:a/bc", 1 ],"^0"]`, `["~:a/bc", 1 ]`, `:a/bc`, `1`, `"~:a/bc"`},
		{codec.Transit, `["~:a/bc","^0"]`, `["~:a/bc","~:a/bc"]`, `:a/bc`, `"~:a/bc"`, absent},
		{codec.Transit, `["\u007e:a/b",1]`, `["~:a/b",1]`, `:a/b`, `1`, absent},
		{codec.Transit, `[["~#:","a/b"],1]`, `["~:a/b",1]`, `:a/b`, `1`, absent},
		{codec.TransitVerbose, `[["\u007e:a/b",{"~:n":1}],"c"]`, `["~:a/b",{"~:n":1}]`, `:a/b`, `{"~:n":1}`, `"c"`},
		{codec.MessagePack, "\x92\xc7\x03\x00a/b\x92\x81\xd4\x00k\x01\x81\xd4\x08\x00\x02", "\x92\xc7\x03\x00a/b\x92\x81\xd4\x00k\x01\x81\xd4\x00k\x02", `:a/b`, "\x92\x81\xd4\x00k\x01\x81\xd4\x00k\x02", absent},
		{codec.MessagePack, "\x92\x92\xc7\x03\x00a/b\x81\xd4\x00k\x01\x81\xd4\x08\x00\x02", "\x92\xc7\x03\x00a/b\x81\xd4\x00k\x01", `:a/b`, "\x81\xd4\x00k\x01", "\x81\xd4\x00k\x02"},
	} {
		var p codec.Parser
		var e codec.Envelope
		for range 2 { // scratch is used again
			if err := p.Parse(tt.f, []byte(tt.msg), &e); err != nil {
				t.Errorf("%s %q: %v", tt.f, tt.msg, err)
				break
			}
			if string(e.Event) != tt.event || string(e.ID) != tt.id || text(e.Data) != tt.data || text(e.Callback) != tt.callback {
				t.Errorf("%s %q: event %q, id %q, data %q, callback %q", tt.f, tt.msg, e.Event, e.ID, text(e.Data), text(e.Callback))
			}
		}
	}
}

func TestParseWrapped(t *testing.T) {
	for _, tt := range []struct {
		msg  string
		n    int
		want texts
		bare texts
	}{
		{`[[:a/b 1] "cb"]`, 2, texts{`[:a/b 1]`, `:a/b`, `1`, `"cb"`}, texts{`[[:a/b 1] "cb"]`, absent, absent, absent}},
		{`[[:a/b] nil]`, 2, texts{`[:a/b]`, `:a/b`, absent, absent}, texts{`[[:a/b] nil]`, absent, absent, absent}},
		{`[[:a/b nil]]`, 1, texts{`[:a/b nil]`, `:a/b`, `nil`, absent}, texts{`[[:a/b nil]]`, absent, absent, absent}},
		{`[:a/b "cb"]`, 2, texts{`:a/b`, absent, absent, `"cb"`}, texts{`[:a/b "cb"]`, `:a/b`, `"cb"`, absent}},
		{`[[:a/b 1 2] 0]`, 2, texts{`[:a/b 1 2]`, absent, absent, `0`}, texts{`[[:a/b 1 2] 0]`, absent, absent, absent}},
		{`[[:a 1] "cb"]`, 2, texts{`[:a 1]`, absent, absent, `"cb"`}, texts{`[[:a 1] "cb"]`, absent, absent, absent}},
		{`[[] "cb"]`, 2, texts{`[]`, absent, absent, `"cb"`}, texts{`[[] "cb"]`, absent, absent, absent}},
		{`[nil nil]`, 2, texts{`nil`, absent, absent, absent}, texts{`[nil nil]`, absent, absent, absent}},
		{`[7]`, 1, texts{`7`, absent, absent, absent}, texts{`[7]`, absent, absent, absent}},
		{`[[:a/b 1] "cb" 3]`, 0, texts{`[[:a/b 1] "cb" 3]`, absent, absent, absent}, texts{`[[:a/b 1] "cb" 3]`, absent, absent, absent}},
		{`[]`, 0, texts{`[]`, absent, absent, absent}, texts{`[]`, absent, absent, absent}},
		{`{:x 1}`, 0, texts{`{:x 1}`, absent, absent, absent}, texts{`{:x 1}`, absent, absent, absent}},
		{`"text"`, 0, texts{`"text"`, absent, absent, absent}, texts{`"text"`, absent, absent, absent}},
	} {
		for f := range codec.Format(codec.Formats) {
			if f == codec.JSON && strings.Contains(tt.msg, ":a ") {
				continue // keywords are strings
			}
			var p codec.Parser
			var e codec.Envelope
			msg := inFormat(t, f, tt.msg)
			n, err := p.ParseWrapped(f, msg, &e)
			if got := textsOf(t, f, &e); err != nil || n != tt.n || got != tt.want.of(f) {
				t.Errorf("%s %q wrapped: %d, %q, %v, want %d, %q", f, msg, n, got, err, tt.n, tt.want.of(f))
			}
			err = p.ParseBare(f, msg, &e)
			if got := textsOf(t, f, &e); err != nil || got != tt.bare.of(f) {
				t.Errorf("%s %q bare: %q, %v, want %q", f, msg, got, err, tt.bare.of(f))
			}
		}
	}
}

func TestFields(t *testing.T) {
	// A key that is longer than any that is looked for is not taken for its beginning.
	var long codec.Parser
	at := make([][]byte, 1)
	if name := strings.Repeat("k", 32); !long.Fields(codec.JSON, []byte(`{"`+name+`":1,"`+name+`x":2}`), []string{":" + name}, at) || string(at[0]) != "1" {
		t.Errorf("a long key has the value %s", at[0])
	}
	keywords := []string{":channel-id", ":data", ":exclude-sender?"}
	many := "{"
	for i := range 100 {
		many += fmt.Sprintf(":key-%d %d ", i, i)
	}
	for _, tt := range []struct {
		data  string
		isMap bool
		want  [3]string
	}{
		{`{:channel-id "a", :data nil, :exclude-sender? true}`, true, [3]string{`"a"`, `nil`, `true`}},
		{`{:data [1 {:channel-id 2}], :x 1, "y" 2}`, true, [3]string{absent, `[1 {:channel-id 2}]`, absent}},
		{`{:channel-id-that-is-longer-than-any-that-is-looked-for 1}`, true, [3]string{absent, absent, absent}},
		{`{}`, true, [3]string{absent, absent, absent}},
		{many + `:data 1}`, true, [3]string{absent, `1`, absent}},
		{`[:channel-id "a"]`, false, [3]string{absent, absent, absent}},
		{`7`, false, [3]string{absent, absent, absent}},
	} {
		for f := range codec.Format(codec.Formats) {
			var p codec.Parser
			data := inFormat(t, f, tt.data)
			for range 2 { // scratch is used again
				values := [][]byte{[]byte("stale"), nil, []byte("stale")}
				isMap := p.Fields(f, data, keywords, values)
				got := [3]string{inEDN(t, f, values[0]), inEDN(t, f, values[1]), inEDN(t, f, values[2])}
				if isMap != tt.isMap || got != tt.want {
					t.Errorf("%s %.100q: %v, %q", f, data, isMap, got)
				}
			}
		}
	}
	for _, tt := range []struct {
		f    codec.Format
		data string
		want string
	}{
		{codec.EDN, `#:data{:x 1}`, absent},
		{codec.EDN, `{#_1 :data ^:m [1]}`, `^:m [1]`},
		{codec.EDN, `{"data" 1}`, absent},
		{codec.JSON, `{"d\u0061ta":1}`, `1`},
		{codec.JSON, `{":data":1}`, absent},
		{codec.Transit, `["^ ","\u007e:data",1]`, `1`},
		{codec.Transit, `["^ ","data",1]`, absent},
		{codec.Transit, `["^ ","~$data",1]`, absent},
		{codec.Transit, `["~#cmap",[[1],2,"~:data", 3 ]]`, `3`},
		{codec.Transit, `["~#cmap",[["~#:","data"],2]]`, `2`},
		{codec.Transit, `{"~:data":{"~#set":[]}}`, `{"~#set":[]}`},
		{codec.TransitVerbose, `{"~#cmap":["~:data",1]}`, `1`},
		{codec.MessagePack, "\x81\xa4data\x01", absent},
		{codec.MessagePack, "\x81\xd6\x00data\x01", "\x01"},
		{codec.MessagePack, "\x82\x91\x01\x02\xc7\x04\x00data\x91\x01", "\x91\x01"},
	} {
		var p codec.Parser
		values := [][]byte{nil}
		if isMap := p.Fields(tt.f, []byte(tt.data), []string{":data"}, values); !isMap || text(values[0]) != tt.want {
			t.Errorf("%s %q: %v, %q", tt.f, tt.data, isMap, text(values[0]))
		}
		if p.Fields(tt.f, nil, []string{":data"}, values) || values[0] != nil {
			t.Errorf("%s: nothing is a map", tt.f)
		}
	}
}

// TestOddKeywords: ids and keys are found in spellings that nobody writes.
func TestOddKeywords(t *testing.T) {
	for _, tt := range []struct {
		f   codec.Format
		msg string
	}{
		{codec.Transit, `["~:a/b",["^ ","~:data",7]]`},
		{codec.Transit, `["\u007e:a/b",["^ ","~:d\u0061ta",7]]`},
		{codec.Transit, `[["~#:","a/b"],["~#cmap",[["~#:","data"],7]]]`},
		{codec.TransitVerbose, `["~:a\/b",{"~:d\u0061ta":7}]`},
		{codec.MessagePack, "\x92\xc7\x03\x00a/b\x81\xd6\x00data\x07"},
		{codec.MessagePack, "\x92\xc8\x00\x03\x00a/b\x81\xc7\x04\x00data\x07"},
		{codec.MessagePack, "\x92\xc9\x00\x00\x00\x03\x00a/b\x81\xc9\x00\x00\x00\x04\x00data\x07"},
	} {
		var p codec.Parser
		var e codec.Envelope
		values := make([][]byte, 1)
		err := p.Parse(tt.f, []byte(tt.msg), &e)
		if err != nil || string(e.ID) != ":a/b" || !p.Fields(tt.f, e.Data, []string{":data"}, values) || inEDN(t, tt.f, values[0]) != "7" {
			t.Errorf("%s %q: id %q, data %q, %v", tt.f, tt.msg, e.ID, values[0], err)
		}
	}
}

func TestParserKeepsLittle(t *testing.T) {
	long := strings.Repeat("k", 200_000)
	many := "{"
	for i := range 20_000 {
		many += fmt.Sprintf(":key-%d %d ", i, i)
	}
	var p codec.Parser
	var e codec.Envelope
	for f := range codec.Format(codec.Formats) {
		small := inFormat(t, f, `[:a/b {:n 1}]`)
		for _, msg := range [][]byte{inFormat(t, f, `[:a/`+long+` {:n 1}]`), inFormat(t, f, `[:a/b `+many+`}]`), []byte(`["~:a/bcd",["^0","` + long + `"]]`)} {
			if p.Parse(f, msg, &e) == nil {
				p.Fields(f, e.Data, []string{":n"}, make([][]byte, 1))
			}
			if err := p.Parse(f, small, &e); err != nil {
				t.Fatal(err)
			}
			p.Fields(f, e.Data, []string{":n"}, make([][]byte, 1))
		}
		// Once more something that needs each kind of scratch.
		for _, msg := range []string{`["~:a/bcd",["^0"]]`, `["~:a/bcd"]`} {
			_ = p.Parse(codec.Transit, []byte(msg), &e)
		}
	}
	if n := p.Kept(); n > 128<<10 {
		t.Errorf("%d bytes are kept", n)
	}
}

// TestPartsAreApart: who appends to one part does not write over another.
func TestPartsAreApart(t *testing.T) {
	var p codec.Parser
	var e codec.Envelope
	if err := p.Parse(codec.Transit, []byte(`[["~:a/bcd",["^0"]],"^0"]`), &e); err != nil {
		t.Fatal(err)
	}
	_ = append(e.Event, "xxx"...)
	if string(e.Callback) != `"~:a/bcd"` {
		t.Errorf("callback %q", e.Callback)
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	keywords, values := []string{":channel-id", ":data"}, make([][]byte, 2)
	for f := range codec.Format(codec.Formats) {
		var p codec.Parser
		var e codec.Envelope
		for _, text := range []string{`[[:a/b {:channel-id "a" :data [1 2 #{3 4}]}] "cb"]`, `[:a]`, `{}`} {
			msg := inFormat(t, f, text)
			call := func() {
				_ = p.Parse(f, msg, &e)
				_ = p.Fields(f, e.Data, keywords, values)
				_, _ = p.ParseWrapped(f, msg, &e)
			}
			call()
			if n := testing.AllocsPerRun(100, call); n != 0 {
				t.Errorf("%s %q: %v allocations", f, msg, n)
			}
		}
	}
	var p codec.Parser
	var e codec.Envelope
	for f, text := range map[codec.Format]string{codec.Transit: `[["~:a/bc",["^ ","^0",1]],"cb"]`, codec.MessagePack: "\x92\xc7\x03\x00a/b\x92\x81\xd4\x00k\x01\x81\xd4\x08\x00\x02"} {
		msg := []byte(text)
		_ = p.Parse(f, msg, &e)
		if n := testing.AllocsPerRun(100, func() { _ = p.Parse(f, msg, &e) }); n != 0 {
			t.Errorf("%s %q: %v allocations", f, msg, n)
		}
	}
}

// FuzzParse takes messages of every format apart, and holds each part to what it is by itself.
func FuzzParse(f *testing.F) {
	for _, msg := range []string{publish, `[[:a/b 1] "cb"]`, `[[:a/b [{:name 1} {:name 2}]] nil]`, `[:a]`, `[[]]`, `[:a/b 1 2]`, `[nil :a/b]`} {
		for format := range codec.Format(codec.Formats) {
			f.Add(uint8(format), inFormat(f, format, msg))
		}
	}
	f.Add(uint8(codec.Transit), []byte(`[["~:a/bc",["^ ","^0",1]],"^0"]`))
	f.Add(uint8(codec.MessagePack), []byte("\x92\x92\xc7\x03\x00a/b\x81\xd4\x00k\x01\x81\xd4\x08\x00\x02"))
	f.Fuzz(func(t *testing.T, number uint8, msg []byte) {
		format := codec.Format(number % codec.Formats)
		var p, q codec.Parser
		var s codec.Scanner
		var e, again codec.Envelope
		portable := func(part []byte) {
			if part == nil {
				return
			}
			if v, err := s.Value(format, part); err != nil || len(part) > 0 && string(v) != string(part) && format == codec.MessagePack {
				t.Fatalf("%s %q: part %q is %q, %v", format, msg, part, v, err)
			}
		}
		n, err := p.ParseWrapped(format, msg, &e)
		if err == nil {
			if e.ID == nil && e.Data != nil || n < 2 && e.Callback != nil || n > 2 {
				t.Fatalf("%s %q: %d, %+q", format, msg, n, e)
			}
			portable(e.Event)
			portable(e.Callback)
		}
		if p.Parse(format, msg, &e) != nil {
			return
		}
		if err != nil || !edn.IsKeyword(e.ID) {
			t.Fatalf("%s %q: id %q, %v", format, msg, e.ID, err)
		}
		portable(e.Event)
		portable(e.Data)
		portable(e.Callback)
		if err := q.Parse(format, e.Event, &again); err != nil {
			t.Fatalf("%s %q: its event %q: %v", format, msg, e.Event, err)
		}
		if !bytes.Equal(again.ID, e.ID) || text(again.Data) != text(e.Data) || again.Callback != nil {
			t.Fatalf("%s %q: its event %q has other parts", format, msg, e.Event)
		}
	})
}
