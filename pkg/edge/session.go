package edge

import (
	"strings"
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
	extra    *extra        // what few sessions have; nil for most
	count    uint16        // of subs
	open     bool          // accepted, conn-open handed over
	protocol bool          // the voice was chosen by subprotocol, which the answer repeats
	closed   bool
	blocked  bool // held back because the bus is full

	// Any goroutine.
	starved atomic.Bool  // held back because so many callbacks wait
	calls   atomic.Int32 // callbacks that wait for a backend
}

// extra is what few sessions have. Of a Sente client's it is there from the
// start, and only the loop writes it; of others it is the loop's altogether.
type extra struct {
	tab    *tab     // of a Sente client; fixed before others know of the session
	wait   *waiting // while subscribes wait for their interest
	person *person  // who a token says the client is

	welcome  *welcome  // what a backend has said of it; of a session with a socket until it is accepted
	rates    *rates    // of rules with a publish rate that it has published under
	question *question // while a message is held back for want of an answer
	traced   *traced   // while one is held back that is on a trace
}

// more returns what few sessions have, for a session that comes to have some of
// it. Loop only.
func (s *session) more() *extra {
	if s.extra == nil {
		s.extra = &extra{}
	}
	return s.extra
}

// tidy forgets it where nothing is left. Loop only.
func (s *session) tidy() {
	if *s.extra == (extra{}) {
		s.extra = nil
	}
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
	from, refused := callerOf(r)
	if refused != nil {
		n.refuse(s, refused)
		return
	}
	a := &admission{path: r.Path(), from: from, protocols: r.Protocols, post: s.post, done: s.admitted}
	if n.isWSEcho(r) {
		a.echo, a.done = true, s.echo
	}
	n.admit(a)
}

// admitted goes on with an upgrade that may come, or else is refused. Loop only.
func (s *session) admitted(req *identity, refused *refusal) {
	n := s.node
	if refused != nil {
		n.refuse(s, refused)
		return
	}
	s.id = req.conn
	if refused := n.countUser(s, req); refused != nil {
		n.refuse(s, refused)
		return
	}
	begun := false
	defer func() {
		if !begun { // a panic, which nothing else follows
			n.limits.leave(s)
		}
	}()
	s.SetGroup(req.voice)
	s.protocol = req.protocol
	if req.client != "" {
		s.extra = &extra{tab: &tab{session: s, id: req.client, client: req.clientToken, uid: req.uidOrNil()}}
	}
	s.believe(req.who, req.until, req.as)
	if req.welcome != nil {
		s.more().welcome = req.welcome
	}
	switch {
	case req.client != "":
		n.open(s, s.accept, func(r *refusal) { n.refuse(s, r) })
	case req.uid != "":
		n.joinUser(s, req.uid)
	default:
		s.accept()
	}
	begun = true
}

// Name implements wsconn.Named. Loop only.
func (s *session) Name() string { return s.id.String() }

// accept answers the upgrade: the 101 and the handshake leave in one write,
// then conn-open is handed over, then pushes flow.
func (s *session) accept() {
	n := s.node
	v := s.voice()
	if !v.sente {
		n.speakers[v.number].Add(1) // before anybody can know that s is here
	}
	accept := wsconn.AcceptOptions{Keepalive: v.unheard, First: s.handshake(v), Uncompressed: v.zipped}
	if s.protocol {
		accept.Subprotocol = protocolPrefix + v.suffix
	}
	s.Accept(accept)
	n.revoker.watch(s)
	n.conns.Put(s.id.Key(), s)
	s.open = true
	switch {
	case v.sente: // its gates open behind what has waited for the client
		n.tabs.away.Delete(s.id.Key())
	case s.user != nil:
		// The loop itself writes the queue, after this turn, so nothing that
		// the gate lets in can overtake the conn-open handed over below.
		s.Open(&s.user.Open, nil)
	}
	s.watchExpiry()
	n.publishOpen(s)
	if s.extra != nil && s.extra.welcome != nil {
		n.greet(s)
		s.extra.welcome = nil
		s.tidy()
	}
}

// handshake returns the first message, made in the loop's scratch: the uid, and
// behind it the text, which grow there and not in pieces for each session. Loop
// only, with a socket.
func (s *session) handshake(v *voice) *wsconn.Frame {
	n := s.node
	j := &n.joiners[s.Loop()]
	uid := s.appendUID(j.text[:0])
	text := v.AppendHandshake(uid, uid, s.id.String(), n.opts.Version, s.handshakeData())
	frame := v.wrapped(text[len(uid):]) // copied
	j.keep(text)
	return frame
}

// uidText returns the uid as EDN text; it is the conn-id where nobody has
// vouched for another.
func (s *session) uidText() []byte {
	return s.appendUID(make([]byte, 0, id.TextLen+2))
}

// appendUID appends it.
func (s *session) appendUID(dst []byte) []byte {
	if s.user != nil {
		token := s.user.Topic().Key()
		if token[0] != ':' && token[0] != '~' && strings.IndexByte(token, '%') < 0 {
			// A string, nothing of which is escaped in a token, let alone in EDN.
			return append(append(append(dst, '"'), token...), '"')
		}
		if text, err := bus.ParseToken(token); err == nil {
			return append(dst, text...)
		}
	}
	return append(s.id.AppendTo(append(dst, '"')), '"')
}

// OnClosed forgets the connection: its channels, its user, its conn-id. The tab
// of a Sente client stays for a while, since it will be back.
func (s *session) OnClosed(info wsconn.CloseInfo) {
	n := s.node
	s.closed = true
	n.limits.leave(s)
	s.unknow()
	s.dropTrace()
	n.revoker.forget(s)
	n.asks.leave(s)
	s.leaveChannels()
	t := s.tab()
	if t != nil {
		n.tabs.away.Put(s.id.Key(), s) // first: others find it here or there
	}
	if s.open {
		n.conns.Delete(s.id.Key())
		n.publishClose(s, info)
	}
	if t != nil {
		if !t.park() {
			s.forget()
		}
		return
	}
	n.watches.forget(s)
	if s.open {
		n.speakers[s.Group()].Add(-1)
	}
	if s.user != nil {
		n.leave(bus.KindUser, n.users, s.user)
		s.user = nil
	}
}

// leaveChannels takes the session out of its channels. Loop only.
func (s *session) leaveChannels() {
	s.setWaiting(nil)
	for sub := s.subs; sub != nil; sub = sub.Next {
		s.node.leave(bus.KindChan, s.node.channels, sub)
	}
	s.subs, s.count = nil, 0
}

// OnMessage takes one message of the client, or asks the connection to hold it
// back: behind subscribes that wait, or because the bus is full.
func (s *session) OnMessage(op wsconn.OpCode, payload []byte) wsconn.Verdict {
	if s.blocked || s.asking() {
		return wsconn.Hold
	}
	if v := s.voice(); v.binary != (op == wsconn.OpBinary) {
		s.node.refusedMessage(s, refusedKind(v))
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
	var joined hub.Joined
	if s.user, joined = n.joinInterest(n.users, bus.KindUser, token, s); joined == hub.Confirmed {
		s.accept()
	}
}

// userAnswered accepts a session whose user's interest is in force, or refuses
// it where that cannot be had. Loop only.
func (n *Node) userAnswered(s *session, sub *subscription, err error) {
	switch {
	case s.closed || s.user != sub:
	case err == nil:
		s.accept()
	default:
		n.users.Leave(sub)
		s.user = nil
		n.refuse(s, refuseUnavailable)
	}
}

// refuse answers a request with an HTTP error and closes.
func (n *Node) refuse(s *session, r *refusal) {
	n.counts.refusedRequest(r.reason)
	n.limits.leave(s)
	n.limited(s, r)
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
