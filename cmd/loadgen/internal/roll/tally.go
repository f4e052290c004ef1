package roll

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// tally is what all clients count together. Any goroutine.
type tally struct {
	began time.Time

	delivered, doubled, lost, missed, strays, attempts atomic.Int64

	longest atomic.Int64 // ns that a delivery took
	stall   atomic.Int64 // ns that a goroutine of this process was woken too late

	mu struct {
		sync.Mutex
		here    int             // connected and subscribed
		changed time.Duration   // when that was last another
		back    []time.Duration // when a client had a handshake again
		away    []time.Duration // for how long one was not subscribed
		codes   map[string]int  // of closes
		err     error           // of the last attempt that failed
	}
}

func newTally() *tally {
	t := &tally{began: time.Now()}
	t.mu.codes = map[string]int{}
	return t
}

func (t *tally) now() time.Duration { return time.Since(t.began) }

func (t *tally) reconnected() {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.back = append(t.mu.back, now)
}

// came notes a client that is subscribed, again if it was before.
func (t *tally) came(away time.Duration, again bool) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.here++
	t.mu.changed = now
	if again {
		t.mu.away = append(t.mu.away, away)
	}
}

func (t *tally) went(code int) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.here--
	t.mu.changed = now
	t.mu.codes[strconv.Itoa(code)]++
}

func (t *tally) failed(err error) {
	t.attempts.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.err = err
}

// took notes how long a delivery took.
func (t *tally) took(d time.Duration) { most(&t.longest, d) }

// stalled notes how late a goroutine was woken.
func (t *tally) stalled(d time.Duration) { most(&t.stall, d) }

func most(v *atomic.Int64, d time.Duration) {
	for old := v.Load(); int64(d) > old && !v.CompareAndSwap(old, int64(d)); old = v.Load() {
	}
}

// all returns how many clients are here, for how long that has not changed, and what
// last kept one away.
func (t *tally) all() (here int, still time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.here, t.now() - t.mu.changed, t.mu.err
}

// peak returns the most that came back in any span of that length, from..to.
func (t *tally) peak(span, from, to time.Duration) (most int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return peakOf(slices.Sorted(slices.Values(t.mu.back)), span, from, to)
}

func peakOf(times []time.Duration, span, from, to time.Duration) (most int) {
	first := 0
	for i, at := range times {
		for times[first] < from || at-times[first] >= span {
			if first == i {
				break
			}
			first++
		}
		if at >= from && at <= to {
			most = max(most, i-first+1)
		}
	}
	return most
}

// quantiles are of a number of times, in seconds.
type quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func quantilesOf(times []time.Duration) (q quantiles) {
	if len(times) == 0 {
		return q
	}
	sorted := slices.Sorted(slices.Values(times))
	at := func(share float64) float64 { return sorted[int(share*float64(len(sorted)-1))].Seconds() }
	return quantiles{at(0.5), at(0.99), at(1)}
}

// fill puts what was counted into the result.
func (t *tally) fill(r *Result) {
	r.Messages.Deliveries, r.Messages.Doubled = t.delivered.Load(), t.doubled.Load()
	r.Messages.Lost, r.Messages.MissedAway, r.Messages.Strays = t.lost.Load(), t.missed.Load(), t.strays.Load()
	r.LongestDelivery, r.Stall = time.Duration(t.longest.Load()).Seconds(), time.Duration(t.stall.Load()).Seconds()
	end := t.now()
	r.Reconnects.PeakPerSecond, r.Reconnects.PeakPer100ms = t.peak(time.Second, 0, end), t.peak(100*time.Millisecond, 0, end)
	r.Reconnects.FailedAttempts = t.attempts.Load()
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Reconnects.Total = len(t.mu.back)
	r.Away = quantilesOf(t.mu.away)
	r.Closes = maps.Clone(t.mu.codes)
}
