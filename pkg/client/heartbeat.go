package client

import (
	"sync"
	"time"
)

// heartbeat watches one connection: after PingInterval of silence it pings,
// after PeerTimeout the server is taken for dead. It has no goroutine, only a
// timer.
type heartbeat struct {
	l *link

	// Owned by beat, which runs once at a time.
	due   time.Duration // age of the link when it is to run next
	asked time.Duration // age when the server was last pinged; -1: never

	mu struct {
		sync.Mutex
		timer   Timer
		stopped bool
	}
}

func (c *Client) startHeartbeat(l *link) *heartbeat {
	h := &heartbeat{l: l, due: l.age() + c.opts.PingInterval, asked: -1}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.timer = c.opts.Clock.AfterFunc(c.opts.PingInterval, h.beat)
	return h
}

// beat runs on the timer's goroutine.
func (h *heartbeat) beat() {
	o := &h.l.c.opts
	busy := h.l.busy.Load() // before the silence: it is ended first
	silence, now := h.l.silence(), h.l.age()
	// Where this process has stood still, the pong may lie there unread.
	asked := h.asked > now-silence && now-h.due < o.PingInterval
	next := o.PingInterval - silence
	switch {
	case busy && silence >= o.PingInterval:
		// The application keeps us from reading, so the silence is ours. The server
		// must hear that we live.
		h.l.c.out.urgent(pingText)
		next = o.PingInterval
	case silence >= o.PeerTimeout && asked:
		h.l.fail(&Disconnect{Cause: CauseSilent, Err: ErrTimeout})
		return
	case next <= 0:
		h.l.c.out.urgent(pingText)
		h.asked = now
		next = o.PingInterval
		if rest := o.PeerTimeout - silence; rest > 0 {
			next = min(next, rest)
		}
	}
	h.due = now + next
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.mu.stopped {
		h.mu.timer.Reset(next)
	}
}

func (h *heartbeat) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.stopped = true
	h.mu.timer.Stop()
}
