package wsconn

// batchPost is how many connections of one loop are collected before they are posted, so that another loop can begin
// while the rest is being queued.
const batchPost = 256

// Batch queues frames for many connections and wakes each loop once. It belongs to one goroutine.
type Batch struct {
	srv   *Server
	lists [][]*Conn // by loop
}

// NewBatch returns an empty batch for one delivering goroutine, to be used again and again.
func (s *Server) NewBatch() *Batch {
	return &Batch{srv: s, lists: make([][]*Conn, len(s.loops))}
}

// Enqueue appends f to c's send queue unless gate, which may be nil, is shut, which is looked at under the queue's
// lock. The frame leaves at Flush at the latest.
func (b *Batch) Enqueue(c *Conn, f *Frame, gate *bool) Result {
	r, wake := c.push(f, gate)
	if wake {
		i := c.loop.index
		b.lists[i] = append(b.lists[i], c)
		if len(b.lists[i]) >= batchPost {
			b.post(i)
		}
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
