package client

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/gobwas/ws"
)

// maxWrite bounds one write in bytes, but for an event that is longer and what a
// request adds to its event. Beyond it the next write follows at once.
const maxWrite = 1 << 20

// flight is what one flusher works with.
type flight struct {
	buf   []byte
	ends  []int  // where in buf the frame of each entry ends
	text  []byte // of one request
	masks masks
	cut   bool // there was more than maxWrite
}

var flights = sync.Pool{New: func() any { return new(flight) }}

func (f *flight) release() {
	if cap(f.buf) > 2*maxWrite {
		f.buf = nil
	}
	if cap(f.text) > maxWrite {
		f.text = nil
	}
	flights.Put(f)
}

// flush is the flusher: it writes until there is nothing that should leave now.
// Its caller has set mu.flushing.
func (q *sendQueue) flush() {
	ended := false
	defer func() {
		if !ended { // by runtime.Goexit in OnSend: another one does the rest
			go q.run()
		}
	}()
	f := flights.Get().(*flight)
	for {
		w := q.begin(f)
		q.gather(f)
		q.write(w, f)
		if !q.again(f.cut) {
			break
		}
	}
	ended = true
	f.release()
}

// begin starts a flight with what goes first, and takes what is queued.
func (q *sendQueue) begin(f *flight) io.Writer {
	f.buf, f.ends, f.cut = f.buf[:0], f.ends[:0], false
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.hasPong {
		f.buf = appendMasked(f.buf, ws.OpPong, f.masks.next(), q.mu.pong)
	}
	for _, s := range q.mu.urgent {
		f.buf = appendMasked(f.buf, ws.OpText, f.masks.next(), s)
	}
	q.mu.urgent, q.mu.hasPong = q.mu.urgent[:0], false
	q.mu.now = false
	if q.mu.gone {
		q.taken.clear()
	}
	q.taken.join(&q.mu.fresh)
	return q.mu.w
}

// gather puts frames of what has been taken into the flight.
func (q *sendQueue) gather(f *flight) {
	var c mark
	for e := q.taken.next(&c); e != nil; e = q.taken.next(&c) {
		if e.dead {
			continue
		}
		if len(f.buf) > 0 && len(f.buf)+len(e.event.text)+maxFrameHead > maxWrite {
			f.cut = true
			return
		}
		if !q.offer(e) {
			continue
		}
		if e.call != nil {
			f.text = e.call.appendPayload(f.text[:0], e.event)
			f.buf = appendMasked(f.buf, ws.OpText, f.masks.next(), f.text)
		} else {
			f.buf = appendMasked(f.buf, ws.OpText, f.masks.next(), e.event.text)
		}
		f.ends = append(f.ends, len(f.buf))
	}
}

// offer reports whether e leaves now; otherwise it is dead, and counted.
func (q *sendQueue) offer(e *entry) (leaves bool) {
	if e.call != nil && !e.call.begin() {
		e.dead = true
		q.mu.Lock()
		q.leaveLocked(1)
		q.mu.dropped++
		q.mu.Unlock()
		return false
	}
	if e.offered || q.opts.onSend == nil {
		return true
	}
	e.offered = true
	// Deferred, so that an event does not leave either whose hook has panicked or
	// ended the goroutine.
	err := errNoReturn
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
		if err == nil {
			return
		}
		leaves = false
		e.dead = true
		q.mu.Lock()
		q.leaveLocked(1)
		q.mu.errors++
		q.mu.Unlock()
		q.opts.onError(fmt.Errorf("send event %s: %w", e.event.id(), err))
	}()
	err = q.opts.onSend(e.event)
	return true
}

var errNoReturn = errors.New("OnSend has ended the goroutine it was called on")

// write writes the flight, if there is still somewhere to write to, and takes what
// has left out of the queue.
func (q *sendQueue) write(w io.Writer, f *flight) {
	q.mu.Lock()
	open := q.mu.w != nil
	q.mu.Unlock()
	n := 0
	var err error
	if open && len(f.buf) > 0 {
		if n, err = w.Write(f.buf); err == nil && n < len(f.buf) {
			err = io.ErrShortWrite
		}
	}
	sent := 0
	for sent < len(f.ends) && f.ends[sent] <= n {
		sent++
	}
	q.popSent(sent)

	q.mu.Lock()
	q.leaveLocked(sent)
	q.mu.sent += uint64(sent)
	if err != nil && q.mu.w != nil { // whoever has detached meanwhile has ended the write himself
		q.mu.errors++
		q.mu.writeErrors++
		q.disconnectLocked()
	}
	q.mu.Unlock()
}

// popSent takes n entries that have been written, and the dead ones before and
// behind them, off the list.
func (q *sendQueue) popSent(n int) {
	var c mark
	for e := q.taken.next(&c); e != nil && (e.dead || n > 0); e = q.taken.next(&c) {
		if !e.dead {
			n--
		}
		q.taken.pop()
		c = mark{}
	}
}

// leaveLocked makes the room of n entries that leave the queue. After the rest
// has been given up they were counted as dropped, which they are not.
func (q *sendQueue) leaveLocked(n int) {
	if q.mu.gone {
		q.mu.dropped -= uint64(n)
		return
	}
	q.mu.depth -= n
	q.refillLocked()
}

// again reports whether the flusher writes once more. If not, it has ended, and
// the timer will start the next one if something is left.
func (q *sendQueue) again(cut bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.w != nil {
		switch {
		case q.mu.hasPong || len(q.mu.urgent) > 0:
			return true
		case q.mu.depth == 0:
		case cut || q.mu.now || q.opts.interval == 0 || q.mu.stopped:
			return true
		default:
			q.armLocked()
		}
	}
	if q.mu.gone {
		q.taken.clear()
	}
	q.mu.flushing = false
	q.tellLocked()
	return false
}
