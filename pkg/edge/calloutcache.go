package edge

import (
	"sync"
	"time"
)

// Bounds of the answers that are kept.
const (
	maxCalloutsCached = 10_000
	maxCalloutBytes   = 16 << 20
)

// calloutCache keeps answers for a fixed time, so they run out in the order in
// which they came: a queue serves for that, and for dropping the oldest where there
// are too many. Safe for concurrent use. The zero value keeps nothing.
type calloutCache struct {
	keep time.Duration // fixed; none from 0 down

	mu struct {
		sync.Mutex
		known map[string]cachedRuling
		queue []string // keys, the oldest first; the rest of one that was put again is passed over
		bytes int
	}
}

type cachedRuling struct {
	ruling
	until time.Time
	size  int
	puts  int // entries of this key in the queue
}

// put keeps an answer. What is no answer is not kept.
func (c *calloutCache) put(key string, r ruling, now time.Time) {
	keep := c.keep
	switch {
	case keep <= 0 || r.end != calloutAllowed && r.end != calloutDenied:
		return
	case r.granted != nil && r.granted.expires > 0:
		keep = min(keep, r.granted.expires)
	}
	size := len(key) + r.granted.size() + 128
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.known == nil {
		c.mu.known = map[string]cachedRuling{}
	}
	old := c.mu.known[key]
	c.mu.known[key] = cachedRuling{r, now.Add(keep), size, old.puts + 1}
	c.mu.bytes += size - old.size
	c.mu.queue = append(c.mu.queue, key)
	for len(c.mu.queue) > maxCalloutsCached || c.mu.bytes > maxCalloutBytes {
		c.dropFirstLocked()
	}
	c.sweepLocked(now)
}

// sweepLocked drops what has run out.
func (c *calloutCache) sweepLocked(now time.Time) {
	for len(c.mu.queue) > 0 {
		first := c.mu.known[c.mu.queue[0]]
		if first.puts == 1 && now.Before(first.until) {
			return
		}
		c.dropFirstLocked()
	}
	c.mu.queue = nil // its array, too
}

func (c *calloutCache) dropFirstLocked() {
	key := c.mu.queue[0]
	c.mu.queue[0] = ""
	c.mu.queue = c.mu.queue[1:]
	r := c.mu.known[key]
	if r.puts--; r.puts > 0 {
		c.mu.known[key] = r
		return
	}
	delete(c.mu.known, key)
	c.mu.bytes -= r.size
}

// get returns an answer that is still good.
func (c *calloutCache) get(key string, now time.Time) (ruling, bool) {
	if c.keep <= 0 {
		return ruling{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.mu.known[key]
	if !ok || !now.Before(r.until) {
		return ruling{}, false
	}
	return r.ruling, true
}

func (c *calloutCache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.known)
}
