package load

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
	"github.com/hoshi-ws/hoshi/internal/poller"
)

// reader is how a connection reads.
type reader uint8

const (
	healthy reader = iota // all that comes, at once
	slow                  // Options.SlowRate bytes a second
	frozen                // nothing, from its subscription to the end of the run
)

// Receive buffers of those who lag, in bytes: small, so that what they leave
// unread is soon the server's to hold.
const (
	frozenBuffer = 4 << 10
	slowBufferMS = 200 // of what a slow one reads
)

// quiet is how long nothing must have come, behind the answers to their pings, before
// the laggards count as having all that they will get. A notice of dropped messages
// may take a second.
const quiet = 1500 * time.Millisecond

// readers returns how each of the connections reads. The same options give the
// same readers, spread as if by chance, so that no channel, url or source has them
// all.
func (o *Options) readers() []reader {
	kinds := make([]reader, o.Connections)
	count := func(percent float64) int {
		if percent <= 0 {
			return 0
		}
		return max(1, int(math.Round(float64(o.Connections)*percent/100)))
	}
	chance := rand.New(rand.NewPCG(uint64(o.Connections), 1)) //nolint:gosec // the same each time on purpose
	order := chance.Perm(o.Connections)
	nFrozen := min(count(o.Frozen), o.Connections)
	nSlow := min(count(o.Slow), o.Connections-nFrozen)
	for _, i := range order[:nFrozen] {
		kinds[i] = frozen
	}
	for _, i := range order[nFrozen : nFrozen+nSlow] {
		kinds[i] = slow
	}
	return kinds
}

// receiveBuffer returns the size of the receive buffer in bytes, 0 for what the
// system gives.
func (o *Options) receiveBuffer(r reader) int {
	switch r {
	case slow:
		return max(frozenBuffer, o.SlowRate*slowBufferMS/1000)
	case frozen:
		return frozenBuffer
	case healthy:
	}
	return 0
}

// lag accounts for the connections of one kind that nobody waits for; of that of
// the healthy, notices alone are in use. It is owned by the loop.
type lag struct {
	connections int
	expected    int64 // deliveries of what was published to them
	deliveries  int64
	bytes       int64
	lagging     int64 // bytes before the thaw
	disorder    int64
	notices     int64
	dropped     int64 // as the notices say
	ended       map[string]int64
	last        int64 // when something came
	asked       int   // connections whose pong at the end has not come
}

// got enters a delivery.
func (l *lag) got(size int, disorder bool) {
	l.deliveries++
	if disorder {
		l.disorder++
	}
	l.bytes += int64(size)
}

func (l *lag) result() *report.Laggards {
	return &report.Laggards{
		Connections:  l.connections,
		Expected:     l.expected,
		Deliveries:   l.deliveries,
		BytesIn:      l.bytes,
		BytesLagging: l.lagging,
		OutOfOrder:   l.disorder,
		Notices:      l.notices,
		Dropped:      l.dropped,
		Ended:        maps.Clone(l.ended),
	}
}

// throttle pauses a slow reader that has read n bytes until they are paid for.
func (c *conn) throttle(n int, now int64) {
	rate := float64(c.client.opt.SlowRate)
	// What was saved up is bounded by what the buffer holds, or one that had
	// nothing to read would then read at once whatever has come.
	burst := rate * slowBufferMS / 1000
	c.credit = min(c.credit+float64(now-c.paid)/1e9*rate, burst) - float64(n)
	c.paid = now
	if c.credit < 0 {
		c.client.loop.PauseRead(&c.sock)
		c.client.loop.SetTimer(&c.sock, max(poller.Tick, time.Duration(-c.credit/rate*1e9)))
	}
}

// freeze makes the laggards what they are, before the first message.
func (c *client) freeze() {
	now := c.clock()
	for _, cn := range c.conns {
		if !cn.sock.Attached() {
			continue
		}
		switch cn.reader {
		case healthy:
		case slow:
			cn.throttled, cn.paid = true, now
		case frozen:
			c.loop.PauseRead(&cn.sock)
		}
	}
}

// thaw lets the laggards read everything, and asks each for a pong, which comes
// behind what there is for it.
func (c *client) thaw() {
	for r := range c.lags {
		c.lags[r].lagging = c.lags[r].bytes
	}
	for _, cn := range c.conns {
		if cn.reader == healthy || !cn.sock.Attached() {
			continue
		}
		cn.throttled, cn.asked = false, true
		c.lags[cn.reader].asked++
		c.lags[cn.reader].last = c.clock()
		c.loop.SetTimer(&cn.sock, 0)
		c.loop.ResumeRead(&cn.sock)
		cn.say(cn.speaks().AppendPing(nil))
	}
}

// answered notes that nothing more is awaited of c.
func (c *conn) answered() {
	if c.asked {
		c.asked = false
		c.client.lags[c.reader].asked--
	}
}

// thawed tells whether the laggards have all that they will get.
func (c *client) thawed() bool {
	a, b := &c.lags[slow], &c.lags[frozen]
	return a.asked+b.asked == 0 && c.clock()-max(a.last, b.last) > int64(quiet)
}

// perChannel returns how many of each kind subscribe to each channel.
func (o *Options) perChannel(kinds []reader) [][frozen + 1]int {
	per := make([][frozen + 1]int, o.Channels)
	for i, k := range kinds {
		per[i%o.Channels][k]++
	}
	return per
}

// checkReaders says what is wrong with the laggards.
func (o *Options) checkReaders() error {
	if o.Slow == 0 && o.Frozen == 0 {
		return nil
	}
	switch {
	case o.Scenario != Fanout && o.Scenario != UserPush:
		return fmt.Errorf("slow, frozen: not in %s", o.Scenario)
	case !(o.Slow >= 0 && o.Frozen >= 0 && o.Slow+o.Frozen < 100):
		return fmt.Errorf("slow, frozen: %g and %g, want percentages that leave somebody healthy", o.Slow, o.Frozen)
	case o.Slow > 0 && o.SlowRate < 1:
		return fmt.Errorf("slow rate: %d, want at least 1 byte a second", o.SlowRate)
	}
	if o.Connections < 1 || o.Channels < 1 {
		return nil // an error of its own
	}
	for ch, n := range o.perChannel(o.readers()) {
		if n[healthy] == 0 {
			return fmt.Errorf("slow, frozen: channel %d is left without a healthy subscriber, whose receipts set the pace", ch)
		}
	}
	return nil
}
