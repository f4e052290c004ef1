package wsconn

import (
	"slices"
	"time"

	"github.com/hoshi-ws/hoshi/internal/limit"
)

const (
	throttleTick = 10 * time.Millisecond  // how often throttled connections are looked at
	spendSweep   = 100 * time.Millisecond // and those that have sent something lately: most have rested at once
	spareSpends  = 256                    // kept for reuse by each loop
)

// spend is what a connection has sent lately. Whose buckets are full has none: an idle connection costs nothing.
type spend struct {
	c      *Conn
	events limit.Bucket
	bytes  limit.Bucket
	since  time.Duration // when it was throttled; 0: it is not
	told   bool          // Options.Refused has heard of it
}

// spender returns the spend of c, nil where nothing is limited.
func (l *loop) spender(c *Conn) *spend {
	g := l.srv.gate
	if !g.events.Limits() && !g.bytes.Limits() {
		return nil
	}
	s := l.spends[c]
	if s != nil {
		return s
	}
	if l.spends == nil {
		l.spends = map[*Conn]*spend{}
	}
	if n := len(l.restedSpends); n > 0 {
		s = l.restedSpends[n-1]
		l.restedSpends = l.restedSpends[:n-1]
	} else {
		s = new(spend)
	}
	*s = spend{c: c}
	l.spends[c] = s
	if !l.sweeping {
		l.sweeping = true
		l.p.After(spendSweep, l.sweepSpends)
	}
	return s
}

// charge takes what has been parsed of c's budget, and stops reading it when that is overdrawn. What was parsed is
// delivered: nothing is lost, and the rest waits, with the pings and the close in it, in its order.
func (s *spend) charge(frames uint64, bytes int64) {
	c := s.c
	if c == nil {
		return // it has ended
	}
	l := c.loop
	g, now := l.srv.gate, l.uptime()
	wait := max(s.events.Take(now, int64(frames), g.events), s.bytes.Take(now, bytes, g.bytes))
	if wait == 0 || s.since != 0 || c.state != stateOpen {
		return
	}
	s.since = now
	l.n.throttles++
	l.n.throttled++
	l.slowed = append(l.slowed, s)
	l.watchSlowed()
	c.pauseFor(pauseRate)
	if !s.told {
		s.told = true
		reason := "event-rate"
		if s.events.Wait(now, g.events) == 0 {
			reason = "byte-rate"
		}
		l.tellLimit(l.addrOf(c), reason)
	}
}

func (l *loop) watchSlowed() {
	if !l.slowing {
		l.slowing = true
		l.p.After(throttleTick, l.checkSlowed)
	}
}

// checkSlowed goes on with those whose budget is not overdrawn any more.
func (l *loop) checkSlowed() {
	l.slowing = false
	g, now := l.srv.gate, l.uptime()
	l.slowed = slices.DeleteFunc(l.slowed, func(s *spend) bool {
		if s.since == 0 {
			return true // ended meanwhile
		}
		if s.events.Wait(now, g.events) > 0 || s.bytes.Wait(now, g.bytes) > 0 {
			return false
		}
		l.goOn(s, now)
		s.c.alive()
		s.c.unpause(pauseRate)
		return true
	})
	if len(l.slowed) > 0 {
		l.watchSlowed()
	}
}

// goOn notes that a connection is not throttled any more.
func (l *loop) goOn(s *spend, now time.Duration) {
	l.n.throttled--
	l.n.throttledMS += uint64((now - s.since + time.Millisecond/2) / time.Millisecond)
	s.since = 0
}

// sweepSpends forgets who has rested.
func (l *loop) sweepSpends() {
	l.sweeping = false
	now := l.uptime()
	for c, s := range l.spends {
		if s.since == 0 && s.events.Full(now) && s.bytes.Full(now) {
			l.settle(c)
		}
	}
	if len(l.spends) > 0 {
		l.sweeping = true
		l.p.After(spendSweep, l.sweepSpends)
	} else {
		l.spends = nil // a map never shrinks
	}
}

// settle forgets what c has sent.
func (l *loop) settle(c *Conn) {
	s := l.spends[c]
	if s == nil {
		return
	}
	delete(l.spends, c)
	if s.since != 0 { // still in slowed, which forgets it
		l.goOn(s, l.uptime())
		s.c = nil
		return
	}
	s.c = nil
	if len(l.restedSpends) < spareSpends {
		l.restedSpends = append(l.restedSpends, s)
	}
}
