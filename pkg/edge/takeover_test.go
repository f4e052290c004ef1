package edge_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// away waits until so many clients of a node have no socket.
func away(t *testing.T, n *edge.Node, want int) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("%d clients away", want), func() bool { return n.Stats().Sente.Away == want })
}

// What is pushed between two sockets reaches the second one, and the user's
// other sockets at once.
func TestPushesBetweenTwoSockets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		from, to int
		format   string // of the second socket
		want     []string
	}{
		{"same node", 0, 0, "", []string{`[[[:a/user 1] [:a/same] [:a/same] [:a/client {:n 2}]] nil]`}},
		{"another node", 0, 1, "", []string{`[[[:a/user 1] [:a/same] [:a/same] [:a/client {:n 2}]] nil]`}},
		{"another format", 0, 0, "&format=json", []string{`[[["a/user",1],["a/same"],["a/same"],["a/client",{"n":2}]],null]`}},
		{"another node and format", 0, 1, "&format=json", []string{`[[["a/user",1],["a/same"],["a/same"],["a/client",{"n":2}]],null]`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := senteNode(t, 3, nil)
			const path = "/chsk?uid=alice&client-id=tab-1"
			first := c.Dial(t, tt.from, path)
			other := c.Dial(t, 2, "/chsk?uid=alice&client-id=tab-2")
			first.Conn.Close()
			away(t, c.Nodes[tt.from], 1)
			backend := c.Backend(t, 2)
			nc, err := nats.Connect(c.NATS[2].ClientURL())
			must(t, err)
			t.Cleanup(nc.Close)
			must(t, backend.PublishUser(bus.String("alice"), []byte("[:a/user 1]")))
			other.Expect("[[[:a/user 1]] nil]")
			for _, id := range []string{"1", "2"} { // told apart by their names alone
				must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.user.alice", Data: []byte("[:a/same]"), Header: nats.Header{"Nats-Msg-Id": {id}}}))
			}
			for same := 0; same < 2; {
				same += strings.Count(other.Read(), "[:a/same]")
			}
			// Another subject may be heard before; node 2 says nothing of this one.
			testkit.Eventually(t, "three kept", func() bool { return c.Nodes[tt.from].Stats().Sente.Kept == 3 })
			must(t, backend.PublishClient("tab-1", []byte("[:a/client {:n 2}]")))
			testkit.Eventually(t, "four kept", func() bool { return c.Nodes[tt.from].Stats().Sente.Kept == 4 })
			var second *testkit.Client
			if tt.format == "" {
				second = c.Dial(t, tt.to, path)
			} else {
				second = testkit.DialRaw(t, c.Nodes[tt.to].Addr().String(), path+tt.format)
			}
			second.Expect(tt.want...)
			if s := c.Nodes[tt.to].Stats().Sente; s.Handed != 4 {
				t.Errorf("%d handed over", s.Handed) // what is pushed from now on may be as well, for a moment
			}
			must(t, backend.PublishClient("tab-1", []byte("[:a/b]"))) // and nothing in between
			if got := second.Read(); !strings.Contains(got, "a/b") || strings.Contains(got, "a/user") {
				t.Errorf("then %s", got)
			}
		})
	}
}

// A client that does not come back leaves nothing.
func TestAfterTheGrace(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, func(o *edge.Options) {
		o.Sente.ReconnectWS = 300 * time.Millisecond
		o.Linger = time.Millisecond
	})
	backend := c.Backend(t, 1)
	cl := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	cl.Conn.Close()
	node := c.Nodes[0]
	away(t, node, 1)
	if s := node.Stats(); s.Users != 1 || s.Connections != 0 {
		t.Errorf("users %d, connections %d", s.Users, s.Connections)
	}
	for i := range 3 {
		must(t, backend.PublishUser(bus.String("alice"), fmt.Appendf(nil, "[:a/b %d]", i)))
	}
	away(t, node, 0)
	s := node.Stats()
	if s.Sente.Expired != 3 || s.Sente.Kept != 3 || s.Users != 0 || len(s.Voices) != 0 {
		t.Errorf("stats %+v, users %d, voices %v", s.Sente, s.Users, s.Voices)
	}
	for _, subject := range []string{"hoshi.user.>", "hoshi.client.>"} {
		testkit.Eventually(t, "no interest in "+subject, func() bool {
			n, err := c.NATS[0].Subscriptions(subject)
			return err == nil && n == 0
		})
	}
	for node := range c.Nodes {
		late := c.Dial(t, node, "/chsk?uid=alice&client-id=tab-1")
		late.Nothing()
	}
}

// A box is bounded as a send queue is, and the client is told.
func TestBoxIsBounded(t *testing.T) {
	t.Parallel()
	for _, remote := range []bool{false, true} {
		t.Run(fmt.Sprintf("remote=%v", remote), func(t *testing.T) {
			c := senteNode(t, 2, func(o *edge.Options) { o.QueueMessages = 64 })
			cl := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
			cl.Conn.Close()
			away(t, c.Nodes[0], 1)
			backend := c.Backend(t, 0)
			for i := range 100 {
				must(t, backend.PublishUser(bus.String("alice"), fmt.Appendf(nil, "[:p0/n %d]", i)))
			}
			testkit.Eventually(t, "kept", func() bool { return c.Nodes[0].Stats().Sente.Kept == 100 })
			to := 0
			if remote {
				to = 1
			}
			cl = c.Dial(t, to, "/chsk?uid=alice&client-id=tab-1")
			got := cl.Read()
			if !strings.HasPrefix(got, "[[[:sente-lite/dropped {:count 36, :reason :queue-full}] [:p0/n 36] ") {
				t.Errorf("got %s", got)
			}
			book := &ledger{t: t, next: []int64{36}, allowed: []int64{0}}
			for book.take(got); book.next[0] < 100; {
				book.take(cl.Read())
			}
			cl.Nothing()
		})
	}
}

// What waits for a client may be as much as its send queue holds, and that does
// not overflow.
func TestFullBoxFitsTheQueue(t *testing.T) {
	c := senteNode(t, 1, nil)
	cl := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	cl.Conn.Close()
	away(t, c.Nodes[0], 1)
	backend := c.Backend(t, 0)
	for i := range edge.DefaultQueueMessages {
		must(t, backend.PublishUser(bus.String("alice"), fmt.Appendf(nil, "[:p0/n %d]", i)))
	}
	testkit.Eventually(t, "kept", func() bool { return c.Nodes[0].Stats().Sente.Kept == edge.DefaultQueueMessages })
	cl = c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	book := &ledger{t: t, next: []int64{0}, allowed: []int64{0}}
	for book.next[0] < edge.DefaultQueueMessages {
		book.take(cl.Read())
	}
	cl.Nothing()
}

func TestNewestSocketWins(t *testing.T) {
	t.Parallel()
	for _, to := range []int{0, 1} {
		t.Run(fmt.Sprintf("node %d", to), func(t *testing.T) {
			c := senteNode(t, 2, nil)
			const path = "/chsk?uid=alice&client-id=tab-1"
			old := c.Dial(t, 0, path)
			stranger := c.Dial(t, 0, "/chsk?uid=bob&client-id=tab-1") // another user's
			cl := c.Dial(t, to, path)
			old.ExpectClose(1000)
			old.Conn.Close()
			testkit.Eventually(t, "the old one is gone", func() bool {
				return c.Nodes[0].Stats().Sente.Away == 0 && c.Nodes[0].Connections()+c.Nodes[1].Connections() == 2
			})
			backend := c.Backend(t, 1)
			must(t, backend.PublishUser(bus.String("alice"), []byte("[:a/b]")))
			cl.Expect("[[[:a/b]] nil]")
			must(t, backend.PublishClient("tab-1", []byte("[:a/c]")))
			cl.Expect("[[[:a/c]] nil]")
			stranger.Expect("[[[:a/c]] nil]") // the client-id is his too
			cl.Nothing()
			stranger.Nothing()
			if n := c.Nodes[0].Stats().Sente.Replaced; n != 1 {
				t.Errorf("%d replaced", n)
			}
			// What waits for one of them is nothing to the other.
			stranger.Conn.Close()
			away(t, c.Nodes[0], 1)
			must(t, backend.PublishUser(bus.String("bob"), []byte("[:for/bob]")))
			testkit.Eventually(t, "kept", func() bool { return c.Nodes[0].Stats().Sente.Kept == 1 })
			again := c.Dial(t, 1, path)
			again.Nothing()
			stranger = c.Dial(t, 1, "/chsk?uid=bob&client-id=tab-1")
			stranger.Expect("[[[:for/bob]] nil]")
		})
	}
}

// Of sockets that open at the same instant on different nodes one stays, and it
// alone is told what is pushed.
func TestOneOfManyAtOnceStays(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 3, nil)
	backend := c.Backend(t, 0)
	for round := range 15 {
		tab := fmt.Sprintf("tab-%d", round)
		clients := make([]*testkit.Client, 6)
		var ready, done sync.WaitGroup
		ready.Add(1)
		for i := range clients {
			done.Go(func() {
				ready.Wait()
				cl, err := testkit.TryDial(t, c.Nodes[i%3].Addr().String(), "/chsk?uid=alice&client-id="+tab)
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				clients[i] = cl
			})
		}
		ready.Done()
		done.Wait()
		testkit.Eventually(t, "one connection", func() bool {
			sum := 0
			for _, n := range c.Nodes {
				sum += n.Connections()
			}
			return sum <= 1
		})
		must(t, backend.PublishClient(tab, []byte("[:a/b]")))
		heard := 0
		for _, cl := range clients {
			got, err := cl.TryRead(testkit.Patience)
			closed, ok := errors.AsType[*testkit.Closed](err)
			switch {
			case got == "[[[:a/b]] nil]":
				heard++
				cl.Conn.Close()
			case !ok || closed.Code != 1000:
				t.Errorf("%q, %v", got, err)
			}
		}
		if heard != 1 {
			t.Fatalf("round %d: %d heard it", round, heard)
		}
	}
}
