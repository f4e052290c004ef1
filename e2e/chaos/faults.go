package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/book"
	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/netns"
)

// fault is something that is broken, for a time.
type fault struct {
	kind  string
	text  string        // of what, for people
	lasts time.Duration // 0: it is done and over
	scope func(ctx context.Context) book.Scope
	begin func() error
	end   func() error // nil: it heals by itself
}

// kinds makes a fault of each kind, its particulars drawn from rng.
var kinds = []struct {
	name  string
	netns bool
	make  func(c *cluster, rng *rand.Rand) fault
}{
	{name: "kill-node", make: killNode},
	{name: "end-node", make: endNode},
	{name: "stop-node", make: stopNode},
	{name: "kill-nats", make: killNATS},
	{name: "stop-nats", make: stopNATS},
	{name: "stop-nats-long", make: stopNATSLong},
	{name: "kill-all-nats", make: killAllNATS},
	{name: "nats-delay", make: natsDelay},
	{name: "nats-stall", make: natsStall},
	{name: "nats-stall-long", make: natsStallLong},
	{name: "nats-cut", make: natsCut},
	{name: "nats-reset", make: natsReset},
	{name: "client-delay", make: clientDelay},
	{name: "client-stall", make: clientStall},
	{name: "client-cut", make: clientCut},
	{name: "client-reset", make: clientReset},
	{name: "part-nats", netns: true, make: partNATS},
	{name: "part-node", netns: true, make: partNode},
	{name: "part-nats-long", netns: true, make: partNATSLong},
	{name: "part-node-long", netns: true, make: partNodeLong},
}

// long is beyond what a node takes to notice a silent server (docs/faults.md).
const long = 17 * time.Second

func between(rng *rand.Rand, low, high time.Duration) time.Duration {
	return (low + time.Duration(rng.Int64N(int64(high-low)))).Round(100 * time.Millisecond)
}

func fixed(s book.Scope) func(context.Context) book.Scope {
	return func(context.Context) book.Scope { return s }
}

// mortal draws a node that may be ended: the first lives through the run, to show
// what it leaves behind.
func mortal(c *cluster, rng *rand.Rand) *node { return c.nodes[1+rng.IntN(nodes-1)] }

func killNode(c *cluster, rng *rand.Rand) fault {
	n := mortal(c, rng)
	bit := uint32(1) << n.number
	return fault{
		text: "kill -9 " + n.Name, lasts: between(rng, 500*time.Millisecond, 3*time.Second),
		scope: fixed(book.Scope{Nodes: bit, Cut: bit}),
		begin: func() error { return n.End(syscall.SIGKILL, patience) },
		end:   n.Start,
	}
}

// endNode loses nothing: what the node has taken it hands over.
func endNode(c *cluster, rng *rand.Rand) fault {
	n := mortal(c, rng)
	return fault{
		text: "end " + n.Name, lasts: between(rng, 500*time.Millisecond, 3*time.Second),
		scope: fixed(book.Scope{Cut: 1 << n.number}),
		begin: func() error { return n.End(syscall.SIGTERM, 15*time.Second) },
		end:   n.Start,
	}
}

func stopNode(c *cluster, rng *rand.Rand) fault {
	n := c.nodes[rng.IntN(nodes)]
	return fault{
		text: "SIGSTOP to " + n.Name, lasts: between(rng, 2*time.Second, 6*time.Second),
		scope: fixed(book.Scope{Nodes: 1 << n.number}),
		begin: func() error { return n.Signal(syscall.SIGSTOP) },
		end:   func() error { return n.Signal(syscall.SIGCONT) },
	}
}

// natsScope is that of a NATS server: its nodes at the moment, and its publisher.
func natsScope(c *cluster, k int) func(context.Context) book.Scope {
	return func(ctx context.Context) book.Scope {
		return book.Scope{Servers: 1 << k, Nodes: c.nodesOn(ctx, c.nats[k])}
	}
}

func killNATS(c *cluster, rng *rand.Rand) fault {
	k := rng.IntN(servers)
	s := c.nats[k]
	return fault{
		text: "kill -9 " + s.Name, lasts: between(rng, 500*time.Millisecond, 4*time.Second),
		scope: natsScope(c, k),
		begin: func() error { return s.End(syscall.SIGKILL, patience) },
		end:   s.Start,
	}
}

func stopNATSFor(c *cluster, k int, lasts time.Duration) fault {
	s := c.nats[k]
	return fault{
		text: "SIGSTOP to " + s.Name, lasts: lasts,
		scope: natsScope(c, k),
		begin: func() error { return s.Signal(syscall.SIGSTOP) },
		end:   func() error { return s.Signal(syscall.SIGCONT) },
	}
}

func stopNATS(c *cluster, rng *rand.Rand) fault {
	return stopNATSFor(c, rng.IntN(servers), between(rng, 2*time.Second, 6*time.Second))
}

func stopNATSLong(c *cluster, rng *rand.Rand) fault {
	return keeps(stopNATSFor(c, rng.IntN(servers), long))
}

// keeps makes of a fault one in which a node leaves a NATS server that goes on
// later, and then lets go what it was given before; or the network does with what it
// held: the packet that waits for an address to be resolved.
func keeps(f fault) fault {
	scope := f.scope
	f.scope = func(ctx context.Context) book.Scope {
		s := scope(ctx)
		s.Late = true
		return s
	}
	return f
}

func killAllNATS(c *cluster, rng *rand.Rand) fault {
	all := func(do func(*natsServer) error) func() error {
		return func() error {
			var errs []error
			for _, s := range c.nats {
				errs = append(errs, do(s))
			}
			return errors.Join(errs...)
		}
	}
	return fault{
		text: "kill -9 all NATS servers", lasts: between(rng, time.Second, 6*time.Second),
		scope: fixed(book.Scope{Servers: 1<<servers - 1, Nodes: 1<<nodes - 1}),
		begin: all(func(s *natsServer) error { return s.End(syscall.SIGKILL, patience) }),
		end:   all((*natsServer).Start),
	}
}

// betweenNodeAndNATS harms all ways from one node to NATS.
func betweenNodeAndNATS(c *cluster, rng *rand.Rand, what string, lasts time.Duration, begin, end func(n *node, k int)) fault {
	n := c.nodes[rng.IntN(nodes)]
	each := func(do func(n *node, k int)) func() error {
		if do == nil {
			return nil
		}
		return func() error {
			for k := range n.toNATS {
				do(n, k)
			}
			return nil
		}
	}
	return fault{
		text: what + " between " + n.Name + " and NATS", lasts: lasts,
		scope: fixed(book.Scope{Nodes: 1 << n.number}),
		begin: each(begin), end: each(end),
	}
}

func natsDelay(c *cluster, rng *rand.Rand) fault {
	d := between(rng, 50*time.Millisecond, 300*time.Millisecond)
	return betweenNodeAndNATS(c, rng, fmt.Sprintf("%v of delay", d), between(rng, 3*time.Second, 6*time.Second),
		func(n *node, k int) { n.toNATS[k].Delay(d) }, func(n *node, k int) { n.toNATS[k].Delay(0) })
}

func natsStallFor(c *cluster, rng *rand.Rand, lasts time.Duration) fault {
	return betweenNodeAndNATS(c, rng, "nothing goes through", lasts,
		func(n *node, k int) { n.toNATS[k].Stall(true) }, func(n *node, k int) { n.toNATS[k].Stall(false) })
}

func natsStall(c *cluster, rng *rand.Rand) fault {
	return natsStallFor(c, rng, between(rng, 2*time.Second, 6*time.Second))
}

func natsStallLong(c *cluster, rng *rand.Rand) fault { return natsStallFor(c, rng, long) }

func natsCut(c *cluster, rng *rand.Rand) fault {
	return betweenNodeAndNATS(c, rng, "connections end", 0, func(n *node, k int) { n.toNATS[k].Cut() }, nil)
}

func natsReset(c *cluster, rng *rand.Rand) fault {
	return betweenNodeAndNATS(c, rng, "connections are reset", 0, func(n *node, k int) { n.toNATS[k].Reset() }, nil)
}

// clientsOf harms the relay that some clients of a node come through. Nothing of
// it is lost, unless connections end.
func clientsOf(c *cluster, rng *rand.Rand, what string, lasts time.Duration, cut bool, begin, end func(n *node)) fault {
	n := c.nodes[rng.IntN(nodes)]
	var s book.Scope
	if cut {
		s.CutRelayed = 1 << n.number
	}
	f := fault{
		text: what + " for clients of " + n.Name, lasts: lasts, scope: fixed(s),
		begin: func() error { begin(n); return nil },
	}
	if end != nil {
		f.end = func() error { end(n); return nil }
	}
	return f
}

func clientDelay(c *cluster, rng *rand.Rand) fault {
	d := between(rng, 50*time.Millisecond, 300*time.Millisecond)
	return clientsOf(c, rng, fmt.Sprintf("%v of delay", d), between(rng, 3*time.Second, 6*time.Second), false,
		func(n *node) { n.clients.Delay(d) }, func(n *node) { n.clients.Delay(0) })
}

func clientStall(c *cluster, rng *rand.Rand) fault {
	return clientsOf(c, rng, "nothing goes through", between(rng, 2*time.Second, 6*time.Second), false,
		func(n *node) { n.clients.Stall(true) }, func(n *node) { n.clients.Stall(false) })
}

func clientCut(c *cluster, rng *rand.Rand) fault {
	return clientsOf(c, rng, "connections end", 0, true, func(n *node) { n.clients.Cut() }, nil)
}

func clientReset(c *cluster, rng *rand.Rand) fault {
	return clientsOf(c, rng, "connections are reset", 0, true, func(n *node) { n.clients.Reset() }, nil)
}

// part takes a link down.
func part(ns *netns.Namespace, what string, lasts time.Duration, scope func(context.Context) book.Scope) fault {
	return fault{text: what + " is cut off", lasts: lasts, scope: scope, begin: ns.Cut, end: ns.Mend}
}

// tabDies is the least that a tab must be silent for its node to take it for dead:
// Sente's 10 s after a ping.
const tabDies = 10 * time.Second

func partNATSFor(c *cluster, lasts time.Duration) fault {
	return part(c.spaces[0], c.nats[servers-1].Name, lasts, natsScope(c, servers-1))
}

func partNodeFor(c *cluster, lasts time.Duration) fault {
	s := book.Scope{Nodes: 1 << (nodes - 1)}
	if lasts >= tabDies {
		s.CutTabs = s.Nodes
	}
	return part(c.spaces[1], c.nodes[nodes-1].Name, lasts, fixed(s))
}

func partNATS(c *cluster, rng *rand.Rand) fault {
	return partNATSFor(c, between(rng, 2*time.Second, 6*time.Second))
}

func partNode(c *cluster, rng *rand.Rand) fault {
	return partNodeFor(c, between(rng, 2*time.Second, 6*time.Second))
}

func partNATSLong(c *cluster, _ *rand.Rand) fault { return keeps(partNATSFor(c, long)) }
func partNodeLong(c *cluster, _ *rand.Rand) fault { return keeps(partNodeFor(c, long)) }
