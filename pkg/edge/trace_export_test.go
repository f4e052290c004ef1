package edge

import (
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// PanicIn has a delivery panic when it comes to a session.
func PanicIn(n *Node, m *bus.Message) {
	defer func() { _ = recover() }() // as the bus does
	o := &n.outbound[0]
	batch := o.batch
	defer func() { o.batch = batch }()
	o.batch = nil
	n.deliver(0, m)
}

// OnLoop calls do on the loop of a connection, with a function that does to a
// message of its client what the loop does, and reports whether it was taken.
func OnLoop(n *Node, connID string, do func(inbound func(payload []byte) bool)) {
	c, _ := id.ParseConn(connID)
	s := n.conns.Get(c.Key())
	done := make(chan struct{})
	s.post(func() {
		defer close(done)
		do(func(payload []byte) bool {
			taken := n.inbound(s, payload) == wsconn.Done
			s.blocked = false // where it was held back it comes again at once
			return taken
		})
	})
	<-done
}
