package hub

import "sync/atomic"

// Topic is one key with at least one subscriber.
type Topic[C comparable] struct {
	// Fixed after Join.
	key   string
	class uint64

	// array is replaced under the shard's lock and read without it.
	array atomic.Pointer[array[C]]

	// Guarded by the shard's lock.
	live      int
	confirmed bool // the interest on NATS is in force
	gone      bool // no longer in the shard's map
}

// array is append-only: slots below n are never written again.
type array[C comparable] struct {
	n     atomic.Int64
	slots []*Sub[C] // length is the capacity
}

// Sub is one connection in one topic: 32 bytes.
type Sub[C comparable] struct {
	// Fixed after Join.
	Conn  C
	topic *Topic[C]

	// Next links the subscriptions of one connection. Owned by the
	// connection's loop.
	Next *Sub[C]

	// Guarded by the shard's lock.
	left bool

	// Open is the gate: whether deliveries may reach the connection. Guarded
	// by the lock of the connection's send queue.
	Open bool
}

// Topic returns the topic of the subscription.
func (s *Sub[C]) Topic() *Topic[C] { return s.topic }

// Key returns the key of the topic.
func (t *Topic[C]) Key() string { return t.key }

// Class returns what classify of [New] has said of the key, 0 without one.
func (t *Topic[C]) Class() uint64 { return t.class }

func (t *Topic[C]) snapshot() []*Sub[C] {
	a := t.array.Load()
	if a == nil {
		return nil
	}
	return a.slots[:a.n.Load()]
}

func (t *Topic[C]) appendLocked(sub *Sub[C]) {
	t.live++
	a := t.array.Load()
	if a == nil || int(a.n.Load()) == len(a.slots) {
		a = t.copyLocked(grown(t.live))
		a.append(sub)
		t.array.Store(a)
		return
	}
	a.append(sub)
}

func (a *array[C]) append(sub *Sub[C]) {
	n := a.n.Load()
	a.slots[n] = sub
	a.n.Store(n + 1) // publishes the slot
}

// grown returns the capacity for an array that must hold live subscribers:
// doubled while small, half again when large.
func grown(live int) int {
	if live <= 2 {
		return live
	}
	if live < 1024 {
		return 2 * live
	}
	return live + live/2
}

func (t *Topic[C]) removeLocked() {
	t.live--
	a := t.array.Load()
	n := int(a.n.Load())
	if t.live == 0 {
		t.array.Store(nil)
		return
	}
	if dead := n - t.live; dead*4 > n {
		t.array.Store(t.copyLocked(t.live + t.live/4 + 1))
	}
}

// copyLocked returns a new array of the given capacity with the living.
func (t *Topic[C]) copyLocked(capacity int) *array[C] {
	next := &array[C]{slots: make([]*Sub[C], capacity)}
	var n int64
	for _, sub := range t.snapshot() {
		if !sub.left {
			next.slots[n] = sub
			n++
		}
	}
	next.n.Store(n)
	return next
}

func (t *Topic[C]) livingLocked() []*Sub[C] {
	var out []*Sub[C]
	for _, sub := range t.snapshot() {
		if !sub.left {
			out = append(out, sub)
		}
	}
	return out
}
