package client

import (
	"math/rand/v2"
	"time"
)

// backoff says how long to wait before an attempt: exponential with full
// jitter, so that clients who lost the same node do not come back together.
// Owned by the connector.
type backoff struct {
	// Fixed.
	least, most time.Duration

	failed int // attempts and connections that ended since the last reset
	before int // failed, as it was before the last reset
	short  int // connections in a row that did not last
}

// shortAllowed is how many connections in a row may end as soon as they begin
// before that counts as failing. Some may just have met nodes that end one after
// the other. But a service that lets a client in only to throw it out again would
// be asked twice a second for ever.
const shortAllowed = 3

func newBackoff(least, most time.Duration) backoff {
	return backoff{least: least, most: most}
}

// random returns a time from 0 to window; tests replace it.
var random = func(window time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(window) + 1))
}

// connected notes a completed handshake.
func (b *backoff) connected() { b.failed, b.before = 0, b.failed }

// ended notes how long the connection lasted that has ended.
func (b *backoff) ended(lasted time.Duration) {
	if lasted >= b.least {
		b.short = 0
		return
	}
	b.short++
	b.failed = max(b.failed, b.short-shortAllowed)
}

// next returns the wait after an attempt that failed or a connection that
// ended, with what the server asked for: floor, from Retry-After, and later,
// from a close with 1013.
func (b *backoff) next(floor time.Duration, later bool) time.Duration {
	if later {
		// The server let us in and then had too much of us: that handshake was no
		// success, and nobody comes back at once.
		b.failed = max(b.failed, b.before)
		floor = max(floor, b.least)
	}
	b.failed++
	window := b.most
	if shift := b.failed - 1; shift < 32 && b.least<<shift>>shift == b.least {
		window = min(b.most, b.least<<shift)
	}
	return min(floor, b.most) + random(window)
}
