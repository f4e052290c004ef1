package client

import "sync/atomic"

// Stats are counters since New, and gauges where a field says so.
type Stats struct {
	Send    SendStats
	Receive ReceiveStats

	Attempts     uint64 // to connect
	Failures     uint64 // attempts that failed
	Connects     uint64 // handshakes
	Disconnects  uint64 // connections that had their handshake and ended
	BadMessages  uint64 // from the server, that were no event
	Unreported   uint64 // errors that OnError was not told, since 100 waited already
	BytesRead    uint64
	BytesWritten uint64
}

type counts struct {
	attempts, failures, connects, disconnects, badMessages, unreported, bytesRead, bytesWritten atomic.Uint64
}

// Stats returns the counters.
func (c *Client) Stats() Stats {
	n := &c.counts
	return Stats{
		Send:         c.out.stats(),
		Receive:      c.in.stats(),
		Attempts:     n.attempts.Load(),
		Failures:     n.failures.Load(),
		Connects:     n.connects.Load(),
		Disconnects:  n.disconnects.Load(),
		BadMessages:  n.badMessages.Load(),
		Unreported:   n.unreported.Load(),
		BytesRead:    n.bytesRead.Load(),
		BytesWritten: n.bytesWritten.Load(),
	}
}
