package wsconn

import "slices"

// flush writes what c has queued, in one call if the system takes it. writable says that the system asked for it.
func (l *loop) flush(c *Conn, writable bool) {
	if c.state == stateClosed || c.state == stateNew || c.flags&flagBroken != 0 {
		return
	}
	blocked, more := false, true
	pack := c.flags&flagDeflate != 0
	idle := c.flags&flagBlocked != 0 && !writable // then nothing is joined or compressed in vain
	var count uint32
	for round := 0; more && !blocked && round < flushRounds; round++ {
		c.mu.Lock()
		if c.mu.bits&(queueWaiting|queueOver) == queueWaiting {
			c.mu.Unlock() // whatever there was to flush has left already
			return
		}
		over := c.mu.bits&queueOver != 0 && c.overflowLocked()
		if c.mu.dropped > 0 && l.mayTellLocked(c) {
			l.tellLocked(c)
		}
		var size int
		var vector, parts bool
		var kinds uint8
		l.snap, size, vector, kinds = c.mu.peekLocked(l.snap[:0])
		parts = kinds&framePart != 0
		off, bytes := int(c.mu.off), c.mu.bytes
		if count = c.mu.count; count == 0 {
			c.mu.bits &^= queueScheduled
			more = false
		} else if idle = idle && (parts || pack); !idle {
			c.mu.bits |= queueWriting
			l.writing = len(l.snap)
		}
		c.mu.Unlock()
		if over {
			c.beginClose()
		}
		if !more {
			break
		}
		if idle {
			return // OnWritable is due
		}
		if round == 0 {
			l.n.queueDepth.Observe(int64(count))
			l.n.queueBytes.Observe(int64(bytes))
		}
		out := l.snap
		if parts {
			var ok bool
			if size, vector, ok = l.join(c); !ok {
				c.joinFailed()
				return
			}
			out = l.out
		}
		mapped := parts // what is written is not what is queued
		if pack && l.pack(c, out, off, parts) {
			mapped, out = true, l.out
			size, vector = extent(out)
		}
		n, err := l.write(c, out, off, vector)
		if err != nil {
			c.breakOff()
			return
		}
		c.mu.Lock()
		var frames int
		var notice bool
		if mapped {
			frames, notice = c.mu.advanceJoinedLocked(n, out, l.stands)
		} else {
			frames, notice = c.mu.advanceLocked(n)
		}
		c.mu.bits &^= queueWriting
		count = c.mu.count
		more = count > 0 || c.mu.bits&queueOver != 0
		if !more {
			c.mu.bits &^= queueScheduled
		}
		c.mu.Unlock()
		l.n.framesOut += uint64(frames)
		if l.n.writeMessages.Observe(int64(len(l.snap))); frames > 0 {
			l.written(kinds, frames, n+off, mapped)
		}
		if notice {
			l.hasTold(c)
		}
		if n > 0 && c.flags&flagBlocked != 0 {
			c.alive() // it takes what we send
			l.moved(c)
		}
		blocked = n < size-off
	}
	if blocked != (c.flags&flagBlocked != 0) {
		if c.flags ^= flagBlocked; blocked {
			l.blocked(c)
		} else {
			delete(l.stalls, c)
		}
		c.mu.Lock()
		c.mu.bits = (c.mu.bits ^ queueBlocked) &^ queueFrozen // Batch.Enqueue waits for a loop, hardly for a peer
		c.mu.Unlock()
		l.p.WantWrite(&c.sock, blocked)
	}
	if more && !blocked {
		l.again = append(l.again, c) // it has more than its share of this turn
	}
	if c.pause&pauseHigh != 0 {
		c.mu.Lock()
		high := c.dutyLocked(4)
		c.mu.Unlock()
		if !high {
			c.unpause(pauseHigh)
		}
	}
	if count == 0 && c.state == stateClosing {
		c.drain()
	}
}

// write hands frames to the system, the first off bytes left out.
func (l *loop) write(c *Conn, frames []*Frame, off int, vector bool) (n int, err error) {
	l.n.writeCalls++
	switch {
	case len(frames) == 1:
		n, err = l.p.Write(&c.sock, view(frames[0].wire[off:]))
	case vector:
		l.vec = l.vec[:0]
		for _, f := range frames {
			l.vec = append(l.vec, view(f.wire))
		}
		l.vec[0] = l.vec[0][off:]
		n, err = l.p.Writev(&c.sock, l.vec)
		clear(l.vec)
	default:
		j := &l.joined[c.group%joinedCount]
		if !slices.Equal(frames, j.frames) {
			j.bytes = j.bytes[:0]
			for _, f := range frames {
				j.bytes = append(j.bytes, f.wire...)
			}
			j.frames = append(j.frames[:0], frames...)
		}
		n, err = l.p.Write(&c.sock, j.bytes[off:])
	}
	l.n.bytesOut += uint64(n)
	return n, err
}

// breakOff notes that the peer cannot be written to. The end comes later in the turn: a flush may run inside of a
// callback.
func (c *Conn) breakOff() {
	c.mu.Lock()
	c.mu.bits &^= queueOpen
	c.mu.Unlock()
	if c.flags&flagBroken == 0 {
		c.flags |= flagBroken
		c.loop.broken = append(c.loop.broken, c)
	}
}

// overflowLocked closes a connection whose queue has overflowed. It runs only when no write is under way, and reports
// whether beginClose must follow once the lock is released.
func (c *Conn) overflowLocked() bool {
	over := c.mu.bits
	c.mu.bits &^= queueOver | queueOverData
	if c.state != stateOpen {
		return false
	}
	if over&queueOverData != 0 {
		c.mu.discarded++
	}
	c.loop.n.overflows++
	c.abandonLocked(StatusTryAgainLater, CloseOverflow)
	return true
}

// abandonLocked discards all but the half-written frame and queues the close frame. It runs only when no write is under
// way; beginClose must follow once the lock is released.
func (c *Conn) abandonLocked(code StatusCode, why CloseReason) {
	off := c.mu.off
	var half *Frame
	if off > 0 {
		half = c.mu.popLocked()
	}
	c.discardLocked()
	if half != nil {
		c.mu.putLocked(half)
		c.mu.off = off
	}
	c.closeLocked(code, "", why)
}

// discardLocked empties the queue, and counts what was handed over and will not be sent.
func (c *Conn) discardLocked() {
	for c.mu.count > 0 {
		if f := c.mu.popLocked(); !c.isPing(f) {
			c.mu.discarded += f.messages()
		}
	}
}
