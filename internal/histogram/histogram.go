package histogram

import (
	"slices"
	"sync/atomic"
)

// MaxBounds is how many bounds a scale may have.
const MaxBounds = 63

// Scale says which values are counted together. It is never changed.
type Scale struct {
	bounds []int64 // ascending, inclusive; beyond the last is one more bucket
	unit   float64 // how much 1 is in the base unit
}

// NewScale returns a scale of at most MaxBounds ascending bounds, each the largest value of its bucket. unit is how much
// 1 is in the base unit: 1e-9 where nanoseconds are counted and seconds are told. It panics where the bounds are wrong,
// since they stand in the program.
func NewScale(unit float64, bounds ...int64) *Scale {
	if len(bounds) == 0 || len(bounds) > MaxBounds || !slices.IsSorted(bounds) || len(slices.Compact(slices.Clone(bounds))) != len(bounds) {
		panic("histogram: bounds must ascend, and be 1 to 63")
	}
	return &Scale{bounds: slices.Clone(bounds), unit: unit}
}

// bucket returns the number of the bucket for v. Most values are small, so it looks from there.
func (s *Scale) bucket(v int64) int {
	for i, b := range s.bounds {
		if v <= b {
			return i
		}
	}
	return len(s.bounds)
}

// Histogram counts values. Make it with New. Any goroutine.
type Histogram struct {
	scale  *Scale
	counts [MaxBounds + 1]atomic.Uint64
	sum    atomic.Uint64
}

// New returns an empty histogram.
func New(s *Scale) *Histogram { return &Histogram{scale: s} }

// Observe counts v; a negative one counts as 0.
func (h *Histogram) Observe(v int64) {
	v = max(v, 0)
	h.counts[h.scale.bucket(v)].Add(1)
	h.sum.Add(uint64(v))
}

// Snapshot returns what has been counted. Values that are observed meanwhile may be in Sum and in no bucket yet, or the
// other way round.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{scale: h.scale, Counts: make([]uint64, len(h.scale.bounds)+1)}
	for i := range s.Counts {
		s.Counts[i] = h.counts[i].Load()
		s.Count += s.Counts[i]
	}
	s.Sum = float64(h.sum.Load()) * h.scale.unit
	return s
}

// Local counts values for one goroutine. Make it with NewLocal.
type Local struct {
	scale   *Scale
	touched uint64 // buckets that are not 0
	sum     uint64
	counts  [MaxBounds + 1]uint64
}

// NewLocal returns an empty one.
func NewLocal(s *Scale) Local { return Local{scale: s} }

// Observe counts v; a negative one counts as 0.
func (l *Local) Observe(v int64) { l.ObserveN(v, 1) }

// ObserveN counts v n times.
func (l *Local) ObserveN(v int64, n uint64) {
	v = max(v, 0)
	i := l.scale.bucket(v)
	l.counts[i] += n
	l.touched |= 1 << i
	l.sum += uint64(v) * n
}
