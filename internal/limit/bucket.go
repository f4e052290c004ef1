package limit

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// horizon bounds how far in the future a bucket may be full again: whoever takes too much waits for ever, and no sum
// overflows.
const horizon = time.Duration(math.MaxInt64 / 4)

// Rate is what a bucket gains in a second, and what it holds when it is full. The zero value is no limit. It is a value
// that any number of buckets may share.
type Rate struct {
	perSecond uint64
	burst     time.Duration // how long an empty bucket takes to be full
}

// NewRate returns a rate of perSecond, with a bucket that holds burst, or one where that is less. A perSecond of 0 or
// less is no limit.
func NewRate(perSecond, burst int64) Rate {
	if perSecond <= 0 {
		return Rate{}
	}
	r := Rate{perSecond: uint64(perSecond)}
	burst = max(burst, 1)
	r.burst = r.cost(burst)
	if one := r.cost(1); one < horizon/time.Duration(burst) {
		r.burst = max(r.burst, one*time.Duration(burst)) // one at a time, each rounded up
	}
	return r
}

// Limits reports whether r is a limit at all.
func (r Rate) Limits() bool { return r.perSecond > 0 }

// Burst is how long an empty bucket takes to be full.
func (r Rate) Burst() time.Duration { return r.burst }

// cost is how long a bucket takes to gain n, rounded up: at most a nanosecond for each call too much.
func (r Rate) cost(n int64) time.Duration {
	if n <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(n), uint64(time.Second))
	if hi >= r.perSecond {
		return horizon
	}
	q, rest := bits.Div64(hi, lo, r.perSecond)
	if rest > 0 {
		q++
	}
	return time.Duration(min(q, uint64(horizon)))
}

// Bucket is how much of something may still be taken: it fills at a Rate, until it is full. It is kept as the time when
// it is full (the generic cell rate algorithm), so the zero value is a full one, and a full one need not be kept. It
// belongs to one goroutine. All calls must name the same Rate, and times that do not go back; one that does counts as no
// time at all.
type Bucket time.Duration

// Take takes n, whether or not the bucket holds as much, and returns how long it is overdrawn: 0 if it is not.
func (b *Bucket) Take(now time.Duration, n int64, r Rate) (wait time.Duration) {
	if r.perSecond == 0 {
		return 0
	}
	*b = Bucket(b.after(now, n, r))
	return b.Wait(now, r)
}

// Allow takes n if the bucket holds as much, and reports whether it does.
func (b *Bucket) Allow(now time.Duration, n int64, r Rate) bool {
	if r.perSecond == 0 {
		return true
	}
	full := b.after(now, n, r)
	if full-now > r.burst {
		return false
	}
	*b = Bucket(full)
	return true
}

// after is when the bucket would be full if n were taken.
func (b Bucket) after(now time.Duration, n int64, r Rate) time.Duration {
	return min(max(time.Duration(b), now)+r.cost(n), now+horizon)
}

// Wait returns how long the bucket is overdrawn: 0 if it is not.
func (b Bucket) Wait(now time.Duration, r Rate) time.Duration {
	return max(time.Duration(b)-now-r.burst, 0)
}

// Full reports whether the bucket is as good as a new one.
func (b Bucket) Full(now time.Duration) bool { return time.Duration(b) <= now }

// Shared is a Bucket that any number of goroutines take from, without a lock. Its zero value is full. It must not be
// copied.
type Shared struct{ full atomic.Int64 }

// Allow takes n if the bucket holds as much, and reports whether it does.
func (s *Shared) Allow(now time.Duration, n int64, r Rate) bool {
	if r.perSecond == 0 {
		return true
	}
	for {
		old := s.full.Load()
		b := Bucket(old)
		if !b.Allow(now, n, r) {
			return false
		}
		if s.full.CompareAndSwap(old, int64(b)) {
			return true
		}
	}
}
