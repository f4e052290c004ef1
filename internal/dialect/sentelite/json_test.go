package sentelite_test

import (
	"errors"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
)

func TestParseJSON(t *testing.T) {
	tests := []struct {
		name, msg string
		want      command
		sent      string
	}{
		{name: "ping", msg: `["chsk/ws-ping"]`, want: command{op: dialect.Ping, id: ":chsk/ws-ping", channel: "-", data: "-", callback: "-"}, sent: "-"},
		{name: "pong", msg: `[[":chsk/ws-pong"], null]`, want: command{op: dialect.Pong, id: ":chsk/ws-pong", channel: "-", data: "-", callback: "-"}, sent: "-"},
		{name: "string", msg: `["sente-lite/subscribe",{"channel-id":"news"}]`, want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: `"news"`, data: "-", callback: "-"}, sent: `"news"`},
		{name: "keyword", msg: `["sente-lite/subscribe",{"channel-id":":a/b"}]`, want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: `:a/b`, data: "-", callback: "-"}, sent: `":a/b"`},
		{name: "escaped keyword", msg: `["sente-lite/subscribe",{"channel-id":"\u003aa\/b"}]`, want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: `:a/b`, data: "-", callback: "-"}, sent: `"\u003aa\/b"`},
		{name: "no keyword", msg: `["sente-lite/subscribe",{"channel-id":":a ;"}]`, want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: `-`, data: "-", callback: "-"}, sent: `":a ;"`},
		{name: "other values", msg: `["sente-lite/unsubscribe",{"x":[],"channel\u002did":{"a":[1.0,":b"]}}]`, want: command{op: dialect.Unsubscribe, id: ":sente-lite/unsubscribe", channel: `{:a [1.0 ":b"]}`, data: "-", callback: "-"}, sent: `{"a":[1.0,":b"]}`},
		{name: "no object", msg: `["sente-lite/subscribe","news"]`, want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: "-", data: "-", callback: "-", bad: true}, sent: "-"},
		{name: "nothing", msg: `["sente-lite/publish"]`, want: command{op: dialect.Publish, id: ":sente-lite/publish", channel: "-", data: "-", callback: "-", bad: true}, sent: "-"},
		{name: "publish", msg: `[["sente-lite/publish",{"channel-id":1,"data":{"a" : 1},"exclude-sender?":true}],"cb"]`, want: command{op: dialect.Publish, id: ":sente-lite/publish", channel: "1", data: `{"a" : 1}`, callback: `"cb"`, exclude: true}, sent: "1"},
		{name: "false excludes nobody", msg: `["sente-lite/publish",{"channel-id":1,"exclude-sender?":false}]`, want: command{op: dialect.Publish, id: ":sente-lite/publish", channel: "1", data: "-", callback: "-"}, sent: "1"},
		{name: "event", msg: `[["app/x",1],7]`, want: command{op: dialect.Event, id: ":app/x", channel: "-", data: "-", callback: "7"}, sent: "-"},
	}
	p := sentelite.New(codec.JSON, false).NewParser()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var cmd dialect.Command
			if err := p.Parse([]byte(tt.msg), &cmd); err != nil {
				t.Fatal(err)
			}
			got := command{
				op: cmd.Op, id: text(cmd.ID), channel: text(cmd.Channel), data: text(cmd.Data),
				callback: text(cmd.Callback), exclude: cmd.ExcludeSender, bad: cmd.BadArgs,
			}
			if got != tt.want || text(cmd.Sent) != tt.sent {
				t.Errorf("got  %+v, sent %s\nwant %+v", got, text(cmd.Sent), tt.want)
			}
		})
	}
	var cmd dialect.Command
	if err := p.Parse([]byte(`[["chsk/conn-open",{}],"cb"]`), &cmd); !errors.Is(err, dialect.ReservedID) || text(cmd.Callback) != `"cb"` {
		t.Errorf("got %v and callback %s", err, text(cmd.Callback))
	}
}

func TestParseJSONDoesNotAllocate(t *testing.T) {
	p := sentelite.New(codec.JSON, false).NewParser()
	for _, msg := range []string{
		`[["chat/send",{"text":"hello","to":[1,2,3]}],"cb-1"]`,
		`["sente-lite/publish",{"channel-id":"news","data":{"msg":"hi"},"exclude-sender?":false}]`,
		`["sente-lite/subscribe",{"channel-id":["doc",7]}]`,
	} {
		var cmd dialect.Command
		b := []byte(msg)
		n := testing.AllocsPerRun(100, func() {
			if err := p.Parse(b, &cmd); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", msg, n)
		}
	}
}

func TestOutboundJSON(t *testing.T) {
	const conn = "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"
	plain, wrapped := sentelite.New(codec.JSON, false), sentelite.New(codec.JSON, true)
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"handshake", plain.AppendHandshake(nil, []byte(`"alice"`), conn, "0.1", nil), `["chsk/handshake",["alice",null,{"sente-lite-version":"2.0.0","conn-id":"` + conn + `","hoshi":"0.1"},true]]`},
		{"subscribed", plain.AppendSubscribed(nil, []byte(`"a\\b"`)), `["sente-lite/subscribed",{"channel-id":"a\\b","success":true}]`},
		{"keyword", wrapped.AppendSubscribed(nil, []byte(`:a/b`)), `["chsk/recv",["sente-lite/subscribed",{"channel-id":":a/b","success":true}]]`},
		{"refused", plain.AppendRefused(nil, nil, dialect.BadRequest, false), `["sente-lite/subscribed",{"channel-id":null,"success":false,"error":"bad-request"}]`},
		{"unsubscribe refused", plain.AppendRefused(nil, []byte(`"x"`), dialect.NotSubscribed, true), `["sente-lite/subscribed",{"channel-id":"x","success":null,"error":"not-subscribed"}]`},
		{"message", plain.AppendChannelMessage(nil, []byte("[:doc 7]"), []byte("null"), conn), `["sente-lite/channel-msg",{"channel-id":["doc",7],"data":null,"from":"` + conn + `"}]`},
		{"event", wrapped.AppendEvent(nil, []byte(`["a/b"]`)), `["chsk/recv",["a/b"]]`},
		{"dropped", plain.AppendDropped(nil, 12), `["sente-lite/dropped",{"count":12,"reason":"queue-full"}]`},
		{"reply", plain.AppendReply(nil, []byte("1"), []byte(`"cb"`)), `[1,"cb"]`},
		{"error", plain.AppendError(nil, ":my/no", []byte(`"cb"`)), `["my/no","cb"]`},
		{"error with an odd name", plain.AppendError(nil, ":my/n\x01", []byte(`"cb"`)), `["my/n\u0001","cb"]`},
		{"result", plain.AppendResult(nil, "", []byte("1")), `[{"success":true},1]`},
		{"result, refused", plain.AppendResult(nil, dialect.Unavailable, []byte("1")), `[{"success":false,"error":"unavailable"},1]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if string(tt.got) != tt.want {
				t.Errorf("got  %s\nwant %s", tt.got, tt.want)
			}
			if err := json.Check(tt.got); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`[["app/x",{"a":1}],"cb"]`))
	f.Add([]byte(`["sente-lite/publish",{"channel-id":[1,"\u003a"],"data":1}]`))
	f.Add([]byte(`["sente-lite/subscribe",{"channel-id":"\ud83d"}]`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		p := sentelite.New(codec.JSON, false).NewParser()
		var cmd dialect.Command
		if p.Parse(msg, &cmd) != nil {
			return
		}
		if !edn.IsKeyword(cmd.ID) || cmd.Channel != nil && edn.Check(cmd.Channel) != nil || (cmd.Data != nil && json.Check(cmd.Data) != nil) {
			t.Fatalf("%q: %q, channel %q, data %q", msg, cmd.ID, cmd.Channel, cmd.Data)
		}
		refused := sentelite.New(codec.JSON, false).AppendRefused(nil, cmd.Sent, dialect.BadRequest, false)
		if err := json.Check(refused); err != nil {
			t.Fatalf("%q: %q: %v", msg, refused, err)
		}
		if cmd.Channel == nil {
			return
		}
		var again dialect.Command
		answer := append(sentelite.New(codec.JSON, false).AppendName([]byte(`["sente-lite/subscribe",{"channel-id":`), cmd.Channel), "}]"...)
		if err := p.Parse(answer, &again); err != nil {
			t.Fatalf("%q: %q: %v", msg, answer, err)
		}
	})
}
