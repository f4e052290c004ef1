package codec_test

import (
	"errors"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
)

func TestJSON(t *testing.T) {
	for _, tt := range []struct {
		msg, event, id, data, callback string
	}{
		{`["a/b"]`, `["a/b"]`, `:a/b`, absent, absent},
		{`["a/b", null]`, `["a/b", null]`, `:a/b`, `null`, absent},
		{` [ "a/b" , {"n" : 1} ] `, `[ "a/b" , {"n" : 1} ]`, `:a/b`, `{"n" : 1}`, absent},
		{`[":a/b", 1]`, `[":a/b", 1]`, `:a/b`, `1`, absent},
		{`["\u0061\/b", 1]`, `["\u0061\/b", 1]`, `:a/b`, `1`, absent},
		{`["\u003aa/b", 1]`, `["\u003aa/b", 1]`, `:a/b`, `1`, absent},
		{`[["a/b", 1], "cb"]`, `["a/b", 1]`, `:a/b`, `1`, `"cb"`},
		{`[["a/b"], "cb"]`, `["a/b"]`, `:a/b`, absent, `"cb"`},
		{`[["a/b", 1], null]`, `["a/b", 1]`, `:a/b`, `1`, absent},
		{`[["a/b", 1]]`, `["a/b", 1]`, `:a/b`, `1`, absent},
		{`[ [ "a/b" , [1] ] , {"c":7} ]`, `[ "a/b" , [1] ]`, `:a/b`, `[1]`, `{"c":7}`},
		{`["a.b/c.d"]`, `["a.b/c.d"]`, `:a.b/c.d`, absent, absent},
		{`["é/星"]`, `["é/星"]`, `:é/星`, absent, absent},
	} {
		var p codec.Parser
		var e codec.Envelope
		if err := p.JSON([]byte(tt.msg), &e); err != nil {
			t.Errorf("%q: %v", tt.msg, err)
			continue
		}
		if string(e.Event) != tt.event || string(e.ID) != tt.id || text(e.Data) != tt.data || text(e.Callback) != tt.callback {
			t.Errorf("%q: event %q, id %q, data %q, callback %q", tt.msg, e.Event, e.ID, text(e.Data), text(e.Callback))
		}
	}
}

func TestJSONRefuses(t *testing.T) {
	for _, tt := range []struct {
		msg    string
		reason codec.Reason
	}{
		{``, codec.ReasonDeserialize},
		{`["a/b"`, codec.ReasonDeserialize},
		{`["a/b", {"a": 1, "a": 2}]`, codec.ReasonDeserialize},
		{`["a/b"] 1`, codec.ReasonDeserialize},
		{`["a/b",]`, codec.ReasonDeserialize},
		{`[:a/b 1]`, codec.ReasonDeserialize},
		{`"a/b"`, codec.ReasonNotVector},
		{`{"type": "a/b"}`, codec.ReasonNotVector},
		{`null`, codec.ReasonNotVector},
		{`[]`, codec.ReasonEmptyVector},
		{`[[], "cb"]`, codec.ReasonEmptyVector},
		{`["a"]`, codec.ReasonInvalidID},
		{`[""]`, codec.ReasonInvalidID},
		{`["::a/b"]`, codec.ReasonInvalidID},
		{`["/b"]`, codec.ReasonInvalidID},
		{`["a/"]`, codec.ReasonInvalidID},
		{`["a/b/c"]`, codec.ReasonInvalidID},
		{`["a b/c"]`, codec.ReasonInvalidID},
		{`["a/b\n"]`, codec.ReasonInvalidID},
		{`["a/\ud83d"]`, codec.ReasonInvalidID},
		{`[1, 2]`, codec.ReasonInvalidID},
		{`[null, null]`, codec.ReasonInvalidID},
		{`[{"a/b": 1}, "cb"]`, codec.ReasonInvalidID},
		{`[[["a/b"]], null]`, codec.ReasonInvalidID},
		{`["a/b", 1, 2]`, codec.ReasonInvalidShape},
		{`[["a/b", 1, 2], null]`, codec.ReasonInvalidShape},
		{`[["a/b"], null, 1]`, codec.ReasonInvalidShape},
	} {
		p := codec.Parser{}
		e := codec.Envelope{ID: []byte("stale")}
		err := p.JSON([]byte(tt.msg), &e)
		fault, ok := errors.AsType[*codec.Error](err)
		if !ok || fault.Reason != tt.reason {
			t.Errorf("%q: got %v, want %v", tt.msg, err, tt.reason)
			continue
		}
		if e.ID != nil || e.Event != nil || e.Data != nil || e.Callback != nil {
			t.Errorf("%q: %+v is not empty", tt.msg, e)
		}
		inner, has := errors.AsType[*json.Error](err)
		if has != (tt.reason == codec.ReasonDeserialize) {
			t.Errorf("%q: reader's error: %v", tt.msg, has)
		}
		if has && fault.Label() != inner.Reason.String() || !has && fault.Label() != tt.reason.String() {
			t.Errorf("%q: label %s", tt.msg, fault.Label())
		}
	}
}

func TestJSONDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	var p codec.Parser
	var e codec.Envelope
	for _, msg := range []string{`[["chat/hi", {"n": 1}], "cb"]`, `["\u0061/b"]`, `["a"]`, `{}`} {
		b := []byte(msg)
		_ = p.JSON(b, &e)
		if n := testing.AllocsPerRun(100, func() { _ = p.JSON(b, &e) }); n != 0 {
			t.Errorf("%s: %v allocations", msg, n)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, msg := range []string{`["a/b", {"n": [1, 2.0]}]`, `[["a/b", 1], "cb"]`, `[[":a/b"], null]`, `["\u0061/b"]`, `["a"]`, `[[]]`, `["a/b", 1, 2]`} {
		f.Add([]byte(msg))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var p codec.Parser
		var e codec.Envelope
		if err := p.JSON(msg, &e); err != nil {
			return
		}
		if !edn.IsKeyword(e.ID) {
			t.Fatalf("%q: id %q", msg, e.ID)
		}
		for _, part := range [][]byte{e.Data, e.Callback} {
			if part != nil && json.Check(part) != nil {
				t.Fatalf("%q: part %q is no value", msg, part)
			}
		}
		var c codec.Converter
		converted, err := c.AppendEvent(nil, &e, codec.JSON, codec.EDN)
		if err != nil {
			t.Fatalf("%q to EDN: %v", msg, err)
		}
		id := string(e.ID)
		if err := p.EDN(converted, &e); err != nil || string(e.ID) != id || e.Callback != nil {
			t.Fatalf("%q to EDN %q: id %q, callback %q, %v", msg, converted, e.ID, e.Callback, err)
		}
	})
}
