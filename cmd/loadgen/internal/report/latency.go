package report

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxLatency is the longest time that a Latency tells apart; longer ones count as it.
const maxLatency = 10 * time.Minute

// Latency gathers durations with three significant digits. It is owned by one
// goroutine; make one with [NewLatency].
type Latency struct {
	h *hdrhistogram.Histogram
}

// NewLatency returns an empty Latency (about 270 KB).
func NewLatency() *Latency {
	return &Latency{h: hdrhistogram.New(int64(time.Microsecond), int64(maxLatency), 3)}
}

// Record adds n occurrences of d.
func (l *Latency) Record(d time.Duration, n int64) {
	v := min(max(int64(d), 0), int64(maxLatency))
	// The value is within the histogram's range, so there is no error to expect.
	_ = l.h.RecordValues(v, n)
}

// Reset empties l.
func (l *Latency) Reset() { l.h.Reset() }

// Quantiles is a latency distribution in milliseconds.
type Quantiles struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p99_9_ms"`
	Max   float64 `json:"max_ms"`
}

// String is for people.
func (q Quantiles) String() string {
	return fmt.Sprintf("p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms", q.P50, q.P90, q.P99, q.P999, q.Max)
}

// Quantiles sums up what was recorded so far.
func (l *Latency) Quantiles() Quantiles {
	ms := func(ns float64) float64 { return float64(int64(ns/1e3+0.5)) / 1e3 }
	at := func(q float64) float64 { return ms(float64(l.h.ValueAtQuantile(q))) }
	if l.h.TotalCount() == 0 {
		return Quantiles{}
	}
	return Quantiles{
		Count: l.h.TotalCount(),
		Mean:  ms(l.h.Mean()),
		P50:   at(50),
		P90:   at(90),
		P99:   at(99),
		P999:  at(99.9),
		Max:   ms(float64(l.h.Max())),
	}
}
