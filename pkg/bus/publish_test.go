package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestPublishFull is the frozen reader of the publish queue: NATS stands still,
// the queue fills to its bounds and refuses, nothing blocks, and afterwards
// everything that was accepted arrives in order.
func TestPublishFull(t *testing.T) {
	s := server(t, natsd.Options{})
	p := newProxy(t, s)
	var r recorder
	n := node(t, s, &r, func(o *bus.NodeOptions) {
		o.URLs = []string{p.url()}
		o.PublishQueueMessages = 100
		o.PublishQueueBytes = 4 << 20
	})
	sub := client(t, s)
	heard := make(chan string, 1<<16)
	if _, err := sub.Tap(t.Context(), "hoshi.chan.x", func(_ string, _ bus.Header, body []byte) {
		heard <- strings.Trim(string(body), `" `)
	}); err != nil {
		t.Fatal(err)
	}
	p.setStall(true)
	accepted := 0
	var err error
	// The sockets' buffers take some megabytes first.
	for i := 0; err == nil && i < 10_000; i++ {
		body := fmt.Appendf(nil, `"%d%s"`, i, strings.Repeat(" ", 64<<10))
		if err = n.Publish(&bus.Outgoing{Subject: "hoshi.chan.x", Body: body}); err == nil {
			accepted++
		}
	}
	if !errors.Is(err, bus.ErrFull) {
		t.Fatalf("got %v after %d messages", err, accepted)
	}
	// A socket's end is told all the same, in its place.
	if err := n.Publish(&bus.Outgoing{Subject: "hoshi.chan.x", Body: fmt.Appendf(nil, `"%d"`, accepted), Urgent: true}); err != nil {
		t.Errorf("urgent: %v", err)
	}
	accepted++
	st := n.Stats()
	if st.PublishQueueMessages > 101 || st.PublishQueueBytes > 4<<20 || st.PublishRefused["full"] != 1 {
		t.Errorf("queue holds %d messages, %d bytes, refused %v", st.PublishQueueMessages, st.PublishQueueBytes, st.PublishRefused)
	}
	if r.rooms != 0 {
		t.Error("room told while there was none")
	}
	p.setStall(false)
	eventually(t, "room", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.rooms == 1 })
	for i := range accepted {
		select {
		case got := <-heard:
			if got != fmt.Sprint(i) {
				t.Fatalf("got %s, want %d", got, i)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("message %d of %d never came", i, accepted)
		}
	}
	if lost := sum(n.Stats().PublishLost); lost != 0 {
		t.Errorf("lost %d", lost)
	}
}

// TestRoomWhenAway: who waits for room hears of it when NATS goes away, and
// what was queued is counted as lost.
func TestRoomWhenAway(t *testing.T) {
	s := server(t, natsd.Options{})
	p := newProxy(t, s)
	var r recorder
	n := node(t, s, &r, func(o *bus.NodeOptions) {
		o.URLs = []string{p.url()}
		o.PublishQueueMessages = 10
	})
	p.setStall(true)
	body := []byte(`"` + strings.Repeat(" ", 1<<20) + `"`)
	accepted := 0
	for n.Publish(&bus.Outgoing{Subject: "hoshi.chan.x", Body: body}) == nil {
		accepted++
	}
	p.setRefuse(true)
	p.cut()
	eventually(t, "away", func() bool { return !n.Ready() })
	eventually(t, "room", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.rooms >= 1 })
	eventually(t, "all accounted for", func() bool {
		st := n.Stats()
		return st.Published+sum(st.PublishLost) == uint64(accepted) && st.PublishQueueMessages == 0 && st.PublishQueueBytes == 0
	})
	if err := n.Publish(&bus.Outgoing{Subject: "hoshi.chan.x", Body: []byte("1")}); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	p.setStall(false)
	p.setRefuse(false)
	eventually(t, "ready", n.Ready)
}

func TestPublishRefuses(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, nil)
	for _, subject := range []string{
		"", ".", "hoshi..x", ".hoshi", "hoshi.", "hoshi.chan.a b", "hoshi.chan.a\r\nPUB x 0", "hoshi.chan.*", "hoshi.>",
		"hoshi.chan." + strings.Repeat("x", bus.MaxSubject), "hoshi.chan.é",
	} {
		if err := n.Publish(&bus.Outgoing{Subject: subject, Body: []byte("1")}); !errors.Is(err, bus.ErrBadSubject) {
			t.Errorf("publish on %q: got %v", subject, err)
		}
		if err := n.Request(&bus.Outgoing{Subject: subject, Body: []byte("1")}, nil); !errors.Is(err, bus.ErrBadSubject) {
			t.Errorf("request on %q: got %v", subject, err)
		}
	}
	for _, token := range []string{"", "a.b", "*", ">", "a b", strings.Repeat("x", 256), "x\n"} {
		answer := make(chan error, 1)
		n.Want(bus.KindChan, token, func(err error) { answer <- err })
		if err := <-answer; !errors.Is(err, bus.ErrBadSubject) {
			t.Errorf("want %q: got %v", token, err)
		}
		n.Unwant(bus.KindChan, token)
	}
	answer := make(chan error, 1)
	n.Want(bus.KindAll, "x", func(err error) { answer <- err })
	if err := <-answer; !errors.Is(err, bus.ErrBadSubject) {
		t.Errorf("want all: got %v", err)
	}
	if n.Stats().Connects != 1 || !n.Ready() {
		t.Error("a bad name cost the connection")
	}
}

// TestHeaders: what a node writes is what the contract says, and no more.
func TestHeaders(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, nil)
	back := raw(t, s)
	sub, err := back.SubscribeSync("hoshi.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		t.Fatal(err)
	}
	if err := back.Flush(); err != nil {
		t.Fatal(err)
	}
	out := []bus.Outgoing{
		{Subject: "hoshi.chan.x", Body: []byte("1")},
		{Subject: "hoshi.chan.x", Body: []byte("2"), From: "f", Exclude: "e"},
		{Subject: "hoshi.event.a.b", Body: []byte("[:a/b]"), Conn: "c", UID: "u", Client: "k"},
		{Subject: "hoshi.chan.x", Body: []byte("3"), From: "g"},
	}
	wants := []string{"map[]", "map[Hoshi-Exclude:[e] Hoshi-From:[f]]", "map[Hoshi-Client:[k] Hoshi-Conn:[c] Hoshi-Uid:[u]]", "map[Hoshi-From:[g]]"}
	for i := range out {
		if err := n.Publish(&out[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(out); {
		m, err := sub.NextMsg(5 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != out[i].Subject {
			continue // heartbeats
		}
		if got := fmt.Sprint(m.Header); got != wants[i] {
			t.Errorf("message %d: got %s, want %s", i, got, wants[i])
		}
		i++
	}
}

// TestStopLosesNothing: what was accepted before Stop is at the subscribers of
// another server, at once, and what was under way to the node is delivered.
func TestStopLosesNothing(t *testing.T) {
	servers := cluster(t, 2)
	var r, in recorder
	a := node(t, servers[0], &r, nil)
	b := node(t, servers[1], &in, nil)
	want(t, a, bus.KindChan, "x")
	want(t, b, bus.KindChan, "y")
	const all = 20_000
	sent := 0
	for sent < all {
		if err := b.Publish(&bus.Outgoing{Subject: "hoshi.chan.x", Body: []byte("1")}); err == nil {
			sent++
		}
	}
	back := raw(t, servers[0])
	for range all {
		if err := back.Publish("hoshi.chan.y", []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := back.Flush(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if got := in.count(); got != all {
		t.Errorf("inward: got %d of %d", got, all)
	}
	eventually(t, "outward", func() bool { return r.count() == all })
	if err := b.Publish(&bus.Outgoing{Subject: "hoshi.chan.x", Body: []byte("1")}); !errors.Is(err, bus.ErrStopped) {
		t.Errorf("publish: got %v", err)
	}
	if err := b.Request(&bus.Outgoing{Subject: "hoshi.event.x", Body: []byte("1")}, 1); !errors.Is(err, bus.ErrStopped) {
		t.Errorf("request: got %v", err)
	}
	answer := make(chan error, 1)
	b.Want(bus.KindChan, "z", func(err error) { answer <- err })
	if err := <-answer; !errors.Is(err, bus.ErrStopped) {
		t.Errorf("want: got %v", err)
	}
}

// TestStopStalled: a NATS that stands still does not hold Stop beyond its
// context.
func TestStopStalled(t *testing.T) {
	s := server(t, natsd.Options{})
	p := newProxy(t, s)
	n := node(t, s, &recorder{}, func(o *bus.NodeOptions) { o.URLs = []string{p.url()}; o.BarrierTimeout = time.Minute })
	p.setStall(true)
	body := []byte(`"` + strings.Repeat(" ", 1<<20) + `"`)
	for n.Publish(&bus.Outgoing{Subject: "hoshi.chan.x", Body: body}) == nil {
		continue // until it is full
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := n.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("took %v", d)
	}
	if n.Stats().PublishLost["disconnected"]+n.Stats().PublishLost["stopped"] == 0 {
		t.Error("nothing counted as lost")
	}
}
