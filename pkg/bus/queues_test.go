package bus_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestFullTakeIsCounted: a handler that stands still costs its own subscription
// what its queue does not hold, each one counted; the client's other
// subscriptions miss nothing.
func TestFullTakeIsCounted(t *testing.T) {
	s := server(t, natsd.Options{})
	c := client(t, s)
	gate := make(chan struct{})
	var frozen, well atomic.Int64
	if _, err := c.Take(t.Context(), "my.>", "frozen", func(*bus.Event) { <-gate; frozen.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Take(t.Context(), "my.>", "well", func(*bus.Event) { well.Add(1) }); err != nil {
		t.Fatal(err)
	}
	const queue, more = 65536, 5000
	back := raw(t, s)
	for i := range int64(queue + more) {
		if err := back.Publish("hoshi.event.my.x", []byte("[:my/x]")); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 999 {
			eventually(t, "the other one", func() bool { return well.Load() == i+1 })
		}
	}
	eventually(t, "the other one", func() bool { return well.Load() == queue+more })
	// One is with the handler.
	eventually(t, "drops", func() bool { return c.Stats().Dropped == more-1 })
	close(gate)
	eventually(t, "rest", func() bool { return frozen.Load() == queue+1 })
	if err := back.Publish("hoshi.event.my.x", []byte("[:my/x]")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "as good as before", func() bool { return frozen.Load() == queue+2 })
}

// TestFullReplies: a handler that stands still loses replies; the requests that
// they were for time out, none is forgotten and none ends twice.
func TestFullReplies(t *testing.T) {
	s := server(t, natsd.Options{})
	gate := make(chan struct{})
	r := recorder{onReply: func() { <-gate }}
	n := node(t, s, &r, func(o *bus.NodeOptions) {
		o.ShardQueueMessages = 16
		o.RequestTimeout = time.Second
	})
	answered := make(chan struct{}, 1<<16)
	if _, err := client(t, s).Take(t.Context(), "my.app.>", "b", func(e *bus.Event) {
		if err := e.Reply([]byte("1")); err != nil {
			t.Error(err)
		}
		answered <- struct{}{}
	}); err != nil {
		t.Fatal(err)
	}
	const all = 500
	for i := range all {
		request(t, n, fmt.Sprint(i))
	}
	for range all {
		select {
		case <-answered:
		case <-time.After(10 * time.Second):
			t.Fatal("not all requests came")
		}
	}
	eventually(t, "drops", func() bool { return n.Stats().Dropped["queue-full"] >= all-17 })
	close(gate)
	eventually(t, "all end", func() bool { return len(r.replied()) == all && n.Stats().RequestsPending == 0 })
	seen := map[any]bool{}
	for _, rep := range r.replied() {
		if seen[rep.Key] {
			t.Errorf("%v ended twice", rep.Key)
		}
		seen[rep.Key] = true
	}
	if st := n.Stats(); st.Replies["timeout"] < all-17 || st.Replies["reply"] == 0 {
		t.Errorf("ended by %v", st.Replies)
	}
}
