package bus_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

func TestDeliver(t *testing.T) {
	s := server(t, natsd.Options{})
	var r recorder
	me := id.NewNode()
	conn := id.NewGenerator(me).Next(1)
	n := node(t, s, &r, func(o *bus.NodeOptions) { o.ID, o.Shards = me, 1 })
	want(t, n, bus.KindChan, ":chat/room")
	want(t, n, bus.KindUser, "alice")
	want(t, n, bus.KindClient, "tab-1")
	back := raw(t, s)
	sub := n.Subjects()
	tests := []struct {
		name    string
		subject string
		header  nats.Header
		body    string
		want    bus.Message // Kind none: dropped
	}{
		{
			name:    "channel data",
			subject: "hoshi.chan.:chat/room",
			body:    `{:n 1}`,
			want:    bus.Message{Kind: bus.KindChan, Token: ":chat/room"},
		},
		{
			name:    "channel data of a node",
			subject: "hoshi.chan.:chat/room",
			header:  nats.Header{"Hoshi-From": {conn.String()}, "Hoshi-Exclude": {conn.String()}},
			body:    `1`,
			want:    bus.Message{Kind: bus.KindChan, Token: ":chat/room", From: conn.String(), Exclude: conn.String()},
		},
		{
			name:    "user",
			subject: "hoshi.user.alice",
			body:    `[:chat/hi {:n 1}]`,
			want:    bus.Message{Kind: bus.KindUser, Token: "alice"},
		},
		{
			name:    "client",
			subject: "hoshi.client.tab-1",
			body:    `[:chat/hi]`,
			want:    bus.Message{Kind: bus.KindClient, Token: "tab-1"},
		},
		{
			name:    "connection",
			subject: sub.Conn(conn),
			body:    `[:chat/hi]`,
			want:    bus.Message{Kind: bus.KindConn, Token: conn.String()},
		},
		{
			name:    "everyone",
			subject: "hoshi.all",
			header:  nats.Header{"Content-Type": {"application/edn"}},
			body:    `[:chat/hi]`,
			want:    bus.Message{Kind: bus.KindAll},
		},
		{name: "not EDN", subject: "hoshi.all", body: `[:chat/hi`},
		{name: "two values", subject: "hoshi.chan.:chat/room", body: `1 2`},
		{name: "empty", subject: "hoshi.chan.:chat/room", body: ``},
		{name: "JSON by its look", subject: "hoshi.all", body: `["chat/hi"]`, want: bus.Message{Kind: bus.KindAll, Format: codec.JSON}},
		{name: "bad JSON", subject: "hoshi.all", body: `["chat/hi", {"a": 1, "a": 2}]`},
		{name: "a string vector is channel data", subject: "hoshi.chan.:chat/room", body: `["x"]`, want: bus.Message{Kind: bus.KindChan, Token: ":chat/room"}},
		{name: "declared JSON", subject: "hoshi.all", header: nats.Header{"Content-Type": {"application/json"}}, body: `[ "chat/hi" ]`, want: bus.Message{Kind: bus.KindAll, Format: codec.JSON}},
		{name: "JSON declared as EDN", subject: "hoshi.all", header: nats.Header{"Content-Type": {"application/edn"}}, body: `["chat/hi", {"a": 1}]`},
		{name: "channel data in JSON", subject: "hoshi.chan.:chat/room", header: nats.Header{"Content-Type": {"application/json"}}, body: `{"n": null}`, want: bus.Message{Kind: bus.KindChan, Token: ":chat/room", Format: codec.JSON}},
		{name: "EDN declared as JSON", subject: "hoshi.chan.:chat/room", header: nats.Header{"Content-Type": {"application/json"}}, body: `:a`},
		{name: "Transit", subject: "hoshi.all", header: nats.Header{"Content-Type": {"application/transit+json"}}, body: `["~:chat/hi"]`, want: bus.Message{Kind: bus.KindAll, Format: codec.Transit}},
		{name: "verbose Transit", subject: "hoshi.chan.:chat/room", header: nats.Header{"Content-Type": {"application/transit+json"}}, body: `{"~:n":1}`, want: bus.Message{Kind: bus.KindChan, Token: ":chat/room", Format: codec.Transit}},
		{name: "Transit that is JSON only", subject: "hoshi.all", header: nats.Header{"Content-Type": {"application/transit+json"}}, body: `["~#x"]`},
		{name: "MessagePack", subject: "hoshi.chan.:chat/room", header: nats.Header{"Content-Type": {"application/msgpack"}}, body: "\x81\xd4\x00n\x01", want: bus.Message{Kind: bus.KindChan, Token: ":chat/room", Format: codec.MessagePack}},
		{name: "bad MessagePack", subject: "hoshi.all", header: nats.Header{"Content-Type": {"application/msgpack"}}, body: `["chat/hi"]`},
		{name: "another format", subject: "hoshi.all", header: nats.Header{"Content-Type": {"application/cbor"}}, body: `["chat/hi"]`},
		{name: "forged sender", subject: "hoshi.chan.:chat/room", header: nats.Header{"Hoshi-From": {`" :x "`}}, body: `1`},
	}
	dropped := 0
	for _, tt := range tests {
		before := r.count()
		if err := back.PublishMsg(&nats.Msg{Subject: tt.subject, Header: tt.header, Data: []byte(tt.body)}); err != nil {
			t.Fatal(err)
		}
		if tt.want.Kind == bus.KindNone {
			dropped++
			eventually(t, tt.name, func() bool { return sum(n.Stats().Dropped) == uint64(dropped) })
			continue
		}
		eventually(t, tt.name, func() bool { return r.count() == before+1 })
		r.mu.Lock()
		got := r.msgs[before]
		r.mu.Unlock()
		tt.want.Subject, tt.want.Body = tt.subject, []byte(tt.body)
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	eventually(t, "flush after the deliveries", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.flushes > 0
	})
}

func sum(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// TestInvalidIsAnswered: where a reply is asked for, a refused message gets one.
func TestInvalidIsAnswered(t *testing.T) {
	s := server(t, natsd.Options{})
	node(t, s, &recorder{}, nil)
	m, err := raw(t, s).Request("hoshi.all", []byte("[:broken"), 5e9)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header["Hoshi-Error"]; len(got) != 1 || got[0] != ":bad-request" {
		t.Errorf("got header %v", m.Header)
	}
}

// TestOrder: one shard keeps the order of each publisher and channel, also
// when another node publishes.
func TestOrder(t *testing.T) {
	servers := cluster(t, 2)
	var r recorder
	a := node(t, servers[0], &r, nil)
	b := node(t, servers[1], &recorder{}, nil)
	const channels, each = 10, 500
	for c := range channels {
		want(t, a, bus.KindChan, fmt.Sprint("c", c))
	}
	for i := range each {
		for c := range channels {
			out := &bus.Outgoing{Subject: b.Subjects().Chan(fmt.Sprint("c", c)), Body: fmt.Append(nil, i)}
			if err := b.Publish(out); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "all messages", func() bool { return r.count() == channels*each })
	next := map[string]int{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.msgs {
		if string(m.Body) != fmt.Sprint(next[m.Token]) {
			t.Fatalf("channel %s: got %s, want %d", m.Token, m.Body, next[m.Token])
		}
		next[m.Token]++
	}
}

// lines is a log whose lines can be waited for.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

// TestFullShardIsCounted: a handler that stands still loses messages, and each
// one is counted, and the log says so.
func TestFullShardIsCounted(t *testing.T) {
	s := server(t, natsd.Options{})
	gate := make(chan struct{})
	r := recorder{onDeliver: func(*bus.Message) { <-gate }}
	logged := make(lines, 1000)
	log := zerolog.New(logged)
	n := node(t, s, &r, func(o *bus.NodeOptions) { o.Shards, o.ShardQueueMessages, o.Logger = 1, 16, &log })
	want(t, n, bus.KindChan, "slow")
	want(t, n, bus.KindChan, "slow2")
	back := raw(t, s)
	const all = 2000
	for i := range all {
		if err := back.Publish([]string{"hoshi.chan.slow", "hoshi.chan.slow2"}[i%2], []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := back.Flush(); err != nil {
		t.Fatal(err)
	}
	// 16 in the queue, one in the handler.
	eventually(t, "drops", func() bool { return n.Stats().Dropped["queue-full"] >= all-17 })
	for line := range logged {
		if strings.Contains(line, "queue is full") && strings.Contains(line, `"subject":"hoshi.chan.slow`) {
			break
		}
	}
	close(gate)
	eventually(t, "rest", func() bool { return uint64(r.count())+n.Stats().Dropped["queue-full"] == all })
	// The node is as good as before.
	if err := back.Publish("hoshi.chan.slow", []byte("2")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "after", func() bool { return r.count() > 0 && string(r.bodies()[r.count()-1]) == "2" })
}
