package bus_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

func subscriptions(t *testing.T, s *natsd.Server) int {
	t.Helper()
	n, err := s.Subscriptions("hoshi.chan.>")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestInterestCounts: one SUB for each subject however many want it, gone after
// the last and the linger, and confirmed at once while it lingers.
func TestInterestCounts(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, func(o *bus.NodeOptions) { o.Linger = 200 * time.Millisecond })
	for range 3 {
		for c := range 50 {
			want(t, n, bus.KindChan, fmt.Sprint("c", c))
		}
	}
	if got := subscriptions(t, s); got != 50 {
		t.Errorf("server has %d interests, want 50", got)
	}
	list, err := n.Interests(t.Context())
	if err != nil || len(list) != 50 || !slices.IsSorted(list) || list[0] != "hoshi.chan.c0" {
		t.Errorf("interests %v, %v", list, err)
	}
	for range 2 {
		for c := range 50 {
			n.Unwant(bus.KindChan, fmt.Sprint("c", c))
		}
	}
	want(t, n, bus.KindChan, "fence")
	if st := n.Stats(); st.InterestsLingering != 0 || st.Interests != 51 {
		t.Errorf("interests %d, lingering %d", st.Interests, st.InterestsLingering)
	}
	for c := range 50 {
		n.Unwant(bus.KindChan, fmt.Sprint("c", c))
	}
	want(t, n, bus.KindChan, "c7") // while it lingers
	if got := subscriptions(t, s); got != 51 {
		t.Errorf("server has %d interests while they linger, want 51", got)
	}
	n.Unwant(bus.KindChan, "fence")
	eventually(t, "linger", func() bool { return subscriptions(t, s) == 1 })
	n.Unwant(bus.KindChan, "c7")
	eventually(t, "zero", func() bool { return subscriptions(t, s) == 0 && n.Stats().Interests == 0 })
	n.Unwant(bus.KindChan, "c7")
	n.Unwant(bus.KindChan, "never")
	want(t, n, bus.KindChan, "c7")
	if got := subscriptions(t, s); got != 1 {
		t.Errorf("server has %d interests, want 1", got)
	}
}

// TestNoQuickResubscribe: with no linger to speak of, a subject is wanted and
// given back all the time. The server on the wire sees a SUB again only behind a
// barrier, and who wants it in between waits and then has it.
func TestNoQuickResubscribe(t *testing.T) {
	servers := cluster(t, 2)
	var r recorder
	n := node(t, servers[0], &r, func(o *bus.NodeOptions) { o.Linger = time.Nanosecond })
	other := node(t, servers[1], &recorder{}, nil)
	sent := 0
	var wg sync.WaitGroup
	for i := range 300 {
		token := fmt.Sprint("c", i%3)
		want(t, n, bus.KindChan, token)
		if err := other.Publish(&bus.Outgoing{Subject: "hoshi.chan." + token, Body: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
		sent++
		if err := other.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.Unwant(bus.KindChan, token)
	}
	wg.Wait()
	eventually(t, "all", func() bool { return r.count() == sent })
	eventually(t, "zero", func() bool { return n.Stats().Interests == 0 })
}

// TestUnwantWhilePending: the answer comes all the same, and the interest goes.
func TestUnwantWhilePending(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, func(o *bus.NodeOptions) { o.Linger = time.Millisecond })
	answers := make(chan error, 2000)
	for i := range 2000 {
		n.Want(bus.KindUser, fmt.Sprint("u", i), func(err error) { answers <- err })
		n.Unwant(bus.KindUser, fmt.Sprint("u", i))
	}
	for range 2000 {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "zero", func() bool { return n.Stats().Interests == 0 })
}

// TestWantInCallback: the callback runs on the control goroutine and may ask
// for more.
func TestWantInCallback(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, nil)
	done := make(chan error, 1)
	var again func(left int) func(error)
	again = func(left int) func(error) {
		return func(err error) {
			if left == 0 || err != nil {
				done <- err
				return
			}
			n.Want(bus.KindChan, fmt.Sprint("c", left), again(left-1))
			n.Unwant(bus.KindChan, fmt.Sprint("c", left+1))
		}
	}
	n.Want(bus.KindChan, "c101", again(100))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestStartTogether: nodes that start at the same moment on different servers
// know of each other when they take their first client.
func TestStartTogether(t *testing.T) {
	servers := cluster(t, 3)
	for range 5 {
		nodes := make([]*bus.Node, len(servers))
		recorders := make([]recorder, len(servers))
		var wg sync.WaitGroup
		for i, s := range servers {
			wg.Go(func() {
				nodes[i] = node(t, s, &recorders[i], func(o *bus.NodeOptions) { o.DiscoveryWait = 0 }) // the default
			})
		}
		wg.Wait()
		for i, n := range nodes {
			if got := n.Stats().Servers; got != len(servers) {
				t.Errorf("node %d knows %d servers at its start", i, got)
			}
		}
		// A node that has stopped is not waited for by the barriers of others.
		start := time.Now()
		for _, n := range nodes {
			if err := n.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d > 800*time.Millisecond {
			t.Errorf("the stops took %v", d)
		}
	}
}
