package histogram_test

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/histogram"
)

var millis = histogram.NewScale(1e-3, 1, 10, 250, 1000)

func TestBuckets(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []int64
		counts []uint64
		sum    float64
	}{
		{name: "none", counts: []uint64{0, 0, 0, 0, 0}},
		{name: "a bound is inside", values: []int64{1, 10, 250, 1000}, counts: []uint64{1, 1, 1, 1, 0}, sum: 1.261},
		{name: "beyond a bound", values: []int64{2, 11, 251, 1001}, counts: []uint64{0, 1, 1, 1, 1}, sum: 1.265},
		{name: "a negative one is 0", values: []int64{-7, 0}, counts: []uint64{2, 0, 0, 0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shared, moved, local := histogram.New(millis), histogram.New(millis), histogram.NewLocal(millis)
			for i, v := range tt.values {
				shared.Observe(v)
				local.Observe(v)
				if i%2 == 0 {
					local.Publish(moved)
				}
			}
			local.Publish(moved)
			local.Publish(moved) // has nothing left
			for name, s := range map[string]histogram.Snapshot{"shared": shared.Snapshot(), "local": moved.Snapshot()} {
				if !slices.Equal(s.Counts, tt.counts) || s.Count != uint64(len(tt.values)) || s.Sum < tt.sum-1e-9 || s.Sum > tt.sum+1e-9 {
					t.Errorf("%s: %v of %d, sum %v, want %v, sum %v", name, s.Counts, s.Count, s.Sum, tt.counts, tt.sum)
				}
			}
		})
	}
}

func TestBounds(t *testing.T) {
	nanos := histogram.NewScale(1e-9, 50_000, 250_000, 2_500_000)
	if got, want := histogram.New(nanos).Snapshot().Bounds(), []float64{0.00005, 0.00025, 0.0025}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := (histogram.Snapshot{}).Bounds(); got != nil {
		t.Errorf("the zero snapshot has bounds %v", got)
	}
	for _, bad := range [][]int64{nil, {2, 1}, {1, 1}, make([]int64, 64)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("took %v", bad)
				}
			}()
			histogram.NewScale(1, bad...)
		}()
	}
}

func TestQuantile(t *testing.T) {
	h := histogram.New(millis)
	if got := h.Snapshot().Quantile(0.99); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for range 98 {
		h.Observe(5)
	}
	h.Observe(100)
	h.Observe(5000)
	for q, want := range map[float64]float64{0: 0.01, 0.5: 0.01, 0.98: 0.01, 0.99: 0.25, 1: 1} {
		if got := h.Snapshot().Quantile(q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	got, err := json.Marshal(h.Snapshot())
	if want := `{"count":100,"sum":5.59,"p50":0.01,"p90":0.01,"p99":0.25}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// TestConcurrent holds that nothing is lost, under the race detector.
func TestConcurrent(t *testing.T) {
	h := histogram.New(millis)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			l := histogram.NewLocal(millis)
			for i := range int64(1000) {
				h.Observe(i)
				l.ObserveN(i, 2)
				if i%10 == 0 {
					l.Publish(h)
				}
				_ = h.Snapshot()
			}
			l.Publish(h)
		})
	}
	all.Wait()
	if s := h.Snapshot(); s.Count != 12_000 {
		t.Errorf("counted %d", s.Count)
	}
}

func TestNoAllocation(t *testing.T) {
	h, l := histogram.New(millis), histogram.NewLocal(millis)
	if n := testing.AllocsPerRun(100, func() {
		h.Observe(7)
		l.Observe(7)
		l.Publish(h)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	b.Run("shared", func(b *testing.B) {
		h := histogram.New(millis)
		for b.Loop() {
			h.Observe(100)
		}
	})
	b.Run("local", func(b *testing.B) {
		l := histogram.NewLocal(millis)
		for b.Loop() {
			l.Observe(100)
		}
	})
	b.Run("publish", func(b *testing.B) {
		h, l := histogram.New(millis), histogram.NewLocal(millis)
		for b.Loop() {
			l.Observe(100)
			l.Publish(h)
		}
	})
}

// Scales that are not the same would put values into buckets of other bounds, or beyond them all.
func TestPublishOnAnotherScale(t *testing.T) {
	l := histogram.NewLocal(histogram.NewScale(1, 1, 2))
	l.Observe(3)
	defer func() {
		if recover() == nil {
			t.Error("it is taken")
		}
	}()
	l.Publish(histogram.New(histogram.NewScale(1, 1, 2, 3)))
}
