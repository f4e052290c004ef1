package edge

import (
	"net/http"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// surrender ends the tab here and returns what it has kept, which give, if it is
// not nil, is told of before anything can follow. What still comes goes to next,
// if there is anybody. status is what a poll that waits is told. ok is false where
// the tab has ended before. session.leave must follow on the loop. Any goroutine.
func (t *tab) surrender(next successor, status int, give func(box []kept, dropped int)) (box []kept, dropped int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.state == tabGone {
		return nil, 0, false
	}
	opening := t.mu.state == tabOpening
	t.mu.state = tabGone
	t.mu.next = next
	t.stopGraceLocked()
	t.mu.pollState.endLocked(status)
	box, dropped = t.takeLocked()
	if opening {
		box = t.joinLocked(box)
	}
	if give != nil {
		give(box, dropped)
	}
	if next.remote != "" {
		t.mu.lingers = true
		t.graceLocked(lingerTime)
	} else if next.local == nil {
		t.endWindowLocked()
	}
	return box, dropped, true
}

// graceLocked ends the tab after d. For one that is gone it ends the listening.
func (t *tab) graceLocked(d time.Duration) {
	t.stopGraceLocked()
	t.mu.graces++
	number := t.mu.graces
	t.mu.grace = time.AfterFunc(d, func() { t.session.node.expire(t, number) })
}

func (t *tab) stopGraceLocked() {
	if t.mu.grace != nil {
		t.mu.grace.Stop()
		t.mu.grace = nil
	}
}

// park keeps the tab of a socket that has closed, for the grace time, and
// reports whether the session is still needed. Loop only.
func (t *tab) park() bool {
	n := t.session.node
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.mu.state {
	case tabOpen:
		if n.stopping.Load() {
			return false
		}
		t.mu.state = tabParked
		t.graceLocked(n.opts.Sente.ReconnectWS)
		return true
	case tabParked: // it has yielded
		return !n.stopping.Load()
	case tabGone:
		return t.mu.lingers
	case tabOpening:
	}
	return false
}

// expire ends a tab whose client has not come back. It runs on a timer's
// goroutine.
func (n *Node) expire(t *tab, number int) {
	t.mu.Lock()
	if t.mu.graces != number || t.mu.grace == nil { // a poll has come in between
		t.mu.Unlock()
		return
	}
	t.mu.grace = nil
	if t.mu.state == tabGone {
		t.mu.lingers, t.mu.next = false, successor{}
		t.endWindowLocked()
		t.mu.Unlock()
		t.session.post(t.session.leave)
		return
	}
	t.mu.Unlock()
	n.endTab(t, statusUnknown)
}

// endTab ends a tab that nobody takes over.
func (n *Node) endTab(t *tab, status int) {
	if box, _, ok := t.surrender(successor{}, status, nil); ok {
		n.tabs.expired.Add(uint64(len(box)))
		t.session.post(t.session.leave)
	}
}

// endTabs ends all sessions without a socket, whose clients find another node,
// and the requests that wait for other nodes.
func (n *Node) endTabs() {
	for s := range n.tabs.away.All() {
		n.endTab(s.tab(), http.StatusServiceUnavailable)
		s.post(func() {
			if o := s.tab().opening; o != nil {
				o.fail(refuseUnavailable)
			}
		})
	}
	for r := range n.tabs.relays.All() {
		// Or what comes for a poll would be sent here, where nobody waits any more.
		n.publishTab(r.home, r.name.String(), "cancel")
		r.take(response{status: http.StatusServiceUnavailable})
	}
}

// leave forgets the session of a tab that has ended, once its socket has closed
// and nothing is to be passed on any more. Loop only.
func (s *session) leave() {
	t := s.tab()
	if t.opening != nil {
		return // settle sees to it
	}
	if t.polls != nil {
		s.endPolls()
	}
	t.mu.Lock()
	lingers := t.mu.lingers
	t.mu.Unlock()
	if s.closed && !lingers {
		s.forget()
	}
}

// endPolls is OnClosed for a session without a socket. Loop only.
func (s *session) endPolls() {
	n := s.node
	s.closed = true
	n.uncountPolls(s)
	s.leaveChannels()
	n.asks.leave(s)
	n.revoker.forget(s)
	if s.open {
		s.open = false
		n.tabs.sessions.Add(-1)
		n.publishClose(s, wsconn.CloseInfo{Code: uint16(wsconn.StatusNormal), Reason: wsconn.CloseIdle})
	}
}

// forget takes a session that is not coming back out of everything. Loop only.
func (s *session) forget() {
	n, t := s.node, s.tab()
	if t.gone {
		return
	}
	t.gone = true
	t.surrender(successor{}, statusUnknown, nil) // if it has not ended before: the node is stopping
	t.mu.Lock()
	t.stopGraceLocked()
	t.endWindowLocked()
	t.mu.Unlock()
	if t.polls != nil {
		s.endPolls()
	}
	s.dropTrace()
	s.closed = true
	s.leaveChannels()
	n.tabs.away.Delete(s.id.Key())
	n.speakers[s.Group()].Add(-1)
	n.asks.leave(s)
	n.watches.forget(s)
	if s.user != nil {
		n.leave(bus.KindUser, n.users, s.user)
		s.user = nil
	}
	if t.sub != nil {
		n.leave(bus.KindClient, n.clients, t.sub)
		t.sub = nil
	}
}
