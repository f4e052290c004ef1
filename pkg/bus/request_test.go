package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

func request(t *testing.T, n *bus.Node, key any) {
	t.Helper()
	if err := n.Request(&bus.Outgoing{Subject: "hoshi.event.my.app.ask", Body: []byte("[:my.app/ask]"), Conn: "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"}, key); err != nil {
		t.Fatal(err)
	}
}

// TestRequest: the first valid reply is the answer; what is not valid is
// counted and the wait goes on.
func TestRequest(t *testing.T) {
	puback := nats.Msg{Data: []byte(`{"stream":"E","seq":1}`)}
	tests := []struct {
		name    string
		answers []nats.Msg
		body    string
		format  codec.Format
		err     error
		ignored string
	}{
		{name: "value", answers: []nats.Msg{{Data: []byte("{:ok 1}")}}, body: "{:ok 1}"},
		{name: "declared EDN", answers: []nats.Msg{{Data: []byte("1"), Header: nats.Header{"Content-Type": {"application/edn"}}}}, body: "1"},
		{name: "acknowledgement of a stream first", answers: []nats.Msg{puback, {Data: []byte("1")}}, body: "1", ignored: "invalid"},
		{name: "empty first", answers: []nats.Msg{{}, {Data: []byte("2")}}, body: "2", ignored: "invalid"},
		{name: "JSON", answers: []nats.Msg{{Data: []byte(` {"a": 1} `), Header: nats.Header{"Content-Type": {"application/json"}}}}, body: `{"a": 1}`, format: codec.JSON},
		{name: "bad JSON first", answers: []nats.Msg{{Data: []byte(":a"), Header: nats.Header{"Content-Type": {"application/json"}}}, {Data: []byte("2")}}, body: "2", ignored: "invalid"},
		{name: "another format first", answers: []nats.Msg{{Data: []byte("1"), Header: nats.Header{"Content-Type": {"application/cbor"}}}, {Data: []byte("2")}}, body: "2", ignored: "unsupported-format"},
		{name: "Transit, a scalar as a whole body", answers: []nats.Msg{{Data: []byte(`["~#'","~:a"]`), Header: nats.Header{"Content-Type": {"application/transit+json"}}}}, body: `"~:a"`, format: codec.Transit},
		{name: "MessagePack", answers: []nats.Msg{{Data: []byte("\xd4\x00a"), Header: nats.Header{"Content-Type": {"application/msgpack"}}}}, body: "\xd4\x00a", format: codec.MessagePack},
		{name: "twice", answers: []nats.Msg{{Data: []byte("1")}, {Data: []byte("2")}}, body: "1", ignored: "late"},
		{name: "error", answers: []nats.Msg{{Header: nats.Header{"Hoshi-Error": {":my.app/no"}}}}, err: &bus.RemoteError{Keyword: ":my.app/no"}},
		{name: "error that is none", answers: []nats.Msg{{Header: nats.Header{"Hoshi-Error": {`:x "`}}}, {Data: []byte("3")}}, body: "3", ignored: "bad-error"},
		{name: "acknowledgement only", answers: []nats.Msg{puback}, err: bus.ErrTimeout, ignored: "invalid"},
	}
	s := server(t, natsd.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r recorder
			n := node(t, s, &r, func(o *bus.NodeOptions) {
				o.RequestTimeout = 10 * time.Second
				if errors.Is(tt.err, bus.ErrTimeout) {
					o.RequestTimeout = 100 * time.Millisecond
				}
			})
			back := raw(t, s)
			sub, err := back.Subscribe("hoshi.event.my.app.>", func(m *nats.Msg) {
				for i := range tt.answers {
					if err := m.RespondMsg(&tt.answers[i]); err != nil {
						t.Error(err)
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = sub.Drain() }()
			if err := back.Flush(); err != nil {
				t.Fatal(err)
			}
			request(t, n, tt.name)
			eventually(t, "reply", func() bool { return len(r.replied()) == 1 })
			got := r.replied()[0]
			if string(got.Body) != tt.body || got.Format != tt.format || got.Key != tt.name || fmt.Sprint(got.Err) != fmt.Sprint(tt.err) {
				t.Errorf("got %q, %v, %v", got.Body, got.Key, got.Err)
			}
			if tt.ignored != "" {
				eventually(t, "counted", func() bool { return n.Stats().RepliesIgnored[tt.ignored] == 1 })
			}
			if len(r.replied()) != 1 || n.Stats().RequestsPending != 0 {
				t.Errorf("%d replies, %d pending", len(r.replied()), n.Stats().RequestsPending)
			}
		})
	}
}

// TestNoResponders: nobody takes it, and that is known at once; a tap turns it
// into a timeout.
func TestNoResponders(t *testing.T) {
	s := server(t, natsd.Options{})
	var r recorder
	n := node(t, s, &r, func(o *bus.NodeOptions) { o.RequestTimeout = 500 * time.Millisecond })
	start := time.Now()
	request(t, n, 1)
	eventually(t, "503", func() bool { return len(r.replied()) == 1 })
	if err := r.replied()[0].Err; !errors.Is(err, bus.ErrNoResponders) || time.Since(start) > 400*time.Millisecond {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
	if _, err := client(t, s).Tap(t.Context(), "hoshi.>", func(string, bus.Header, []byte) {}); err != nil {
		t.Fatal(err)
	}
	request(t, n, 2)
	eventually(t, "timeout", func() bool { return len(r.replied()) == 2 })
	if err := r.replied()[1].Err; !errors.Is(err, bus.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	if got := n.Stats().Replies; got["no-responders"] != 1 || got["timeout"] != 1 {
		t.Errorf("counted %v", got)
	}
}

// TestRequestsEndOnce: over losses and Stop each request gets exactly one Reply.
func TestRequestsEndOnce(t *testing.T) {
	s := server(t, natsd.Options{})
	p := newProxy(t, s)
	var r recorder
	n := node(t, s, &r, func(o *bus.NodeOptions) {
		o.URLs = []string{p.url()}
		o.ReconnectWait = time.Millisecond
		o.RequestTimeout = 300 * time.Millisecond
		o.MaxPendingRequests = 2000
	})
	back := raw(t, s)
	i := 0
	if _, err := back.Subscribe("hoshi.event.>", func(m *nats.Msg) {
		if i++; i%3 != 0 { // every third is never answered
			_ = m.Respond([]byte("1"))
		}
	}); err != nil {
		t.Fatal(err)
	}
	var keys []int
	refused := 0
	for k := range 6000 {
		if k%1500 == 700 {
			p.cut()
		}
		if k%1500 == 1400 {
			eventually(t, "back", n.Ready)
		}
		err := n.Request(&bus.Outgoing{Subject: "hoshi.event.my.app.ask", Body: []byte("[:my.app/ask]")}, k)
		switch {
		case err == nil:
			keys = append(keys, k)
		case errors.Is(err, bus.ErrUnavailable), errors.Is(err, bus.ErrTooManyRequests), errors.Is(err, bus.ErrFull):
			refused++
		default:
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, rep := range r.replied() {
		got = append(got, rep.Key.(int))
	}
	slices.Sort(got)
	if !slices.Equal(got, keys) {
		t.Errorf("%d replies for %d accepted requests", len(got), len(keys))
	}
	if len(keys) < 1000 {
		t.Errorf("only %d accepted, %d refused", len(keys), refused)
	}
}

// TestRequestIDs: who is asked knows where that answer comes in, and nothing of
// where others do.
func TestRequestIDs(t *testing.T) {
	s := server(t, natsd.Options{})
	var r recorder
	n := node(t, s, &r, nil)
	back := raw(t, s)
	taken := make(chan *nats.Msg, 1)
	if _, err := back.ChanSubscribe("hoshi.event.>", taken); err != nil {
		t.Fatal(err)
	}
	if err := back.Flush(); err != nil {
		t.Fatal(err)
	}
	const count = 50
	ids := make([]uint64, count)
	for i := range ids {
		request(t, n, i)
		m := <-taken
		var err error
		if ids[i], err = strconv.ParseUint(m.Reply[strings.LastIndexByte(m.Reply, '.')+1:], 36, 64); err != nil {
			t.Fatal(err)
		}
		if err := m.Respond([]byte("1")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the reply", func() bool { return len(r.replied()) == i+1 })
	}
	slices.Sort(ids)
	for i := 1; i < count; i++ {
		// All are of the same place, in the low 20 bits.
		if apart := ids[i]>>20 - ids[i-1]>>20; apart < 1000 {
			t.Errorf("%x and %x are %d apart", ids[i-1], ids[i], apart)
		}
	}
}

// TestReservedRequests: callbacks leave room for what the node itself must know.
func TestReservedRequests(t *testing.T) {
	s := server(t, natsd.Options{})
	var r recorder
	n := node(t, s, &r, func(o *bus.NodeOptions) { o.MaxPendingRequests = 8; o.RequestTimeout = time.Minute })
	nc := raw(t, s)
	if _, err := nc.SubscribeSync("hoshi.>"); err != nil { // who answers nothing
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	callback := &bus.Outgoing{Subject: "hoshi.event.a.b", Body: []byte("[:a/b]")}
	for i := range 8 {
		if err := n.Request(callback, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Request(callback, 8); !errors.Is(err, bus.ErrTooManyRequests) {
		t.Errorf("beyond the bound: %v", err)
	}
	own := *callback
	own.Urgent = true
	if err := n.Request(&own, 9); err != nil {
		t.Errorf("the node's own: %v", err)
	}
	id, err := n.Call(n.Subjects().Callout(bus.CalloutConnect), codec.EDN, []byte("{}"), 10)
	if err != nil {
		t.Fatalf("a call-out: %v", err)
	}
	if err := n.Request(&own, 11); !errors.Is(err, bus.ErrTooManyRequests) {
		t.Errorf("beyond all: %v", err)
	}
	if !n.Cancel(id) {
		t.Error("not cancelled")
	}
	if err := n.Request(callback, 12); !errors.Is(err, bus.ErrTooManyRequests) {
		t.Errorf("a callback in the place of a call-out: %v", err)
	}
}
