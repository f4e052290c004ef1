package edge

import (
	"context"
	"net/http"
	"time"
)

// servePoll answers with the handshake where the client asks for it or is not
// known, and else with what comes.
func (n *Node) servePoll(ctx context.Context, w http.ResponseWriter, v *voice, who identity, handshake bool) {
	for range 3 { // a tab can go away between two steps
		if !n.attached() {
			break
		}
		var (
			s    *session
			home string
			r    response
		)
		end := func(bool) {} // is told whether the answer has left
		if !n.draining() {
			s, home = n.findTab(ctx, who, who.uidOrNil())
		}
		switch {
		case n.draining():
			var refused *refusal
			if r, end, refused = n.pollDraining(ctx, who, handshake); refused != nil {
				n.refuseAjax(w, refused)
				return
			}
		case s != nil:
			r, end = n.pollHere(ctx, s, who, handshake)
		case home != "":
			r, end = n.pollThere(ctx, home, who, handshake)
		default:
			var refused *refusal
			if r, refused = n.openPolls(ctx, who); refused != nil {
				n.refuseAjax(w, refused)
				return
			}
		}
		if r.status == statusUnknown {
			pause(ctx, unknownPause)
			continue
		}
		if r.status == statusElsewhere {
			n.writeAjax(w, v, response{http.StatusOK, n.newPolls(who).keywordText(":chsk/timeout")})
			end(false) // or what comes would still be sent here
			return
		}
		// Where its client is gone, or has sent a newer one, or another node is
		// silent, it is never answered.
		left := r.status != 0 && ctx.Err() == nil && n.writeAjax(w, v, r)
		end(left)
		if !left {
			panic(http.ErrAbortHandler)
		}
		return
	}
	n.refuseAjax(w, refuseUnavailable)
}

// unknownPause is the time after which a tab that is moving is looked for again.
const unknownPause = 20 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// pollHere waits at a session of this node. end must follow.
func (n *Node) pollHere(ctx context.Context, s *session, who identity, handshake bool) (r response, end func(left bool)) {
	ch := make(chan response, 1)
	w := &waiter{answer: func(r response) bool { ch <- r; return true }}
	t, p := s.tab(), n.personOf(&who)
	s.post(func() {
		s.vouch(p)
		t.poll(w, handshake)
	})
	select {
	case r = <-ch:
	case <-ctx.Done():
	}
	return r, func(left bool) {
		if left {
			t.arrived(w)
			return
		}
		s.post(func() { t.cancel(func(other *waiter) bool { return other == w }) })
	}
}

// pollThere is pollHere for a session of another node.
func (n *Node) pollThere(ctx context.Context, home string, who identity, handshake bool) (r response, end func(left bool)) {
	verb := "poll "
	if handshake {
		verb = "handshake "
	}
	relay := n.relayTo(home, verb+who.uidOrNil()+" "+n.tellPerson(n.personOf(&who)), nil)
	n.letLateGo(relay)
	return n.awaitRelay(ctx, relay, stillEvery), func(left bool) {
		if !left {
			n.publishTab(home, relay.name.String(), "cancel")
		}
	}
}

// openPolls makes a session for a client that is not known, and returns its
// handshake.
func (n *Node) openPolls(ctx context.Context, who identity) (response, *refusal) {
	s := n.newPolls(who)
	if refused := n.countPolls(s, &who); refused != nil {
		return response{}, refused
	}
	ch := make(chan response, 1)
	s.post(func() {
		n.open(s, func() {
			n.tabs.sessions.Add(1)
			s.open = true
			n.revoker.watch(s)
			n.publishOpen(s)
			n.greet(s)
			ch <- response{http.StatusOK, s.handshakeText()}
		}, func(r *refusal) { ch <- response{r.status, []byte(r.body)} })
	})
	n.letLateGo(s.tab())
	select {
	case r := <-ch:
		return r, nil
	case <-ctx.Done():
		return response{}, nil // it expires like any other
	}
}
