package sente_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sente"
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

// command is a dialect.Command whose parts are EDN text, "-" for those that are nil.
type command struct {
	op                                               dialect.Op
	form                                             dialect.Form
	event, id, callback, channel, sent, data, answer string
	exclude, bad                                     bool
}

func commandOf(t testing.TB, f codec.Format, c *dialect.Command) command {
	t.Helper()
	text := func(p []byte) string {
		if p == nil {
			return "-"
		}
		return string(p)
	}
	return command{
		op: c.Op, form: c.Form, event: out(t, f, c.Event), id: text(c.ID), callback: out(t, f, c.Callback), channel: text(c.Channel), sent: out(t, f, c.Sent),
		data: out(t, f, c.Data), answer: text(c.AnswerTo), exclude: c.ExcludeSender, bad: c.BadArgs,
	}
}

// via is the command when its parts have been in a format.
func (c command) via(t testing.TB, f codec.Format) command {
	for _, p := range []*string{&c.event, &c.callback, &c.channel, &c.sent, &c.data} {
		switch *p {
		case "":
			*p = "-"
		case "-":
		default:
			*p = out(t, f, in(t, f, *p))
		}
	}
	if c.answer == "" {
		c.answer = "-"
	}
	return c
}

func TestParse(t *testing.T) {
	const one, prefixed = dialect.FormOne, dialect.FormPrefixed
	for _, tt := range []struct {
		name, msg string
		want      command
	}{
		{"event", `[[:a/b {:n 1}] nil]`, command{event: `[:a/b {:n 1}]`, id: ":a/b"}},
		{"event without data", `[[:a/b] nil]`, command{event: `[:a/b]`, id: ":a/b"}},
		{"event with a callback", `[[:a/b 1] "84da23"]`, command{event: `[:a/b 1]`, id: ":a/b", callback: `"84da23"`}},
		{"callback of Ajax", `[[:a/b 1] :ajax]`, command{event: `[:a/b 1]`, id: ":a/b", callback: `:ajax`}},
		{"older callback of Ajax", `[[:a/b 1] 0]`, command{event: `[:a/b 1]`, id: ":a/b", callback: `0`}},
		{"callback of any kind", `[[:a/b 1] false]`, command{event: `[:a/b 1]`, id: ":a/b", callback: `false`}},
		{"one element", `[[:a/b 1]]`, command{form: one, event: `[:a/b 1]`, id: ":a/b"}},
		{"prefixed", `+[[:a/b 1]]`, command{form: prefixed, event: `[:a/b 1]`, id: ":a/b"}},
		{"prefixed with a callback", `+[[:a/b 1] "cb"]`, command{form: prefixed, event: `[:a/b 1]`, id: ":a/b", callback: `"cb"`}},
		{"unwrapped", `-[:a/b 1]`, command{form: prefixed, event: `[:a/b 1]`, id: ":a/b"}},

		{"ping", `[[:chsk/ws-ping] "9e3805"]`, command{op: dialect.Ping, event: `[:chsk/ws-ping]`, id: ":chsk/ws-ping", callback: `"9e3805"`}},
		{"older ping", `+[[:chsk/ws-ping]]`, command{op: dialect.Ping, form: prefixed, event: `[:chsk/ws-ping]`, id: ":chsk/ws-ping"}},
		{"pong", `[[:chsk/ws-pong] nil]`, command{op: dialect.Pong, event: `[:chsk/ws-pong]`, id: ":chsk/ws-pong"}},

		{"subscribe", `[[:sente-lite/subscribe {:channel-id "news"}] "cb"]`, command{op: dialect.Subscribe, event: `[:sente-lite/subscribe {:channel-id "news"}]`, id: ":sente-lite/subscribe", callback: `"cb"`, channel: `"news"`, sent: `"news"`}},
		{"unsubscribe", `[[:sente-lite/unsubscribe {:channel-id [1 2]}] nil]`, command{op: dialect.Unsubscribe, event: `[:sente-lite/unsubscribe {:channel-id [1 2]}]`, id: ":sente-lite/unsubscribe", channel: `[1 2]`, sent: `[1 2]`}},
		{"publish", `[[:sente-lite/publish {:channel-id "x" :data nil :exclude-sender? true}] nil]`, command{op: dialect.Publish, event: `[:sente-lite/publish {:channel-id "x" :data nil :exclude-sender? true}]`, id: ":sente-lite/publish", channel: `"x"`, sent: `"x"`, data: `nil`, exclude: true}},
		{"publish without arguments", `[[:sente-lite/publish] nil]`, command{op: dialect.Publish, event: `[:sente-lite/publish]`, id: ":sente-lite/publish", bad: true}},

		{"answer", `[[:chsk/reply {:cb-uuid "ask-1" :data {:n [1]}}] nil]`, command{op: dialect.Answer, event: `[:chsk/reply {:cb-uuid "ask-1" :data {:n [1]}}]`, id: ":chsk/reply", data: `{:n [1]}`, answer: "ask-1"}},
		{"answer of nothing", `[[:chsk/reply {:cb-uuid "a\"\n"}] nil]`, command{op: dialect.Answer, event: `[:chsk/reply {:cb-uuid "a\"\n"}]`, id: ":chsk/reply", answer: "a\"\n"}},
		{"answer to no string", `[[:chsk/reply {:cb-uuid 7 :data 1}] nil]`, command{op: dialect.Answer, event: `[:chsk/reply {:cb-uuid 7 :data 1}]`, id: ":chsk/reply", data: `1`}},
		{"answer to nobody", `[[:chsk/reply {:data 1}] nil]`, command{op: dialect.Answer, event: `[:chsk/reply {:data 1}]`, id: ":chsk/reply", data: `1`}},
		{"answer without arguments", `[[:chsk/reply "x"] nil]`, command{op: dialect.Answer, event: `[:chsk/reply "x"]`, id: ":chsk/reply", bad: true}},

		{"no namespace", `[[:a 1] "cb"]`, command{op: dialect.BadEvent, event: `[:chsk/bad-event [:a 1]]`, id: ":chsk/bad-event", callback: `"cb"`}},
		{"three elements", `[[:a/b 1 2] nil]`, command{op: dialect.BadEvent, event: `[:chsk/bad-event [:a/b 1 2]]`, id: ":chsk/bad-event"}},
		{"no elements", `[[] "cb"]`, command{op: dialect.BadEvent, event: `[:chsk/bad-event []]`, id: ":chsk/bad-event", callback: `"cb"`}},
		{"no vector", `[{:x 1} nil]`, command{op: dialect.BadEvent, event: `[:chsk/bad-event {:x 1}]`, id: ":chsk/bad-event"}},
		{"nothing", `[nil nil]`, command{op: dialect.BadEvent, event: `[:chsk/bad-event nil]`, id: ":chsk/bad-event"}},
		{"one bad element", `[7]`, command{op: dialect.BadEvent, form: one, event: `[:chsk/bad-event 7]`, id: ":chsk/bad-event"}},
		{"bare event", `[:a/b 1]`, command{op: dialect.BadEvent, event: `[:chsk/bad-event :a/b]`, id: ":chsk/bad-event", callback: `1`}},
		{"not wrapped", `{:x [1]}`, command{op: dialect.BadEvent, event: `[:chsk/bad-event {:x [1]}]`, id: ":chsk/bad-event"}},
		{"three in the wrapping", `[[:a/b] nil nil]`, command{op: dialect.BadEvent, event: `[:chsk/bad-event [[:a/b] nil nil]]`, id: ":chsk/bad-event"}},
		{"nothing in the wrapping", `[]`, command{op: dialect.BadEvent, event: `[:chsk/bad-event []]`, id: ":chsk/bad-event"}},
		{"unwrapped and bad", `-"x"`, command{op: dialect.BadEvent, form: prefixed, event: `[:chsk/bad-event "x"]`, id: ":chsk/bad-event"}},
		{"prefixed and bad", `+["x" "cb"]`, command{op: dialect.BadEvent, form: prefixed, event: `[:chsk/bad-event "x"]`, id: ":chsk/bad-event", callback: `"cb"`}},
	} {
		for f := range codec.Format(codec.Formats) {
			prefix, msg := "", tt.msg
			if msg[0] == '+' || msg[0] == '-' {
				prefix, msg = msg[:1], msg[1:]
			}
			if prefix != "" && f.Binary() {
				continue
			}
			p := sente.New(f).NewParser()
			for range 2 { // scratch is used again
				var cmd dialect.Command
				if err := p.Parse(append([]byte(prefix), in(t, f, msg)...), &cmd); err != nil {
					t.Errorf("%s in %s: %v", tt.name, f, err)
					break
				}
				if got, want := commandOf(t, f, &cmd), tt.want.via(t, f); got != want {
					t.Errorf("%s in %s:\n%+v, want\n%+v", tt.name, f, got, want)
				}
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	long := `"` + strings.Repeat("c", dialect.MaxCallback) + `"`
	for _, tt := range []struct {
		name, msg, callback string
		want                error
	}{
		{"reserved", `[[:chsk/handshake 1] "cb"]`, `"cb"`, dialect.ReservedID},
		{"what the parser makes", `[[:chsk/bad-event 1] "cb"]`, `"cb"`, dialect.ReservedID},
		{"ours", `[[:hoshi/ask {}] nil]`, "-", dialect.ReservedID},
		{"below a reserved one", `[[:sente.x/y] nil]`, "-", dialect.ReservedID},
		{"long callback", `[[:a/b 1] ` + long + `]`, long, dialect.LongCallback},
		{"long callback of something bad", `[7 ` + long + `]`, long, dialect.LongCallback},
	} {
		for f := range codec.Format(codec.Formats) {
			var cmd dialect.Command
			err := sente.New(f).NewParser().Parse(in(t, f, tt.msg), &cmd)
			if !errors.Is(err, tt.want) || out(t, f, cmd.Callback) != tt.callback || cmd.Op != dialect.Event {
				t.Errorf("%s in %s: %v, callback %.20q", tt.name, f, err, cmd.Callback)
			}
		}
	}
	// Legal as they came, and too deep within an event.
	deep := strings.Repeat("[", 511) + strings.Repeat("]", 511)
	for f, msgs := range map[codec.Format][]string{
		codec.EDN:            {``, `+`, `-`, `[[:a/b {:a 1 :a 2}] nil]`, `[[:a/b #object[x]] nil]`, `[[:a/b 1] nil`, `++[[:a/b 1]]`, `[[:a/b]] ]`, `-[` + deep + `]`, `{:x ` + deep + `}`, `[` + deep + ` 1 2]`},
		codec.JSON:           {``, `+`, `[["a/b",{"a":1,"a":2}],null]`, `[["a/b"],nil]`, `{"x":` + deep + `}`},
		codec.Transit:        {``, `[["~:a/b","^0","^1"],null]`, `[["~:a/b",["^ ","~:x"]],null]`, `[["~:a/b","~rhttp://a b/"],null]`, `["^ ","x",` + deep + `]`},
		codec.TransitVerbose: {``, `[["~:a/b",{"~:x":1,"~:x":2}],null]`},
		codec.MessagePack:    {"", "+", "\x92\xc1\xc0", "\x92\x91\xd4\x08\x00\xc0", "\x92\x92\xc7\x03\x00a/b\x82\xa1a\x01\xa1a\x02\xc0"},
	} {
		for _, msg := range msgs {
			var cmd dialect.Command
			err := sente.New(f).NewParser().Parse([]byte(msg), &cmd)
			if f == codec.MessagePack && msg == "+" { // a number, and no prefix
				if err != nil || cmd.Op != dialect.BadEvent || cmd.Form != dialect.FormTwo || out(t, f, cmd.Event) != "[:chsk/bad-event 43]" {
					t.Errorf("43 in MessagePack: %v, %+v", err, commandOf(t, f, &cmd))
				}
				continue
			}
			if fault, ok := errors.AsType[*codec.Error](err); !ok || fault.Reason != codec.ReasonDeserialize {
				t.Errorf("%s %.40q: %v", f, msg, err)
			}
			if cmd.Event != nil || cmd.ID != nil {
				t.Errorf("%s %.40q: %+v", f, msg, commandOf(t, f, &cmd))
			}
		}
	}
}

// TestParseDetaches: what came with codes means the same elsewhere.
func TestParseDetaches(t *testing.T) {
	var cmd dialect.Command
	p := sente.New(codec.Transit).NewParser()
	if err := p.Parse([]byte(`[["~:test/x","~:test/y","^0"],"^1"]`), &cmd); err != nil || string(cmd.Event) != `["~:chsk/bad-event",["~:test/x","~:test/y","~:test/x"]]` || string(cmd.Callback) != `"~:test/y"` {
		t.Errorf("%v, %q, %q", err, cmd.Event, cmd.Callback)
	}
	// What is detached is the codec's, which takes the event apart once more.
	if err := p.Parse([]byte(`[["~:test/x","\u0001 and more than the callback has"],"^0"]`), &cmd); err != nil || cmd.Op != dialect.Event || string(cmd.Callback) != `"~:test/x"` {
		t.Errorf("%v, %q, %q", err, cmd.Event, cmd.Callback)
	}
	if err := p.Parse([]byte(`[["~:test/x","~:test/y","\u0001 and more than the callback has"],"^1"]`), &cmd); err != nil || cmd.Op != dialect.BadEvent || string(cmd.Callback) != `"~:test/y"` {
		t.Errorf("%v, %q, %q", err, cmd.Event, cmd.Callback)
	}
	if err := p.Parse([]byte(`[["~:sente-lite/publish",["^ ","~:channel-id",["^ ","~:name","^0"],"~:data",["^ ","^2",1]]],"^1"]`), &cmd); err != nil ||
		string(cmd.Channel) != `{:name :sente-lite/publish}` || string(cmd.Sent) != `["^ ","~:name","~:sente-lite/publish"]` || string(cmd.Data) != `["^ ","~:name",1]` || string(cmd.Callback) != `"~:channel-id"` {
		t.Errorf("%v, %q, %q, %q, %q", err, cmd.Channel, cmd.Sent, cmd.Data, cmd.Callback)
	}
	p = sente.New(codec.MessagePack).NewParser()
	if err := p.Parse([]byte("\x92\x92\xc7\x03\x00a/b\x92\x81\xd4\x00k\x01\x81\xd4\x08\x00\x02\xa2cb"), &cmd); err != nil || string(cmd.Event) != "\x92\xc7\x03\x00a/b\x92\x81\xd4\x00k\x01\x81\xd4\x00k\x02" || string(cmd.Callback) != "\xa2cb" {
		t.Errorf("%v, %q, %q", err, cmd.Event, cmd.Callback)
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		return // the race detector drops what is in pools
	}
	for f := range codec.Format(codec.Formats) {
		p := sente.New(f).NewParser()
		for _, text := range []string{
			`[[:chat/send {:text "hello" :to [1 2 3]}] "cb-1"]`, `[[:chsk/ws-ping] "cb-1"]`, `[[:bad 1] "cb-1"]`,
			`[[:sente-lite/publish {:channel-id [:news 7] :data {:msg "hi"} :exclude-sender? true}] nil]`,
			`[[:chsk/reply {:cb-uuid "ask-1" :data {:n [1]}}] nil]`,
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

func FuzzParse(f *testing.F) {
	for format := range codec.Format(codec.Formats) {
		for _, text := range []string{
			`[[:app/x {:a 1}] "cb"]`, `[[:sente-lite/publish {:channel-id [1 2] :data #:a{:b 1}}] nil]`, `[7]`, `[:a/b :c]`,
			`[[:chsk/reply {:cb-uuid "x" :data 1}] nil]`, `[[:chsk/ws-ping] "a"]`,
		} {
			f.Add(uint8(format), in(f, format, text))
			f.Add(uint8(format), append([]byte("+"), in(f, format, text)...))
		}
	}
	f.Add(uint8(codec.Transit), []byte(`-["~:test/x","~:test/y","^0"]`))
	f.Fuzz(func(t *testing.T, number uint8, msg []byte) {
		format := codec.Format(number % codec.Formats)
		v := sente.New(format)
		var cmd, again dialect.Command
		if v.NewParser().Parse(msg, &cmd) != nil {
			return
		}
		if !edn.IsKeyword(cmd.ID) || cmd.Channel != nil && edn.Check(cmd.Channel) != nil || (cmd.Op == dialect.BadEvent) != (string(cmd.ID) == ":chsk/bad-event") {
			t.Fatalf("%s %q: %+v", format, msg, cmd)
		}
		// Each part is one by itself: an event comes back as it is.
		var s codec.Scanner
		for _, part := range [][]byte{cmd.Event, cmd.Callback, cmd.Sent, cmd.Data} {
			if part == nil {
				continue
			}
			if _, err := s.Value(format, part); err != nil {
				t.Fatalf("%s %q: part %q: %v", format, msg, part, err)
			}
		}
		if cmd.Op == dialect.BadEvent {
			return
		}
		framed := v.AppendFramed(nil, cmd.Form, v.AppendVector(nil, cmd.Event))
		if err := v.NewParser().Parse(framed, &again); err != nil || again.Op != cmd.Op || string(again.Event) != string(cmd.Event) || string(again.Data) != string(cmd.Data) {
			t.Fatalf("%s %q: framed %q: %v, %+v", format, msg, framed, err, again)
		}
	})
}
