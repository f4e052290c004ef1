package poller

import (
	"container/heap"
	"time"
)

// Tick is the resolution of SetTimer: a timer ends up to one tick late, never early.
const Tick = 50 * time.Millisecond

const wheelLen = 1024 // 51 s; longer timers go round again

// wheel holds at most one timer for each socket, in lists that run through the table: 12 bytes a socket and
// nothing to allocate. Owned by the loop.
type wheel struct {
	start   time.Time
	tick    uint32 // the last tick that has been expired
	armed   int
	buckets [wheelLen]uint32
}

func (w *wheel) init(now time.Time) {
	w.start = now
	for i := range w.buckets {
		w.buckets[i] = none
	}
}

// tickOf rounds up, and leaves 0 to mean "unset".
func (w *wheel) tickOf(t time.Time) uint32 {
	return uint32((t.Sub(w.start)+Tick-1)/Tick) + 1
}

func (w *wheel) timeOf(tick uint32) time.Time {
	return w.start.Add(time.Duration(tick-1) * Tick)
}

// SetTimer arms the socket's one timer to call OnTimer after d, replacing an earlier setting; d <= 0 unsets it.
// It takes constant time and no memory. Loop only.
func (l *Loop) SetTimer(s *Socket, d time.Duration) {
	if s.bits&bitAttached == 0 {
		return
	}
	l.wheel.unset(l, s.slot)
	if d > 0 {
		l.wheel.set(l, s.slot, max(l.wheel.tickOf(l.now.Add(d)), l.wheel.tick+1))
	}
}

func (w *wheel) set(l *Loop, slot, due uint32) {
	e := l.table.at(slot)
	e.due = due
	b := &w.buckets[due%wheelLen]
	e.prev, e.next = none, *b
	if *b != none {
		l.table.at(*b).prev = slot
	}
	*b = slot
	w.armed++
}

func (w *wheel) unset(l *Loop, slot uint32) {
	e := l.table.at(slot)
	if e.due == 0 {
		return
	}
	if e.prev != none {
		l.table.at(e.prev).next = e.next
	} else {
		w.buckets[e.due%wheelLen] = e.next
	}
	if e.next != none {
		l.table.at(e.next).prev = e.prev
	}
	e.due, e.next, e.prev = 0, none, none
	w.armed--
}

// next returns when the earliest bucket that is not empty ends, zero when no timer is armed.
func (w *wheel) next() time.Time {
	if w.armed == 0 {
		return time.Time{}
	}
	for t := w.tick + 1; t <= w.tick+wheelLen; t++ {
		if w.buckets[t%wheelLen] != none {
			return w.timeOf(t)
		}
	}
	return time.Time{}
}

// expire calls OnTimer of all that is due. A callback may set and unset any timer, so a bucket is walked from
// its head again after each call.
func (w *wheel) expire(l *Loop) {
	now := uint32(l.now.Sub(w.start)/Tick) + 1
	if w.armed == 0 {
		w.tick = max(w.tick, now)
		return
	}
	for w.tick < now {
		t := w.tick + 1
		for {
			slot := w.buckets[t%wheelLen]
			for slot != none && l.table.at(slot).due > t {
				slot = l.table.at(slot).next
			}
			if slot == none {
				break
			}
			h := l.table.at(slot).h
			w.unset(l, slot)
			l.current = h
			h.OnTimer()
			l.current = nil
		}
		w.tick = t
	}
}

// After runs fn on the loop when d has passed. For the loop's own affairs: it costs an allocation, and cannot be
// taken back. Loop only.
func (l *Loop) After(d time.Duration, fn func()) {
	heap.Push(&l.afters, after{at: time.Now().Add(d), fn: fn})
}

type after struct {
	at time.Time
	fn func()
}

type afterHeap []after

func (h afterHeap) Len() int           { return len(h) }
func (h afterHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h afterHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *afterHeap) Push(x any) { *h = append(*h, x.(after)) }

// Pop is for container/heap.
func (h *afterHeap) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = after{}
	*h = old[:len(old)-1]
	return a
}

func (h afterHeap) next() time.Time {
	if len(h) == 0 {
		return time.Time{}
	}
	return h[0].at
}

func (l *Loop) runAfters() {
	for len(l.afters) > 0 && !l.afters[0].at.After(l.now) {
		heap.Pop(&l.afters).(after).fn()
	}
}
