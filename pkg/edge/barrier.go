package edge

import (
	"context"
	"sync"
)

// barriers runs what has to wait until all has come that was published before.
type barriers struct {
	mu struct {
		sync.Mutex
		queue   []func()
		running bool
	}
}

// afterBarrier runs fn when all that was published anywhere before the call has
// come to this node and been delivered, or when that cannot be known. fn must not
// block. All of them share one goroutine, which ends when there are none, or
// with the bus. Any goroutine.
func (n *Node) afterBarrier(fn func()) {
	b := &n.tabs.barriers
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.queue = append(b.mu.queue, fn)
	if !b.mu.running {
		b.mu.running = true
		n.serving.Go(n.runBarriers)
	}
}

func (n *Node) runBarriers() {
	b := &n.tabs.barriers
	for {
		b.mu.Lock()
		batch := b.mu.queue
		b.mu.queue = nil
		if b.mu.running = len(batch) > 0; !b.mu.running {
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), handoverTimeout/2)
		n.bus.Settle(ctx) //nolint:errcheck // then it cannot be known
		cancel()
		for _, fn := range batch {
			fn()
		}
	}
}
