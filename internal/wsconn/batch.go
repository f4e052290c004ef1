package wsconn

import "time"

// batchPost is how many connections of one loop are collected before they are posted, so that another loop can begin
// while the rest is being queued.
const batchPost = 256

// What a batch waits for peers that take nothing at the moment: they may just be busy. It comes out of a credit that
// grows by a tenth of the time, so that slow peers, however many, cost a shard no more than that. It does not wait for
// those that have taken nothing for longer (queueFrozen).
const (
	graceStep  = time.Millisecond
	graceMax   = 20 * time.Millisecond
	graceShare = 10
)

// Batch queues frames for many connections and wakes each loop once. It belongs to one goroutine.
type Batch struct {
	srv   *Server
	lists [][]*Conn     // by loop
	waits [][]waiter    // the same, of those that may wait
	turn  chan struct{} // awaitTurn's

	// Of waitForPeer.
	credit   time.Duration
	creditAt time.Time

	// Broadcasts since the loops have last flushed.
	frames, bytes int
}

// Pace waits as Enqueue does where c's queue is half full although its peer takes what it is given. It is for who has
// handed frames to Conn.Enqueue, since that does not wait.
func (b *Batch) Pace(c *Conn) {
	c.mu.Lock()
	crowded := c.crowdedLocked() && c.mu.bits&queueBlocked == 0
	c.mu.Unlock()
	if crowded {
		b.Flush()
		c.loop.awaitTurn(b.turn)
	}
}

// NewBatch returns an empty batch for one delivering goroutine, to be used again and again.
func (s *Server) NewBatch() *Batch {
	return &Batch{srv: s, lists: make([][]*Conn, len(s.loops)), waits: make([][]waiter, len(s.loops)), turn: make(chan struct{}, 1)}
}

// Enqueue appends f to c's send queue unless gate, which may be nil, is shut, which is looked at under the queue's
// lock. The frame leaves at Flush at the latest.
//
// A queue that is half full although its peer takes what it is given means that the batch is faster than the loop:
// then Enqueue waits for the loop's next turn, so that a burst does not overflow the queues of readers who are well.
// For peers that take nothing it waits too, but for a tenth of its time at most, not for frames that may be dropped, and
// not for a peer that has taken nothing for a fifth of a second.
func (b *Batch) Enqueue(c *Conn, f *Frame, gate *bool) Result {
	c.mu.Lock()
	if gate != nil && !*gate {
		c.mu.Unlock()
		return Shut
	}
	r, tell := c.pushLocked(f)
	crowded, blocked, frozen := c.crowdedLocked(), c.mu.bits&queueBlocked != 0, c.mu.bits&queueFrozen != 0
	c.mu.Unlock()
	if tell != callNone {
		i := c.loop.index
		if tell == callNow {
			b.lists[i] = append(b.lists[i], c)
		} else {
			b.waits[i] = append(b.waits[i], waiter{c, tell})
		}
		if len(b.lists[i]) >= batchPost || len(b.waits[i]) >= batchPost {
			b.post(i)
		}
	}
	switch {
	case !crowded:
	case blocked:
		if f.policy() == Disconnect && !frozen {
			b.waitForPeer()
		}
	default:
		b.Flush()
		c.loop.awaitTurn(b.turn)
	}
	return r
}

// waitForPeer gives peers that take nothing at the moment some time, if there is credit.
func (b *Batch) waitForPeer() {
	now := time.Now()
	b.credit = min(b.credit+now.Sub(b.creditAt)/graceShare, graceMax)
	b.creditAt = now
	if b.credit < graceStep {
		return
	}
	b.credit -= graceStep
	b.Flush()
	time.Sleep(graceStep)
}

// Broadcast is Server.Broadcast at the pace of the loops: after every quarter of a send queue it waits until they have
// flushed, so that a burst neither overflows the queues of readers who are well nor piles up before the loops.
func (b *Batch) Broadcast(f *Frame, except func(*Conn) bool) {
	b.srv.Broadcast(f, except)
	b.frames++
	b.bytes += len(f.wire)
	if o := &b.srv.opt; b.frames < o.QueueMessages/4 && b.bytes < o.QueueBytes/4 {
		return
	}
	b.frames, b.bytes = 0, 0
	b.Flush()
	for _, l := range b.srv.loops {
		l.awaitTurn(b.turn)
	}
}

// Flush hands over what is collected and wakes the loops.
func (b *Batch) Flush() {
	for i := range b.lists {
		if len(b.lists[i]) > 0 || len(b.waits[i]) > 0 {
			b.post(i)
		}
	}
}

func (b *Batch) post(i int) {
	l := b.srv.loops[i]
	l.scheduleAll(b.lists[i], b.waits[i])
	clear(b.lists[i])
	clear(b.waits[i])
	b.lists[i], b.waits[i] = b.lists[i][:0], b.waits[i][:0]
	l.p.Wake()
}
