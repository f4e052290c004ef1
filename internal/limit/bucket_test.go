package limit_test

import (
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/hoshi-ws/hoshi/internal/limit"
)

func TestBucketIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(limit.Bucket(0)); n != 8 {
		t.Errorf("a bucket takes %d bytes", n)
	}
}

func TestAllow(t *testing.T) {
	const ms = time.Millisecond
	type call struct {
		at   time.Duration
		n    int64
		want bool
	}
	for _, tt := range []struct {
		name  string
		rate  limit.Rate
		calls []call
	}{
		{
			name:  "no limit",
			rate:  limit.Rate{},
			calls: []call{{0, math.MaxInt64, true}, {0, math.MaxInt64, true}},
		},
		{
			name:  "the burst, then at the rate",
			rate:  limit.NewRate(10, 2),
			calls: []call{{0, 1, true}, {0, 1, true}, {0, 1, false}, {99 * ms, 1, false}, {100 * ms, 1, true}, {100 * ms, 1, false}, {time.Second, 2, true}},
		},
		{
			name:  "full is full, however long it takes",
			rate:  limit.NewRate(10, 2),
			calls: []call{{time.Hour, 2, true}, {time.Hour, 1, false}},
		},
		{
			name:  "what is refused costs nothing",
			rate:  limit.NewRate(10, 2),
			calls: []call{{0, 3, false}, {0, 2, true}},
		},
		{
			name:  "a burst of at least one",
			rate:  limit.NewRate(1, 0),
			calls: []call{{0, 1, true}, {0, 1, false}, {time.Second, 1, true}},
		},
		{
			name:  "the whole burst one by one, where the rate is no whole number of nanoseconds",
			rate:  limit.NewRate(3, 3),
			calls: []call{{0, 1, true}, {0, 1, true}, {0, 1, true}, {0, 1, false}},
		},
		{
			name:  "time that goes back is no time",
			rate:  limit.NewRate(10, 1),
			calls: []call{{time.Second, 1, true}, {0, 1, false}, {time.Second + 100*ms, 1, true}},
		},
		{
			name:  "nothing costs nothing",
			rate:  limit.NewRate(1, 1),
			calls: []call{{0, 1, true}, {0, 0, true}, {0, -5, true}, {0, 1, false}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b limit.Bucket
			var s limit.Shared
			for i, c := range tt.calls {
				if got := b.Allow(c.at, c.n, tt.rate); got != c.want {
					t.Errorf("call %d: %v", i, got)
				}
				if got := s.Allow(c.at, c.n, tt.rate); got != c.want {
					t.Errorf("call %d, shared: %v", i, got)
				}
			}
		})
	}
}

func TestTakeOverdraws(t *testing.T) {
	r := limit.NewRate(100, 10)
	var b limit.Bucket
	if wait := b.Take(0, 10, r); wait != 0 {
		t.Errorf("the burst: wait %v", wait)
	}
	if wait := b.Take(0, 25, r); wait != 250*time.Millisecond {
		t.Errorf("25 more: wait %v", wait)
	}
	if wait := b.Wait(100*time.Millisecond, r); wait != 150*time.Millisecond {
		t.Errorf("later: wait %v", wait)
	}
	if wait := b.Wait(250*time.Millisecond, r); wait != 0 {
		t.Errorf("in the end: wait %v", wait)
	}
	if b.Full(349 * time.Millisecond) {
		t.Error("full too soon")
	}
	if !b.Full(350 * time.Millisecond) {
		t.Error("not full in time")
	}
}

// Whatever is taken, and whenever, nothing overflows.
func TestTakeTooMuch(t *testing.T) {
	for _, r := range []limit.Rate{limit.NewRate(1, 1), limit.NewRate(1, math.MaxInt64), limit.NewRate(math.MaxInt64, math.MaxInt64)} {
		var b limit.Bucket
		for i := range 100 {
			if wait := b.Take(time.Duration(i)*time.Hour, math.MaxInt64, r); wait < 0 {
				t.Fatalf("wait %v", wait)
			}
		}
		if time.Duration(b) < 0 {
			t.Error("overflow")
		}
	}
}

// No number of goroutines gets more out of a shared bucket than is in it.
func TestSharedConcurrently(t *testing.T) {
	var s limit.Shared
	r := limit.NewRate(1, 1000)
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if s.Allow(0, 1, r) {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := allowed.Load(); n != 1000 {
		t.Errorf("allowed %d of a burst of 1000", n)
	}
}

// FuzzBucket compares a bucket with one that counts.
func FuzzBucket(f *testing.F) {
	f.Add(uint32(2000), uint32(4000), []byte{0, 0, 0, 1, 0, 10, 0, 200, 255, 255, 255, 255})
	f.Add(uint32(3), uint32(1), []byte{0, 0, 0, 1, 1, 0, 0, 1})
	f.Add(uint32(1<<31), uint32(7), []byte{0, 1, 0, 1, 0, 1, 0, 200})
	f.Fuzz(func(t *testing.T, perSecond, burst uint32, calls []byte) {
		r := limit.NewRate(int64(perSecond), int64(burst))
		if !r.Limits() {
			return
		}
		var allowing, taking limit.Bucket
		var now time.Duration
		size := r.Burst().Seconds() * float64(perSecond)
		level, debt := size, size
		for i := 0; i+4 <= len(calls) && i < 4000; i += 4 {
			step := time.Duration(binary.BigEndian.Uint16(calls[i:])) * time.Microsecond
			n := int64(binary.BigEndian.Uint16(calls[i+2:]))
			now += step
			gained := step.Seconds() * float64(perSecond)
			level, debt = min(size, level+gained), min(size, debt+gained)
			// Each call may be rounded by a nanosecond, and the model by what a float has not.
			slack := float64(i/4+2)*float64(perSecond)/1e9 + size*1e-9 + 1e-6

			ok := allowing.Allow(now, n, r)
			if want := level >= float64(n); ok != want && math.Abs(level-float64(n)) > slack {
				t.Fatalf("call %d at %v: %d allowed %v, of %v", i/4, now, n, ok, level)
			}
			if ok {
				level -= float64(n)
			}
			wait := taking.Take(now, n, r)
			debt -= float64(n)
			want := max(0, -debt/float64(perSecond))
			if got := wait.Seconds(); math.Abs(got-want) > slack/float64(perSecond)+1e-8*want {
				t.Fatalf("call %d at %v: overdrawn for %v, want %v", i/4, now, got, want)
			}
			if full := taking.Full(now); full && debt < size-slack {
				t.Fatalf("call %d at %v: full, with %v of %v", i/4, now, debt, size)
			}
		}
	})
}

func BenchmarkBucket(b *testing.B) {
	r := limit.NewRate(2000, 4000)
	b.Run("Take", func(b *testing.B) {
		b.ReportAllocs()
		var bucket limit.Bucket
		var now time.Duration
		for b.Loop() {
			now += 500 * time.Microsecond
			bucket.Take(now, 1, r)
		}
	})
	b.Run("Shared", func(b *testing.B) {
		b.ReportAllocs()
		var s limit.Shared
		var now time.Duration
		for b.Loop() {
			now += 500 * time.Microsecond
			s.Allow(now, 1, r)
		}
	})
}
