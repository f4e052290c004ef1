package wsconn

import "time"

// minProgress is how much a message that was begun must gain in a StallTimeout, in bytes of payload. Any link that can
// carry a handshake is faster; at this rate a message of 1 MiB takes half an hour.
const minProgress = 16 << 10

// begun notes that the peer has begun something: a header, a frame, a message of several frames.
//
// Who has is kept in a list and looked at ten times in a StallTimeout, so that a message which comes in time costs at
// most an entry, and no connection a timer.
func (c *Conn) begun(in *inbound) {
	l := c.loop
	in.since, in.mark = l.uptime(), len(in.msg)
	if c.flags&flagBegun == 0 {
		c.flags |= flagBegun
		l.begins = append(l.begins, c)
		l.mindBegun()
	}
}

// uptime is the time of the turn, never 0.
func (l *loop) uptime() time.Duration { return max(l.p.Now().Sub(l.srv.epoch), 1) }

func (l *loop) mindBegun() {
	if !l.minding {
		l.minding = true
		l.p.After(l.srv.opt.StallTimeout/stallParts, l.checkBegun)
	}
}

// checkBegun closes connections that have not ended what they began, and hardly go on with it. While we do not read
// them, their time does not run.
func (l *loop) checkBegun() {
	l.minding = false
	now := l.uptime()
	begins := l.begins
	l.begins = l.begins[:0]
	for _, c := range begins {
		in := c.in
		if c.state != stateOpen || in == nil || in.since == 0 {
			c.flags &^= flagBegun
			continue
		}
		switch {
		case c.pause != 0 || len(in.msg)-in.mark >= minProgress:
			in.since, in.mark = now, len(in.msg)
		case now-in.since >= l.srv.opt.StallTimeout:
			c.flags &^= flagBegun
			c.violate(errTrickle)
			continue
		}
		l.begins = append(l.begins, c)
	}
	clear(begins[len(l.begins):])
	if len(l.begins) > 0 {
		l.mindBegun()
	} else if cap(l.begins) > 1<<14 {
		l.begins = nil
	}
}
