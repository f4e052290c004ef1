package edge

import (
	"math/rand/v2"
	"time"
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
