package edge

import (
	"math/rand/v2"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// timedPublishes is of how many publishes of clients one says when it was: a header
// costs whoever delivers it 6 to 11 % of a message.
const timedPublishes = 64

// farClock is how long ago a message was published at most: a clock that says more
// is wrong.
const farClock = 10 * time.Minute

// publishTime returns what a client's publish says of when it was, 0 for nothing.
// Any goroutine.
func publishTime() int64 {
	if rand.Uint32()%timedPublishes != 0 {
		return 0
	}
	return time.Now().UnixMicro()
}

// ageOf returns how long ago a message was published that says so, in nanoseconds,
// and -1 where that is not known. The clock is another machine's, or anything: what
// it says is bounded, and counted where it cannot be. Any goroutine.
func (c *counts) ageOf(micros int64) int64 {
	if micros == 0 {
		return -1
	}
	switch age := time.Since(time.UnixMicro(micros)); {
	case age < 0:
		c.clocksAhead.Add(1)
		return 0
	case age > farClock:
		c.clocksFar.Add(1)
		return -1
	default:
		return int64(age)
	}
}

// How long the clock of a shard is good for: so many messages, of which one to many
// counts for more. That is some tens of microseconds.
const (
	clockMessages    = 8
	clockSubscribers = 16 // count as a message
)

// clock is what a shard takes for now: reading the clock for each message costs 4
// to 8 % of one to one subscriber. Owned by the shard.
type clock struct {
	at   int64 // by wsconn's clock
	left int   // messages that it is good for; 0: it is to be read
}

// read returns the time.
func (c *clock) read(s *wsconn.Server) int64 {
	if c.left <= 0 {
		c.at, c.left = s.Clock(), clockMessages
	}
	c.left--
	return c.at
}

// pass notes that a message has so many recipients.
func (c *clock) pass(recipients int) { c.left -= recipients / clockSubscribers }

// stop has it read again for the next message.
func (c *clock) stop() { c.left = 0 }
