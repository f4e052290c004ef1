package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// storm opens connections and measures nothing but that. What goes wrong with one
// is what it is there to see, and does not end it.
type storm struct {
	plain
	names  *names
	stages [stReady]*report.Latency // by the state that was passed
	total  *report.Latency
	failed map[string]int64
	ended  map[string]int64 // of those that had been made
}

func newStorm(n *names) *storm {
	s := &storm{names: n, total: report.NewLatency(), failed: make(map[string]int64), ended: make(map[string]int64)}
	for i := range s.stages {
		s.stages[i] = report.NewLatency()
	}
	return s
}

func (s *storm) query(i int) string                { return s.names.query(i) }
func (s *storm) greeted(c *conn, msg []byte) error { return s.names.greeted(c, msg) }

func (s *storm) passed(c *conn, from state, now int64) {
	s.stages[from].Record(time.Duration(now-c.mark), 1)
	if c.state == stReady {
		s.total.Record(time.Duration(now-c.began), 1)
	}
}

func (s *storm) lost(c *conn, reason string) bool {
	if c.state == stReady {
		s.ended[reason]++
	} else {
		s.failed[reason]++
	}
	return true
}

// result returns what was measured so far.
func (s *storm) result(attempted, connected int, seconds float64) *report.Storm {
	r := &report.Storm{
		Attempted: attempted,
		Failed:    maps.Clone(s.failed),
		Ended:     maps.Clone(s.ended),
		TCP:       s.stages[stDial].Quantiles(),
		Upgrade:   s.stages[stUpgrade].Quantiles(),
		Handshake: s.stages[stHandshake].Quantiles(),
		Subscribe: s.stages[stSubscribed].Quantiles(),
		Total:     s.total.Quantiles(),
	}
	for _, n := range s.failed {
		r.Failures += n
	}
	if seconds > 0 {
		r.PerSecond = float64(connected) / seconds
	}
	return r
}

// nobody is the error of a storm in which no connection was made.
func (s *storm) nobody(attempted int) error {
	var reasons []string
	for _, r := range slices.Sorted(maps.Keys(s.failed)) {
		reasons = append(reasons, fmt.Sprintf("%s (%d)", r, s.failed[r]))
	}
	return fmt.Errorf("none of %d connections could be made: %s", attempted, strings.Join(reasons, ", "))
}
