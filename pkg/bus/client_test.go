package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

func TestClientPublish(t *testing.T) {
	s := server(t, natsd.Options{})
	c := client(t, s)
	got := make(chan string, 16)
	if _, err := client(t, s).Tap(t.Context(), "hoshi.>", func(subject string, h bus.Header, body []byte) {
		if subject != "hoshi.nodes" && !strings.HasPrefix(subject, "hoshi.sync.") && !strings.HasPrefix(subject, "hoshi.api.") {
			got <- fmt.Sprint(subject, " ", map[string][]string(h), " ", string(body))
		}
	}); err != nil {
		t.Fatal(err)
	}
	conn := id.NewGenerator(id.Node{1, 2, 3, 4, 5, 6}).Next(1).String()
	tests := []struct {
		name string
		do   func() error
		want string
		err  error
	}{
		{name: "user", do: func() error { return c.PublishUser(bus.String("alice"), []byte(`[:a/b 1]`)) }, want: "hoshi.user.alice map[] [:a/b 1]"},
		{name: "user with dots", do: func() error { return c.PublishUser(bus.String("a.b"), []byte(`[:a/b 1]`)) }, want: "hoshi.user.a%2Eb map[] [:a/b 1]"},
		{name: "unvouched user", do: func() error { return c.PublishUser(bus.String(conn), []byte(`[:a/b 1]`)) }, want: "hoshi.conn.010203040506." + conn + " map[] [:a/b 1]"},
		{name: "connection", do: func() error { return c.PublishConn(conn, []byte(`[:a/b]`)) }, want: "hoshi.conn.010203040506." + conn + " map[] [:a/b]"},
		{name: "client", do: func() error { return c.PublishClient("tab", []byte(`[:a/b]`)) }, want: "hoshi.client.tab map[] [:a/b]"},
		{name: "channel", do: func() error {
			return c.PublishChannel(bus.Keyword("chat/room"), []byte(`{:n 1}`), bus.Exclude(conn))
		}, want: "hoshi.chan.:chat/room map[Hoshi-Exclude:[" + conn + "]] {:n 1}"},
		{name: "channel of any value", do: func() error { return c.PublishChannel(bus.EDN("[:doc, 7]"), []byte(`nil`)) }, want: "hoshi.chan.~%5B%3Adoc%207%5D map[] nil"},
		{name: "all", do: func() error { return c.PublishAll([]byte(`[:a/b]`)) }, want: "hoshi.all map[] [:a/b]"},
		{name: "JSON", do: func() error { return c.PublishAll([]byte(`["a/b"]`), bus.ContentType("application/json")) }, want: `hoshi.all map[Content-Type:[application/json]] ["a/b"]`},
		{name: "bad JSON", do: func() error { return c.PublishAll([]byte(`[`), bus.ContentType("application/json")) }, err: bus.ErrBadBody},
		{name: "unknown format", do: func() error { return c.PublishAll([]byte(`1`), bus.ContentType("text/plain")) }, err: bus.ErrBadBody},
		{name: "bad EDN", do: func() error { return c.PublishAll([]byte(`[:a/b {:n}]`)) }, err: bus.ErrBadBody},
		{name: "no event", do: func() error { return c.PublishAll([]byte(`1`)) }, err: bus.ErrBadEvent},
		{name: "an event with a callback", do: func() error { return c.PublishAll([]byte(`[[:a/b 1] "cb"]`)) }, err: bus.ErrBadEvent},
		{name: "empty name", do: func() error { return c.PublishUser(bus.String(""), []byte(`[:a/b 1]`)) }, err: bus.ErrBadName},
		{name: "no name", do: func() error { return c.PublishChannel(bus.Name{}, []byte(`1`)) }, err: bus.ErrBadName},
		{name: "bad keyword", do: func() error { return c.PublishUser(bus.Keyword("a b"), []byte(`[:a/b 1]`)) }, err: bus.ErrBadName},
		{name: "bad conn-id", do: func() error { return c.PublishConn("conn-x", []byte(`[:a/b 1]`)) }, err: bus.ErrBadName},
		{name: "bad exclude", do: func() error { return c.PublishAll([]byte(`[:a/b 1]`), bus.Exclude("x")) }, err: bus.ErrBadName},
		{name: "too large", do: func() error {
			return c.PublishChannel(bus.String("x"), []byte(`"`+strings.Repeat("x", c.MaxPayload())+`"`))
		}, err: bus.ErrTooLarge},
	}
	for _, tt := range tests {
		if err := tt.do(); !errors.Is(err, tt.err) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.err)
			continue
		}
		if tt.err != nil {
			continue
		}
		select {
		case g := <-got:
			if g != tt.want {
				t.Errorf("%s: got %s, want %s", tt.name, g, tt.want)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: nothing came", tt.name)
		}
	}
	err := c.PublishAll([]byte("[:a/b\n {:n}]"))
	if e, ok := errors.AsType[*edn.Error](err); !ok || e.Line != 2 {
		t.Errorf("no place of the fault in %v", err)
	}
}

func TestHeard(t *testing.T) {
	s := server(t, natsd.Options{})
	c := client(t, s)
	push := func() bool {
		var heard bool
		if err := c.PublishUser(bus.String("alice"), []byte(`[:a/b]`), bus.Heard(t.Context(), &heard)); err != nil {
			t.Fatal(err)
		}
		return heard
	}
	for range 100 {
		if push() {
			t.Fatal("heard by nobody")
		}
	}
	n := node(t, s, &recorder{}, nil)
	want(t, n, bus.KindUser, "alice")
	for range 100 {
		if !push() {
			t.Fatal("not heard")
		}
	}
}

// TestTake: a backend takes events in a group, knows the sender, and answers.
// Take returns after the barrier: no event that is sent afterwards on another
// server is without a taker.
func TestTake(t *testing.T) {
	servers := cluster(t, 3)
	var r recorder
	n := node(t, servers[0], &r, func(o *bus.NodeOptions) { o.RequestTimeout = 5 * time.Second })
	node(t, servers[1], &recorder{}, nil)
	var taken atomic.Int64
	var mu sync.Mutex
	var last *bus.Event
	for _, s := range servers {
		c := client(t, s)
		if _, err := c.Take(t.Context(), "my.app.>", "workers", func(e *bus.Event) {
			taken.Add(1)
			mu.Lock()
			last = e
			mu.Unlock()
			switch string(e.ID) {
			case ":my.app/fail":
				_ = e.ReplyError(":my.app/no")
			case ":my.app/panic":
				panic("oh")
			case ":my.app/bad":
				if err := e.Reply([]byte("{")); !errors.Is(err, bus.ErrBadBody) {
					t.Errorf("bad reply: got %v", err)
				}
				if err := e.ReplyError("no"); !errors.Is(err, bus.ErrBadBody) {
					t.Errorf("bad error: got %v", err)
				}
				_ = e.Reply([]byte(":fine"))
			default:
				if e.WantsReply() {
					_ = e.Reply(e.Data)
				} else if err := e.Reply([]byte("1")); !errors.Is(err, bus.ErrNoReply) {
					t.Errorf("reply to nobody: got %v", err)
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	conn := id.NewGenerator(id.NewNode()).Next(1).String()
	ask := func(id, data string) bus.Reply {
		before := len(r.replied())
		subject, err := n.Subjects().Event([]byte(id))
		if err != nil {
			t.Fatal(err)
		}
		out := &bus.Outgoing{Subject: subject, Body: fmt.Appendf(nil, "[%s %s]", id, data), Conn: conn, UID: "~42", Client: "tab%2E1"}
		if err := n.Request(out, id); err != nil {
			t.Fatal(err)
		}
		eventually(t, id, func() bool { return len(r.replied()) == before+1 })
		return r.replied()[before]
	}
	if rep := ask(":my.app/ask", "{:n 1}"); string(rep.Body) != "{:n 1}" || rep.Err != nil {
		t.Errorf("got %s %v", rep.Body, rep.Err)
	}
	mu.Lock()
	e := last
	mu.Unlock()
	if string(e.ID) != ":my.app/ask" || string(e.Event) != "[:my.app/ask {:n 1}]" || e.Conn != conn || string(e.UID) != "42" || e.Client != "tab.1" || e.Subject != "hoshi.event.my.app.ask" {
		t.Errorf("got %s %s %s %s %s %s", e.ID, e.Event, e.Conn, e.UID, e.Client, e.Subject)
	}
	if rep := ask(":my.app/fail", "1"); rep.Err == nil || rep.Err.Error() != "bus: remote error :my.app/no" {
		t.Errorf("got %v", rep.Err)
	}
	if rep := ask(":my.app/bad", "1"); string(rep.Body) != ":fine" {
		t.Errorf("got %s %v", rep.Body, rep.Err)
	}
	if err := n.Publish(&bus.Outgoing{Subject: "hoshi.event.my.app.panic", Body: []byte("[:my.app/panic]")}); err != nil {
		t.Fatal(err)
	}
	before := taken.Load()
	for i := range 300 {
		if err := n.Publish(&bus.Outgoing{Subject: "hoshi.event.my.app.x", Body: fmt.Appendf(nil, "[:my.app/x %d]", i), Conn: conn}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "each once", func() bool { return taken.Load() >= before+300 })
	if rep := ask(":my.app/after", "1"); rep.Err != nil {
		t.Errorf("after a panic: %v", rep.Err)
	}
	// A sender that is no conn-id is a stranger's, and the event is not taken.
	before = taken.Load()
	if err := n.Publish(&bus.Outgoing{Subject: "hoshi.event.my.app.x", Body: []byte("[:my.app/x]"), Conn: "c\xff"}); err != nil {
		t.Fatal(err)
	}
	if rep := ask(":my.app/after", "2"); rep.Err != nil || taken.Load() != before+1 {
		t.Errorf("%d taken, %v", taken.Load()-before, rep.Err)
	}
}

// TestTakeBarrier: a fresh Take on one server, an event at once on another.
func TestTakeBarrier(t *testing.T) {
	servers := cluster(t, 2)
	var r recorder
	n := node(t, servers[0], &r, nil)
	c := client(t, servers[1])
	for i := range 200 {
		sub, err := c.Take(t.Context(), fmt.Sprintf("fresh%d.>", i), "g", func(e *bus.Event) { _ = e.Reply([]byte("1")) })
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Request(&bus.Outgoing{Subject: fmt.Sprintf("hoshi.event.fresh%d.x", i), Body: []byte("[:a/b]")}, i); err != nil {
			t.Fatal(err)
		}
		eventually(t, "reply", func() bool { return len(r.replied()) == i+1 })
		if err := r.replied()[i].Err; err != nil {
			t.Fatalf("take %d: %v", i, err)
		}
		if i%2 == 0 {
			sub.Stop()
		} else if err := sub.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDrain: everything that was under way is handled, and everything that the
// handlers published has arrived.
func TestDrain(t *testing.T) {
	servers := cluster(t, 2)
	var r recorder
	n := node(t, servers[0], &r, nil)
	want(t, n, bus.KindChan, "out")
	c := client(t, servers[1])
	const all = 5000
	var handled atomic.Int64
	if _, err := c.Take(t.Context(), ">", "g", func(*bus.Event) {
		handled.Add(1)
		if err := c.PublishChannel(bus.String("out"), []byte("1")); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < all; {
		if err := n.Publish(&bus.Outgoing{Subject: "hoshi.event.a.b", Body: []byte("[:a/b]")}); err == nil {
			i++
		}
	}
	if err := n.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if handled.Load() != all {
		t.Errorf("handled %d of %d", handled.Load(), all)
	}
	eventually(t, "published", func() bool { return r.count() == all })
	if err := c.PublishAll([]byte("[:a/b]")); !errors.Is(err, bus.ErrStopped) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Take(t.Context(), ">", "", func(*bus.Event) {}); !errors.Is(err, bus.ErrStopped) {
		t.Errorf("got %v", err)
	}
}

// TestClientReconnects: subscriptions come back with a new connection.
func TestClientReconnects(t *testing.T) {
	s := server(t, natsd.Options{})
	p := newProxy(t, s)
	c, err := bus.Connect(t.Context(), bus.Options{URLs: []string{p.url()}, DiscoveryWait: 10 * time.Millisecond, ReconnectWait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	var taken atomic.Int64
	if _, err := c.Take(t.Context(), ">", "g", func(*bus.Event) { taken.Add(1) }); err != nil {
		t.Fatal(err)
	}
	p.setRefuse(true)
	p.cut()
	eventually(t, "away", func() bool { return !c.Connected() })
	if err := c.PublishAll([]byte("[:a/b]")); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Take(t.Context(), ">", "g", func(*bus.Event) {}); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	p.setRefuse(false)
	eventually(t, "back", c.Connected)
	if err := c.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := raw(t, s).Publish("hoshi.event.a.b", []byte("[:a/b]")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "taken", func() bool { return taken.Load() == 1 })
	for _, bad := range []string{"", "a..b", "a b", ".x", "x."} {
		if _, err := c.Take(t.Context(), bad, "", func(*bus.Event) {}); !errors.Is(err, bus.ErrBadSubject) {
			t.Errorf("take %q: got %v", bad, err)
		}
	}
}
