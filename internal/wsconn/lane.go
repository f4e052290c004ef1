package wsconn

import (
	"slices"
	"time"
)

// What ends the wait of deliveries that may wait: so much of them.
const (
	waitMessages = 16
	waitBytes    = 16 << 10
)

// call is what a loop is to be told of a queue.
type call uint32

const (
	callNone  call = 0       // it knows
	callNow   call = 1       // there is something to send
	callLater call = 1 << 31 // there will be in so many milliseconds: bits 0 to 15; the wait is number: bits 16 to 23
)

// waiter is a queue that waits.
type waiter struct {
	c    *Conn
	call call
}

// lane holds the queues that wait for as long as each other, and so those that came first are due first. Owned by the
// loop.
//
// A queue whose wait has ended otherwise stays in it until then: whether an entry is still true tells the number.
type lane struct {
	l     *loop
	wait  time.Duration
	due   []laneEntry // from at on
	at    int
	armed bool // a timer is ordered for the first
}

type laneEntry struct {
	waiter
	at time.Time
}

// callLocked returns what the loop is to be told when f has been queued.
func (c *Conn) callLocked(f *Frame) call {
	q := &c.mu.queue
	if q.bits&queueScheduled != 0 {
		return callNone
	}
	if f.wait == 0 || q.count >= waitMessages || q.bytes >= waitBytes || c.crowdedLocked() {
		q.scheduleLocked()
		return callNow
	}
	if q.bits&queueWaiting != 0 && q.sooner(f) {
		return callNone
	}
	q.bits |= queueWaiting
	return callLater | call(q.waits)<<16 | call(f.wait)
}

// sooner reports whether another frame than f, and so the queue, waits no longer than f does.
func (q *queue) sooner(f *Frame) (found bool) {
	q.eachLocked(func(_ int, p **Frame) bool {
		found = *p != f && (*p).wait <= f.wait
		return !found
	})
	return found
}

// scheduleLocked ends a wait: what is queued is to leave.
func (q *queue) scheduleLocked() {
	if q.bits&queueWaiting != 0 {
		q.bits &^= queueWaiting
		q.waits++
	}
	q.bits |= queueScheduled
}

// due ends the wait, and reports whether it had not ended already.
func (w waiter) due() bool {
	q := &w.c.mu
	q.Lock()
	defer q.Unlock()
	if q.bits&queueWaiting == 0 || q.waits != uint8(w.call>>16) {
		return false
	}
	q.scheduleLocked()
	return true
}

// enlist puts the queues that are to wait into their lanes. They wait from now on.
func (l *loop) enlist() {
	if len(l.waits) == 0 {
		return
	}
	now := time.Now()
	for _, w := range l.waits {
		wait := uint16(w.call)
		n := l.lanes[wait]
		if n == nil {
			if l.lanes == nil {
				l.lanes = map[uint16]*lane{}
			}
			n = &lane{l: l, wait: time.Duration(wait) * time.Millisecond}
			l.lanes[wait] = n
		}
		n.due = append(n.due, laneEntry{w, now.Add(n.wait)})
		if !n.armed {
			n.armed = true
			l.p.After(n.wait, n.expire)
		}
	}
	clear(l.waits)
	if l.waits = l.waits[:0]; cap(l.waits) > 1<<14 {
		l.waits = nil
	}
}

// expire lets those be flushed that have waited long enough.
func (n *lane) expire() {
	n.armed = false
	now := time.Now()
	for ; n.at < len(n.due) && !n.due[n.at].at.After(now); n.at++ {
		w := n.due[n.at].waiter
		n.due[n.at] = laneEntry{}
		if w.due() {
			n.l.dirty = append(n.l.dirty, w.c)
		}
	}
	switch left := n.due[n.at:]; {
	case len(left) == 0:
		if n.due, n.at = n.due[:0], 0; cap(n.due) > 1<<14 {
			n.due = nil
		}
		return
	case n.at >= len(left):
		n.due, n.at = slices.Delete(n.due, 0, n.at), 0
	}
	n.armed = true
	n.l.p.After(n.due[n.at].at.Sub(now), n.expire)
}
