package wsconn

// Queued is what waits in a connection's send queue.
type Queued struct {
	Messages int // frames and parts
	Bytes    int
	Blocked  bool // the system takes nothing at the moment: the peer is slow
	Frozen   bool // and the peer has taken nothing for a while
}

// Queued looks at the send queue. Any goroutine; a connection that was never on a loop has none.
func (c *Conn) Queued() Queued {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Queued{
		Messages: int(c.mu.messagesLocked()),
		Bytes:    int(c.mu.bytes - c.mu.off),
		Blocked:  c.mu.bits&queueBlocked != 0,
		Frozen:   c.mu.bits&queueFrozen != 0,
	}
}

// Throttled reports whether c is not read at the moment, since its peer has sent more than it may. Loop only.
func (c *Conn) Throttled() bool { return c.pause&pauseRate != 0 }

// Holds reports whether c keeps a message that the handler has not consumed: from its Hold on until it is delivered
// again and consumed, which is later than Resume. Loop only.
func (c *Conn) Holds() bool { return c.in != nil && c.in.held }
