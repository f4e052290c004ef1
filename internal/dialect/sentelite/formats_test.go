package sentelite_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// in is an EDN text in a format.
func in(t testing.TB, f codec.Format, text string) []byte {
	t.Helper()
	var c codec.Converter
	p, err := c.Append(nil, []byte(text), codec.EDN, f)
	if err != nil {
		t.Fatalf("%s in %s: %v", text, f, err)
	}
	return p
}

// out is a part in a format as EDN text, "-" for none.
func out(t testing.TB, f codec.Format, p []byte) string {
	t.Helper()
	if p == nil {
		return "-"
	}
	var c codec.Converter
	text, err := c.Append(nil, p, f, codec.EDN)
	if err != nil {
		t.Fatalf("%s %q: %v", f, p, err)
	}
	return string(text)
}

// TestParseInEveryFormat has values that are the same when they have been in JSON.
func TestParseInEveryFormat(t *testing.T) {
	for _, tt := range []struct {
		msg    string
		want   command
		sent   string
		answer string
	}{
		{msg: `[:chsk/ws-ping]`, want: command{op: dialect.Ping, id: ":chsk/ws-ping", channel: "-", data: "-", callback: "-"}, sent: "-", answer: "-"},
		{msg: `[[:chsk/ws-ping] "cb"]`, want: command{op: dialect.Ping, id: ":chsk/ws-ping", channel: "-", data: "-", callback: `"cb"`}, sent: "-", answer: "-"},
		{msg: `[:chsk/ws-pong]`, want: command{op: dialect.Pong, id: ":chsk/ws-pong", channel: "-", data: "-", callback: "-"}, sent: "-", answer: "-"},
		{msg: `[[:sente-lite/subscribe {:x 1, :channel-id ["doc" 7]}] "c1"]`, want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: `["doc" 7]`, data: "-", callback: `"c1"`}, sent: `["doc" 7]`, answer: "-"},
		{msg: `[:sente-lite/subscribe {:channel-id "é\n"}]`, want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: `"é\n"`, data: "-", callback: "-"}, sent: `"é\n"`, answer: "-"},
		{msg: `[:sente-lite/subscribe {}]`, want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: "-", data: "-", callback: "-"}, sent: "-", answer: "-"},
		{msg: `[:sente-lite/subscribe "news"]`, want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: "-", data: "-", callback: "-", bad: true}, sent: "-", answer: "-"},
		{msg: `[:sente-lite/unsubscribe {:channel-id 1.0 :data 1}]`, want: command{op: dialect.Unsubscribe, id: ":sente-lite/unsubscribe", channel: "1.0", data: "-", callback: "-"}, sent: "1.0", answer: "-"},
		{msg: `[:sente-lite/publish {:channel-id "a" :data {:n [1 nil]} :exclude-sender? false}]`, want: command{op: dialect.Publish, id: ":sente-lite/publish", channel: `"a"`, data: `{:n [1 nil]}`, callback: "-"}, sent: `"a"`, answer: "-"},
		{msg: `[:sente-lite/publish {:channel-id "a" :exclude-sender? nil}]`, want: command{op: dialect.Publish, id: ":sente-lite/publish", channel: `"a"`, data: `-`, callback: "-"}, sent: `"a"`, answer: "-"},
		{msg: `[:sente-lite/publish {:channel-id "a" :data nil :exclude-sender? 0}]`, want: command{op: dialect.Publish, id: ":sente-lite/publish", channel: `"a"`, data: `nil`, callback: "-", exclude: true}, sent: `"a"`, answer: "-"},
		{msg: `[:chsk/reply {:cb-uuid "ask-1" :data {:n 1}}]`, want: command{op: dialect.Answer, id: ":chsk/reply", channel: "-", data: `{:n 1}`, callback: "-"}, sent: "-", answer: "ask-1"},
		{msg: `[:chsk/reply {:cb-uuid ["ask-1"]}]`, want: command{op: dialect.Answer, id: ":chsk/reply", channel: "-", data: `-`, callback: "-"}, sent: "-", answer: "-"},
		{msg: `[:chsk/reply]`, want: command{op: dialect.Answer, id: ":chsk/reply", channel: "-", data: `-`, callback: "-", bad: true}, sent: "-", answer: "-"},
		{msg: `[[:app/x 1] 7]`, want: command{op: dialect.Event, id: ":app/x", channel: "-", data: "-", callback: "7"}, sent: "-", answer: "-"},
		{msg: `[[:app/x] nil]`, want: command{op: dialect.Event, id: ":app/x", channel: "-", data: "-", callback: "-"}, sent: "-", answer: "-"},
	} {
		for f := range codec.Format(codec.Formats) {
			p := sentelite.New(f, false).NewParser()
			for range 2 { // scratch is used again
				var cmd dialect.Command
				if err := p.Parse(in(t, f, tt.msg), &cmd); err != nil {
					t.Errorf("%s in %s: %v", tt.msg, f, err)
					break
				}
				got := command{
					op: cmd.Op, id: text(cmd.ID), channel: text(cmd.Channel), data: out(t, f, cmd.Data),
					callback: out(t, f, cmd.Callback), exclude: cmd.ExcludeSender, bad: cmd.BadArgs,
				}
				if got != tt.want || out(t, f, cmd.Sent) != tt.sent || text(cmd.AnswerTo) != tt.answer || cmd.Form != dialect.FormTwo {
					t.Errorf("%s in %s:\n%+v, sent %s, answer to %s, want\n%+v", tt.msg, f, got, out(t, f, cmd.Sent), text(cmd.AnswerTo), tt.want)
				}
			}
		}
	}
}

func TestChannelsOfTransitAndMessagePack(t *testing.T) {
	for _, tt := range []struct {
		f             codec.Format
		channel, want string
	}{
		{codec.Transit, `"~:a/b"`, `:a/b`},
		{codec.Transit, `"~~:a"`, `"~:a"`},
		{codec.Transit, `":a"`, `":a"`}, // a keyword in JSON alone
		{codec.Transit, `"~#'"`, ``},
		{codec.Transit, `"a\ud83d"`, `-`},
		{codec.Transit, `"\u0061"`, `"a"`},
		{codec.Transit, `["~#set",[1]]`, `#{1}`},
		{codec.TransitVerbose, `{"~#set":[1]}`, `#{1}`},
		{codec.TransitVerbose, `"~m0"`, `#inst "1970-01-01T00:00:00.000-00:00"`},
		{codec.MessagePack, "\xd4\x00a", `:a`},
		{codec.MessagePack, "\xa2:a", `":a"`},
		{codec.MessagePack, "\xa3a\\b", `"a\\b"`},
	} {
		msg := append([]byte(`["~:sente-lite/subscribe",["^ ","~:channel-id",`), tt.channel+"]]"...)
		switch tt.f {
		case codec.TransitVerbose:
			msg = append([]byte(`["~:sente-lite/subscribe",{"~:channel-id":`), tt.channel+"}]"...)
		case codec.MessagePack:
			msg = append([]byte("\x92\xc7\x14\x00sente-lite/subscribe\x81\xc7\x0a\x00channel-id"), tt.channel...)
		default:
		}
		var cmd dialect.Command
		err := sentelite.New(tt.f, false).NewParser().Parse(msg, &cmd)
		if (err == nil) == (tt.want == "") || err == nil && text(cmd.Channel) != tt.want {
			t.Errorf("%s %q: %v, channel %s", tt.f, msg, err, text(cmd.Channel))
		}
	}
}

func TestRefusesInEveryFormat(t *testing.T) {
	for f := range codec.Format(codec.Formats) {
		p := sentelite.New(f, false).NewParser()
		for _, msg := range []string{`"text"`, `{:type "legacy"}`, `[]`, `[7]`, `[:app/x 1 2]`} {
			var cmd dialect.Command
			if _, ok := errors.AsType[*codec.Error](p.Parse(in(t, f, msg), &cmd)); !ok || cmd.ID != nil {
				t.Errorf("%s in %s is taken: %+v", msg, f, cmd)
			}
		}
		for _, msg := range []string{`[[:chsk/conn-open {}] "cb"]`, `[[:chsk/bad-event 1] "cb"]`, `[[:hoshi/x] "cb"]`, `[[:sente-lite/channel-msg {:channel-id "x" :data 1}] "cb"]`} {
			var cmd dialect.Command
			if err := p.Parse(in(t, f, msg), &cmd); !errors.Is(err, dialect.ReservedID) || out(t, f, cmd.Callback) != `"cb"` {
				t.Errorf("%s in %s: %v, callback %q", msg, f, err, cmd.Callback)
			}
		}
	}
}

func TestVoiceInEveryFormat(t *testing.T) {
	const conn = "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"
	for f := range codec.Format(codec.Formats) {
		v, wrapped := sentelite.New(f, false), sentelite.New(f, true)
		of := func(text string) []byte { return in(t, f, text) }
		event := of(`[:a/b {:n 1}]`)
		for _, tt := range []struct {
			name               string
			got                []byte
			edn, transit, json string
		}{
			{
				"handshake", v.AppendHandshake(nil, []byte(`"alice"`), conn, "0.1", nil),
				`[:chsk/handshake ["alice" nil {:sente-lite-version "2.0.0", :conn-id "` + conn + `", :hoshi "0.1"} true]]`,
				`["~:chsk/handshake",["alice",null,["^ ","~:sente-lite-version","2.0.0","~:conn-id","` + conn + `","~:hoshi","0.1"],true]]`,
				`["chsk/handshake",["alice",null,{"sente-lite-version":"2.0.0","conn-id":"` + conn + `","hoshi":"0.1"},true]]`,
			},
			{
				"handshake with data", v.AppendHandshake(nil, []byte(`"alice"`), conn, "0.1", of(`{:n #{1}}`)),
				`[:chsk/handshake ["alice" nil {:sente-lite-version "2.0.0", :conn-id "` + conn + `", :hoshi "0.1", :handshake-data {:n #{1}}} true]]`,
				`["~:chsk/handshake",["alice",null,["^ ","~:sente-lite-version","2.0.0","~:conn-id","` + conn + `","~:hoshi","0.1","~:handshake-data",["^ ","~:n",["~#set",[1]]]],true]]`,
				`["chsk/handshake",["alice",null,{"sente-lite-version":"2.0.0","conn-id":"` + conn + `","hoshi":"0.1","handshake-data":{"n":[1]}},true]]`,
			},
			{"ping", []byte(v.Ping(dialect.FormPrefixed)), `[:chsk/ws-ping]`, `["~:chsk/ws-ping"]`, `["chsk/ws-ping"]`},
			{"pong", v.AppendPong(nil, nil), `[:chsk/ws-pong]`, `["~:chsk/ws-pong"]`, `["chsk/ws-pong"]`},
			{"pong, wrapped, with a callback", wrapped.AppendPong(nil, of(`"cb"`)), `[:chsk/ws-pong]`, `["~:chsk/ws-pong"]`, `["chsk/ws-pong"]`},
			{"event", v.AppendEvent(nil, event), `[:a/b {:n 1}]`, `["~:a/b",["^ ","~:n",1]]`, `["a/b",{"n":1}]`},
			{"event, wrapped", wrapped.AppendEvent(nil, event), `[:chsk/recv [:a/b {:n 1}]]`, `["~:chsk/recv",["~:a/b",["^ ","~:n",1]]]`, `["chsk/recv",["a/b",{"n":1}]]`},
			{"push", wrapped.AppendPush(nil, dialect.FormTwo, wrapped.AppendEvent(nil, event)), `[:chsk/recv [:a/b {:n 1}]]`, `["~:chsk/recv",["~:a/b",["^ ","~:n",1]]]`, `["chsk/recv",["a/b",{"n":1}]]`},
			{"ask", v.AppendAsk(nil, event, []byte("ask-1")), `[[:a/b {:n 1}] "ask-1"]`, `[["~:a/b",["^ ","~:n",1]],"ask-1"]`, `[["a/b",{"n":1}],"ask-1"]`},
			{"dropped, wrapped", wrapped.AppendDropped(nil, 2), `[:chsk/recv [:sente-lite/dropped {:count 2, :reason :queue-full}]]`, `["~:chsk/recv",["~:sente-lite/dropped",["^ ","~:count",2,"~:reason","~:queue-full"]]]`, `["chsk/recv",["sente-lite/dropped",{"count":2,"reason":"queue-full"}]]`},
			{"subscribed, wrapped", wrapped.AppendSubscribed(nil, []byte(`7`)), `[:chsk/recv [:sente-lite/subscribed {:channel-id 7, :success true}]]`, `["~:chsk/recv",["~:sente-lite/subscribed",["^ ","~:channel-id",7,"~:success",true]]]`, `["chsk/recv",["sente-lite/subscribed",{"channel-id":7,"success":true}]]`},
			{"refused, wrapped", wrapped.AppendRefused(nil, of(`7`), dialect.NotSubscribed, true), `[:chsk/recv [:sente-lite/subscribed {:channel-id 7, :success nil, :error :not-subscribed}]]`, `["~:chsk/recv",["~:sente-lite/subscribed",["^ ","~:channel-id",7,"~:success",null,"~:error","~:not-subscribed"]]]`, `["chsk/recv",["sente-lite/subscribed",{"channel-id":7,"success":null,"error":"not-subscribed"}]]`},
			{"message, wrapped", wrapped.AppendChannelMessage(nil, []byte(`7`), of(`nil`), ""), `[:chsk/recv [:sente-lite/channel-msg {:channel-id 7, :data nil}]]`, `["~:chsk/recv",["~:sente-lite/channel-msg",["^ ","~:channel-id",7,"~:data",null]]]`, `["chsk/recv",["sente-lite/channel-msg",{"channel-id":7,"data":null}]]`},
			{"reply", wrapped.AppendFramed(nil, dialect.FormPrefixed, wrapped.AppendReply(nil, of(`nil`), of(`"cb"`))), `[nil "cb"]`, `[null,"cb"]`, `[null,"cb"]`},
		} {
			want := of(tt.edn)
			switch f {
			case codec.Transit:
				want = []byte(tt.transit)
			case codec.JSON:
				want = []byte(tt.json)
			default:
			}
			if !bytes.Equal(tt.got, want) {
				t.Errorf("%s in %s: %q, want %q", tt.name, f, tt.got, want)
			}
		}
		if v.Format() != f || v.Dialect() != "sente-lite" {
			t.Errorf("%s: %s, %s", f, v.Format(), v.Dialect())
		}
	}
}

func TestNoFormatAllocates(t *testing.T) {
	if raceEnabled {
		return // the race detector drops what is in pools
	}
	for f := range codec.Format(codec.Formats) {
		p := sentelite.New(f, false).NewParser()
		for _, text := range []string{
			`[[:chat/send {:text "hello", :to [1 2 3]}] "cb-1"]`, `[:sente-lite/subscribe {:channel-id [:doc 7]}]`,
			`[:sente-lite/publish {:channel-id "news", :data {:msg "hi"}, :exclude-sender? false}]`, `[:chsk/reply {:cb-uuid "x", :data 1}]`,
		} {
			msg := in(t, f, text)
			var cmd dialect.Command
			if n := testing.AllocsPerRun(100, func() {
				if err := p.Parse(msg, &cmd); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s %s: %v allocations", f, text, n)
			}
		}
	}
}

func BenchmarkParseFormats(b *testing.B) {
	for f := range codec.Format(codec.Formats) {
		b.Run("format="+f.String(), func(b *testing.B) {
			msg := in(b, f, `[:sente-lite/publish {:channel-id "news", :data {:msg "hello, everybody", :n 12345, :at #inst "2024-01-01T00:00:00.000-00:00"}}]`)
			p := sentelite.New(f, false).NewParser()
			var cmd dialect.Command
			b.ReportAllocs()
			b.SetBytes(int64(len(msg)))
			for b.Loop() {
				if err := p.Parse(msg, &cmd); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzParseFormats(f *testing.F) {
	for format := range codec.Format(codec.Formats) {
		for _, text := range []string{
			`[[:app/x {:a 1}] "cb"]`, `[:sente-lite/publish {:channel-id [1 2] :data #:a{:b 1}}]`, `[:sente-lite/subscribe {:channel-id :x}]`,
			`[:chsk/reply {:cb-uuid "x" :data 1}]`,
		} {
			f.Add(uint8(format), in(f, format, text))
		}
	}
	f.Add(uint8(codec.Transit), []byte(`["~:sente-lite/publish",["^ ","~:channel-id","^0","~:data",["^ ","^1",1]]]`))
	f.Fuzz(func(t *testing.T, number uint8, msg []byte) {
		format := codec.Format(number % codec.Formats)
		v := sentelite.New(format, false)
		p := v.NewParser()
		var cmd dialect.Command
		if p.Parse(msg, &cmd) != nil {
			return
		}
		if !edn.IsKeyword(cmd.ID) || cmd.Channel != nil && edn.Check(cmd.Channel) != nil || cmd.Op == dialect.BadEvent {
			t.Fatalf("%s %q: %+v", format, msg, cmd)
		}
		var s codec.Scanner
		for _, part := range [][]byte{cmd.Event, cmd.Callback, cmd.Sent, cmd.Data, v.AppendRefused(nil, cmd.Sent, dialect.BadRequest, false)} {
			if part == nil {
				continue
			}
			if _, err := s.Value(format, part); err != nil {
				t.Fatalf("%s %q: part %q: %v", format, msg, part, err)
			}
		}
		if cmd.Channel == nil {
			return
		}
		// The name that clients are told is one that they can send.
		name := v.AppendName(nil, cmd.Channel)
		if _, err := s.Value(format, name); err != nil {
			t.Fatalf("%s %q: name %q: %v", format, msg, name, err)
		}
	})
}
