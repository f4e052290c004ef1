package edge

import (
	"sync/atomic"

	"github.com/hoshi-ws/hoshi/internal/hub"
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// session is one connection: the socket's state machine and what the node
// knows about who is behind it. One heap object for each connection, so fields
// are few. All methods but called run on the connection's loop.
type session struct {
	wsconn.Conn

	// Fixed after OnRequest.
	node *Node
	id   id.Conn

	// Owned by the loop.
	user     *subscription // in the hub of users; nil where nobody has vouched for a uid
	subs     *subscription // its channels, linked by Next
	wait     *waiting      // nil but while subscribes wait for their interest
	count    uint16        // of subs
	open     bool          // accepted, conn-open handed over
	protocol bool          // the voice was chosen by subprotocol, which the answer repeats
	closed   bool
	blocked  bool // held back because the bus is full

	// Any goroutine.
	asked   *askedConn   // guarded by node.asks.mu: the asks that it may answer
	starved atomic.Bool  // held back because so many callbacks wait
	calls   atomic.Int32 // callbacks that wait for a backend
}

type subscription = hub.Sub[*session]

var _ wsconn.Handler = (*session)(nil)

// OnRequest decides on a request head: plain HTTP goes to net/http, an upgrade
// becomes a session.
func (s *session) OnRequest(r *handshake.Request) {
	n := s.node
	if !r.Upgrade {
		n.detach(s)
		return
	}
	req, refusal := n.judge(r)
	if refusal != nil {
		n.refuse(s, refusal)
		return
	}
	s.id = n.ids.Next(n.now().UnixMilli())
	s.SetGroup(req.voice)
	s.protocol = req.protocol
	if req.uidToken == "" {
		s.accept()
		return
	}
	n.joinUser(s, req.uidToken)
}

// accept answers the upgrade: the 101 and the handshake leave in one write,
// then conn-open is handed over, then pushes flow.
func (s *session) accept() {
	n := s.node
	v := s.voice()
	n.speakers[v.number].Add(1) // before anybody can know that s is here
	first := v.message(v.AppendHandshake(nil, s.uidText(), s.id.String(), n.opts.Version))
	accept := wsconn.AcceptOptions{Keepalive: v.keepalive, First: first}
	if s.protocol {
		accept.Subprotocol = protocolPrefix + v.format.String()
	}
	s.Accept(accept)
	n.conns.Put(s.id.Key(), s)
	s.open = true
	if s.user != nil {
		// The loop itself writes the queue, after this turn, so nothing that
		// the gate lets in can overtake the conn-open handed over below.
		s.Open(&s.user.Open, nil)
	}
	n.publishOpen(s)
}

// uidText returns the uid as EDN text; it is the conn-id where nobody has
// vouched for another.
func (s *session) uidText() []byte {
	if s.user != nil {
		if text, err := bus.ParseToken(s.user.Topic().Key()); err == nil {
			return text
		}
	}
	text := make([]byte, 0, id.TextLen+2)
	text = append(text, '"')
	text = s.id.AppendTo(text)
	return append(text, '"')
}

// OnClosed forgets the connection: its channels, its user, its conn-id.
func (s *session) OnClosed(info wsconn.CloseInfo) {
	n := s.node
	s.closed = true
	s.wait = nil
	for sub := s.subs; sub != nil; sub = sub.Next {
		n.leave(bus.KindChan, n.channels, sub)
	}
	s.subs, s.count = nil, 0
	n.asks.leave(s)
	if s.open {
		n.speakers[s.Group()].Add(-1)
		n.conns.Delete(s.id.Key())
		n.publishClose(s, info)
	}
	if s.user != nil {
		n.leave(bus.KindUser, n.users, s.user)
		s.user = nil
	}
}

// OnMessage takes one message of the client, or asks the connection to hold it
// back: behind subscribes that wait, or because the bus is full.
func (s *session) OnMessage(op wsconn.OpCode, payload []byte) wsconn.Verdict {
	if s.blocked {
		return wsconn.Hold
	}
	if op != wsconn.OpText {
		s.node.counts.refused(refusedBinary)
		return wsconn.Done
	}
	if len(payload) >= largeMessage {
		s.node.large.Warn().Stringer("conn", s.id).Int("bytes", len(payload)).Msg("large message from a client")
	}
	return s.node.inbound(s, payload)
}

// largeMessage is the size in bytes from which a message is worth a line in
// the log: half of what the reference takes at most.
const largeMessage = 512 << 10

// resume goes on with what was held back.
func (s *session) resume() {
	if !s.closed {
		s.Resume()
	}
}

// joinUser makes s one of the user's sockets and accepts it, once the user's
// interest is in force.
func (n *Node) joinUser(s *session, token string) {
	sub, joined := n.users.Join(token, s, 0)
	s.user = sub
	switch joined {
	case hub.Confirmed:
		s.accept()
	case hub.Pending, hub.Full: // somebody has asked; and there is no limit here
	case hub.Created:
		n.bus.Want(bus.KindUser, token, func(err error) { n.userAnswered(sub.Topic(), err) })
	}
}

// userAnswered runs on the control goroutine of the bus.
func (n *Node) userAnswered(topic *hub.Topic[*session], err error) {
	var subs []*subscription
	if err == nil {
		subs = n.users.Confirm(topic)
	} else {
		subs = n.users.Abandon(topic)
	}
	for _, sub := range subs {
		s := sub.Conn
		s.post(func() {
			switch {
			case s.closed || s.user != sub:
			case err == nil:
				s.accept()
			default:
				n.users.Leave(sub)
				s.user = nil
				n.refuse(s, refuseUnavailable)
			}
		})
	}
}

// refuse answers a request with an HTTP error and closes.
func (n *Node) refuse(s *session, r *refusal) {
	n.counts.refusedRequest(r.reason)
	s.Refuse(r.status, "text/plain; charset=utf-8", r.body, r.header...)
}

// refusal is an answer to a request that is not upgraded. Its reason labels a
// counter.
type refusal struct {
	status int
	reason string
	body   string
	header []string // names and values in turn
}
