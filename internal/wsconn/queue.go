package wsconn

import "sync"

const chunkFrames = 15

// chunk holds frames of a queue that has more than one: 128 bytes, from a pool.
type chunk struct {
	frames [chunkFrames]*Frame
	next   *chunk // the tail points to the head
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

const (
	queueOpen      uint8 = 1 << iota // frames are taken
	queueScheduled                   // the loop knows that there is something, or is blocked and will look
	queueOver                        // overflowed: the loop is to discard and close
	queueOverData                    // the frame that did not fit is one to count
	queueBlocked                     // the system takes nothing at the moment: the peer is slow
)

// queue is a connection's send queue, guarded by the connection's lock: any goroutine appends, only the loop takes.
// One pending frame needs no memory beyond it, and an empty queue holds none. Frames stay in it, and are charged,
// until their last byte is written.
type queue struct {
	one   *Frame // the oldest frame, if it came to an empty queue
	tail  *chunk // those behind it; a ring of chunks
	count uint32 // frames
	bytes uint32 // on the wire, of all frames in the queue
	off   uint32 // bytes of the oldest frame that are written
	r, w  uint8  // next to take in the head chunk, next free in the tail chunk
	bits  uint8
}

func (q *queue) putLocked(f *Frame) {
	q.count++
	q.bytes += uint32(len(f.wire))
	if q.tail == nil {
		if q.one == nil {
			q.one = f
			return
		}
		c := chunks.Get().(*chunk)
		c.next = c
		q.tail, q.r, q.w = c, 0, 0
	} else if q.w == chunkFrames {
		c := chunks.Get().(*chunk)
		c.next = q.tail.next
		q.tail.next = c
		q.tail, q.w = c, 0
	}
	q.tail.frames[q.w] = f
	q.w++
}

// popLocked takes the oldest frame, which must exist.
func (q *queue) popLocked() *Frame {
	f := q.one
	if f != nil {
		q.one = nil
	} else {
		head := q.tail.next
		f = head.frames[q.r]
		head.frames[q.r] = nil
		q.r++
		if head == q.tail {
			if q.r == q.w {
				q.tail = nil
				q.r, q.w = 0, 0
				head.next = nil
				chunks.Put(head)
			}
		} else if q.r == chunkFrames {
			q.tail.next = head.next
			q.r = 0
			head.next = nil
			chunks.Put(head)
		}
	}
	q.count--
	q.bytes -= uint32(len(f.wire))
	q.off = 0
	return f
}

// peekLocked appends the oldest frames to dst: at most maxFrames, and no more bytes than limit, except that there is
// always one. A frame of large bytes or more lifts the limit to vectorBytes, since it will not be joined.
func (q *queue) peekLocked(dst []*Frame) (frames []*Frame, size int, vector bool) {
	limit := joinBytes
	add := func(f *Frame) bool {
		n := len(f.wire)
		if n >= largeFrame {
			limit, vector = vectorBytes, true
		}
		if len(dst) > 0 && (len(dst) == maxFrames || size+n > limit) {
			return false
		}
		dst = append(dst, f)
		size += n
		return true
	}
	if q.one != nil && !add(q.one) || q.tail == nil {
		return dst, size, vector
	}
	for c, i := q.tail.next, q.r; ; c, i = c.next, 0 {
		end := uint8(chunkFrames)
		if c == q.tail {
			end = q.w
		}
		for ; i < end; i++ {
			if !add(c.frames[i]) {
				return dst, size, vector
			}
		}
		if c == q.tail {
			return dst, size, vector
		}
	}
}

// advanceLocked drops n written bytes, and returns how many frames they completed.
func (q *queue) advanceLocked(n int) (frames int) {
	for n > 0 {
		f := q.one
		if f == nil {
			f = q.tail.next.frames[q.r]
		}
		left := len(f.wire) - int(q.off)
		if n < left {
			q.off += uint32(n)
			return frames
		}
		n -= left
		q.popLocked()
		frames++
	}
	return frames
}

// push appends f unless the gate is shut or the queue closed, and reports whether the loop must be told.
func (c *Conn) push(f *Frame, gate *bool) (r Result, wake bool) {
	c.mu.Lock()
	if gate != nil && !*gate {
		c.mu.Unlock()
		return Shut, false
	}
	r, wake = c.pushLocked(f)
	c.mu.Unlock()
	return r, wake
}

func (c *Conn) pushLocked(f *Frame) (r Result, wake bool) {
	if c.mu.bits&queueOpen == 0 {
		return Rejected, false
	}
	if c.mu.count > 0 && (c.mu.count >= c.loop.maxFrames || c.mu.bytes+uint32(len(f.wire)) > c.loop.maxBytes) {
		// The loop discards: it may be writing the head of the queue at this moment.
		c.mu.bits = c.mu.bits&^queueOpen | queueOver
		if f.kind == kindData {
			c.mu.bits |= queueOverData
		}
		r = Overflow
	} else {
		c.mu.putLocked(f)
	}
	wake = c.mu.bits&queueScheduled == 0 || r == Overflow
	c.mu.bits |= queueScheduled
	return r, wake
}

// crowdedLocked reports whether the queue is half full: whoever fills it is faster than the loop, or, with queueBlocked,
// than the peer.
func (c *Conn) crowdedLocked() bool {
	return c.mu.bits&queueOpen != 0 && (c.mu.count > c.loop.maxFrames/2 || c.mu.bytes > c.loop.maxBytes/2)
}

func (c *Conn) gated(gate *bool, open bool, f *Frame) (r Result, wake bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !open {
		*gate = false
	}
	switch {
	case f != nil:
		r, wake = c.pushLocked(f)
	case c.mu.bits&queueOpen == 0:
		r = Rejected
	}
	if open && r == OK {
		*gate = true
	}
	return r, wake
}
