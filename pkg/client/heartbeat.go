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

	mu struct {
		sync.Mutex
		timer   Timer
		stopped bool
	}
}

func (c *Client) startHeartbeat(l *link) *heartbeat {
	h := &heartbeat{l: l}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.timer = c.opts.Clock.AfterFunc(c.opts.PingInterval, h.beat)
	return h
}

// beat runs on the timer's goroutine.
func (h *heartbeat) beat() {
	o := &h.l.c.opts
	silence := o.Clock.Now().Sub(time.Unix(0, h.l.heard.Load()))
	next := o.PingInterval - silence
	switch {
	case h.l.busy.Load():
		// The application keeps us from reading, so the silence is ours. The server
		// must hear that we live.
		h.l.c.out.urgent(pingText)
		next = o.PingInterval
	case silence >= o.PeerTimeout:
		h.l.fail(&Disconnect{Cause: CauseSilent, Err: ErrTimeout})
		return
	case next <= 0:
		h.l.c.out.urgent(pingText)
		next = min(o.PingInterval, o.PeerTimeout-silence)
	}
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
