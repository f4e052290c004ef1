package edge

import (
	"errors"
	"strings"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// groupWSEcho is the group of echo connections, which is no voice's: broadcasts
// pass them by.
const groupWSEcho = 255

// wsEcho is a session whose messages are sent back as they came. It is on the
// same loops, parser and queue as all others, and known to nobody: no dialect,
// no conn-id, nothing on NATS. Who may come is asked as for all others, by origin
// and token.
type wsEcho session

var _ wsconn.Handler = (*wsEcho)(nil)

// checkWSEcho refuses paths that are taken, and what is none.
func (o *Options) checkWSEcho() error {
	switch p := o.WSEcho; {
	case p == "", strings.HasPrefix(p, "/") && p != "/" && p != "/ws" && p != "/chsk" && !strings.ContainsAny(p, "?# "):
		return nil
	default:
		return errors.New("WSEcho must be a path like /echo, and not one where clients connect")
	}
}

// isWSEcho reports whether r is an upgrade on the path of Options.WSEcho.
func (n *Node) isWSEcho(r *handshake.Request) bool {
	return n.opts.WSEcho != "" && r.Path() == n.opts.WSEcho
}

// echo makes an echo connection of a request that isWSEcho, and that may come.
func (s *session) echo(_ *identity, refused *refusal) {
	if refused != nil {
		s.node.refuse(s, refused)
		return
	}
	s.SetGroup(groupWSEcho)
	s.SetHandler((*wsEcho)(s))
	s.Accept(wsconn.AcceptOptions{FullSize: true})
}

// OnRequest is never called: the session had the request.
func (e *wsEcho) OnRequest(*handshake.Request) {}

// OnMessage sends the message back.
func (e *wsEcho) OnMessage(op wsconn.OpCode, payload []byte) wsconn.Verdict {
	return e.Echo(op, payload)
}

// OnClosed does nothing: nobody knows of the connection.
func (e *wsEcho) OnClosed(wsconn.CloseInfo) {}
