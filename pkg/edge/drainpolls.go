package edge

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// A client that polls has no socket that could be closed. It is let go by an
// answer to its poll: it polls again at once, and as this node takes no more
// connections it does so at another one. That asks who holds the tab; a tab that
// has been let go answers as those with a socket do, so the other node does not
// send polls here but takes the tab over, with all that waits in it.

// statusElsewhere, in this process only, ends a poll whose client shall ask
// another node.
const statusElsewhere = -1

// polling is what a client that polls is let go by: its tab here, or its request
// that waits for a tab at another node.
type polling interface{ letGo() bool }

// letPollsGo lets all clients that poll go, evenly until end.
func (n *Node) letPollsGo(ctx context.Context, end time.Time) {
	var all []polling
	for s := range n.tabs.away.All() {
		if t := s.tab(); t.polls != nil {
			all = append(all, t)
		}
	}
	for r := range n.tabs.relays.All() {
		if r.poll {
			all = append(all, r)
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for len(all) > 0 {
		count, gap := wsconn.Pace(len(all), time.Until(end))
		for _, p := range all[:count] {
			if p.letGo() {
				n.drain.polls.Add(1)
			}
		}
		if all = all[count:]; len(all) == 0 {
			return
		}
		timer := time.NewTimer(gap)
		select {
		case <-timer.C:
		case <-n.drain.stopped:
			timer.Stop()
			return
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// letLateGo lets go what letPollsGo may not have met. Whoever makes it has found
// before that the node does not drain, and calls this when it can be met.
func (n *Node) letLateGo(p polling) {
	if n.draining() && p.letGo() {
		n.drain.polls.Add(1)
	}
}

// letGo answers the poll that waits, and lets another node take the tab over. It
// reports whether it is the first to do so. Any goroutine.
func (t *tab) letGo() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.state == tabGone || t.mu.leaving {
		return false
	}
	t.mu.leaving = true
	switch {
	case t.mu.waiting == nil:
	case len(t.mu.box) > 0: // being gathered
		t.answerLocked()
	default:
		t.dismissLocked()
	}
	return true
}

// dismissLocked ends the poll that waits with nothing. Another node, for whose
// client it is, asks who holds the tab then; a client of this node polls again.
func (t *tab) dismissLocked() {
	w := t.mu.waiting
	t.mu.stopLocked()
	t.graceLocked(t.session.node.opts.Sente.ReconnectAjax)
	if w.name != "" {
		w.answer(response{status: statusUnknown})
		return
	}
	w.answer(response{http.StatusOK, t.session.keywordText(":chsk/timeout")})
}

// stays reports whether polls of the tab's client are to be sent here. Any
// goroutine.
func (t *tab) stays() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.polls != nil && !t.mu.leaving
}

// letGo ends the wait for the tab's node. It reports whether it does.
func (r *relay) letGo() bool { return r.take(response{status: statusElsewhere}) }

// pollDraining answers a poll that has come while the node drains. Its session, if
// it is here, is let go; any other client comes back elsewhere by itself.
func (n *Node) pollDraining(ctx context.Context, who identity, handshake bool) (r response, end func(left bool), refused *refusal) {
	s := n.holderHere(who.clientToken, who.uidOrNil(), nil)
	if s == nil || s.tab().polls == nil {
		return r, nil, refuseDraining
	}
	n.letLateGo(s.tab())
	r, end = n.pollHere(ctx, s, who, handshake)
	return r, end, nil
}
