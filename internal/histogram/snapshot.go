package histogram

import (
	"encoding/json"
	"math/bits"
)

// Publish moves what has been counted to h. It panics where h has another scale, since both stand in the program.
func (l *Local) Publish(h *Histogram) {
	if l.touched == 0 {
		return
	}
	if l.scale != h.scale {
		panic("histogram: published on another scale")
	}
	for t := l.touched; t != 0; t &= t - 1 {
		i := bits.TrailingZeros64(t)
		h.counts[i].Add(l.counts[i])
		l.counts[i] = 0
	}
	h.sum.Add(l.sum)
	l.touched, l.sum = 0, 0
}

// Snapshot is what a histogram has counted so far. The zero value is one that has counted nothing.
type Snapshot struct {
	// Counts are the values of each bucket, not of those below it; the last is beyond all bounds.
	Counts []uint64
	// Count is how many there are, Sum what they are together, in the base unit.
	Count uint64
	Sum   float64

	scale *Scale
}

// Bounds returns the largest value of each bucket but the last, in the base unit.
func (s Snapshot) Bounds() []float64 {
	if s.scale == nil {
		return nil
	}
	bounds := make([]float64, len(s.scale.bounds))
	for i := range bounds {
		bounds[i] = s.bound(i)
	}
	return bounds
}

// bound avoids what multiplication leaves behind, such as 0.00025000000000000006.
func (s Snapshot) bound(i int) float64 {
	if u := s.scale.unit; u < 1 {
		return float64(s.scale.bounds[i]) / float64(int64(1/u+0.5))
	}
	return float64(s.scale.bounds[i]) * s.scale.unit
}

// Quantile returns a value that the part q of all values, from 0 to 1, does not exceed: the bound of the bucket in which
// that is found, of the last bucket the largest bound, and 0 where there is no value.
func (s Snapshot) Quantile(q float64) float64 {
	if s.Count == 0 {
		return 0
	}
	want, sum := q*float64(s.Count), uint64(0)
	last := len(s.Counts) - 2
	for i, n := range s.Counts[:last+1] {
		if sum += n; n > 0 && float64(sum) >= want {
			return s.bound(i)
		}
	}
	return s.bound(last)
}

// MarshalJSON is for people: how many values there are, their sum, and bounds of three quantiles.
func (s Snapshot) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Count uint64  `json:"count"`
		Sum   float64 `json:"sum"`
		P50   float64 `json:"p50"`
		P90   float64 `json:"p90"`
		P99   float64 `json:"p99"`
	}{s.Count, s.Sum, s.Quantile(0.5), s.Quantile(0.9), s.Quantile(0.99)})
}
