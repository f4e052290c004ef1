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
	queueWriting                     // the loop is writing the oldest loop.writing frames
	queueWaiting                     // all of it may wait, and the loop is told for how long
	queueFrozen                      // blocked, and the peer has taken nothing for a while: it is not just busy
)

// queue is a connection's send queue, guarded by the connection's lock: any goroutine appends, only the loop takes.
// One pending frame needs no memory beyond it, and an empty queue holds none. Frames stay in it, and are charged,
// until their last byte is written.
type queue struct {
	one   *Frame // the oldest frame, if it came to an empty queue
	tail  *chunk // those behind it; a ring of chunks
	count uint32 // frames and parts
	bytes uint32 // on the wire, of all frames in the queue
	off   uint32 // bytes of the oldest frame that are written
	r, w  uint8  // next to take in the head chunk, next free in the tail chunk
	bits  uint8
	waits uint8 // that have ended: the number of the present one
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

// headLocked returns the oldest frame, which must exist.
func (q *queue) headLocked() *Frame {
	if q.one != nil {
		return q.one
	}
	return q.tail.next.frames[q.r]
}

// messagesLocked returns how many frames there are for the bounds: one that is joined, which only the half-written can
// be, is as many as were joined.
func (q *queue) messagesLocked() uint32 {
	if q.off > 0 {
		if f := q.headLocked(); f.bits&frameJoined != 0 {
			return q.count - 1 + max(uint32(f.group), 1)
		}
	}
	return q.count
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
// always one. A frame of large bytes or more lifts the limit to vectorBytes, since it will not be copied. kinds are
// the bits that any of them has.
func (q *queue) peekLocked(dst []*Frame) (frames []*Frame, size int, vector bool, kinds uint8) {
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
		kinds |= f.bits
		return true
	}
	if q.one != nil && !add(q.one) || q.tail == nil {
		return dst, size, vector, kinds
	}
	for c, i := q.tail.next, q.r; ; c, i = c.next, 0 {
		end := uint8(chunkFrames)
		if c == q.tail {
			end = q.w
		}
		for ; i < end; i++ {
			if !add(c.frames[i]) {
				return dst, size, vector, kinds
			}
		}
		if c == q.tail {
			return dst, size, vector, kinds
		}
	}
}

// advanceLocked drops n written bytes, and returns how many frames they completed and whether a notice was among them.
func (q *queue) advanceLocked(n int) (frames int, notice bool) {
	for n > 0 {
		f := q.headLocked()
		left := len(f.wire) - int(q.off)
		if n < left {
			q.off += uint32(n)
			return frames, notice
		}
		n -= left
		notice = notice || f.bits&frameNotice != 0
		q.popLocked()
		frames++
	}
	return frames, notice
}

// eachLocked calls fn with the places of all frames, from the oldest on, until it reports false.
func (q *queue) eachLocked(fn func(i int, p **Frame) bool) {
	n := 0
	if q.one != nil {
		if !fn(0, &q.one) {
			return
		}
		n = 1
	}
	if q.tail == nil {
		return
	}
	for c, i := q.tail.next, q.r; ; c, i = c.next, 0 {
		end := uint8(chunkFrames)
		if c == q.tail {
			end = q.w
		}
		for ; i < end; i++ {
			if !fn(n, &c.frames[i]) {
				return
			}
			n++
		}
		if c == q.tail {
			return
		}
	}
}

// noticeLocked reports whether a notice has not left: it is the oldest frame, or behind one that is half written.
func (q *queue) noticeLocked() (notice bool) {
	q.eachLocked(func(i int, p **Frame) bool {
		notice = (*p).bits&frameNotice != 0
		return !notice && i == 0 && q.off > 0
	})
	return notice
}

// insertLocked puts f before all frames of which nothing is written.
func (q *queue) insertLocked(f *Frame) {
	off := q.off
	if off == 0 {
		q.unshiftLocked(f)
		return
	}
	half := q.popLocked()
	q.unshiftLocked(f)
	q.unshiftLocked(half)
	q.off = off
}

// unshiftLocked makes f the oldest frame.
func (q *queue) unshiftLocked(f *Frame) {
	second := q.one
	q.one = f
	q.count++
	q.bytes += uint32(len(f.wire))
	switch {
	case second == nil:
	case q.tail == nil:
		c := chunks.Get().(*chunk)
		c.next = c
		c.frames[0] = second
		q.tail, q.r, q.w = c, 0, 1
	case q.r > 0:
		q.r--
		q.tail.next.frames[q.r] = second
	default:
		c := chunks.Get().(*chunk)
		c.next, q.tail.next = q.tail.next, c
		q.r = chunkFrames - 1
		c.frames[q.r] = second
	}
}

// cutLocked takes out the frames up to index last that victim reports true for. It asks once for each, in any order,
// and moves those that stay together towards the newer ones, since victims are mostly among the oldest.
func (q *queue) cutLocked(last int, victim func(i int, f *Frame) bool) {
	first, length := 0, int(q.count) // of the ring: the index of its head, its frames
	if q.one != nil {
		first, length = 1, length-1
		if victim(0, q.one) {
			q.popLocked()
		}
	}
	last -= first
	if last < 0 {
		return
	}
	var room [1 + 1024/chunkFrames]*chunk // enough for a queue of the usual size
	ring := room[:0]
	for c := q.tail.next; len(ring)*chunkFrames <= int(q.r)+last; c = c.next {
		ring = append(ring, c)
	}
	at := func(i int) **Frame {
		i += int(q.r)
		return &ring[i/chunkFrames].frames[i%chunkFrames]
	}
	to := last
	for i := last; i >= 0; i-- {
		f := *at(i)
		if victim(first+i, f) {
			q.count--
			q.bytes -= uint32(len(f.wire))
			continue
		}
		*at(to) = f
		to--
	}
	for i := range to + 1 {
		*at(i) = nil
	}
	q.skipLocked(to+1, length)
}

// skipLocked leaves n cleared places at the head of the ring, which holds length, behind.
func (q *queue) skipLocked(n, length int) {
	r := int(q.r) + n
	for r >= chunkFrames || n == length && q.tail != nil {
		head := q.tail.next
		if head == q.tail {
			q.tail, q.w, r = nil, 0, 0
		} else {
			q.tail.next = head.next
			r -= chunkFrames
		}
		head.next = nil
		chunks.Put(head)
	}
	q.r = uint8(r)
}

// push appends f unless the gate is shut or the queue closed, and returns what the loop is to be told.
func (c *Conn) push(f *Frame, gate *bool) (r Result, tell call) {
	c.mu.Lock()
	if gate != nil && !*gate {
		c.mu.Unlock()
		return Shut, callNone
	}
	r, tell = c.pushLocked(f)
	c.mu.Unlock()
	return r, tell
}

func (c *Conn) pushLocked(f *Frame) (r Result, tell call) {
	if c.mu.bits&queueOpen == 0 {
		return Rejected, callNone
	}
	slot := -1
	if f.slot != 0 && c.mu.count > 0 {
		var at **Frame
		if slot, at = c.slotLocked(f); slot >= 0 {
			if size := c.mu.bytes - uint32((*at).Len()) + uint32(f.Len()); size <= c.loop.maxBytes || c.mu.count == 1 {
				*at, c.mu.bytes = f, size
				c.droppedLocked(droppedSuperseded)
				return OK, c.callLocked(f)
			}
		}
	}
	switch {
	case c.fitsLocked(f), f.policy() != DropNewest && c.makeRoomLocked(f, slot):
		if c.mu.putLocked(f); c.mu.bits&queueScheduled != 0 {
			return OK, callNone // as callLocked would say, but that costs a call
		}
		return OK, c.callLocked(f)
	case f.policy() != Disconnect:
		c.droppedLocked(droppedNewest)
		return Dropped, callNone // the loop knows of the queue
	}
	// The loop discards: it may be writing the head of the queue at this moment.
	c.mu.bits = c.mu.bits&^queueOpen | queueOver
	if f.messages() > 0 {
		c.mu.bits |= queueOverData
	}
	c.mu.scheduleLocked()
	return Overflow, callNow
}

// crowdedLocked reports whether the queue is half full: whoever fills it is faster than the loop, or, with queueBlocked,
// than the peer.
func (c *Conn) crowdedLocked() bool {
	return c.mu.bits&queueOpen != 0 && (c.mu.count > c.loop.maxFrames/2 || c.mu.bytes > c.loop.maxBytes/2 ||
		c.mu.off > 0 && c.mu.messagesLocked() > c.loop.maxFrames/2)
}

func (c *Conn) gated(gate *bool, open bool, f *Frame) (r Result, tell call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !open {
		*gate = false
	}
	switch {
	case f != nil:
		answer := &Frame{wire: f.wire, slot: f.slot, wait: f.wait, group: f.group, bits: f.bits}
		if f.messages() > 0 {
			answer.bits |= frameAnswer
		}
		r, tell = c.pushLocked(answer)
	case c.mu.bits&queueOpen == 0:
		r = Rejected
	}
	if open && r == OK {
		*gate = true
	}
	return r, tell
}
