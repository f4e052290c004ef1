package sente_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sente"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

const conn = "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"

func TestVoice(t *testing.T) {
	const two, one, prefixed = dialect.FormTwo, dialect.FormOne, dialect.FormPrefixed
	for f := range codec.Format(codec.Formats) {
		v := sente.New(f)
		of := func(text string) []byte { return in(t, f, text) }
		event1, event2, cb := of(`[:a/b 1]`), of(`[:a/c]`), of(`"cb"`)
		for _, tt := range []struct {
			name          string
			got           []byte
			edn           string // "+" before it is no part of the value
			transit, json string
		}{
			{
				"handshake", v.AppendHandshake(nil, []byte(`"alice"`), conn, "0.1", nil),
				`[[:chsk/handshake ["alice" nil {:conn-id "` + conn + `", :hoshi "0.1"}]] nil]`,
				`[["~:chsk/handshake",["alice",null,["^ ","~:conn-id","` + conn + `","~:hoshi","0.1"]]],null]`,
				`[["chsk/handshake",["alice",null,{"conn-id":"` + conn + `","hoshi":"0.1"}]],null]`,
			},
			{
				"handshake of nobody", v.AppendHandshake(nil, []byte(sente.NilUID), conn, "0.1", nil),
				`[[:chsk/handshake [:sente/nil-uid nil {:conn-id "` + conn + `", :hoshi "0.1"}]] nil]`,
				`[["~:chsk/handshake",["~:sente/nil-uid",null,["^ ","~:conn-id","` + conn + `","~:hoshi","0.1"]]],null]`,
				`[["chsk/handshake",["sente/nil-uid",null,{"conn-id":"` + conn + `","hoshi":"0.1"}]],null]`,
			},
			{
				"handshake with data", v.AppendHandshake(nil, []byte(`"alice"`), conn, "0.1", of(`{:n #{1}}`)),
				`[[:chsk/handshake ["alice" nil {:n #{1}}]] nil]`,
				`[["~:chsk/handshake",["alice",null,["^ ","~:n",["~#set",[1]]]]],null]`,
				`[["chsk/handshake",["alice",null,{"n":[1]}]],null]`,
			},
			{"ping", []byte(v.Ping(two)), `[:chsk/ws-ping nil]`, `["~:chsk/ws-ping",null]`, `["chsk/ws-ping",null]`},
			{"ping, one", []byte(v.Ping(one)), `[:chsk/ws-ping]`, `["~:chsk/ws-ping"]`, `["chsk/ws-ping"]`},
			{"ping, prefixed", []byte(v.Ping(prefixed)), `+[:chsk/ws-ping]`, `+["~:chsk/ws-ping"]`, `+["chsk/ws-ping"]`},
			{"pong", v.AppendPong(nil, cb), `["pong" "cb"]`, `["pong","cb"]`, `["pong","cb"]`},
			{"pong, prefixed", v.AppendFramed(nil, prefixed, v.AppendPong(nil, cb)), `+["pong" "cb"]`, `+["pong","cb"]`, `+["pong","cb"]`},
			{"event", v.AppendEvent(nil, event1), `[:a/b 1]`, `["~:a/b",1]`, `["a/b",1]`},
			{"push", v.AppendPush(nil, two, event1), `[[[:a/b 1]] nil]`, `[[["~:a/b",1]],null]`, `[[["a/b",1]],null]`},
			{"push of two", v.AppendPush(nil, two, event1, event2), `[[[:a/b 1] [:a/c]] nil]`, `[[["~:a/b",1],["~:a/c"]],null]`, `[[["a/b",1],["a/c"]],null]`},
			{"push, one", v.AppendPush(nil, one, event1, event2), `[[[:a/b 1] [:a/c]]]`, `[[["~:a/b",1],["~:a/c"]]]`, `[[["a/b",1],["a/c"]]]`},
			{"push, prefixed", v.AppendPush(nil, prefixed, event1), `+[[[:a/b 1]]]`, `+[[["~:a/b",1]]]`, `+[[["a/b",1]]]`},
			{
				"ask", v.AppendPush(nil, two, v.AppendAsk(nil, event1, []byte("ask-1"))),
				`[[[:hoshi/ask {:cb-uuid "ask-1", :event [:a/b 1]}]] nil]`,
				`[[["~:hoshi/ask",["^ ","~:cb-uuid","ask-1","~:event",["~:a/b",1]]]],null]`,
				`[[["hoshi/ask",{"cb-uuid":"ask-1","event":["a/b",1]}]],null]`,
			},
			{
				"message of a channel", v.AppendPush(nil, two, v.AppendChannelMessage(nil, []byte(`"news"`), of(`{:n 1}`), conn)),
				`[[[:sente-lite/channel-msg {:channel-id "news", :data {:n 1}, :from "` + conn + `"}]] nil]`,
				`[[["~:sente-lite/channel-msg",["^ ","~:channel-id","news","~:data",["^ ","~:n",1],"~:from","` + conn + `"]]],null]`,
				`[[["sente-lite/channel-msg",{"channel-id":"news","data":{"n":1},"from":"` + conn + `"}]],null]`,
			},
			{
				"subscribed", v.AppendSubscribed(nil, []byte(`:a/b`)),
				`[:sente-lite/subscribed {:channel-id :a/b, :success true}]`,
				`["~:sente-lite/subscribed",["^ ","~:channel-id","~:a/b","~:success",true]]`,
				`["sente-lite/subscribed",{"channel-id":":a/b","success":true}]`,
			},
			{
				"refused", v.AppendRefused(nil, nil, dialect.BadRequest, false),
				`[:sente-lite/subscribed {:channel-id nil, :success false, :error :bad-request}]`,
				`["~:sente-lite/subscribed",["^ ","~:channel-id",null,"~:success",false,"~:error","~:bad-request"]]`,
				`["sente-lite/subscribed",{"channel-id":null,"success":false,"error":"bad-request"}]`,
			},
			{
				"dropped", v.AppendDropped(nil, 3),
				`[:sente-lite/dropped {:count 3, :reason :queue-full}]`,
				`["~:sente-lite/dropped",["^ ","~:count",3,"~:reason","~:queue-full"]]`,
				`["sente-lite/dropped",{"count":3,"reason":"queue-full"}]`,
			},
			{"reply", v.AppendFramed(nil, two, v.AppendReply(nil, of(`nil`), cb)), `[nil "cb"]`, `[null,"cb"]`, `[null,"cb"]`},
			{"reply, prefixed", v.AppendFramed(nil, prefixed, v.AppendReply(nil, of(`nil`), cb)), `+[nil "cb"]`, `+[null,"cb"]`, `+[null,"cb"]`},
			{"error, one", v.AppendFramed(nil, one, v.AppendError(nil, ":chsk/error", cb)), `[:chsk/error "cb"]`, `["~:chsk/error","cb"]`, `["chsk/error","cb"]`},
			{"result", v.AppendResult(nil, "", cb), `[{:success true} "cb"]`, `[["^ ","~:success",true],"cb"]`, `[{"success":true},"cb"]`},
		} {
			var want []byte
			switch f {
			case codec.EDN:
				want = []byte(tt.edn)
			case codec.JSON:
				want = []byte(tt.json)
			case codec.Transit:
				want = []byte(tt.transit)
			case codec.MessagePack: // which knows no prefix
				want = of(strings.TrimPrefix(tt.edn, "+"))
			case codec.TransitVerbose:
				text, found := strings.CutPrefix(tt.edn, "+")
				if want = of(text); found {
					want = append([]byte{'+'}, want...)
				}
			}
			if !bytes.Equal(tt.got, want) {
				t.Errorf("%s in %s: %q, want %q", tt.name, f, tt.got, want)
			}
		}
		if p := v.AppendPong([]byte("x"), nil); string(p) != "x" {
			t.Errorf("%s: a ping without a callback gets %q", f, p)
		}
		if v.Format() != f || v.Dialect() != "sente" {
			t.Errorf("%s: %s, %s", f, v.Format(), v.Dialect())
		}
		if got := string(v.AppendPush([]byte("x"), two, event1)); got != "x"+string(v.AppendPush(nil, two, event1)) {
			t.Errorf("%s: %q is not appended", f, got)
		}
	}
}

func TestVoiceDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1024)
	for f := range codec.Format(codec.Formats) {
		var v dialect.Voice = sente.New(f)
		event, cb := in(t, f, `[:a/b {:n 1}]`), in(t, f, `"cb"`)
		if n := testing.AllocsPerRun(100, func() {
			v.AppendPush(dst, dialect.FormTwo, event)
			v.AppendPong(dst, cb)
			v.AppendFramed(dst, dialect.FormPrefixed, event)
		}); n > 1 { // the slice of events
			t.Errorf("%s: %v allocations", f, n)
		}
	}
}
