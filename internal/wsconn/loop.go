package wsconn

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/internal/limit"
	"github.com/hoshi-ws/hoshi/internal/poller"
)

const (
	joinBytes   = 128 << 10 // most that is joined for one write call
	largeFrame  = 16 << 10  // from here on frames are vectored, not copied
	vectorBytes = 1 << 20   // most that is vectored in one call
	maxFrames   = 512       // most frames in one call
	flushRounds = 4         // calls for one connection in one turn; then the others come first

	gatherMax = time.Millisecond
	gatherMin = 20 * time.Microsecond // a shorter wait gathers nothing

	spareInbound = 64      // kept for reuse by each loop
	spareBytes   = 4 << 10 // largest buffer that is kept with one
)

// loop is the part of a server that runs on one poller loop.
type loop struct {
	// fixed after New
	p         *poller.Loop
	srv       *Server
	index     int
	maxFrames uint32 // copies of Options, where enqueue finds them
	maxBytes  uint32

	// owned by the loop
	dirty    []*Conn // have something to send
	dirtyAt  int     // dirty[:dirtyAt] are flushed
	again    []*Conn // dirty for the next turn
	jobs     []job
	jobsAt   int
	resumes  []*Conn // parse what they have kept
	resumeAt int
	broken   []*Conn // a write failed
	current  *Conn   // whose work runs outside of a poller callback, for panics
	snap     []*Frame
	out      []*Frame            // of join: what is written for snap, and
	stands   []uint8             // how many frames of it each stands for
	joined   [joinedCount]joined // by group: neighbours of one group are mostly sent the same
	vec      [][]byte
	spare    []*inbound
	waits    []waiter         // are to go into their lanes
	lanes    map[uint16]*lane // by milliseconds
	stalls   map[*Conn]stall  // the blocked ones
	young    []*Conn          // have become blocked of late
	watching bool             // checkStalls is ordered
	begins   []*Conn          // have begun what they have not ended, or had when they were last looked at
	minding  bool             // checkBegun is ordered
	packer   packer
	unpacker unpacker
	heads    map[*Conn]limit.Place // that are not upgraded
	places   []limit.Place         // of the others, by slot; as far as addresses are limited
	spends   map[*Conn]*spend      // who has sent something lately, where rates are limited
	slowed   []*spend              // the throttled ones
	slowing  bool                  // checkSlowed is ordered
	sweeping bool                  // sweepSpends is ordered
	took     int64                 // bytes of payload that have been parsed, for what they are charged to

	restedSpends []*spend
	clients      map[*Conn]netip.Addr // the addresses of those whose socket has another's; nil without proxies
	told         map[*Conn]time.Time  // whose drops were told of in the last second
	telling      bool                 // tellDue is ordered
	draining     *drain               // nil until Drain
	stopping     bool
	stopCode     closeWith
	emptied      bool // srv.empty is told
	n            counters

	// Of the one queue with queueWriting: how many of its frames are being written. Set by the loop and read by others
	// under that queue's lock.
	writing int

	waiters []chan struct{} // of awaitTurn, to be told after the next flush

	gatherFor   time.Duration // how long to put the next flush off; 0: not at all
	gatherUntil time.Time     // when that ends, once there is something to flush
	gatherTimer bool          // a turn is ordered for then

	inbox struct {
		sync.Mutex
		dirty   []*Conn
		waits   []waiter
		jobs    []job
		waiters []chan struct{}
	}
}

// joinedCount is how many groups of connections a loop joins frames for at a
// time: interleaved ones would else have them copied again and again.
const joinedCount = 16

// joined is what frames became that left in one call.
type joined struct {
	frames []*Frame
	bytes  []byte
}

type jobKind uint8

const (
	jobFunc jobKind = iota
	jobBroadcast
	jobAttach
	jobStop
	jobKill
)

// job is a cold or rare thing that another goroutine asks of the loop.
type job struct {
	kind   jobKind
	c      *Conn
	fn     func()
	frame  *Frame
	except func(*Conn) bool
	ep     poller.Endpoint
	stop   closeWith
}

// schedule is for other goroutines: a connection has something to send, or will have.
func (l *loop) schedule(w waiter) {
	l.inbox.Lock()
	if w.call == callNow {
		l.inbox.dirty = append(l.inbox.dirty, w.c)
	} else {
		l.inbox.waits = append(l.inbox.waits, w)
	}
	l.inbox.Unlock()
	l.p.Wake()
}

// scheduleAll is schedule for many, without the wake-up.
func (l *loop) scheduleAll(cs []*Conn, ws []waiter) {
	l.inbox.Lock()
	l.inbox.dirty = append(l.inbox.dirty, cs...)
	l.inbox.waits = append(l.inbox.waits, ws...)
	l.inbox.Unlock()
}

func (l *loop) post(j job) {
	l.inbox.Lock()
	l.inbox.jobs = append(l.inbox.jobs, j)
	l.inbox.Unlock()
	l.p.Wake()
}

// awaitTurn blocks until the loop has flushed, in a turn that began after the call, or has ended. Any other goroutine;
// ch has room for one.
func (l *loop) awaitTurn(ch chan struct{}) {
	l.inbox.Lock()
	l.inbox.waiters = append(l.inbox.waiters, ch)
	l.inbox.Unlock()
	l.p.Wake()
	select {
	case <-ch:
	case <-l.p.Done():
	}
}

// onTurn is the end of each turn of the poller: everything that has come together leaves together.
func (l *loop) onTurn() {
	defer l.recovered()
	l.take()
	for l.jobsAt < len(l.jobs) {
		j := &l.jobs[l.jobsAt]
		l.jobsAt++
		l.current = j.c
		l.do(j)
		*j = job{}
	}
	for l.resumeAt < len(l.resumes) {
		c := l.resumes[l.resumeAt]
		l.resumes[l.resumeAt] = nil
		l.resumeAt++
		l.current = c
		c.continueParse()
	}
	l.resumes, l.resumeAt = l.resumes[:0], 0
	l.current = nil
	l.enlist()
	gathering := l.gathering()
	flushing := !gathering && len(l.dirty) > 0
	if !gathering {
		l.flushAll()
		l.tellWaiters()
	}
	for len(l.broken) > 0 {
		c := l.broken[len(l.broken)-1]
		l.broken = l.broken[:len(l.broken)-1]
		l.current = c
		c.end(CloseError, true)
	}
	l.current = nil
	l.dirty, l.again = append(l.dirty, l.again...), l.again[:0]
	if len(l.dirty) > 0 && !gathering || len(l.waits) > 0 || len(l.resumes) > 0 || len(l.broken) > 0 {
		l.p.Wake() // what has come up since its step of this turn
	}
	if l.stopping && !l.emptied && l.p.Len() == 0 {
		l.emptied = true
		l.srv.empty.Done()
	}
	l.endTurn(flushing)
	l.n.publish(&l.srv.totals)
}

// take empties the inbox. It comes as late as can be before the flush.
func (l *loop) take() {
	l.inbox.Lock()
	defer l.inbox.Unlock()
	if len(l.inbox.dirty) > 0 {
		if len(l.dirty) == 0 {
			l.dirty, l.inbox.dirty = l.inbox.dirty, l.dirty
		} else {
			l.dirty = append(l.dirty, l.inbox.dirty...)
			clear(l.inbox.dirty)
			l.inbox.dirty = l.inbox.dirty[:0]
		}
	}
	if len(l.inbox.waits) > 0 {
		l.waits = append(l.waits, l.inbox.waits...)
		clear(l.inbox.waits)
		l.inbox.waits = l.inbox.waits[:0]
	}
	l.waiters = append(l.waiters, l.inbox.waiters...)
	l.inbox.waiters = l.inbox.waiters[:0]
	if l.jobsAt == len(l.jobs) {
		l.jobs, l.inbox.jobs, l.jobsAt = l.inbox.jobs, l.jobs[:0], 0
	}
}

func (l *loop) do(j *job) {
	switch j.kind {
	case jobFunc:
		j.fn()
	case jobBroadcast:
		l.p.Each(func(h poller.Handler) {
			c := (*Conn)(h.(*sockEvents))
			if c.flags&flagAccepted != 0 && c.group == j.frame.group && (j.except == nil || !j.except(c)) {
				c.Send(j.frame)
			}
		})
	case jobAttach:
		l.attach(j.ep)
	case jobStop:
		l.stopping, l.stopCode = true, j.stop
		if l.draining != nil {
			l.draining.finish()
		}
		l.p.Each(func(h poller.Handler) { (*Conn)(h.(*sockEvents)).stop(j.stop) })
	case jobKill:
		l.p.Each(func(h poller.Handler) { (*Conn)(h.(*sockEvents)).end(CloseServer, true) })
	}
}

// flushAll flushes what is dirty, and gathers afterwards if that is worth it.
func (l *loop) flushAll() {
	if len(l.dirty) == 0 {
		return
	}
	calls, frames := l.n.writeCalls, l.n.framesOut+l.n.joined
	begin := l.readClock()
	for l.dirtyAt < len(l.dirty) {
		if l.dirtyAt%clockFlushes == clockFlushes-1 {
			l.readClock()
		}
		c := l.dirty[l.dirtyAt]
		l.dirty[l.dirtyAt] = nil // keeps nobody alive
		l.dirtyAt++
		l.current = c
		l.flush(c, false)
	}
	l.current = nil
	l.dirty, l.dirtyAt = l.dirty[:0], 0
	clear(l.snap)
	clear(l.out)
	for i := range l.joined { // good for neighbours, not for longer
		j := &l.joined[i]
		clear(j.frames)
		j.frames = j.frames[:0]
	}
	if cap(l.dirty) > 1<<14 {
		l.dirty = slices.Clip(l.dirty[:0:0])
	}
	l.gather(time.Duration(l.readClock()-begin), l.n.writeCalls-calls, l.n.framesOut+l.n.joined-frames)
}

// gather puts the next flush off after one that averaged two or more frames a call, for a quarter of what it took,
// from when there is something to flush: a write call costs microseconds and another frame in it almost nothing, so
// under load waiting makes the whole faster. Meanwhile the loop goes on reading, so that what it gathers can come.
// With one frame in flight it never happens. (Always waiting a millisecond coalesces the same and costs a fifth then.)
func (l *loop) gather(took time.Duration, calls, frames uint64) {
	if calls == 0 || frames < 2*calls {
		return
	}
	if d := min(gatherMax, took/4); d >= gatherMin {
		l.gatherFor = d
	}
}

// gathering reports whether the flush of this turn is put off, and sees to it that a turn comes when it is due. Whoever
// waits for a flush ends the gathering.
func (l *loop) gathering() bool {
	if l.gatherFor == 0 || len(l.dirty) == 0 {
		return false
	}
	if l.gatherUntil.IsZero() {
		l.gatherUntil = time.Now().Add(l.gatherFor)
	}
	left := time.Until(l.gatherUntil)
	if left <= 0 || len(l.waiters) > 0 || l.stopping {
		l.gatherFor, l.gatherUntil = 0, time.Time{}
		return false
	}
	if !l.gatherTimer {
		l.gatherTimer = true
		l.p.After(left, l.gathered)
	}
	return true
}

func (l *loop) gathered() { l.gatherTimer = false }

func (l *loop) tellWaiters() {
	for _, ch := range l.waiters {
		select {
		case ch <- struct{}{}:
		default: // its owner has seen the loop end
		}
	}
	l.waiters = l.waiters[:0]
}

// recovered closes the connection whose work in onTurn panicked.
func (l *loop) recovered() {
	if v := recover(); v != nil {
		c := l.current
		l.current = nil
		l.panicked(c, v)
		l.p.Wake() // the rest of the turn
	}
}

func (l *loop) panicked(c *Conn, v any) {
	l.n.panics++
	l.srv.logPanic(c, v)
	if c != nil {
		c.afterPanic()
	}
}

// clockUnit is what Conn.seen counts in.
const clockUnit = 100 * time.Millisecond

func (l *loop) clock() uint32 { return uint32(l.p.Now().Sub(l.srv.epoch) / clockUnit) }

func (l *loop) getInbound() *inbound {
	if n := len(l.spare); n > 0 {
		in := l.spare[n-1]
		l.spare[n-1] = nil
		l.spare = l.spare[:n-1]
		return in
	}
	return new(inbound)
}

func (l *loop) putInbound(in *inbound) {
	msg := in.msg[:0]
	if cap(msg) > spareBytes {
		msg = nil
	}
	*in = inbound{msg: msg}
	if len(l.spare) < spareInbound {
		l.spare = append(l.spare, in)
	}
}
