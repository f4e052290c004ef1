package edge_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// A subscribe that waits for a barrier is answered before its client is let go.
func TestDrainWaitsForBarriers(t *testing.T) {
	t.Parallel()
	const barrier = 300 * time.Millisecond
	c := testkit.StartClusterWithProcess(t, 3, func(_ int, o *edge.Options) {
		o.DrainTime, o.BarrierTimeout = 10*time.Second, barrier
	})
	cl := c.Dial(t, 0, "/")
	cl.Subscribe(`"before"`)
	c.Process.Stop(t)
	defer c.Process.Continue(t)
	cl.Send(`[[:sente-lite/subscribe {:channel-id "room"}] "cb-1"]`)
	testkit.Eventually(t, "the subscribe waits", func() bool { return c.Nodes[0].Stats().Bus.InterestsPending > 0 })
	began := time.Now()
	ended := drain(t.Context(), c.Nodes[0])
	if got := cl.Read(); !strings.Contains(got, ":success true") || !strings.Contains(got, "cb-1") {
		t.Errorf("got %s", got)
	}
	cl.ExpectClose(1012)
	cl.Conn.Close()
	must(t, <-ended)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// A message that is held back because as many callbacks wait as may is taken before
// the close, also where the drain looks just when the last of them has ended: nothing
// waits for a backend then, and the message has not been taken yet.
func TestDrainTakesWhatIsHeld(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
		o.DrainTime, o.Loops, o.Limits.MaxCallbacks = 4*time.Second, 2, 1
	})
	node := c.Nodes[0]
	first := make(chan *bus.Event, 1)
	asked := hear(t, c.Backend(t, 0), "a.>", "q", func(e *bus.Event) {
		if strings.Contains(string(e.Event), "1") {
			first <- e
		} else if err := e.Reply([]byte(`"two"`)); err != nil {
			t.Error(err)
		}
	})
	cl, witness := c.Dial(t, 0, "/"), c.Dial(t, 0, "/")
	cl.Send(`[[:a/q 1] "cb-1"]`, `[[:a/q 2] "cb-2"]`)
	next(t, asked)
	testkit.Eventually(t, "the second is held", func() bool { return node.Stats().Limits.CallbacksHeld == 1 })
	loop, release := edge.HoldLoop(node, cl.ConnID)
	defer release()
	if loop != 0 {
		t.Fatalf("the first connection is on loop %d", loop)
	}
	// Loops are told of the drain in turn: when the other one has closed its connection,
	// what this one is told comes before what the answer makes it do.
	ended := drain(t.Context(), node)
	witness.ExpectClose(1012)
	witness.Conn.Close()
	must(t, (<-first).Reply([]byte(`"one"`)))
	testkit.Eventually(t, "no callback waits", func() bool { return edge.Calls(node, cl.ConnID) == 0 })
	release()
	cl.Expect(`["one" "cb-1"]`, `["two" "cb-2"]`)
	cl.ExpectClose(1012)
	cl.Conn.Close()
	must(t, <-ended)
}

// Whose backend takes too long is let go without the answer, which harms nobody
// when it comes; who is asked is let go, and whoever asks hears at once that there
// will be no answer.
func TestDrainDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) { o.DrainTime = 20 * time.Second })
	backend := c.Backend(t, 0)
	held := make(chan *bus.Event, 1)
	calls := hear(t, backend, "a.>", "q", func(e *bus.Event) { held <- e })
	calling := c.Dial(t, 0, "/?uid=alice")
	calling.Send(`[[:a/q 1] "cb-1"]`)
	next(t, calls)
	silent := c.Dial(t, 1, "/?uid=bob")
	ask := asking(func() (bus.Answers, error) {
		return backend.AskUser(t.Context(), bus.String("bob"), []byte("[:a/ask 1]"), bus.AskTime(bus.MaxAsk))
	})
	asked(t, silent)
	began := time.Now()
	drained, other := drain(t.Context(), c.Nodes[0]), drain(t.Context(), c.Nodes[1])
	calling.ExpectClose(1012)
	calling.Conn.Close()
	silent.ExpectClose(1012)
	silent.Conn.Close()
	checkCounts(t, ended(t, ask), 1, 0, 1)
	must(t, (<-held).Reply([]byte(`"late"`)))
	must(t, <-drained)
	must(t, <-other)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	for _, n := range c.Nodes {
		must(t, n.Stop(t.Context()))
		if s := n.Stats(); s.Sockets.Panics+s.Panics+s.Bus.Panics != 0 {
			t.Errorf("panics: %+v", s)
		}
	}
}

// A session that begins to poll just when a drain has looked who is there, and a poll
// that is sent on then, are let go as well: nothing else would until the end.
func TestDrainLetsLatePollsGo(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, nil)
	p := newPoller(t, c, "tab-1", func() int { return 1 })
	_, at, _ := strings.Cut(p.Open(), `:conn-id "`)
	at, _, _ = strings.Cut(at, `"`)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if opened, relayed, count := edge.LatePolls(ctx, c.Nodes[0], "tab-2", at); !opened || !relayed || count != 2 {
		t.Errorf("let go: opened %v, relayed %v, %d together", opened, relayed, count)
	}
}
