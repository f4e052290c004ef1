package client

import (
	"context"
	"time"
)

// waiter is an entry that waits for room in the send queue. All its fields are
// under the queue's lock, but ready.
type waiter struct {
	entry      entry
	prev, next *waiter
	ended      bool
	ready      chan error  // of wait: told once, never blocks
	f          func(error) // of async
	timer      Timer       // of async with a timeout
}

// waiterList is those who wait, the first come first.
type waiterList struct {
	first, last *waiter
	n           int
}

func (l *waiterList) push(w *waiter) {
	w.prev = l.last
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.n++
}

func (l *waiterList) remove(w *waiter) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	l.n--
}

// admitLocked pushes e if that takes nobody's turn.
func (q *sendQueue) admitLocked(e entry) bool {
	if q.mu.depth == q.opts.messages {
		return false
	}
	q.pushLocked(e)
	return true
}

// wait returns nil when e is in the queue.
func (q *sendQueue) wait(ctx context.Context, e entry) error {
	if err := q.check(e.event); err != nil {
		return err
	}
	q.mu.Lock()
	if ctx.Err() != nil {
		q.mu.gaveUp++
		q.mu.Unlock()
		return context.Cause(ctx)
	}
	if q.mu.stopped {
		q.mu.dropped++
		q.mu.Unlock()
		return ErrStopped
	}
	if q.admitLocked(e) {
		q.mu.Unlock()
		return nil
	}
	w := &waiter{entry: e, ready: make(chan error, 1)}
	q.mu.waiters.push(w)
	q.mu.Unlock()

	select {
	case err := <-w.ready:
		return err
	case <-ctx.Done():
	}
	q.mu.Lock()
	q.endLocked(w, context.Cause(ctx)) // does nothing if there was room meanwhile
	q.mu.Unlock()
	return <-w.ready
}

// waitCall is wait for a request.
func (q *sendQueue) waitCall(ctx context.Context, e Event, p pending) error {
	return q.wait(ctx, entry{event: e, call: p})
}

// async posts f(nil) when e is in the queue.
func (q *sendQueue) async(e Event, timeout time.Duration, f func(error)) {
	err := q.check(e)
	q.mu.Lock()
	defer q.mu.Unlock()
	w := &waiter{entry: entry{event: e}, f: f}
	switch {
	case err != nil:
		w.tell(q, err)
	case q.mu.stopped:
		q.mu.dropped++
		w.tell(q, ErrStopped)
	case q.admitLocked(w.entry):
		w.tell(q, nil)
	default:
		q.mu.waiters.push(w)
		if timeout > 0 {
			w.timer = q.opts.clock.AfterFunc(timeout, func() {
				q.mu.Lock()
				defer q.mu.Unlock()
				q.endLocked(w, ErrTimeout)
			})
		}
	}
}

// endLocked takes w out of the line, unless it has left it, and tells it why.
func (q *sendQueue) endLocked(w *waiter, err error) {
	if w.ended {
		return
	}
	w.ended = true
	q.mu.waiters.remove(w)
	if err != nil {
		q.mu.gaveUp++
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	w.tell(q, err)
}

// tell runs under the queue's lock, so that callbacks are posted in the order in
// which the events got into the queue.
func (w *waiter) tell(q *sendQueue, err error) {
	if w.f == nil {
		w.ready <- err
		return
	}
	q.opts.post(func() { w.f(err) })
}

// refillLocked gives the room that there is to those who wait for it. It happens
// where room appears, under the same lock, so nobody gets in before them.
func (q *sendQueue) refillLocked() {
	for w := q.mu.waiters.first; w != nil && q.admitLocked(w.entry); w = q.mu.waiters.first {
		q.endLocked(w, nil)
	}
}
