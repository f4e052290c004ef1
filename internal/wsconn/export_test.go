package wsconn

import "unsafe"

// QueueLen returns what is queued. Any goroutine.
func QueueLen(c *Conn) (frames, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.mu.count), int(c.mu.bytes)
}

// Idle reports whether the connection holds no buffer. Loop only.
func Idle(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in == nil && c.mu.tail == nil && c.mu.one == nil
}

// ConnSize is the size of a Conn in bytes.
const ConnSize = unsafe.Sizeof(Conn{})
