package sentelite_test

import (
	"errors"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// command is a dialect.Command with texts, nil as "-".
type command struct {
	op                          dialect.Op
	id, channel, data, callback string
	exclude, bad                bool
}

func text(p []byte) string {
	if p == nil {
		return "-"
	}
	return string(p)
}

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		msg  string
		want command
	}{
		{
			name: "ping",
			msg:  "[:chsk/ws-ping]",
			want: command{op: dialect.Ping, id: ":chsk/ws-ping", channel: "-", data: "-", callback: "-"},
		},
		{
			name: "ping with a callback",
			msg:  `[[:chsk/ws-ping] "cb"]`,
			want: command{op: dialect.Ping, id: ":chsk/ws-ping", channel: "-", data: "-", callback: `"cb"`},
		},
		{
			name: "pong",
			msg:  "[:chsk/ws-pong]",
			want: command{op: dialect.Pong, id: ":chsk/ws-pong", channel: "-", data: "-", callback: "-"},
		},
		{
			name: "subscribe",
			msg:  `[:sente-lite/subscribe {:channel-id "news"}]`,
			want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: `"news"`, data: "-", callback: "-"},
		},
		{
			name: "subscribe to a vector, with a callback",
			msg:  `[[:sente-lite/subscribe {:x 1, :channel-id [:doc 7]}] "c1"]`,
			want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: "[:doc 7]", data: "-", callback: `"c1"`},
		},
		{
			name: "subscribe without a channel",
			msg:  "[:sente-lite/subscribe {}]",
			want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: "-", data: "-", callback: "-"},
		},
		{
			name: "subscribe without a map",
			msg:  `[:sente-lite/subscribe "news"]`,
			want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: "-", data: "-", callback: "-", bad: true},
		},
		{
			name: "subscribe without anything",
			msg:  `[:sente-lite/subscribe]`,
			want: command{op: dialect.Subscribe, id: ":sente-lite/subscribe", channel: "-", data: "-", callback: "-", bad: true},
		},
		{
			name: "unsubscribe",
			msg:  "[:sente-lite/unsubscribe {:channel-id :a/b}]",
			want: command{op: dialect.Unsubscribe, id: ":sente-lite/unsubscribe", channel: ":a/b", data: "-", callback: "-"},
		},
		{
			name: "publish, as the real client prints it",
			msg:  `[:sente-lite/publish {:channel-id "news", :data {:msg "hi", :set #{1}, :l (1 2)}, :exclude-sender? false}]`,
			want: command{op: dialect.Publish, id: ":sente-lite/publish", channel: `"news"`, data: `{:msg "hi", :set #{1}, :l (1 2)}`, callback: "-"},
		},
		{
			name: "publish to others",
			msg:  `[:sente-lite/publish {:channel-id 1 :data nil :exclude-sender? true}]`,
			want: command{op: dialect.Publish, id: ":sente-lite/publish", channel: "1", data: "nil", callback: "-", exclude: true},
		},
		{
			name: "publish to others, nil is false",
			msg:  `[:sente-lite/publish {:channel-id 1 :data 2 :exclude-sender? nil}]`,
			want: command{op: dialect.Publish, id: ":sente-lite/publish", channel: "1", data: "2", callback: "-"},
		},
		{
			name: "namespaced map without our keys",
			msg:  `[:sente-lite/publish #:x{:channel-id 1 :data 2}]`,
			want: command{op: dialect.Publish, id: ":sente-lite/publish", channel: "-", data: "-", callback: "-"},
		},
		{
			name: "event",
			msg:  "[:app/unknown {:x 1}]",
			want: command{op: dialect.Event, id: ":app/unknown", channel: "-", data: "-", callback: "-"},
		},
		{
			name: "event with nil for a callback",
			msg:  "[[:app/x 1] nil]",
			want: command{op: dialect.Event, id: ":app/x", channel: "-", data: "-", callback: "-"},
		},
		{
			name: "event whose namespace only begins like a reserved one",
			msg:  "[:sente-lites/x]",
			want: command{op: dialect.Event, id: ":sente-lites/x", channel: "-", data: "-", callback: "-"},
		},
	}
	p := sentelite.New(codec.EDN, false).NewParser()
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
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name     string
		msg      string
		reserved bool
	}{
		{name: "text", msg: `"text"`},
		{name: "old map-style frame", msg: "{:type :legacy}"},
		{name: "empty vector", msg: "[]"},
		{name: "unreadable tag", msg: "[:app/odd #object[Function]]"},
		{name: "id without a namespace", msg: "[:no-namespace 1]"},
		{name: "id is a string", msg: `["app/x" 1]`},
		{name: "duplicate key", msg: "[:app/x {:a 1 :a 2}]"},
		{name: "unbalanced", msg: "[:app/x {:a 1]"},
		{name: "two forms", msg: "[:app/x] [:app/y]"},
		{name: "nothing", msg: ""},
		{name: "handshake", msg: "[:chsk/handshake [1]]", reserved: true},
		{name: "lookalike of a conn-open", msg: "[:chsk/conn-open {}]", reserved: true},
		{name: "below a reserved namespace", msg: "[:chsk.x/y 1]", reserved: true},
		{name: "of the other dialect", msg: "[:sente/all-users-without-uid]", reserved: true},
		{name: "ours", msg: "[:hoshi/x]", reserved: true},
		{name: "unused in the reference", msg: "[:sente-lite/rpc {}]", reserved: true},
		{name: "server's own", msg: `[:sente-lite/channel-msg {:channel-id "x" :data 1}]`, reserved: true},
	}
	p := sentelite.New(codec.EDN, false).NewParser()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var cmd dialect.Command
			err := p.Parse([]byte(tt.msg), &cmd)
			if tt.reserved {
				if !errors.Is(err, dialect.ReservedID) {
					t.Errorf("got %v, want %v", err, dialect.ReservedID)
				}
				return
			}
			if _, ok := errors.AsType[*codec.Error](err); !ok {
				t.Errorf("got %v, want a *codec.Error", err)
			}
		})
	}
}

func TestParseKeepsTheCallbackOfARefusedID(t *testing.T) {
	var cmd dialect.Command
	p := sentelite.New(codec.EDN, false).NewParser()
	err := p.Parse([]byte(`[[:chsk/conn-open {}] "cb"]`), &cmd)
	if !errors.Is(err, dialect.ReservedID) || text(cmd.Callback) != `"cb"` {
		t.Errorf("got %v and callback %s", err, text(cmd.Callback))
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	msgs := map[string][]byte{
		"event":     []byte(`[[:chat/send {:text "hello", :to [1 2 3]}] "cb-1"]`),
		"publish":   []byte(`[:sente-lite/publish {:channel-id "news", :data {:msg "hi"}, :exclude-sender? false}]`),
		"subscribe": []byte(`[:sente-lite/subscribe {:channel-id "news"}]`),
	}
	for name, msg := range msgs {
		t.Run(name, func(t *testing.T) {
			var cmd dialect.Command
			p := sentelite.New(codec.EDN, false).NewParser()
			n := testing.AllocsPerRun(100, func() {
				if err := p.Parse(msg, &cmd); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	msg := []byte(`[:sente-lite/publish {:channel-id "news", :data {:msg "hello, everybody", :n 12345, :at #inst "2024-01-01T00:00:00.000-00:00"}}]`)
	var cmd dialect.Command
	p := sentelite.New(codec.EDN, false).NewParser()
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		if err := p.Parse(msg, &cmd); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[[:app/x {:a 1}] "cb"]`))
	f.Add([]byte(`[:sente-lite/publish {:channel-id [1 2], :data #:a{:b 1}}]`))
	f.Add([]byte(`[:sente-lite/subscribe ^:m {:channel-id "x"}]`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		var cmd dialect.Command
		p := sentelite.New(codec.EDN, false).NewParser()
		if err := p.Parse(msg, &cmd); err == nil && len(cmd.ID) < 4 {
			t.Fatalf("%q taken without an id", msg)
		}
	})
}
