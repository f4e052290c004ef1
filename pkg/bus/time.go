package bus

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// maxTimeDigits is the length of the longest time that is read: until the year
// 2286.
const maxTimeDigits = 16

// Timed has the push say when it was published (Hoshi-Time), by the clock of this
// machine: nodes then measure how long it takes until it is written to sockets. The
// header costs a tenth of a small push, so an application that pushes much says it
// on some.
func Timed() PublishOption {
	return func(o *publishOptions) { o.timed = true }
}

// readTime returns what a message says of when it was published, 0 for nothing,
// and whether that is malformed: decimal digits as strconv writes them are
// taken.
func readTime(h nats.Header) (micros int64, bad bool) {
	v := h[HeaderTime]
	if len(v) == 0 {
		return 0, false
	}
	s := v[0]
	if s == "" || len(s) > maxTimeDigits || s[0] == '0' {
		return 0, true
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, true
		}
		micros = 10*micros + int64(c-'0')
	}
	return micros, false
}

// timeText is the text of a time, empty for 0.
func timeText(micros int64) string {
	if micros == 0 {
		return ""
	}
	return strconv.FormatInt(micros, 10)
}

// returned measures the way to NATS and back when the node's own heartbeat has
// come back.
func (c *control) returned() {
	if !c.beatSent.IsZero() {
		c.stats.rtt.Observe(int64(time.Since(c.beatSent)))
		c.beatSent = time.Time{}
	}
}
