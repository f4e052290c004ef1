package edge

import (
	"time"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// maxNames is how many channels of a connection are named.
const maxNames = 20

// Who implements bus.Observer.
func (o *observer) Who(q bus.WhoQuery) bus.WhoView {
	n := (*Node)(o)
	sessions, total := n.find(&q.Target, q.Limit)
	v := bus.WhoView{Node: n.opts.ID.String(), Total: total, More: total - len(sessions), Conns: []bus.ConnView{}}
	for i, g := range gather(sessions, (*session).view) {
		switch {
		case !g.said:
			v.Silent++
			s := sessions[i]
			v.Conns = append(v.Conns, bus.ConnView{Conn: s.id.String(), State: bus.StateSilent, Since: since(s.id), ChannelNames: []string{}})
		case g.value == nil: // it has ended meanwhile
			v.Total--
		default:
			v.Conns = append(v.Conns, *g.value)
		}
	}
	return v
}

// find returns the sessions of this node that a target means, limit of them at most, and
// how many there are. Any goroutine.
func (n *Node) find(t *bus.Target, limit int) (sessions []*session, total int) {
	var subs []*subscription
	connID := t.ConnID
	switch {
	case t.ClientID != "":
		if token, err := bus.StringToken(t.ClientID); err == nil {
			subs, total = n.clients.Snapshot(token), n.clients.Subscribers(token)
		}
	case connID == "":
		token, err := t.UID.Token()
		if err != nil {
			return nil, 0
		}
		if subs, total = n.users.Snapshot(token), n.users.Subscribers(token); len(subs) == 0 {
			connID = token // a uid that nobody has vouched for is the conn-id
		}
	}
	if s := n.anySession(connID); s != nil {
		return []*session{s}, 1
	}
	for _, sub := range subs {
		if len(sessions) == limit {
			break
		}
		sessions = append(sessions, sub.Conn)
	}
	return sessions, max(total, len(sessions))
}

// anySession returns the session with that conn-id in any state, or nil. Any
// goroutine.
func (n *Node) anySession(connID string) *session {
	c, ok := id.ParseConn(connID)
	if !ok || c.Node() != n.opts.ID {
		return nil
	}
	s := n.conns.Get(c.Key())
	if s == nil {
		s = n.tabs.away.Get(c.Key())
	}
	if s == nil || s.id != c {
		return nil
	}
	return s
}

// since is when a connection was made: the first 48 bits of its id say so.
func since(c id.Conn) time.Time {
	var ms int64
	for _, b := range c[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// view describes a session, nil for one that has ended. Loop only.
func (s *session) view() *bus.ConnView {
	t := s.tab()
	if s.closed && t == nil {
		return nil
	}
	voice := s.voice()
	v := &bus.ConnView{
		Conn: s.id.String(), State: bus.StateOpening, UID: string(s.uidText()), Dialect: voice.Dialect(), Format: voice.suffix,
		Transport: "websocket", Since: since(s.id), Channels: int(s.count), ChannelNames: []string{},
		Callbacks: int(s.calls.Load()), Throttled: s.Throttled(), Held: s.blocked || s.starved.Load(),
	}
	if s.open {
		v.State = bus.StateOpen
	}
	for sub := s.subs; sub != nil && len(v.ChannelNames) < maxNames; sub = sub.Next {
		v.ChannelNames = append(v.ChannelNames, string(channelText(sub.Topic().Key())))
	}
	if !s.closed && s.socketless() == nil {
		q := s.Queued()
		v.QueuedMessages, v.QueuedBytes, v.Blocked, v.Frozen = q.Messages, q.Bytes, q.Blocked, q.Frozen
		if from := s.RemoteAddr(); from.IsValid() {
			v.Address = from.Addr().Unmap().String()
		}
	}
	if p := s.person(); p != nil && !p.Expires.IsZero() {
		// JSON has no years beyond, and a token may be of any.
		expires := p.Expires.UTC()
		if expires.Year() > 9999 {
			expires = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		}
		v.Expires = &expires
	}
	if t != nil && !t.describe(v) {
		return nil
	}
	return v
}

// describe adds what only a tab has, and reports whether it is still there.
func (t *tab) describe(v *bus.ConnView) bool {
	v.Client = t.id
	t.mu.Lock()
	defer t.mu.Unlock()
	v.KeptMessages, v.KeptBytes = len(t.mu.box), t.mu.bytes
	switch t.mu.state {
	case tabOpening:
		v.State = bus.StateOpening
	case tabOpen:
		v.State = bus.StateOpen
	case tabParked:
		v.State = bus.StateAway
		if t.polls != nil {
			v.State = bus.StatePolling
		}
	case tabGone:
		return false
	}
	if t.polls != nil {
		v.Transport = "ajax"
	}
	return true
}
