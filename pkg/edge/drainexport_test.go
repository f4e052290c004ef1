package edge

import (
	"sync"

	"github.com/hoshi-ws/hoshi/internal/id"
)

// HoldLoop has the loop of a connection do nothing until release, and returns its
// number.
func HoldLoop(n *Node, connID string) (loop int, release func()) {
	c, _ := id.ParseConn(connID)
	s := n.conns.Get(c.Key())
	held, gate := make(chan struct{}), make(chan struct{})
	s.Post(func() {
		close(held)
		<-gate
	})
	<-held
	return s.Loop(), sync.OnceFunc(func() { close(gate) })
}
