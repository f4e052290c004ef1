package edge

import (
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// outbound is what one shard goroutine of the bus needs to deliver. Owned by
// that goroutine, but for the counters.
type outbound struct {
	node   *Node
	batch  *wsconn.Batch
	parser codec.Parser
	ask    *ask      // that is being delivered; nil for what asks nothing
	watch  *watchSet // nil where nobody is watched

	clock clock

	rendering
	rendered [voiceCount]atomic.Uint64 // frames
	payloads conversions

	reached int // connections that have been given what is being delivered
}

// deliver hands one message from NATS to the connections that it is for. It
// runs on the goroutine of the shard. The loops are woken for it when the shard
// flushes the batch.
func (n *Node) deliver(shard int, m *bus.Message) {
	switch {
	case m.Kind == bus.KindAPI:
		n.administer(m)
		return
	case m.Kind == bus.KindNode && m.Token == bus.TokenRevoked:
		n.revocationMessage(m)
		return
	}
	if !n.connected.Load() {
		return // nobody is here yet
	}
	if m.Tab != "" {
		n.tabMessage(m)
		return
	}
	o := &n.outbound[shard]
	o.ask, o.reached = nil, 0 // a panic may have ended the last one
	var span trace.Span
	if n.tracing.tracer != nil {
		if span = n.beginDelivery(m); span != nil {
			defer endPanicked(span)
		}
	}
	o.watch = n.watches.active.Load()
	if m.Kind == bus.KindChan {
		n.deliverChannel(o, m)
	} else {
		n.deliverEvent(o, m)
	}
	if m.Ask > 0 {
		o.asked(m)
	}
	if span != nil {
		o.endDelivery(span, m)
	}
	o.done()
}

// flush wakes the loops for what has been delivered.
func (o *outbound) flush() {
	o.batch.Flush()
	o.clock.stop()
}

func (n *Node) deliverChannel(o *outbound, m *bus.Message) {
	subs := n.channels.Snapshot(m.Token)
	if len(subs) == 0 {
		return
	}
	o.begin(m, wsconn.Class(subs[0].Topic().Class()))
	if o.watch != nil {
		o.sawChannel(m, len(subs))
	}
	o.fanOut(subs, n.excluded(m))
}

// deliverEvent delivers to a user, a connection or everyone.
func (n *Node) deliverEvent(o *outbound, m *bus.Message) {
	var (
		subs []*subscription
		one  *session
	)
	switch m.Kind {
	case bus.KindUser:
		subs = n.users.Snapshot(m.Token)
	case bus.KindClient:
		subs = n.clients.Snapshot(m.Token)
	case bus.KindConn:
		one = n.session(m.Token)
	case bus.KindAll:
	default:
		return
	}
	if len(subs) == 0 && one == nil && m.Kind != bus.KindAll {
		return
	}
	o.begin(m, n.pushes)
	if err := checkEvent(o, m, &o.env); err != nil {
		n.refuseBody(m, err)
		m.Ask = 0 // all is said
		return
	}
	if string(o.env.ID) == ":chsk/close" {
		closeAsked(subs, one, n.excluded(m))
		return
	}
	switch {
	case m.Kind == bus.KindAll:
		o.broadcast(n.excluded(m))
	case one != nil:
		if !o.mayAsk(1) {
			return
		}
		if frame := o.frame(one.Group()); frame != nil {
			o.give(one, frame, nil)
		}
	default:
		o.fanOut(subs, n.excluded(m))
	}
}

// fanOut appends a frame to the queue of every subscriber whose gate is open:
// the same for all of one voice.
func (o *outbound) fanOut(subs []*subscription, except *session) {
	if !o.mayAsk(len(subs)) {
		return
	}
	for _, sub := range subs {
		s := sub.Conn
		if s == except {
			continue
		}
		if frame := o.frame(s.Group()); frame != nil {
			o.give(s, frame, &sub.Open)
		}
	}
	o.clock.pass(len(subs))
}

// give hands one session what is delivered, if the gate is open.
func (o *outbound) give(s *session, frame *wsconn.Frame, gate *bool) {
	if o.ask != nil {
		o.giveAsk(s, frame, gate)
		return
	}
	if o.hand(s, frame, gate, o.m) {
		o.reached++
	}
}

// hand is give, and reports whether the client will have the frame unless it
// goes away. m is nil for what cannot be given to another session of the same
// client.
func (o *outbound) hand(s *session, frame *wsconn.Frame, gate *bool, m *bus.Message) bool {
	t := s.tab()
	if t != nil && t.polls != nil {
		ok := t.offer(newKept(frame, m), gate, o.m.Flush)
		if ok && o.watch != nil {
			o.sawKept(s, frame)
		}
		return ok
	}
	for {
		r := o.batch.Enqueue(&s.Conn, frame, gate)
		if r == wsconn.OK || t == nil || m == nil || !outlives(m.Kind) || r != wsconn.Rejected && r != wsconn.Shut {
			if o.watch != nil {
				o.saw(s, frame, r)
			}
			return r == wsconn.OK
		}
		switch t.keep(frame, m, r) {
		case settled:
			if o.watch != nil {
				o.sawKept(s, frame)
			}
			return true
		case handed:
			o.batch.Pace(&s.Conn)
			return true
		case again:
		}
	}
}

// broadcast sends to everyone, in every voice that somebody speaks. Who
// connects meanwhile has not been answered yet, so nothing is owed to it.
func (o *outbound) broadcast(except *session) {
	defer o.clock.stop()
	var skip func(c *wsconn.Conn) bool
	if except != nil {
		skip = func(c *wsconn.Conn) bool { return c == &except.Conn }
	}
	for i := range o.node.speakers {
		if o.node.speakers[i].Load() == 0 {
			continue
		}
		if frame := o.frame(uint8(i)); frame != nil {
			o.batch.Broadcast(frame, skip)
		}
	}
	for s := range o.node.tabs.away.All() {
		if s == except {
			continue
		}
		if frame := o.frame(s.Group()); frame != nil {
			o.give(s, frame, nil)
		}
	}
	if o.watch != nil {
		o.sawAll(except)
	}
}

// closeAsked ends the sockets that a backend wants closed: a :chsk/close to
// everyone is refused before.
func closeAsked(subs []*subscription, one, except *session) {
	for _, sub := range subs {
		if sub.Conn != except {
			sub.Conn.closeAsync(wsconn.StatusNormal, closedByBackend)
		}
	}
	if one != nil {
		one.closeAsync(wsconn.StatusNormal, closedByBackend)
	}
}

// excluded returns the connection that must not get m, nil where there is none
// on this node.
func (n *Node) excluded(m *bus.Message) *session {
	if m.Exclude == "" {
		return nil
	}
	return n.session(m.Exclude)
}

// session returns the connection of this node with that conn-id, or nil.
func (n *Node) session(connID string) *session {
	c, ok := id.ParseConn(connID)
	if !ok || c.Node() != n.opts.ID {
		return nil
	}
	s := n.conns.Get(c.Key())
	if s == nil {
		if s = n.tabs.away.Get(c.Key()); s != nil && s.socketless() == nil {
			return nil // a connection that is not there yet, or no more
		}
	}
	if s == nil || s.id != c {
		return nil
	}
	return s
}

// checkEvent reads a backend's event, which the bus has scanned, and reports
// what is wrong with it: no event, or an id that only nodes may use.
func checkEvent(o *outbound, m *bus.Message, env *codec.Envelope) error {
	if err := o.parser.Parse(m.Format, m.Body, env); err != nil {
		return err
	}
	if env.Callback != nil {
		return errCallback
	}
	if dialect.Reserved(env.ID) {
		switch id := string(env.ID); {
		case id == ":sente-lite/echo":
		case id == ":chsk/close" && m.Kind != bus.KindAll && m.Ask == 0:
		default:
			return errReserved
		}
	}
	return nil
}
