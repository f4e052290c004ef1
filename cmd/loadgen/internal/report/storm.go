package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Storm is what a connect storm measured. Each time is that of one step, Total
// runs from the intended begin of the TCP connection to the last step.
type Storm struct {
	Attempted int `json:"attempted"`
	// PerSecond is connections made in a second, from the first begin to the last
	// one's last step.
	PerSecond float64 `json:"connects_per_second"`
	// Failures counts connections that could not be made, Failed the same by reason,
	// Ended by reason those that the server ended later.
	Failures int64            `json:"failures"`
	Failed   map[string]int64 `json:"failed,omitempty"`
	Ended    map[string]int64 `json:"ended,omitempty"`

	TCP       Quantiles `json:"tcp"`
	Upgrade   Quantiles `json:"upgrade"`
	Handshake Quantiles `json:"handshake"`
	Subscribe Quantiles `json:"subscribe"`
	Total     Quantiles `json:"total"`
}

func (s *Storm) summary(line func(name, format string, args ...any)) {
	line("connects", "%.0f a second, %d of %d failed%s", s.PerSecond, s.Failures, s.Attempted, listed(s.Failed))
	if len(s.Ended) > 0 {
		line("ended", "%s", strings.TrimPrefix(listed(s.Ended), ": "))
	}
	for _, step := range []struct {
		name string
		q    Quantiles
	}{{"tcp", s.TCP}, {"upgrade", s.Upgrade}, {"handshake", s.Handshake}, {"subscribe", s.Subscribe}, {"total", s.Total}} {
		if step.q.Count > 0 {
			line(step.name, "%s", step.q)
		}
	}
}

// listed returns ": 3 reset, 5 closed 1013", or nothing.
func listed(counts map[string]int64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}
