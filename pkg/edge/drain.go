package edge

import (
	"context"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// Defaults of [Options.DrainTime] and [Options.DrainRate].
const (
	DefaultDrainTime = 30 * time.Second
	DefaultDrainRate = 500
)

const (
	drainReason = "node is stopping" // of its closes
	progressLog = 5 * time.Second    // between two lines about how far it is
	moveTime    = 3 * time.Second    // how long tabs are waited for, once the last client has been let go
	moveLook    = 20 * time.Millisecond
)

// drainState is how far a drain is. Any goroutine.
type drainState struct {
	began   atomic.Int64  // Unix time in milliseconds, 0 until then
	polls   atomic.Uint64 // clients that poll, let go
	stopped chan struct{} // closed when Stop begins

	ended chan struct{} // closed when Drain has returned
	err   error         // what it returned; behind ended

	asked atomic.Bool // Options.OnDrain has been called
}

func (d *drainState) setUp() { d.stopped, d.ended = make(chan struct{}), make(chan struct{}) }

// DrainStats say how far the node is with letting its clients go.
type DrainStats struct {
	Draining bool   `json:"draining"`
	Left     int    `json:"left"`     // clients still to be let go; 0 before
	Closed   uint64 `json:"closed"`   // those that have been: closed with 1012, or told to poll elsewhere
	BeganMS  int64  `json:"began_ms"` // milliseconds since 1970, 0 before
}

func (n *Node) drainStats() (s DrainStats) {
	s.BeganMS = n.drain.began.Load()
	if s.Draining = s.BeganMS != 0; s.Draining {
		s.Left = n.Connections()
		s.Closed = n.ws.Drained() + n.drain.polls.Load()
	}
	return s
}

// draining reports whether the node lets its clients go: it takes no new ones, and
// does all the rest as before.
func (n *Node) draining() bool { return n.drain.began.Load() != 0 }

// attached reports whether NATS is there, for the clients that the node has.
func (n *Node) attached() bool { return n.ready.Load() && !n.stopping.Load() }

// Drain lets the clients go, for a node that is about to be ended: Stop must
// follow. The node is not ready from now on, and its listener is closed. Within
// Options.DrainTime each client is closed with 1012, evenly, behind what is queued
// for it; what it has asked is answered first, if that takes no longer than a
// second. Clients that poll are answered and come back at another node, to which
// their sessions are handed over; so are tabs of Sente clients whose socket has
// been closed, which are waited for some seconds more. Everything else goes on
// meanwhile, health on the admin listener included.
//
// Drain returns when that is done, when Stop begins, or, with its cause, when ctx
// ends. Further calls wait for the first and return what it returned.
func (n *Node) Drain(ctx context.Context) error {
	d := &n.drain
	if !d.began.CompareAndSwap(0, max(time.Now().UnixMilli(), 1)) {
		select {
		case <-d.ended:
			return d.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	defer close(d.ended)
	d.err = n.letAllGo(ctx)
	return d.err
}

func (n *Node) letAllGo(ctx context.Context) error {
	began, span := time.Now(), max(n.opts.DrainTime, 0)
	open := n.Connections()
	log := n.log.With().Stringer("drain_time", span).Int("connections", open).Logger()
	switch rate := float64(open) / max(span.Seconds(), 0.001); {
	case span == 0: // there is no rate
		log.Info().Msg("node is draining")
	case rate > float64(n.opts.DrainRate):
		log.Warn().Float64("per_second", math.Round(rate*10)/10).Int("drain_rate", n.opts.DrainRate).
			Stringer("needed_time", time.Duration(float64(open)/float64(n.opts.DrainRate)*float64(time.Second)).Round(100*time.Millisecond)).
			Msg("node is draining, faster than it should: its drain time is too short for so many")
	default:
		log.Info().Float64("per_second", math.Round(rate*10)/10).Msg("node is draining")
	}
	var (
		working sync.WaitGroup
		err     error
	)
	working.Go(func() { // ends with ctx, with Stop, or with the last socket
		err = n.ws.Drain(ctx, wsconn.DrainOptions{
			Code: wsconn.StatusServiceRestart, Reason: drainReason, Time: span, Busy: busy,
		})
	})
	working.Go(func() { n.letPollsGo(ctx, began.Add(span)) }) // the same
	done := make(chan struct{})
	go func() { // ends with these two
		working.Wait()
		close(done)
	}()
	tick := time.NewTicker(progressLog)
	defer tick.Stop()
	for going := true; going; {
		select {
		case <-done:
			going = false
		case <-tick.C:
			s := n.drainStats()
			n.log.Info().Int("left", s.Left).Uint64("closed", s.Closed).Msg("node is draining")
		}
	}
	if err == nil {
		err = n.awaitMoves(ctx)
	}
	if err == nil { // else who has cut it short says so
		s := n.drainStats()
		n.log.Info().Int("left", s.Left).Uint64("closed", s.Closed).Stringer("took", time.Since(began).Round(time.Millisecond)).Msg("node has drained")
	}
	return err
}

// busy reports whether a client is owed something that is on its way, or has said
// something that is held back: that is so until it is taken, and what it waits for
// may have come before. Loop only.
func busy(h wsconn.Handler) bool {
	s, ok := h.(*session)
	return ok && (s.Holds() || s.calls.Load() > 0 || s.waiting() != nil)
}

// awaitMoves waits for what is queued to leave, for tabs that other nodes are about
// to take over, and for requests that are being answered. It is not long: who has
// not come back by then may never do.
func (n *Node) awaitMoves(ctx context.Context) error {
	tick := time.NewTicker(moveLook)
	defer tick.Stop()
	late := time.NewTimer(moveTime)
	defer late.Stop()
	for n.conns.Len() > 0 || n.tabs.away.Len() > 0 || n.handoff.open.Load() > 0 || n.tabs.polling.Load() > 0 {
		select {
		case <-tick.C:
		case <-late.C:
			return nil
		case <-n.drain.stopped:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// turnedAway returns why nobody may come, nil where somebody may. A request of a
// client that polls may still have to be answered while the node drains.
func (n *Node) turnedAway(repeats bool) *refusal {
	switch {
	case !n.attached():
		return refuseUnavailable
	case n.draining() && !repeats:
		return refuseDraining
	}
	return nil
}

var refuseDraining = &refusal{
	status: http.StatusServiceUnavailable, reason: "draining",
	body:   "This node is about to end. Try again: another one will answer.\n",
	header: []string{"Retry-After", "1"},
}

// askDrain asks whoever runs the node to drain and end it, as POST /drain and
// administrators by NATS do. It is false where nobody has said how, in
// Options.OnDrain. Asking again does nothing. Any goroutine.
func (n *Node) askDrain() bool {
	if n.opts.OnDrain == nil {
		return false
	}
	if n.drain.asked.CompareAndSwap(false, true) {
		n.log.Info().Msg("node is asked to drain and end")
		n.opts.OnDrain()
	}
	return true
}

// drainTimeLeft is Options.DrainTime, less what has passed of it.
func (n *Node) drainTimeLeft() time.Duration {
	left := n.opts.DrainTime
	if began := n.drain.began.Load(); began != 0 {
		left -= time.Since(time.UnixMilli(began))
	}
	return max(left, 0)
}

// serveDrain answers POST /drain: the work goes on behind it, and /stats says how far it is.
func (n *Node) serveDrain(w http.ResponseWriter, _ *http.Request) {
	if !n.askDrain() {
		writeJSON(w, http.StatusNotImplemented, map[string]any{"status": "not draining", "reason": "the program around this node ends it in another way"})
		return
	}
	writeJSON(w, http.StatusAccepted, map[string]any{
		"status":        "draining",
		"node":          n.opts.ID.String(),
		"connections":   n.Connections(),
		"drain-time-ms": n.drainTimeLeft().Milliseconds(),
	})
}
