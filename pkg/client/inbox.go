package client

import (
	"context"
	"sync"
	"sync/atomic"
)

// ReceiveStats counts what has come in. The numbers are read one after the
// other while messages go on coming.
//
// Once nothing moves any more, Received = Taken + Dropped + Depth + Backlog.
type ReceiveStats struct {
	Received uint64 // messages that came
	Handled  uint64 // messages that at least one handler has seen
	Taken    uint64 // messages taken by waiters
	Buffered uint64 // messages that went to the buffer
	Dropped  uint64 // messages that nobody took: no room in the buffer, or the connection ended
	Unseen   uint64 // of Dropped, those that no handler has seen either
	Timeouts uint64 // waiters and once-handlers told ErrTimeout
	Closed   uint64 // waiters and once-handlers told that the connection has ended, or the client
	Panics   uint64 // panics in callbacks and predicates

	Depth    int // messages in the buffer
	Waiters  int // registered now, those with Take
	Handlers int // registered now, those without
	Backlog  int // messages that came and that no handler or waiter has been asked about yet
}

// inbox hands messages to handlers and waiters. One goroutine, the dispatcher,
// runs every callback, one after the other; it is started when there is
// something to do and ends with it.
type inbox struct {
	// Fixed after newInbox.
	clock   Clock
	onPanic func(value any, stack []byte)
	box     *mailbox

	// Owned by the dispatcher.
	handlers table
	waiters  table
	buffer   kept
	seq      uint64          // of the last registration
	done     []*Registration // ended by the message at hand, to be dropped after it
	epoch    uint64          // of the connection whose messages come now; mu.epoch may be ahead

	// Written by the dispatcher, read by any goroutine.
	handled, taken, buffered, dropped, unseen, timeouts, closed, panics atomic.Uint64
	depth                                                               atomic.Int64

	mu struct {
		sync.Mutex
		all     map[*Registration]struct{} // what has not ended
		waiters int                        // how many of them take
		epoch   uint64                     // of the connection that there is: counts renewals
		stopped error                      // what is told to whoever comes after stop
	}
}

// newInbox returns an inbox that keeps at most buffer messages that nobody
// takes and lets at most backlog wait for the dispatcher. onPanic is called on
// the dispatcher; it may be nil.
func newInbox(buffer, backlog int, clock Clock, onPanic func(value any, stack []byte)) *inbox {
	q := &inbox{clock: clock, onPanic: onPanic, buffer: kept{limit: buffer}}
	q.mu.all = make(map[*Registration]struct{})
	q.box = newMailbox(backlog, q.run)
	return q
}

// put brings a message. Only the connector calls it. It blocks while the backlog
// is full, or eight times full while a request is out, and reports whether it
// did. After stop it does nothing.
func (q *inbox) put(m Message) (waited bool) { return q.box.put(m) }

// post runs f on the dispatcher, after all that has been put and posted so far.
// Any goroutine may call it; it never blocks.
func (q *inbox) post(f func()) { q.box.post(f) }

// expect says how many more requests (fewer where n is negative) wait for their
// reply. Without it a callback that waits for one would wait in vain once the
// backlog is full, since the reply comes behind the messages of put.
func (q *inbox) expect(n int) { q.box.expect(n) }

// wait waits until the dispatcher has nothing left to do and has ended, or ctx
// ends. On the dispatcher it would wait for itself.
func (q *inbox) wait(ctx context.Context) {
	select {
	case <-q.box.idle():
	case <-ctx.Done():
	}
}

// register brings r in, before the next message that is dispatched: a callback
// can count on it. Any goroutine may call it.
func (q *inbox) register(r *Registration) *Registration {
	r.q = q
	q.mu.Lock()
	stopped := q.mu.stopped
	if stopped == nil {
		q.mu.all[r] = struct{}{}
		if r.take {
			q.mu.waiters++
		}
		r.epoch = q.mu.epoch
		q.box.postFirst(func() { q.admit(r) })
	}
	q.mu.Unlock()
	switch {
	case stopped != nil:
		q.post(func() { q.finish(r, stopped) })
	case r.timeout != 0:
		r.arm(r.timeout)
	}
	return r
}

// forget takes r out of the set of those that have not ended.
func (q *inbox) forget(r *Registration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.mu.all[r]; !ok {
		return
	}
	delete(q.mu.all, r)
	if r.take {
		q.mu.waiters--
	}
}

// remove removes what ok says, and returns how many that were.
func (q *inbox) remove(ok func(*Registration) bool) int {
	q.mu.Lock()
	var found []*Registration
	for r := range q.mu.all {
		if ok(r) {
			found = append(found, r)
		}
	}
	q.mu.Unlock()
	n := 0
	for _, r := range found {
		if r.Remove() {
			n++
		}
	}
	return n
}

// renew says that the connection has ended: it is told to every waiter and every
// once-handler registered so far, and what the buffer holds is dropped. Any
// goroutine may call it; it happens after all that has been put so far.
func (q *inbox) renew(d *Disconnect) {
	q.mu.Lock()
	defer q.mu.Unlock()
	ended := q.mu.epoch
	q.mu.epoch++
	q.post(func() {
		q.epoch = ended + 1
		q.closeAll(d, func(r *Registration) bool { return r.bound() && r.epoch <= ended })
	})
}

// stop is renew for good: the lasting handlers go too, without being told, who
// registers later is told err at once, and put does nothing from now on. Posts
// still run. Only the first call counts.
func (q *inbox) stop(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.stopped != nil {
		return
	}
	q.mu.stopped = err
	q.box.close()
	q.post(func() {
		q.closeAll(err, func(*Registration) bool { return true })
	})
}

func (q *inbox) stats() ReceiveStats {
	s := ReceiveStats{
		Handled:  q.handled.Load(),
		Taken:    q.taken.Load(),
		Buffered: q.buffered.Load(),
		Dropped:  q.dropped.Load(),
		Unseen:   q.unseen.Load(),
		Timeouts: q.timeouts.Load(),
		Closed:   q.closed.Load(),
		Panics:   q.panics.Load(),
		Depth:    int(q.depth.Load()),
	}
	s.Received, s.Backlog = q.box.stats()
	q.mu.Lock()
	s.Waiters, s.Handlers = q.mu.waiters, len(q.mu.all)-q.mu.waiters
	q.mu.Unlock()
	return s
}
