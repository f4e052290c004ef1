package edge

import (
	"context"
	"sync"
	"time"
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

// shardTime is what a shard is given to begin with what is in its queue, which
// nothing else tells: on a machine that is full it needs some milliseconds to get
// its turn. A tab that moves to another node waits for it twice.
const shardTime = 15 * time.Millisecond

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
		if n.bus.Barrier(ctx) == nil {
			// What NATS has brought before is in the queues of the shards.
			pause(ctx, shardTime)
			n.awaitShards(ctx)
		}
		cancel()
		for _, fn := range batch {
			fn()
		}
	}
}

// awaitShards waits for the shards that are delivering to come to an end.
func (n *Node) awaitShards(ctx context.Context) {
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for i := range n.outbound {
		o := &n.outbound[i]
		for at := o.flushes.Load(); o.delivering.Load() && o.flushes.Load() == at; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}
}
