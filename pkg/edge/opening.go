package edge

import (
	"time"

	"github.com/hoshi-ws/hoshi/internal/hub"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// opening is what has to come before a Sente client is answered: its interests
// are in force on every server, and whoever held its tab has handed it over.
// Owned by the session's loop.
type opening struct {
	begun  bool // the interest in the client has been asked for
	user   bool // the interests are in force
	client bool

	located bool // holder is known
	local   *session
	remote  holder

	asked   bool        // the holder has been asked to hand over
	late    *time.Timer // ends the wait for it
	handed  []kept
	dropped int
	since   time.Time // when this side began to listen

	done func()         // answers the client
	fail func(*refusal) // tells it that it cannot be
}

// handoverTimeout bounds the wait for another node to hand over a tab; locating
// it has the same.
const handoverTimeout = time.Second

// open brings a tab to its client. done or fail is called on the session's loop.
// Loop only.
func (n *Node) open(s *session, done func(), fail func(*refusal)) {
	t := s.tab()
	o := &opening{since: time.Now()}
	o.done, o.fail = done, func(r *refusal) {
		n.abort(s)
		fail(r)
	}
	t.opening = o
	n.speakers[s.Group()].Add(1) // before anybody can know that s is here
	n.tabs.away.Put(s.id.Key(), s)
	var joined hub.Joined
	s.user, joined = n.joinInterest(n.users, bus.KindUser, t.uid, s)
	o.user = joined == hub.Confirmed
	if o.local = n.holderHere(t.client, t.uid, s); o.local != nil {
		o.located = true
		n.advance(s)
		return
	}
	err := n.locate(t.client, t.uid, func(h holder) {
		s.post(func() {
			if t.opening == o && !o.located {
				o.located, o.remote = true, h
				n.advance(s)
			}
		})
	})
	if err != nil {
		o.fail(refuseUnavailable)
	}
}

// abort undoes open.
func (n *Node) abort(s *session) {
	t := s.tab()
	if o := t.opening; o.late != nil {
		o.late.Stop()
	}
	t.opening = nil
	t.surrender()
	s.forget()
}

// joinInterest makes s one of a topic whose interest the bus is asked for.
func (n *Node) joinInterest(h *hub.Hub[*session], kind bus.Kind, token string, s *session) (*subscription, hub.Joined) {
	sub, joined := h.Join(token, s, 0)
	if joined == hub.Created {
		n.bus.Want(kind, token, func(err error) { n.interestAnswered(h, sub.Topic(), err) })
	}
	return sub, joined
}

// interestAnswered runs on the control goroutine of the bus.
func (n *Node) interestAnswered(h *hub.Hub[*session], topic *hub.Topic[*session], err error) {
	var subs []*subscription
	if err == nil {
		subs = h.Confirm(topic)
	} else {
		subs = h.Abandon(topic)
	}
	for _, sub := range subs {
		sub.Conn.post(func() { n.interested(sub, err) })
	}
}

// interested goes on with a session whose interest is in force, or cannot be
// had.
func (n *Node) interested(sub *subscription, err error) {
	s := sub.Conn
	t := s.tab()
	if t == nil {
		n.userAnswered(s, sub, err)
		return
	}
	o := t.opening
	switch {
	case o == nil:
	case err != nil:
		o.fail(refuseUnavailable)
	case sub == s.user:
		o.user = true
		n.advance(s)
	case sub == t.sub:
		o.client = true
		n.advance(s)
	}
}

// advance takes the next step of an opening. Loop only.
func (n *Node) advance(s *session) {
	t := s.tab()
	o := t.opening
	if !o.located {
		return
	}
	if !o.begun {
		// Not before: whoever holds the tab would not be told from this session.
		o.begun = true
		var joined hub.Joined
		t.sub, joined = n.joinInterest(n.clients, bus.KindClient, t.client, s)
		o.client = joined == hub.Confirmed
	}
	if !o.user || !o.client {
		return
	}
	switch {
	case o.local != nil:
		o.handed, o.dropped = n.takeOver(o.local, s)
		n.settle(s)
	case o.remote.conn == "":
		n.settle(s)
	case !o.asked:
		o.asked = true
		o.late = time.AfterFunc(handoverTimeout, func() { s.post(func() { n.handedOver(s, o, 0) }) })
		n.publishTab(o.remote.conn, s.id.String(), "take "+t.uid)
	}
}

// handedOver ends the wait for another node. Loop only.
func (n *Node) handedOver(s *session, o *opening, dropped int) {
	if s.tab().opening == o {
		o.late.Stop()
		o.dropped += dropped
		n.settle(s)
	}
}

// settle answers the client, and gives it what has waited. Loop only.
func (n *Node) settle(s *session) {
	t := s.tab()
	o := t.opening
	t.opening = nil
	n.tabs.handed.Add(uint64(len(o.handed)))
	o.done()
	t.mu.Lock()
	if t.mu.state == tabOpening { // nobody has taken over meanwhile
		here, dropped := t.takeLocked()
		t.settleLocked(merge(o.handed, here, o.since), dropped+o.dropped)
	}
	t.mu.Unlock()
	n.publishTabHere(s)
}

// settleLocked lets deliveries in, behind what has waited.
func (t *tab) settleLocked(box []kept, dropped int) {
	s := t.session
	if t.polls != nil {
		t.mu.state = tabParked
		t.mu.dropped = dropped
		for _, k := range box {
			t.keepLocked(k)
		}
		s.user.Open, t.sub.Open = true, true // guarded by this lock where there is no queue
		t.graceLocked(s.node.opts.Sente.ReconnectAjax)
		return
	}
	t.mu.state = tabOpen
	if dropped > 0 {
		s.tell(s.voice().AppendDropped(nil, dropped))
	}
	for i, k := range box {
		if s.Send(k.frame) == wsconn.Rejected {
			for _, k := range box[i:] { // for the next socket
				t.keepLocked(k)
			}
			break
		}
	}
	s.Conn.Open(&s.user.Open, nil)
	s.Conn.Open(&t.sub.Open, nil)
}

// holderHere returns the session of this node that holds a tab, other than
// except; nil where there is none. Any goroutine.
func (n *Node) holderHere(client, uid string, except *session) *session {
	for _, sub := range n.clients.Snapshot(client) {
		if s := sub.Conn; s != except && s.tab().uid == uid && s.tab().held() {
			return s
		}
	}
	return nil
}

func (t *tab) held() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.state != tabGone
}

// takeOver ends the tab of old, on this node, and returns what it has kept, for
// s.
func (n *Node) takeOver(old, s *session) (box []kept, dropped int) {
	box, dropped, ok := old.tab().surrender()
	if !ok {
		return nil, 0
	}
	old.post(old.replaced)
	kept := box[:0]
	for _, k := range box {
		if k.body == nil { // for that session alone
			continue
		}
		if old.Group() != s.Group() {
			frame, err := n.pushFrame(s.voice(), k.body, k.format)
			if err != nil {
				continue // counted
			}
			k.frame = frame
		}
		kept = append(kept, k)
	}
	return kept, dropped
}
