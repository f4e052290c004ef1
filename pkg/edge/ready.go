package edge

import (
	"net/http"
	"sync/atomic"
	"time"
)

// DefaultReadyGrace is the default of [Options.ReadyGrace].
const DefaultReadyGrace = 5 * time.Second

// readiness is what a balancer is told of NATS. A node whose server has gone has
// another one within a second, mostly, and all nodes lose a cluster at the same
// moment: a balancer that took them out at once would close every client's way
// back, for connections that are all well. So it is told after a while only.
type readiness struct {
	// away is when NATS was lost, in nanoseconds since Node.started, plus one; 0
	// while it is there. Written on the control goroutine of the bus, read by any.
	away atomic.Int64
	// begun is set once the node has been ready. Until then there is no grace: nobody
	// is connected, and the balancer has not been told of it.
	begun atomic.Bool
}

// follow notes whether NATS is there.
func (r *readiness) follow(up bool, since time.Duration) {
	if up {
		r.away.Store(0)
		return
	}
	r.away.CompareAndSwap(0, int64(since)+1)
}

// awayFor returns for how long NATS has been away, and false while it is there.
func (r *readiness) awayFor(since time.Duration) (time.Duration, bool) {
	away := r.away.Load()
	if away == 0 {
		return 0, false
	}
	return max(since-time.Duration(away-1), 0), true
}

// serveReady answers a balancer. It goes by the time that has passed and not by
// [Node.Ready]: that says whether a handshake can be taken at this moment.
func (n *Node) serveReady(w http.ResponseWriter, _ *http.Request) {
	answer := map[string]any{"status": "ready"}
	status := http.StatusOK
	refuse := func(reason string) {
		status = http.StatusServiceUnavailable
		answer["status"], answer["reason"] = "not ready", reason
	}
	away, isAway := n.readiness.awayFor(time.Since(n.started))
	if isAway {
		answer["nats-away-ms"] = away.Milliseconds()
	}
	switch {
	case n.stopping.Load():
		refuse("stopping")
	case n.draining():
		refuse("draining")
	case !n.readiness.begun.Load(), isAway && away >= n.opts.ReadyGrace:
		refuse("nats is not available")
	}
	writeJSON(w, status, answer)
}
