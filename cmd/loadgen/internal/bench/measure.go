package bench

import (
	"slices"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// measure is a number of a case. What is judged is its ratio to the reference's, or
// where there is no reference, or plain is set, the number itself.
type measure struct {
	what string
	// of reads it of a result; nil is messages for each write call, which are counted
	// apart.
	of         func(r *report.Result) float64
	plain      bool
	most       bool // less is better: bar and aimed are what it may be at most
	bar, aimed float64
}

func deliveries(bar, aimed float64) measure {
	return measure{what: "deliveries/s", of: rate, bar: bar, aimed: aimed}
}

func trips(bar, aimed float64) measure {
	return measure{what: "round trips/s", of: rate, bar: bar, aimed: aimed}
}

func cpu(bar, aimed float64) measure {
	return measure{what: "CPU s for a million", of: cpuPerMillion, most: true, bar: bar, aimed: aimed}
}

func connects(bar, aimed float64) measure {
	return measure{what: "CPU s for 10,000", of: cpuForConnects, most: true, bar: bar, aimed: aimed}
}

func p99(bar, aimed float64) measure { return latency("p99 ms", 99, bar, aimed) }

func latency(what string, percent int, bar, aimed float64) measure {
	of := map[int]func(*report.Result) float64{
		50: func(r *report.Result) float64 { return r.Latency.P50 },
		99: func(r *report.Result) float64 { return r.Latency.P99 },
	}[percent]
	return measure{what: what, of: of, most: true, bar: bar, aimed: aimed}
}

func memory(bar, aimed float64) measure {
	return measure{what: "bytes of RSS", of: bytesPerConnection, most: true, bar: bar, aimed: aimed}
}

func perCall(bar, aimed float64) measure {
	return measure{what: "messages a write call", plain: true, bar: bar, aimed: aimed}
}

func rate(r *report.Result) float64               { return r.Rate }
func cpuPerMillion(r *report.Result) float64      { return r.Server.CPUPerMillion }
func cpuForConnects(r *report.Result) float64     { return r.CPUPerConnections(10_000) }
func bytesPerConnection(r *report.Result) float64 { return r.Server.PerConnection }

// Measured is a measure with what came out.
type Measured struct {
	What string `json:"what"`
	// Value and Reference are the medians of the rounds, Ratio the median of each
	// round's ratio of the two; without a reference both are 0.
	Value     float64 `json:"value"`
	Reference float64 `json:"reference,omitempty"`
	Ratio     float64 `json:"ratio,omitempty"`
	// Most says that less is better: Bar, which fails a run, and Aimed, the project's
	// goal, are what there may be at most, else at least. They are of the ratio where
	// there is one. 0 for Aimed is no goal beyond the bar.
	Most  bool    `json:"most,omitempty"`
	Bar   float64 `json:"bar"`
	Aimed float64 `json:"aimed,omitempty"`
}

// Reached returns what is judged: the ratio, or else the value.
func (m *Measured) Reached() float64 {
	if m.Ratio != 0 {
		return m.Ratio
	}
	return m.Value
}

// OK tells whether the bar is reached.
func (m *Measured) OK() bool {
	if m.Most {
		return m.Reached() <= m.Bar
	}
	return m.Reached() >= m.Bar
}

// Round is one run of a case and those of its reference around it, since a shared
// machine does not keep its speed from one minute to the next.
type Round struct {
	Run        *report.Result   `json:"run"`
	References []*report.Result `json:"references,omitempty"`
}

func (r Round) reference(of func(*report.Result) float64) float64 {
	var sum float64
	for _, ref := range r.References {
		sum += of(ref)
	}
	return sum / float64(max(len(r.References), 1))
}

// measured returns m of the rounds; ok is false when there was nothing to read.
func (m *measure) measured(rounds []Round, messagesPerCall float64) (out Measured, ok bool) {
	out = Measured{What: m.what, Most: m.most, Bar: m.bar, Aimed: m.aimed}
	if m.of == nil {
		out.Value = messagesPerCall
		return out, messagesPerCall > 0
	}
	if len(rounds) == 0 {
		return out, false
	}
	out.Value = median(rounds, func(r Round) float64 { return m.of(r.Run) })
	if !m.plain && len(rounds[0].References) > 0 {
		out.Reference = median(rounds, func(r Round) float64 { return r.reference(m.of) })
		out.Ratio = median(rounds, func(r Round) float64 { return m.of(r.Run) / max(r.reference(m.of), 1e-9) })
	}
	return out, true
}

func median[T any](all []T, of func(T) float64) float64 {
	v := make([]float64, len(all))
	for i, r := range all {
		v[i] = of(r)
	}
	slices.Sort(v)
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}
