package wsconn

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/poller"
)

// DrainOptions say how connections are closed one after the other. The zero value closes all at once.
type DrainOptions struct {
	// Code and Reason are those of the close frames.
	Code   ws.StatusCode
	Reason string
	// Time is within which every connection is being closed, evenly. Default 0, at once.
	Time time.Duration
	// Busy reports that h is owed something that comes in a moment. One whose turn has come is waited for, a second at
	// most, and not beyond Time. It is called on the connection's loop and must not block; a panic in it closes h. Default
	// none is.
	Busy func(h Handler) bool
}

const (
	drainTick = 10 * time.Millisecond // the shortest time between two looks of a loop at what is to be closed
	busyTick  = 50 * time.Millisecond // the longest, while somebody is waited for
	busyGrace = time.Second           // how long one is
	pruneEach = 32                    // how often in a drain what has closed by itself is counted out
)

// Pace spreads what is left evenly over the time that remains: do n now, and ask again after next. It never ends later,
// and never does more than it must in one go: who asks late is told to hurry for the rest, not to catch up.
func Pace(left int, remaining time.Duration) (n int, next time.Duration) {
	if left <= 0 {
		return 0, 0
	}
	if remaining <= drainTick {
		return left, drainTick
	}
	if next = remaining / time.Duration(left); next >= drainTick {
		return 1, next
	}
	n = (left*int(drainTick/time.Microsecond) + int(remaining/time.Microsecond) - 1) / int(remaining/time.Microsecond)
	return n, remaining / time.Duration(left) * time.Duration(n)
}

// drain is a loop's share of a Drain. Owned by the loop but for done.
type drain struct {
	o    *DrainOptions
	end  time.Time
	at   time.Time // when the next one's turn comes
	look time.Time // when todo is looked through again
	todo []*Conn   // in random order: the tabs of one user, say, have come together and shall not go together
	late []late    // whose turn has come, and who are busy

	done     chan struct{} // closed when nobody is left to be closed
	finished bool          // it is
	cut      bool          // its caller has given up: who is left stays
}

// late is a busy connection, and until when it is waited for.
type late struct {
	c     *Conn
	until time.Time
}

// Drain stops accepting and closes every connection, each at its turn: what is queued until then leaves before the close
// frame. It returns when the last has been told, which is within o.Time, or when ctx ends, with its cause: then each loop
// leaves the rest as it is, from its next turn on. Peers may take up to CloseTimeout longer, as with Stop, which must
// follow. A Stop ends it. Further calls wait for the first and return what it returned, or their own ctx's cause. On a
// server that has not been started it returns ErrNotStarted.
func (s *Server) Drain(ctx context.Context, o DrainOptions) error {
	if !s.started.Load() {
		return ErrNotStarted
	}
	call := &drainCall{ended: make(chan struct{})}
	if !s.drain.CompareAndSwap(nil, call) {
		call = s.drain.Load()
		select {
		case <-call.ended:
			return call.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	defer close(call.ended)
	if !s.stopped.Load() {
		call.err = s.letGo(ctx, &o)
	}
	return call.err
}

// letGo is the first Drain.
func (s *Server) letGo(ctx context.Context, o *DrainOptions) error {
	s.StopAccepting()
	end := time.Now().Add(o.Time)
	shares := make([]*drain, len(s.loops))
	for i, l := range s.loops {
		d := &drain{o: o, end: end, done: make(chan struct{})}
		shares[i] = d
		l.post(job{kind: jobFunc, fn: func() { l.beginDrain(d) }})
	}
	for i, d := range shares {
		select {
		case <-d.done:
		case <-s.loops[i].p.Done():
		case <-ctx.Done():
			for k, d := range shares {
				s.loops[k].post(job{kind: jobFunc, fn: d.giveUp})
			}
			return context.Cause(ctx)
		}
	}
	return nil
}

// Drained returns how many connections Drain has closed. Any goroutine.
func (s *Server) Drained() uint64 { return s.drained.Load() }

// beginDrain takes down who is there. Loop only, like all of what follows.
func (l *loop) beginDrain(d *drain) {
	l.draining = d
	if l.stopping {
		d.finish()
		return
	}
	d.todo = make([]*Conn, 0, l.p.Len())
	l.p.Each(func(h poller.Handler) {
		if c := (*Conn)(h.(*sockEvents)); c.state == stateOpen {
			d.todo = append(d.todo, c)
		}
	})
	rand.Shuffle(len(d.todo), func(i, j int) { d.todo[i], d.todo[j] = d.todo[j], d.todo[i] })
	now := l.p.Now()
	d.look = now
	// The loops take turns, so that they do not close one each at the same moments.
	_, gap := Pace(len(d.todo), d.end.Sub(now))
	d.at = now.Add(gap * time.Duration(l.index) / time.Duration(len(l.srv.loops)))
	l.stepDrain()
}

// enter takes in a connection whose upgrade was under way.
func (d *drain) enter(c *Conn) {
	if d.cut {
		return
	}
	if d.finished { // its owner has not heard yet that it is accepted
		c.CloseAsync(d.o.Code, d.o.Reason)
		return
	}
	d.todo = append(d.todo, c)
}

// stepDrain closes those whose turn has come, and sees to the next step.
func (l *loop) stepDrain() {
	d := l.draining
	if d.finished {
		return
	}
	defer l.goOnDraining()
	now := l.p.Now()
	last := !now.Before(d.end)
	l.closeLate(now, last)
	if now.Before(d.at) && !last {
		return
	}
	d.prune(now)
	n, gap := Pace(len(d.todo), d.end.Sub(now))
	d.at = now.Add(gap)
	for n > 0 && len(d.todo) > 0 {
		c := d.todo[len(d.todo)-1]
		d.todo[len(d.todo)-1] = nil
		d.todo = d.todo[:len(d.todo)-1]
		switch {
		case c.state != stateOpen:
			d.look = now // others may have closed as well: the next step is paced without them
			continue
		case !last && d.o.Busy != nil && l.isBusy(c):
			d.late = append(d.late, late{c, now.Add(busyGrace)})
		default:
			l.closeDrained(c)
		}
		n--
	}
}

// closeLate closes those that were busy and are not any more, or for too long.
func (l *loop) closeLate(now time.Time, last bool) {
	d := l.draining
	busy := d.late[:0]
	for _, e := range d.late {
		switch {
		case e.c.state != stateOpen:
		case !last && now.Before(e.until) && l.isBusy(e.c):
			busy = append(busy, e)
		default:
			l.closeDrained(e.c)
		}
	}
	clear(d.late[len(busy):])
	d.late = busy
}

// isBusy asks the owner of c. A panic closes c, and nobody else: the step goes on.
func (l *loop) isBusy(c *Conn) (busy bool) {
	defer func() {
		if v := recover(); v != nil {
			l.panicked(c, v)
		}
	}()
	return l.draining.o.Busy(c.h)
}

func (l *loop) closeDrained(c *Conn) {
	if c.state != stateOpen { // by a panic
		return
	}
	c.Close(l.draining.o.Code, l.draining.o.Reason)
	l.srv.drained.Add(1)
}

// prune forgets who has closed by itself meanwhile, so that the rest has the more time.
func (d *drain) prune(now time.Time) {
	if now.Before(d.look) {
		return
	}
	d.look = now.Add(max(d.o.Time/pruneEach, drainTick))
	open := d.todo[:0]
	for _, c := range d.todo {
		if c.state == stateOpen {
			open = append(open, c)
		}
	}
	clear(d.todo[len(open):])
	d.todo = open
}

// goOnDraining orders the next step, or says that there is none.
func (l *loop) goOnDraining() {
	d := l.draining
	if len(d.todo)+len(d.late) == 0 {
		d.finish()
		return
	}
	next := d.at
	if len(d.todo) == 0 {
		next = d.end
	}
	if soon := l.p.Now().Add(busyTick); len(d.late) > 0 && soon.Before(next) {
		next = soon
	}
	l.p.After(max(time.Until(next), time.Millisecond), l.stepDrain)
}

func (d *drain) finish() {
	if !d.finished {
		d.finished, d.todo, d.late = true, nil, nil
		close(d.done)
	}
}

// giveUp leaves who is left as they are.
func (d *drain) giveUp() {
	if !d.finished {
		d.cut = true
		d.finish()
	}
}

// drains is what a Server knows of its Drain. Any goroutine.
type drains struct {
	drain   atomic.Pointer[drainCall] // the first; nil until then
	drained atomic.Uint64             // connections that it has closed
}

// drainCall is the first Drain, for those who call again.
type drainCall struct {
	ended chan struct{}
	err   error // behind ended
}
