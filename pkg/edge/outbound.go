package edge

import (
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// outbound is what one shard goroutine of the bus needs to deliver. Owned by
// that goroutine.
type outbound struct {
	batch   *wsconn.Batch
	parser  codec.Parser
	scratch []byte
}

// maxScratch bounds what a shard keeps between messages.
const maxScratch = 64 << 10

// deliver hands one message from NATS to the connections that it is for. It
// runs on the goroutine of the shard. The loops are woken for it when the shard
// flushes the batch.
func (n *Node) deliver(shard int, m *bus.Message) {
	if !n.connected.Load() {
		return // nobody is here yet
	}
	o := &n.outbound[shard]
	if m.Kind == bus.KindChan {
		n.deliverChannel(o, m)
	} else {
		n.deliverEvent(o, m)
	}
	if cap(o.scratch) > maxScratch {
		o.scratch = nil
	}
}

func (n *Node) deliverChannel(o *outbound, m *bus.Message) {
	subs := n.channels.Snapshot(m.Token)
	if len(subs) == 0 {
		return
	}
	o.scratch = sentelite.AppendChannelMessage(o.scratch[:0], channelText(m.Token), m.Body, m.From, n.opts.WrapRecv)
	class := wsconn.Class(subs[0].Topic().Class())
	n.fanOut(o, subs, wsconn.NewDelivery(class, o.scratch), n.excluded(m))
}

// deliverEvent delivers to a user, a connection or everyone.
func (n *Node) deliverEvent(o *outbound, m *bus.Message) {
	var (
		subs []*subscription
		one  *session
	)
	if m.Kind == bus.KindUser {
		if subs = n.users.Snapshot(m.Token); len(subs) == 0 {
			return
		}
	} else if m.Kind == bus.KindConn {
		if one = n.session(m.Token); one == nil {
			return
		}
	}
	var env codec.Envelope
	if err := checkEvent(o, m, &env); err != nil {
		n.refuseBody(m, err)
		return
	}
	if string(env.ID) == ":chsk/close" {
		closeAsked(subs, one, n.excluded(m))
		return
	}
	payload := env.Event
	if n.opts.WrapRecv {
		o.scratch = sentelite.AppendEvent(o.scratch[:0], env.Event, true)
		payload = o.scratch
	}
	frame := wsconn.NewDelivery(n.pushes, payload)
	switch {
	case m.Kind == bus.KindAll:
		o.broadcast(frame, n.excluded(m))
	case one != nil:
		o.batch.Enqueue(&one.Conn, frame, nil)
	default:
		n.fanOut(o, subs, frame, n.excluded(m))
	}
}

// fanOut appends one frame to the queue of every subscriber whose gate is
// open.
func (n *Node) fanOut(o *outbound, subs []*subscription, frame *wsconn.Frame, except *session) {
	for _, sub := range subs {
		if s := sub.Conn; s != except {
			o.batch.Enqueue(&s.Conn, frame, &sub.Open)
		}
	}
}

func (o *outbound) broadcast(frame *wsconn.Frame, except *session) {
	if except == nil {
		o.batch.Broadcast(frame, nil)
		return
	}
	o.batch.Broadcast(frame, func(c *wsconn.Conn) bool { return c == &except.Conn })
}

// closeAsked ends the sockets that a backend wants closed: a :chsk/close to
// everyone is refused before.
func closeAsked(subs []*subscription, one, except *session) {
	for _, sub := range subs {
		if sub.Conn != except {
			sub.Conn.CloseAsync(wsconn.StatusNormal, closedByBackend)
		}
	}
	if one != nil {
		one.CloseAsync(wsconn.StatusNormal, closedByBackend)
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
	if s == nil || s.id != c {
		return nil
	}
	return s
}

// checkEvent reads a backend's event, which the bus has scanned, and reports
// what is wrong with it: no event, or an id that only nodes may use.
func checkEvent(o *outbound, m *bus.Message, env *codec.Envelope) error {
	if err := o.parser.EDN(m.Body, env); err != nil {
		return err
	}
	if env.Callback != nil {
		return errCallback
	}
	if sentelite.Reserved(env.ID) {
		switch id := string(env.ID); {
		case id == ":sente-lite/echo":
		case id == ":chsk/close" && m.Kind != bus.KindAll:
		default:
			return errReserved
		}
	}
	return nil
}
