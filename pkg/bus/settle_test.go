package bus_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// What was published before Settle, on whichever server, has been delivered when
// it returns, though the shards are slow.
func TestSettle(t *testing.T) {
	servers := cluster(t, 2)
	slow := make(chan struct{})
	r := &recorder{onDeliver: func(*bus.Message) { <-slow }}
	a := node(t, servers[0], r, func(o *bus.NodeOptions) { o.Shards = 3 })
	b := node(t, servers[1], &recorder{}, nil)
	const subjects, each = 20, 30
	for i := range subjects {
		want(t, a, bus.KindUser, "u"+strconv.Itoa(i))
	}
	for i := range subjects * each {
		out := bus.Outgoing{Subject: b.Subjects().User("u" + strconv.Itoa(i%subjects)), Body: []byte("[:a/b]")}
		if err := b.Publish(&out); err != nil {
			t.Fatal(err)
		}
	}
	// The publisher's own barrier: it has handed all to its server, and more.
	if err := b.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.Settle(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("settled before anything was delivered: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, func() { close(slow) })
	if err := a.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.count(); got != subjects*each {
		t.Errorf("%d of %d delivered", got, subjects*each)
	}
}
