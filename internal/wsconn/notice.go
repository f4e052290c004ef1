package wsconn

import "time"

// A peer hears of drops at most so often; a timer that is due is at most noticeTick late.
const (
	noticeEvery = time.Second
	noticeTick  = 50 * time.Millisecond
)

// mayTellLocked reports whether c can be told of its drops now: not within a second of the last notice, and not before
// that has left.
func (l *loop) mayTellLocked(c *Conn) bool {
	if l.srv.opt.Notice == nil || c.state != stateOpen || c.mu.bits&queueOpen == 0 {
		return false
	}
	if at, told := l.told[c]; told && l.p.Now().Sub(at) < noticeEvery {
		return false
	}
	return !c.mu.noticeLocked()
}

// tellLocked puts a notice of c's drops before everything that has not begun to leave. It gives the lock up meanwhile.
//
// The notice is not charged against the bounds: it comes when the loop is about to write, and there is one at a time.
func (l *loop) tellLocked(c *Conn) {
	n := c.mu.dropped
	c.mu.Unlock()
	f := l.srv.opt.Notice(c, int(n))
	c.mu.Lock()
	if c.mu.bits&queueOpen == 0 {
		return // closed by the function
	}
	c.mu.dropped -= n
	if f != nil {
		c.mu.insertLocked(&Frame{wire: f.wire, bits: uint8(Disconnect) | frameNotice | f.bits&framePart})
	}
}

// hasTold notes that a notice has left.
func (l *loop) hasTold(c *Conn) {
	if l.told == nil {
		l.told = map[*Conn]time.Time{}
	}
	l.told[c] = time.Now()
	l.tellLater(noticeEvery)
}

func (l *loop) tellLater(d time.Duration) {
	if !l.telling {
		l.telling = true
		l.p.After(max(d, noticeTick), l.tellDue)
	}
}

// tellDue lets those be flushed whose second is over and who have lost more in it, as nothing may be queued for them
// that would. Who takes nothing at the moment hears of it when he does.
func (l *loop) tellDue() {
	l.telling = false
	now, next := l.p.Now(), noticeEvery
	for c, at := range l.told {
		if left := noticeEvery - now.Sub(at); left > 0 {
			next = min(next, left)
			continue
		}
		delete(l.told, c)
		c.mu.Lock()
		owed := c.mu.dropped > 0 && c.flags&flagBlocked == 0
		if owed {
			c.mu.scheduleLocked()
		}
		c.mu.Unlock()
		if owed {
			l.dirty = append(l.dirty, c)
		}
	}
	if len(l.told) > 0 {
		l.tellLater(next)
	}
}
