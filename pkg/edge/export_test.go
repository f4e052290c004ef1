package edge

import "github.com/hoshi-ws/hoshi/internal/wsconn"

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
