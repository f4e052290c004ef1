package edge

import (
	"net/http"
	"sync/atomic"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// adminCounts counts what administrators have done. Any goroutine.
type adminCounts struct {
	revocations, revoked atomic.Uint64
	kicks, kicked        atomic.Uint64
	dropped              atomic.Uint64
	full, malformed      atomic.Uint64
	learned, unanswered  atomic.Uint64
}

// AdminStats is about revocations and kicks.
type AdminStats struct {
	// Remembered are the revocations that count, with some that are over;
	// Revocations those that were asked for here, Revoked the sessions that they
	// have ended. Learned are those that other nodes have told of, again and again
	// perhaps, and Unanswered the nodes that have not answered when they were asked.
	Remembered  int    `json:"remembered"`
	Revocations uint64 `json:"revocations"`
	Revoked     uint64 `json:"revoked"`
	Learned     uint64 `json:"learned"`
	Unanswered  uint64 `json:"unanswered"`

	// Kicks were asked for; Kicked are the sessions that they have ended.
	Kicks  uint64 `json:"kicks"`
	Kicked uint64 `json:"kicked"`

	// Dropped are the deliveries that waited for those who were revoked or kicked.
	Dropped uint64 `json:"dropped"`

	// Full are the revocations that found no room, Malformed the requests, and what
	// other nodes have told, that could not be read.
	Full      uint64 `json:"full"`
	Malformed uint64 `json:"malformed"`
}

func (r *revoker) stats() AdminStats {
	c := &r.counts
	return AdminStats{
		Remembered:  r.set.Len(),
		Revocations: c.revocations.Load(),
		Revoked:     c.revoked.Load(),
		Learned:     c.learned.Load(),
		Unanswered:  c.unanswered.Load(),
		Kicks:       c.kicks.Load(),
		Kicked:      c.kicked.Load(),
		Dropped:     c.dropped.Load(),
		Full:        c.full.Load(),
		Malformed:   c.malformed.Load(),
	}
}

// ending is how a session is ended for good.
type ending struct {
	code   wsconn.StatusCode
	reason string
	status int // what a poll that waits is answered with
}

// evict ends a session that is open, without the grace time of its tab: what waits
// for its client is dropped. It reports whether there was one; one whose opening is
// under way is left alone. Any goroutine.
func (n *Node) evict(s *session, how ending) bool {
	t := s.tab()
	here := n.conns.Get(s.id.Key()) == s
	if t == nil {
		if here {
			s.CloseAsync(how.code, how.reason)
		}
		return here
	}
	if t.standing() == tabOpening {
		return false
	}
	box, _, ok := t.surrender(successor{}, how.status, nil)
	if !ok {
		return false // somebody else has it, or it is over
	}
	n.revoker.counts.dropped.Add(uint64(len(box)))
	if t.polls == nil {
		s.CloseAsync(how.code, how.reason)
	}
	s.post(s.leave)
	return here || t.polls != nil
}

// kick carries out a kick, and returns how many sessions it has ended. Any
// goroutine.
func (n *Node) kick(k *bus.Kick) (closed int) {
	how := ending{wsconn.StatusCode(k.Code), k.Reason, http.StatusForbidden}
	if k.Code == int(wsconn.StatusServiceRestart) || k.Code == int(wsconn.StatusTryAgainLater) {
		how.status = http.StatusServiceUnavailable
	}
	var subs []*subscription
	connID := k.ConnID
	switch {
	case k.ClientID != "":
		if token, err := bus.StringToken(k.ClientID); err == nil {
			subs = n.clients.Snapshot(token)
		}
	case connID == "":
		token, err := k.UID.Token()
		if err != nil {
			return 0
		}
		if subs = n.users.Snapshot(token); len(subs) == 0 {
			connID = token // a uid that nobody has vouched for is the conn-id
		}
	}
	for _, sub := range subs {
		if n.evict(sub.Conn, how) {
			closed++
		}
	}
	if s := n.session(connID); s != nil && n.evict(s, how) {
		closed++
	}
	n.revoker.counts.kicks.Add(1)
	n.revoker.counts.kicked.Add(uint64(closed))
	return closed
}
