package bus

// HoldControl stops the client's control goroutine until release is called, so
// that what is asked meanwhile is carried out in one go. Waiting says how many
// commands have gathered.
func HoldControl(c *Client) (waiting func() int, release func()) {
	held, gate := make(chan struct{}), make(chan struct{})
	c.control.push(command{op: opCall, fn: func() { close(held); <-gate }})
	<-held
	waiting = func() int {
		c.control.mu.Lock()
		defer c.control.mu.Unlock()
		return len(c.control.mu.commands)
	}
	return waiting, func() { close(gate) }
}
