package wsconn

import "time"

// Frozen reports whether the loop has noted that the peer takes nothing any more.
func Frozen(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.bits&queueFrozen != 0
}

// WaitedForPeer returns when the batch has last waited, or wanted to, for a peer that takes nothing.
func WaitedForPeer(b *Batch) time.Time { return b.creditAt }
