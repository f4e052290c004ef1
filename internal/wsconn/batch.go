package wsconn

// batchPost is how many connections of one loop are collected before they are posted, so that another loop can begin
// while the rest is being queued.
const batchPost = 256

// Batch queues frames for many connections and wakes each loop once. It belongs to one goroutine.
type Batch struct {
	srv   *Server
	lists [][]*Conn     // by loop
	turn  chan struct{} // awaitTurn's
}

// NewBatch returns an empty batch for one delivering goroutine, to be used again and again.
func (s *Server) NewBatch() *Batch {
	return &Batch{srv: s, lists: make([][]*Conn, len(s.loops)), turn: make(chan struct{}, 1)}
}

// Enqueue appends f to c's send queue unless gate, which may be nil, is shut, which is looked at under the queue's
// lock. The frame leaves at Flush at the latest.
//
// A queue that is half full although its peer takes what it is given means that the batch is faster than the loop:
// then Enqueue waits for the loop's next turn, so that a burst does not overflow the queues of readers who are well.
// For a peer that is slow it never waits.
func (b *Batch) Enqueue(c *Conn, f *Frame, gate *bool) Result {
	c.mu.Lock()
	if gate != nil && !*gate {
		c.mu.Unlock()
		return Shut
	}
	r, wake := c.pushLocked(f)
	crowded := c.crowdedLocked()
	c.mu.Unlock()
	if wake {
		i := c.loop.index
		b.lists[i] = append(b.lists[i], c)
		if len(b.lists[i]) >= batchPost {
			b.post(i)
		}
	}
	if crowded {
		b.Flush()
		c.loop.awaitTurn(b.turn)
	}
	return r
}

// Flush hands over what is collected and wakes the loops.
func (b *Batch) Flush() {
	for i := range b.lists {
		if len(b.lists[i]) > 0 {
			b.post(i)
		}
	}
}

func (b *Batch) post(i int) {
	l := b.srv.loops[i]
	l.scheduleAll(b.lists[i])
	clear(b.lists[i])
	b.lists[i] = b.lists[i][:0]
	l.p.Wake()
}
