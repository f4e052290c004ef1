package wsconn

import "time"

// stallParts is how often in a StallTimeout blocked connections are looked at.
const stallParts = 10

// stall is what a loop keeps of a connection that the system takes nothing for.
type stall struct {
	since  time.Time // when the system or the peer last took a byte, as far as is known
	unsent int       // what the system held when it was last looked at, -1 before the first time
}

// blocked notes that the system takes nothing for c from now on.
func (l *loop) blocked(c *Conn) {
	if l.stalls == nil {
		l.stalls = map[*Conn]stall{}
	}
	l.stalls[c] = stall{since: l.p.Now(), unsent: -1}
	l.watchStalls()
}

// moved notes that the system has taken something for a connection that is blocked.
func (l *loop) moved(c *Conn) {
	if s, ok := l.stalls[c]; ok {
		s.since, s.unsent = l.p.Now(), -1
		l.stalls[c] = s
	}
}

func (l *loop) watchStalls() {
	if !l.watching {
		l.watching = true
		l.p.After(l.srv.opt.StallTimeout/stallParts, l.checkStalls)
	}
}

// checkStalls closes connections of which the system has not got rid of a byte for StallTimeout. It asks the system,
// which calls a socket writable only when a third of its buffer is free: a slow reader may take longer for that.
func (l *loop) checkStalls() {
	l.watching = false
	now := l.p.Now()
	for c, s := range l.stalls {
		if c.state != stateOpen { // CloseTimeout sees to it
			delete(l.stalls, c)
			continue
		}
		switch n := l.p.Unsent(&c.sock); {
		case n != s.unsent:
			if s.unsent >= 0 {
				c.alive()
			}
			l.stalls[c] = stall{since: now, unsent: n}
		case now.Sub(s.since) >= l.srv.opt.StallTimeout:
			delete(l.stalls, c)
			c.mu.Lock()
			c.abandonLocked(StatusTryAgainLater, CloseStalled)
			c.mu.Unlock()
			c.beginClose()
		}
	}
	if len(l.stalls) > 0 {
		l.watchStalls()
	}
}
