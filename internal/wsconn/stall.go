package wsconn

import "time"

// stallParts is how often in a StallTimeout blocked connections are looked at.
const stallParts = 10

// youngWait is after which time a connection that has become blocked is looked at, and once more: one of which the peer
// has taken nothing between the two is frozen, which is what queueFrozen says. checkStalls looks too rarely for that.
const youngWait = 100 * time.Millisecond

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
	if l.young = append(l.young, c); len(l.young) == 1 {
		l.p.After(youngWait, l.checkYoung)
	}
}

// moved notes that the system has taken something for a connection that is blocked.
func (l *loop) moved(c *Conn) {
	if s, ok := l.stalls[c]; ok {
		s.since, s.unsent = l.p.Now(), -1
		l.stalls[c] = s
		c.freeze(false)
	}
}

// checkYoung looks at the connections that have become blocked of late, each of them twice. One that was blocked
// several times is listed as often, and looked at for the first of them.
func (l *loop) checkYoung() {
	young, now := l.young, l.p.Now()
	l.young = l.young[:0]
	for _, c := range young {
		s, ok := l.stalls[c]
		if !ok || c.state != stateOpen {
			continue
		}
		first := s.unsent < 0
		if l.look(c, s, now); first {
			l.young = append(l.young, c)
		}
	}
	clear(young[len(l.young):]) // keeps nobody alive
	if len(l.young) > 0 {
		l.p.After(youngWait, l.checkYoung)
	}
}

// look asks the system whether the peer of a blocked connection has taken something since it was last asked.
func (l *loop) look(c *Conn, s stall, now time.Time) (moved bool) {
	n := l.p.Unsent(&c.sock)
	if n == s.unsent {
		if now.Sub(s.since) >= youngWait/2 { // the last look may have been a moment ago
			c.freeze(true)
		}
		return false
	}
	if s.unsent >= 0 {
		c.alive()
		c.freeze(false)
	}
	l.stalls[c] = stall{since: now, unsent: n}
	return true
}

// freeze notes whether the peer takes nothing any more.
func (c *Conn) freeze(frozen bool) {
	c.mu.Lock()
	if c.mu.bits &^= queueFrozen; frozen {
		c.mu.bits |= queueFrozen
	}
	c.mu.Unlock()
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
		if !l.look(c, s, now) && now.Sub(s.since) >= l.srv.opt.StallTimeout {
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
