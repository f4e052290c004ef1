package client

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Result says whether the send queue has taken an event.
type Result uint8

// Results.
const (
	// OK: the event is in the queue, and stays there until it is written.
	OK Result = iota
	// Rejected: it is not, because the queue is full, the client is stopped or the
	// event is no good. It is counted.
	Rejected
)

func (r Result) String() string {
	if r == OK {
		return "ok"
	}
	return "rejected"
}

// SendStats are the counters of a send queue. Each event that was given to the
// client is in exactly one of Depth, Waiting, Sent, Dropped, GaveUp and Errors
// without WriteErrors: those add up to the number of calls of Enqueue, EnqueueWait
// and EnqueueAsync, and of Request as far as it has come to the queue, which is
// when it has found a connection.
type SendStats struct {
	Depth    int    // events in the queue, those in a write that has not returned included
	Waiting  int    // EnqueueWait, EnqueueAsync and requests that wait for room
	Enqueued uint64 // events taken; they end in Sent, Dropped or Errors
	Sent     uint64 // events written, as far as the system says
	// Dropped are the events rejected because the queue was full or stopped, those
	// that Stop gave up, and the requests given up before they left.
	Dropped uint64
	GaveUp  uint64 // events that waited for room, until time was up or Stop came
	// Errors are the events that were no good (zero, or too large), those that
	// OnSend refused, and the writes that failed.
	Errors      uint64
	WriteErrors uint64 // of Errors, the writes that failed; they lose no event
}

// Enqueue appends e to the send queue and returns at once. All that is pending
// leaves in one write, Options.FlushInterval after the first of it at the
// latest; while there is no connection it is kept. Rejected means that e will
// not be sent. Any goroutine may call it, at any time, callbacks included.
func (c *Client) Enqueue(e Event) Result { return c.out.enqueue(e) }

// EnqueueWait is [Client.Enqueue] that waits for room, first come first served.
// Nil means that e is in the queue. The error is the cause of ctx, or matches
// [ErrStopped], [ErrBadEvent] or [ErrTooLarge]. In a callback it holds up all
// others, so prefer EnqueueAsync there; in OnSend it may wait for ever.
func (c *Client) EnqueueWait(ctx context.Context, e Event) error {
	return c.out.wait(ctx, entry{event: c.traced(ctx, e)})
}

// EnqueueAsync is [Client.Enqueue] that waits for room without holding up the
// caller, in one line with EnqueueWait. f is called exactly once, like every
// callback: with nil when e is in the queue, with [ErrTimeout] when there was no
// room for as long as timeout (0: no limit), or with what matches [ErrStopped],
// [ErrBadEvent] or [ErrTooLarge]. It panics if f is nil.
func (c *Client) EnqueueAsync(e Event, timeout time.Duration, f func(error)) {
	if f == nil {
		panic("client: EnqueueAsync without a callback")
	}
	c.out.async(e, timeout, f)
}

// pending is a request, or an answer, in the send queue. Both methods are called by the
// flusher, without a lock, in this order and for each attempt to write it.
type pending interface {
	// begin says whether the request still wants to leave. If not, the queue
	// forgets it.
	begin() bool
	// appendPayload appends the message that carries e.
	appendPayload(dst []byte, e Event) []byte
}

type sendOptions struct {
	messages int           // bound of the queue
	interval time.Duration // 0: at once
	maxSend  int           // bytes of an event
	clock    Clock
	onSend   func(Event) error // nil: none
	onError  func(error)       // called without a lock, on any goroutine
	post     func(func())      // hands a callback to the dispatcher; must not block nor call it
}

// sendQueue keeps events until they are written. Nothing runs while it has
// nothing to do; when it has, one flusher at a time does (flush.go).
type sendQueue struct {
	// Fixed after newSendQueue.
	opts sendOptions
	run  func() // flushes, as one value: go and AfterFunc need not allocate it

	// Owned by the flusher, which is whoever has set mu.flushing; under mu while
	// there is none.
	taken entryList // goes before mu.fresh

	mu struct {
		sync.Mutex
		fresh   entryList
		waiters waiterList // not empty only while the queue is full
		depth   int        // entries in fresh and taken that are not dead

		w        io.Writer // nil: nothing can be written now
		flushing bool
		now      bool  // fresh holds something that must not wait an interval
		armed    bool  // timer is running
		timer    Timer // made when first needed

		urgent  []string // texts that go first
		pong    []byte   // payload of a pong that goes first
		hasPong bool

		stopped bool
		gone    bool          // the rest has been counted as dropped
		changed chan struct{} // closed when a flusher ends or the rest is given up; nil while nobody waits

		enqueued, sent, dropped, gaveUp, errors, writeErrors uint64
	}
}

func newSendQueue(o sendOptions) *sendQueue {
	q := &sendQueue{opts: o}
	q.run = q.flush
	return q
}

// check says what is wrong with e, and counts it.
func (q *sendQueue) check(e Event) error {
	var err error
	switch {
	case e.text == "":
		err = fmt.Errorf("%w: it is empty", ErrBadEvent)
	case len(e.text) > q.opts.maxSend:
		err = fmt.Errorf("%w: %s has %d bytes, at most %d may be sent", ErrTooLarge, e.id(), len(e.text), q.opts.maxSend)
	default:
		return nil
	}
	q.mu.Lock()
	q.mu.errors++
	q.mu.Unlock()
	return err
}

// id returns e's event id, as far as its text shows it plainly.
func (e Event) id() string {
	s := strings.TrimLeft(strings.TrimPrefix(e.untraced().text, "["), " ,\t\r\n")
	if i := strings.IndexAny(s, " ,\t\r\n]()[{}\"\\;#"); i >= 0 {
		s = s[:i]
	}
	return clip(s)
}

// enqueue never blocks.
func (q *sendQueue) enqueue(e Event) Result {
	if err := q.check(e); err != nil {
		q.opts.onError(err)
		return Rejected
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.stopped || q.mu.depth == q.opts.messages {
		q.mu.dropped++
		return Rejected
	}
	q.pushLocked(entry{event: e})
	return OK
}

// pushLocked takes an entry for which there is room.
func (q *sendQueue) pushLocked(e entry) {
	q.mu.fresh.push(e)
	q.mu.depth++
	q.mu.enqueued++
	q.wakeLocked(e.call != nil)
}

// wakeLocked sees to it that what is pending will be written: an interval later,
// or now.
func (q *sendQueue) wakeLocked(now bool) {
	switch {
	case q.mu.w == nil: // attach does it
	case q.mu.flushing:
		q.mu.now = q.mu.now || now // the flusher looks before it ends
	case now || q.opts.interval == 0 || q.mu.stopped:
		q.disarmLocked()
		q.mu.flushing = true
		go q.run() // ends when nothing is left to be written now; detach and stop wait for it
	case !q.mu.armed:
		q.armLocked()
	}
}

// armLocked starts the timer, on whose goroutine the flusher will run.
func (q *sendQueue) armLocked() {
	q.mu.armed = true
	if q.mu.timer == nil {
		q.mu.timer = q.opts.clock.AfterFunc(q.opts.interval, q.timeUp)
		return
	}
	q.mu.timer.Reset(q.opts.interval)
}

func (q *sendQueue) disarmLocked() {
	if q.mu.armed {
		q.mu.armed = false
		q.mu.timer.Stop()
	}
}

// timeUp becomes the flusher, unless the timer was stopped too late to notice.
func (q *sendQueue) timeUp() {
	q.mu.Lock()
	if !q.mu.armed || q.mu.flushing || q.mu.w == nil {
		q.mu.Unlock()
		return
	}
	q.mu.armed, q.mu.flushing = false, true
	q.mu.Unlock()
	q.flush()
}

// urgent sends a text that goes before all that is queued, and at once; not while
// detached. The same text once more, while it has not left, is one. For a few
// constant texts: there is no other bound.
func (q *sendQueue) urgent(payload string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.w == nil {
		return
	}
	if slices.Contains(q.mu.urgent, payload) {
		return
	}
	q.mu.urgent = append(q.mu.urgent, payload)
	q.wakeLocked(true)
}

// pong sends an RFC 6455 pong before all that is queued, and at once; not while
// detached. Of pongs that have not left only the newest does (5.5.3). It copies
// payload, 125 bytes of it at most (5.5).
func (q *sendQueue) pong(payload []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.w == nil {
		return
	}
	q.mu.pong = append(q.mu.pong[:0], payload[:min(len(payload), maxControlPayload)]...)
	q.mu.hasPong = true
	q.wakeLocked(true)
}

// attach gives the queue somewhere to write to; what it has kept leaves at once.
// After a write that fails nothing is written: it is for w to end the connection.
// Whoever calls attach calls detach before the next.
func (q *sendQueue) attach(w io.Writer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.w = w
	if q.mu.depth > 0 {
		q.wakeLocked(true)
	}
}

// detach makes the queue keep what it has. It returns when no write is under way,
// so the writer has to be closed before; it is not used afterwards.
func (q *sendQueue) detach() {
	q.mu.Lock()
	q.disconnectLocked()
	for q.mu.flushing {
		ch := q.changedLocked()
		q.mu.Unlock()
		<-ch
		q.mu.Lock()
	}
	q.mu.Unlock()
}

// disconnectLocked forgets the writer and what was meant for it alone.
func (q *sendQueue) disconnectLocked() {
	q.mu.w, q.mu.now = nil, false
	q.mu.urgent, q.mu.hasPong = q.mu.urgent[:0], false
	q.disarmLocked()
}

// changedLocked returns a channel that is closed when a flusher ends, or the rest
// has been given up.
func (q *sendQueue) changedLocked() <-chan struct{} {
	if q.mu.changed == nil {
		q.mu.changed = make(chan struct{})
	}
	return q.mu.changed
}

// tellLocked wakes whoever waits for changedLocked.
func (q *sendQueue) tellLocked() {
	if q.mu.changed != nil {
		close(q.mu.changed)
		q.mu.changed = nil
	}
}

// stop takes no more events, tells those who wait [ErrStopped], and waits until
// all has been written, by an attach to come if need be. When ctx ends the rest
// is counted as dropped; should a write that is under way get some of it out,
// the counters say so after detach. Any goroutine may call it, again too.
func (q *sendQueue) stop(ctx context.Context) SendStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.mu.stopped {
		q.mu.stopped = true
		for w := q.mu.waiters.first; w != nil; w = q.mu.waiters.first {
			q.endLocked(w, ErrStopped)
		}
		if q.mu.depth > 0 {
			q.wakeLocked(true)
		}
	}
	for !q.mu.gone && (q.mu.depth > 0 || q.mu.flushing) {
		ch := q.changedLocked()
		q.mu.Unlock()
		select {
		case <-ch:
			q.mu.Lock()
		case <-ctx.Done():
			q.mu.Lock()
			q.giveUpLocked()
		}
	}
	return q.statsLocked()
}

// giveUpLocked drops all that is queued. What a flusher has in its hands it
// drops itself, when its write returns.
func (q *sendQueue) giveUpLocked() {
	q.mu.gone = true
	q.mu.dropped += uint64(q.mu.depth)
	q.mu.depth = 0
	q.mu.fresh.clear()
	if !q.mu.flushing {
		q.taken.clear()
	}
	q.tellLocked() // another stop may have more patience
}

func (q *sendQueue) stats() SendStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.statsLocked()
}

func (q *sendQueue) statsLocked() SendStats {
	return SendStats{
		Depth: q.mu.depth, Waiting: q.mu.waiters.n,
		Enqueued: q.mu.enqueued, Sent: q.mu.sent, Dropped: q.mu.dropped, GaveUp: q.mu.gaveUp,
		Errors: q.mu.errors, WriteErrors: q.mu.writeErrors,
	}
}
