package wsconn

import "github.com/gobwas/ws"

// Most that Options.Join is given at once. One part is given whatever its size.
const (
	joinParts   = 16
	joinPayload = 16 << 10
)

// join has frames made of the parts in snap, and puts what is to be written into out, with how many frames of the queue
// each of it stands for in stands: 0 for one that is no part. It reports false if Join panicked.
func (l *loop) join(c *Conn) (size int, vector, ok bool) {
	l.out, l.stands = l.out[:0], l.stands[:0]
	for i := 0; i < len(l.snap); {
		f, n := l.snap[i], 0
		if f.bits&framePart != 0 {
			n = run(l.snap[i:])
			if f = l.callJoin(c, l.snap[i:i+n:i+n]); f == nil {
				return 0, false, false
			}
			l.n.joined += uint64(n - 1)
		}
		i += max(n, 1)
		size += len(f.wire)
		vector = vector || len(f.wire) >= largeFrame
		l.out, l.stands = append(l.out, f), append(l.stands, uint8(n))
	}
	return size, vector, true
}

// run returns how many of the frames, the first of which is a part, are joined.
func run(frames []*Frame) (n int) {
	size := 0
	for n < len(frames) && n < joinParts && frames[n].bits&framePart != 0 {
		if size += len(frames[n].wire); n > 0 && size > joinPayload {
			break
		}
		n++
	}
	return n
}

// callJoin returns nil if Join panicked, or returned what is no frame.
func (l *loop) callJoin(c *Conn, parts []*Frame) (f *Frame) {
	defer func() {
		if v := recover(); v != nil {
			l.n.panics++
			l.srv.logPanic(c, v)
			f = nil
		}
	}()
	if f = l.srv.opt.Join(c, parts); f == nil || f.bits&framePart != 0 {
		panic("wsconn: Join returned no frame")
	}
	return f
}

// joinFailed ends a connection whose parts could not be joined: nothing that comes behind them may leave either.
func (c *Conn) joinFailed() {
	c.mu.Lock()
	c.mu.bits &^= queueWriting
	if c.mu.bits&queueOver == 0 || !c.overflowLocked() { // an overflow that came first goes first
		c.abandonLocked(ws.StatusInternalServerError, ClosePanic)
	}
	c.mu.Unlock()
	c.beginClose()
}

// advanceJoinedLocked is advanceLocked where out was written, which stands for frames of the queue as stands says. What
// was joined and has not begun to leave is in parts again, so that their policies go on. Of what is half written the
// frame takes the place of the parts.
func (q *queue) advanceJoinedLocked(n int, out []*Frame, stands []uint8) (frames int, notice bool) {
	for i, f := range out {
		if n == 0 {
			break
		}
		left := len(f.wire) - int(q.off)
		if n < left && stands[i] == 0 {
			q.off += uint32(n)
			break
		}
		var kinds uint8
		var messages uint32
		var made, published int64 // of the oldest that says so
		for range max(stands[i], 1) {
			p := q.popLocked()
			if p.bits&frameTimed > kinds&frameTimed {
				published = p.published
			}
			if made == 0 {
				made = p.made
			}
			kinds |= p.bits
			messages += p.messages()
		}
		if n < left {
			q.unshiftLocked(&Frame{
				wire:      f.wire,
				group:     uint8(messages),
				bits:      uint8(Disconnect) | frameJoined | kinds&(frameNotice|frameTimed),
				made:      made,
				published: published,
			})
			q.off = uint32(n)
			break
		}
		notice = notice || kinds&frameNotice != 0
		frames++
		n -= left
	}
	return frames, notice
}
