package roll

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestPeak(t *testing.T) {
	t.Parallel()
	ms := func(all ...int) (times []time.Duration) {
		for _, at := range all {
			times = append(times, time.Duration(at)*time.Millisecond)
		}
		return times
	}
	for _, tt := range []struct {
		name     string
		times    []time.Duration
		span     int
		from, to int
		want     int
	}{
		{"none", nil, 1000, 0, 5000, 0},
		{"one", ms(10), 1000, 0, 5000, 1},
		{"all at once", ms(7, 7, 7), 100, 0, 5000, 3},
		{"a span is open at its end", ms(0, 99, 100), 100, 0, 5000, 2},
		{"in the middle", ms(0, 500, 900, 950, 1000, 1399, 3000), 500, 0, 5000, 4},
		{"within bounds alone", ms(0, 0, 0, 1000, 1001, 2000, 2000, 2000), 1000, 500, 1999, 2},
	} {
		if got := peakOf(tt.times, time.Duration(tt.span)*time.Millisecond, time.Duration(tt.from)*time.Millisecond, time.Duration(tt.to)*time.Millisecond); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// What has not come is lost where the client was there, and missed where it was not.
func TestMissed(t *testing.T) {
	t.Parallel()
	sec := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for _, tt := range []struct {
		name         string
		fresh        bool
		last, number int
		lost, missed int64
	}{
		{"all in order", false, 3, 4, 0, 0},
		{"a gap on one connection", false, 3, 6, 2, 0},
		{"while away", true, 10, 16, 0, 5},        // 11 to 15, published at 11 to 15 s
		{"before it was away", true, 6, 16, 3, 6}, // 7 to 9, and 10 is within the longest delivery
		{"after it was back", true, 10, 19, 2, 6}, // up to 16 s it was not subscribed
	} {
		c := &channel{}
		for i := range 30 {
			c.next(sec(float64(i + 1)))
		}
		m := &member{run: &run{tally: newTally()}, channel: c, fresh: tt.fresh, last: tt.last, left: sec(11), since: sec(16.5)}
		m.run.tally.took(sec(0.6))
		if tt.number > m.last+1 {
			m.missed(m.last+1, tt.number-1)
		}
		m.last = c.published() // nothing else is missing
		m.finish()
		if tally := m.run.tally; tally.lost.Load() != tt.lost || tally.missed.Load() != tt.missed {
			t.Errorf("%s: %d lost, %d missed", tt.name, tally.lost.Load(), tally.missed.Load())
		}
	}
}

// A publisher that fails ends the restarts, and is what is told. It was heard of when all
// nodes had been restarted under clients that nobody spoke to.
func TestPublisherFails(t *testing.T) {
	t.Parallel()
	failed := errors.New("as a test wants it")
	restarts := 0
	r := &run{nodes: make([]*node, 3)}
	err := r.rolling(t.Context(), func(<-chan struct{}) error { return failed }, func(ctx context.Context, _ *node) error {
		restarts++
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Minute):
			return nil
		}
	})
	if restarts != 1 || !errors.Is(err, failed) || err.Error() != failed.Error() {
		t.Errorf("%d restarts, %v", restarts, err)
	}

	// And one that is well ends with them.
	restarts = 0
	err = r.rolling(t.Context(), func(quit <-chan struct{}) error {
		<-quit
		return nil
	}, func(context.Context, *node) error {
		restarts++
		return nil
	})
	if restarts != 3 || err != nil {
		t.Errorf("%d restarts, %v", restarts, err)
	}
}
