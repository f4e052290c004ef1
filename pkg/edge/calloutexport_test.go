package edge

import (
	"time"

	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// Behind returns how many requests wait behind questions of sessions that poll.
func Behind(n *Node) (count int) {
	for s := range n.tabs.away.All() {
		ch := make(chan int, 1)
		s.post(func() { ch <- len(s.tab().polls.behind) })
		count += <-ch
	}
	return count
}

// CalloutCache is the cache of answers, by itself: of answers that carry so many
// bytes.
type CalloutCache struct{ c calloutCache }

// NewCalloutCache keeps answers for so long.
func NewCalloutCache(keep time.Duration) *CalloutCache {
	return &CalloutCache{calloutCache{keep: keep}}
}

// Put keeps an answer that carries so many bytes and expires then, 0 for never.
func (c *CalloutCache) Put(key string, size int, expires time.Duration, now time.Time) {
	c.c.put(key, ruling{granted: &granted{data: make([]byte, size), expires: expires}}, now)
}

// Has reports whether it is there.
func (c *CalloutCache) Has(key string, now time.Time) bool {
	_, ok := c.c.get(key, now)
	return ok
}

// Len returns how many there are, and what they are charged.
func (c *CalloutCache) Len() (entries, queued, bytes int) {
	c.c.mu.Lock()
	defer c.c.mu.Unlock()
	return len(c.c.mu.known), len(c.c.mu.queue), c.c.mu.bytes
}

// ReadAnswer reads the answer to a connect call-out, and returns what is granted.
func ReadAnswer(body []byte, f codec.Format) (allowed bool, uid string, channels []string, data []byte, err error) {
	r, err := readAnswer(bus.CalloutConnect, body, f, 100)
	if r.granted == nil {
		r.granted = &granted{}
	}
	return err == nil && r.end == calloutAllowed, r.granted.uid, r.granted.channels, r.granted.data, err
}

// ResumeAll has all sessions with a socket go on, as they do when NATS has room
// again.
func ResumeAll(n *Node) {
	for s := range n.conns.All() {
		done := make(chan struct{})
		s.post(func() { s.resume(); close(done) })
		<-done
	}
}

// LapseEarly has the timers of tokens end now, as they do where the clock is set
// back meanwhile.
func LapseEarly(n *Node) {
	for s := range n.conns.All() {
		done := make(chan struct{})
		s.post(func() {
			defer close(done)
			if p := s.person(); p != nil {
				s.unknow()
				s.lapse(p)
			}
		})
		<-done
	}
}

// Watched returns how many sessions revocations can find by their tokens.
func Watched(n *Node) (count int) {
	for range n.revoker.here.All() {
		count++
	}
	return count
}
