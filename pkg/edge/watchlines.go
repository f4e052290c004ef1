package edge

import (
	"errors"
	"time"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// What is told of those who are watched, from where it happens.

// watchOpen tells of a session that has been opened. Loop only.
func (n *Node) watchOpen(s *session) {
	if list := n.watches.meet(s); list != nil {
		tell(list, func() bus.TraceLine {
			return bus.TraceLine{Kind: bus.TraceOpen, Conn: s.id.String(), Format: s.voice().name}
		})
	}
}

// watchClose tells of the end of its socket, or of its polls. Loop only.
func (n *Node) watchClose(s *session, info wsconn.CloseInfo) {
	if list := n.watches.of(s); list != nil {
		tell(list, func() bus.TraceLine {
			return bus.TraceLine{Kind: bus.TraceClose, Conn: s.id.String(), Code: int(info.Code), Reason: info.Reason.String()}
		})
	}
}

// watchIn tells of what the client has sent, but for pings. Loop only.
func (n *Node) watchIn(s *session, cmd *dialect.Command) {
	list := n.watches.of(s)
	if list == nil || cmd.Op == dialect.Ping || cmd.Op == dialect.Pong {
		return
	}
	tell(list, func() bus.TraceLine {
		l := bus.TraceLine{
			Kind: bus.TraceIn, Conn: s.id.String(), Event: clip(string(cmd.ID)), Channel: clip(string(cmd.Channel)),
			Bytes: len(cmd.Event), Format: s.voice().suffix,
		}
		if l.Bytes == 0 {
			l.Bytes = len(cmd.Data)
		}
		return l
	})
}

// watchHeld tells that what was sent is held back. Loop only.
func (n *Node) watchHeld(s *session) {
	if list := n.watches.of(s); list != nil {
		tell(list, func() bus.TraceLine { return bus.TraceLine{Kind: bus.TraceHeld, Conn: s.id.String()} })
	}
}

// refusedMessage counts what a client has sent and is not done, and tells of it. Loop
// only.
func (n *Node) refusedMessage(s *session, reason string) {
	n.counts.refused(reason)
	if list := n.watches.of(s); list != nil {
		tell(list, func() bus.TraceLine {
			return bus.TraceLine{Kind: bus.TraceRefused, Conn: s.id.String(), Reason: reason}
		})
	}
}

// watchChannel tells that a session is a subscriber, or no more. Loop only.
func (n *Node) watchChannel(s *session, kind, token string) {
	set := n.watches.active.Load()
	if set == nil {
		return
	}
	line := func() bus.TraceLine {
		return bus.TraceLine{Kind: kind, Conn: s.id.String(), Channel: nameOf(token)}
	}
	tell(n.watches.watching(s), line)
	tell(set.channels[token], line)
}

// watchedCall is a callback of somebody who is watched. Fixed.
type watchedCall struct {
	event string
	at    time.Time
}

// watchCall notes when a callback began to wait, nil where nobody wants to know. Loop
// only.
func (n *Node) watchCall(s *session, id []byte) *watchedCall {
	if n.watches.of(s) == nil {
		return nil
	}
	return &watchedCall{clip(string(id)), time.Now()}
}

// watchReply tells of its end. On a goroutine of the bus.
func (n *Node) watchReply(s *session, c *watchedCall, r *bus.Reply) {
	if c == nil {
		return
	}
	tell(n.watches.of(s), func() bus.TraceLine {
		l := bus.TraceLine{
			Kind: bus.TraceReply, Conn: s.id.String(), Event: c.event, Bytes: len(r.Body), Format: r.Format.String(),
			TookMS: float64(time.Since(c.at).Microseconds()) / 1000,
		}
		if r.Err != nil {
			l.Reason, l.Format = answerFault(r.Err), ""
			if remote, ok := errors.AsType[*bus.RemoteError](r.Err); ok {
				l.Reason = clip(remote.Keyword)
			}
		}
		return l
	})
}

// watchDropped tells of deliveries that were dropped, as the client is told itself.
// Loop only.
func (n *Node) watchDropped(s *session, count int) {
	if list := n.watches.of(s); list != nil {
		tell(list, func() bus.TraceLine {
			return bus.TraceLine{Kind: bus.TraceDropped, Conn: s.id.String(), Count: count, Reason: "told"}
		})
	}
}

// line is what a delivery is told with.
func (o *outbound) line(s *session, kind string, frame *wsconn.Frame) bus.TraceLine {
	m := o.m
	l := bus.TraceLine{Kind: kind, Conn: s.id.String(), Bytes: frame.Len(), Format: s.voice().suffix}
	if m.Kind == bus.KindChan {
		l.Channel, l.From = nameOf(m.Token), m.From
	} else {
		l.Event = clip(string(o.env.ID))
	}
	return l
}

// saw tells what has become of a delivery to one session.
func (o *outbound) saw(s *session, frame *wsconn.Frame, r wsconn.Result) {
	list := o.node.watches.watching(s)
	if list == nil {
		return
	}
	kind, reason := bus.TracePush, ""
	switch r {
	case wsconn.OK:
		if o.m.Kind == bus.KindChan {
			kind = bus.TraceMessage
		}
	case wsconn.Dropped:
		kind, reason = bus.TraceDropped, "queue-full"
	case wsconn.Overflow:
		kind, reason = bus.TraceDropped, "overflow"
	case wsconn.Shut, wsconn.Rejected: // it is not subscribed, or closes
		return
	}
	tell(list, func() bus.TraceLine {
		l := o.line(s, kind, frame)
		l.Reason = reason
		return l
	})
}

// sawKept tells that a delivery waits for the client.
func (o *outbound) sawKept(s *session, frame *wsconn.Frame) {
	if list := o.node.watches.watching(s); list != nil {
		tell(list, func() bus.TraceLine { return o.line(s, bus.TraceKept, frame) })
	}
}

// sawAll tells that everybody with a socket has been given something.
func (o *outbound) sawAll(except *session) {
	for key, list := range o.node.watches.sessions.Range {
		s := key.(*session)
		if s == except || o.node.conns.Get(s.id.Key()) != s {
			continue // those without a socket have been told of
		}
		if frame := o.frame(s.Group()); frame != nil {
			tell(list.([]*watch), func() bus.TraceLine { return o.line(s, bus.TraceAll, frame) })
		}
	}
}

// sawChannel tells that a channel's message has come.
func (o *outbound) sawChannel(m *bus.Message, subscribers int) {
	if list := o.watch.channels[m.Token]; list != nil {
		tell(list, func() bus.TraceLine {
			return bus.TraceLine{
				Kind: bus.TraceMessage, Channel: nameOf(m.Token), From: m.From,
				Bytes: len(m.Body), Format: m.Format.String(), Count: subscribers,
			}
		})
	}
}
