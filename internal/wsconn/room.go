package wsconn

import "math"

// fitsLocked reports whether there is room for f. One frame always fits an empty queue.
func (c *Conn) fitsLocked(f *Frame) bool {
	return c.mu.count == 0 || c.mu.count < c.loop.maxFrames && c.mu.bytes+uint32(len(f.wire)) <= c.loop.maxBytes &&
		(c.mu.off == 0 || c.mu.messagesLocked() < c.loop.maxFrames)
}

// heldLocked returns how many of the oldest frames have begun to leave: they are half written, or the loop is writing
// them at this moment.
func (c *Conn) heldLocked() int {
	switch {
	case c.mu.bits&queueWriting != 0:
		return c.loop.writing
	case c.mu.off > 0:
		return 1
	}
	return 0
}

// slotLocked finds the frame whose slot f takes; index is -1 if there is none. It keeps its place in the queue, since
// a value that changes quickly would never leave if each change sent it to the end. A frame before an answer that
// opened or shut a gate stays: what came through the gate later must not come before the answer.
//
// There may be older ones, which were being written when that one came, and were not taken: they are dropped.
func (c *Conn) slotLocked(f *Frame) (index int, at **Frame) {
	held := c.heldLocked()
	first := -1
	index = -1
	c.mu.eachLocked(func(i int, p **Frame) bool {
		switch g := *p; {
		case i < held:
		case g.slot == f.slot:
			if index < 0 {
				first = i
			}
			index, at = i, p
		case g.bits&frameAnswer != 0:
			index = -1
		}
		return true
	})
	if index < 0 || first == index {
		return index, at
	}
	c.mu.cutLocked(index-1, func(i int, g *Frame) bool {
		older := i >= first && g.slot == f.slot
		if older {
			c.droppedLocked(droppedSuperseded)
		}
		return older
	})
	return c.slotLocked(f)
}

// victims are frames that make room for another: those from held on that meet a bound of their policy.
type victims struct {
	held   int
	slot   int // the frame whose slot the new one takes, -1 if there is none
	oldest int // drop-oldest up to here
	latest int // latest-only up to here
	newest int // drop-newest from here on
}

func (v *victims) has(i int, f *Frame) bool {
	if i < v.held {
		return false
	}
	switch f.policy() {
	case DropOldest:
		return i <= v.oldest
	case LatestOnly:
		return i <= v.latest || i == v.slot
	case DropNewest:
		return i >= v.newest
	default:
		return false
	}
}

// makeRoomLocked drops what may be dropped until f fits, and the frame at index slot (-1: none) in any case. If f
// would not fit even so, nothing is dropped.
func (c *Conn) makeRoomLocked(f *Frame, slot int) bool {
	v, ok := c.planLocked(f, slot)
	if !ok {
		return false
	}
	last := max(v.oldest, v.latest, v.slot)
	if v.newest < int(c.mu.count) {
		last = int(c.mu.count) - 1
	}
	c.mu.cutLocked(last, func(i int, g *Frame) bool {
		if !v.has(i, g) {
			return false
		}
		switch {
		case i == v.slot:
			c.droppedLocked(droppedSuperseded)
		case g.policy() == DropNewest:
			c.droppedLocked(droppedNewest)
		default:
			c.droppedLocked(droppedOldest)
		}
		return true
	})
	return true
}

func (c *Conn) planLocked(f *Frame, slot int) (v victims, ok bool) {
	v = victims{held: c.heldLocked(), slot: slot, oldest: -1, latest: -1, newest: math.MaxInt}
	// What has to go yet; an empty queue is enough in any case.
	left := int(c.mu.count)
	frames, bytes := int(c.mu.messagesLocked())+1-int(c.loop.maxFrames), int(c.mu.bytes)+len(f.wire)-int(c.loop.maxBytes)
	enough := func() bool { return left == 0 || frames <= 0 && bytes <= 0 }
	take := func(g *Frame) {
		left--
		frames--
		bytes -= len(g.wire)
	}
	if slot >= 0 {
		c.mu.eachLocked(func(i int, p **Frame) bool {
			if i == slot {
				take(*p)
			}
			return i < slot
		})
	}
	for _, pass := range [...]struct {
		policy Policy
		bound  *int
	}{{DropOldest, &v.oldest}, {LatestOnly, &v.latest}} {
		if enough() {
			return v, true
		}
		c.mu.eachLocked(func(i int, p **Frame) bool {
			if g := *p; i >= v.held && g.policy() == pass.policy && i != slot {
				take(g)
				*pass.bound = i
			}
			return !enough()
		})
	}
	if enough() || f.policy() != Disconnect {
		return v, enough()
	}
	v.newest = v.held
	c.mu.eachLocked(func(i int, p **Frame) bool {
		if i >= v.held && (*p).policy() == DropNewest {
			take(*p)
		}
		return true
	})
	if !enough() {
		return v, false
	}
	c.mu.eachLocked(func(i int, p **Frame) bool { // the oldest that need not go stay
		g := *p
		if i < v.held || g.policy() != DropNewest {
			return true
		}
		if frames+1 > 0 || bytes+len(g.wire) > 0 {
			return false
		}
		frames++
		bytes += len(g.wire)
		v.newest = i + 1
		return true
	})
	return v, true
}

// dutyLocked reports whether what may not be dropped fills more than one part in so many of the queue.
func (c *Conn) dutyLocked(parts uint32) bool {
	if c.loop == nil {
		return false
	}
	frames, bytes := c.loop.maxFrames/parts, c.loop.maxBytes/parts
	if c.mu.messagesLocked() <= frames && c.mu.bytes <= bytes {
		return false
	}
	var n, size uint32
	c.mu.eachLocked(func(_ int, p **Frame) bool {
		if (*p).policy() == Disconnect {
			n += max((*p).messages(), 1)
			size += uint32(len((*p).wire))
		}
		return n <= frames && size <= bytes
	})
	return n > frames || size > bytes
}
