package edge

import (
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
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

// Deliver is what the first shard of the bus does with a message.
func Deliver(n *Node, m *bus.Message) {
	n.deliver(0, m)
	n.outbound[0].batch.Flush()
}
