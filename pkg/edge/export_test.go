package edge

import (
	"context"
	"net/netip"
	"runtime"
	"time"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// PolicyOf returns the policy that a node with these options has for the
// channel of a token, and whether another channel has another class.
func PolicyOf(o Options, token string) (policy string, own bool) {
	n := &Node{opts: o}
	classify := n.setUpOverflow()
	if classify == nil {
		return wsconn.Disconnect.String(), false
	}
	class := wsconn.Class(classify(token))
	return class.Policy().String(), class != wsconn.Class(classify(token))
}

// TellLosses is tellLosses.
var TellLosses = tellLosses

// Deliver is what the first shard of the bus does with a message.
func Deliver(n *Node, m *bus.Message) {
	n.deliver(0, m)
	n.outbound[0].batch.Flush()
}

// Plain returns how many plain requests a node counts, beside polls.
func Plain(n *Node) int { return int(n.handoff.open.Load()) }

// Bodies returns how much of bodies a node holds, in bytes.
func Bodies(n *Node) int { return int(n.tabs.bodies.Load()) }

// FillBodies leaves no room for more of them until release.
func FillBodies(n *Node) (release func()) {
	n.tabs.bodies.Add(maxBodies)
	return func() { n.tabs.bodies.Add(-maxBodies) }
}

// Waiting returns how many sessions of a node have a poll that waits, wherever it
// has come.
func Waiting(n *Node) (count int) {
	for s := range n.tabs.away.All() {
		t := s.tab()
		t.mu.Lock()
		if t.mu.waiting != nil {
			count++
		}
		t.mu.Unlock()
	}
	return count
}

// HoldVerifiers has all workers of a node's slow tokens do nothing until release,
// and leaves room for so many tokens more.
func HoldVerifiers(n *Node, room int) (release func()) {
	gate := make(chan struct{})
	p := n.access.slow
	begun := make(chan struct{}, maxVerifiers)
	for range min(max(runtime.GOMAXPROCS(0)/2, 1), maxVerifiers) {
		p.jobs <- func() { begun <- struct{}{}; <-gate }
		<-begun
	}
	for range slowQueue - room {
		p.jobs <- func() {}
	}
	return func() { close(gate) }
}

// SlowQueue is how many slow tokens may wait.
const SlowQueue = slowQueue

// Verifying returns how many wait.
func Verifying(n *Node) int { return len(n.access.slow.jobs) }

// Settle waits until a node has delivered what was published before.
func Settle(ctx context.Context, n *Node) error { return n.bus.Settle(ctx) }

// SecurityEvents are the kinds of lines of the security log.
func SecurityEvents() []string { return securityNames[:] }

// SecurityLog writes so many lines of one kind about refused requests.
func SecurityLog(n *Node, lines int) {
	from := netip.MustParseAddr("192.0.2.1")
	for range lines {
		n.security.refusedRequest(refuseOrigin, from, "/chsk", "https://example.com")
	}
}

// Panic panics on the loop of a connection, or in its session if that polls.
func Panic(n *Node, connID string) {
	c, _ := id.ParseConn(connID)
	s := n.conns.Get(c.Key())
	if s == nil {
		s = n.tabs.away.Get(c.Key())
	}
	s.post(func() { panic("in a test") })
}

// PanicInReply gives a callback of a connection an answer that panics.
func PanicInReply(n *Node, connID string) {
	c, _ := id.ParseConn(connID)
	s := n.conns.Get(c.Key())
	s.calls.Add(1)
	defer func() { _ = recover() }() // as the bus does
	n.reply(bus.Reply{Key: &pendingCall{session: s, callback: []byte(`"cb"`)}, Format: codec.Formats, Body: []byte("1")})
}

// Calls returns how many callbacks of a connection wait.
func Calls(n *Node, connID string) int32 {
	c, _ := id.ParseConn(connID)
	if s := n.conns.Get(c.Key()); s != nil {
		return s.calls.Load()
	}
	return 0
}

// Patient has the holder of a tab take as long as d to say so: a node that is only
// busy would be taken for one that has nothing to say, and the client be given
// another session.
func Patient(o *Options, d time.Duration) { o.locate = d }
