package edge

import (
	"iter"
	"net/http"
	"time"

	"github.com/hoshi-ws/hoshi/internal/dialect"
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

	asked bool        // the holder has been asked to hand over
	late  *time.Timer // ends the wait for it

	done func()         // answers the client
	fail func(*refusal) // tells it that it cannot be
}

// locateTimeout bounds the wait for whoever holds a tab to say so: nodes that do
// not, and still listen, are silent. A holder that is slower hears of the new
// session by "here". handoverTimeout bounds the wait for the tab itself.
const (
	locateTimeout   = 500 * time.Millisecond
	handoverTimeout = 3 * time.Second
)

// open brings a tab to its client. done or fail is called on the session's loop.
// Loop only.
func (n *Node) open(s *session, done func(), fail func(*refusal)) {
	t := s.tab()
	o := &opening{}
	o.done, o.fail = done, func(r *refusal) {
		n.abort(s)
		fail(r)
	}
	t.opening = o
	n.speakers[s.Group()].Add(1) // before anybody can know that s is here
	n.tabs.away.Put(s.id.Key(), s)
	if o.local = n.holderHere(t.client, t.uid, s); o.local != nil {
		// What is told to both is in its box, not on its socket.
		form, owed, ok := o.local.tab().yield()
		if ok {
			t.adoptForm(form)
		}
		t.mu.Lock()
		t.mu.owed, t.mu.last = owed, o.local.id.String()
		t.mu.Unlock()
	}
	t.mu.Lock()
	t.mu.since = time.Now()
	t.mu.Unlock()
	var joined hub.Joined
	s.user, joined = n.joinInterest(n.users, bus.KindUser, t.uid, s)
	o.user = joined == hub.Confirmed
	if o.local != nil {
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
	t.surrender(successor{}, http.StatusServiceUnavailable, nil)
	s.forget()
}

// joinInterest makes s one of a topic whose interest the bus is asked for.
func (n *Node) joinInterest(h *hub.Hub[*session], kind bus.Kind, token string, s *session) (*subscription, hub.Joined) {
	subject, token := n.bus.Subjects().Interest(kind, token) // the hub and the bus keep one string
	sub, joined := h.Join(token, s, 0)
	if joined == hub.Created {
		n.bus.WantSubject(subject, token, func(err error) { n.interestAnswered(h, sub.Topic(), err) })
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
		sub.Conn.post(func() { sub.Conn.node.interested(sub, err) }) // not n: the function holds the less
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
		n.takeOver(o.local, s)
		n.settle(s)
	case o.remote.conn == "":
		n.settle(s)
	case !o.asked:
		o.asked = true
		t.mu.Lock()
		t.mu.last = o.remote.conn
		t.mu.Unlock()
		o.late = time.AfterFunc(handoverTimeout, func() { s.post(func() { n.handedOver(s, o) }) })
		n.publishTab(o.remote.conn, s.id.String(), "take "+t.uid)
	}
}

// handedOver ends the wait for another node. Loop only.
func (n *Node) handedOver(s *session, o *opening) {
	if s.tab().opening == o {
		n.settle(s)
	}
}

// settle answers the client, and gives it what has waited. Loop only.
func (n *Node) settle(s *session) {
	t := s.tab()
	o := t.opening
	t.opening = nil
	if o.late != nil {
		o.late.Stop()
	}
	o.done()
	if t.settle(o.local != nil || o.asked || o.remote.unsure) {
		n.publishTabHere(s)
		return
	}
	if t.polls == nil { // somebody newer has been faster
		s.Close(wsconn.StatusNormal, closedByNewer)
	} else if !t.held() {
		s.leave()
	}
}

// settle lets deliveries in, behind what has waited, and reports whether the tab
// is still this session's. moved says that there was another one before, or may
// have been. Loop only.
func (t *tab) settle(moved bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.state != tabOpening {
		return false
	}
	t.session.node.tabs.handed.Add(uint64(len(t.mu.handed)))
	box, dropped := t.takeLocked()
	if moved || len(t.mu.handed) > 0 {
		box = t.joinLocked(box)
		t.windowLocked()
	} else {
		t.mu.since = time.Now()
	}
	t.mu.state = tabParked
	t.mu.dropped = dropped
	for _, k := range box {
		t.keepLocked(k)
	}
	switch {
	case t.polls != nil:
		s := t.session
		s.user.Open, t.sub.Open = true, true // guarded by this lock where there is no queue
		t.graceLocked(s.node.opts.Sente.ReconnectAjax)
	case !t.mu.yielded:
		t.mu.state = tabOpen
		t.sendBoxLocked()
		if t.mu.shut = true; t.mu.pairs == nil {
			t.openLocked()
		}
		return true
	}
	if t.mu.yielded {
		t.yieldLocked()
	}
	return !t.mu.yielded
}

// sendBoxLocked sends what has waited, in messages of as many events as may leave
// together: it counts as few in the send queue, which it must not fill.
func (t *tab) sendBoxLocked() {
	s, v := t.session, t.session.voice()
	var events [][]byte
	if t.mu.dropped > 0 {
		events = append(events, v.AppendDropped(nil, t.mu.dropped))
	}
	for i := 0; i < len(t.mu.box) || len(events) > 0; {
		size := 0
		for ; i < len(t.mu.box) && len(events) < gatherMessages; i++ {
			p := t.mu.box[i].frame.Payload()
			if size += len(p); size > gatherBytes && len(events) > 0 {
				break
			}
			events = append(events, p)
		}
		if s.Send(v.wrapped(v.AppendPush(nil, t.form, events...))) != wsconn.OK {
			return // the socket has closed: for the next one
		}
		for range i {
			t.dropFirstLocked()
		}
		t.mu.dropped, i, events = 0, 0, events[:0]
	}
}

// adoptForm takes over the form in which the client has been answered before, so
// that pushes that come before its first message can be read. Loop only.
func (t *tab) adoptForm(form dialect.Form) {
	if !t.heard {
		t.mu.Lock()
		t.form = form
		t.mu.Unlock()
	}
}

// holderHere returns the session of this node that holds a tab, other than
// except; nil where there is none. Any goroutine.
func (n *Node) holderHere(client, uid string, except *session) *session {
	for s := range n.holdersHere(client, uid, except) {
		return s
	}
	return nil
}

// holdersHere yields that session, and those that are about to give the tab up.
func (n *Node) holdersHere(client, uid string, except *session) iter.Seq[*session] {
	return func(yield func(*session) bool) {
		for _, sub := range n.clients.Snapshot(client) {
			if s := sub.Conn; s != except && s.tab().of(uid) && s.tab().held() && !yield(s) {
				return
			}
		}
	}
}

// of reports whether t is the tab of that uid.
func (t *tab) of(uid string) bool { return t.uid == uid || uid == anyUID && t.polls != nil }

func (t *tab) held() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.state != tabGone
}

// takeOver ends the tab of old, on this node, and gives what it has kept to s.
func (n *Node) takeOver(old, s *session) {
	t := s.tab()
	box, dropped, ok := old.tab().surrender(successor{local: t}, 0, nil)
	if !ok {
		return
	}
	old.post(old.leave)
	fit := box[:0]
	for _, k := range box {
		if k.adapt(old, s) {
			fit = append(fit, k)
		}
	}
	t.mu.Lock()
	t.mu.handed = append(fit, t.mu.handed...) // behind which something may have come late
	t.mu.dropped += dropped
	t.mu.Unlock()
}
