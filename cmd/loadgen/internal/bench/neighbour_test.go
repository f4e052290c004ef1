package bench

import (
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

func TestNeighbourLine(t *testing.T) {
	t.Parallel()
	pair := func(calm, busy float64) Pair {
		return Pair{
			Calm: &report.Result{Latency: report.Quantiles{P99: calm}},
			Busy: &report.Result{Latency: report.Quantiles{P99: busy}},
		}
	}
	for _, tt := range []struct {
		name  string
		pairs []Pair
		ratio float64
		ok    bool
	}{
		{"the same", []Pair{pair(4, 4), pair(5, 5), pair(3, 3)}, 1, true},
		{"one bad minute", []Pair{pair(4, 4), pair(5, 500), pair(3, 3)}, 1, true},
		{"slower", []Pair{pair(4, 5), pair(4, 5), pair(4, 4)}, 1.25, false},
		{"faster", []Pair{pair(4, 2)}, 0.5, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := Line{Name: "n", Bar: neighbourBar, Pairs: tt.pairs, Ratio: median(tt.pairs, Pair.ratio)}
			if l.Ratio != tt.ratio || l.OK() != tt.ok {
				t.Errorf("ratio %v, ok %v, want %v and %v", l.Ratio, l.OK(), tt.ratio, tt.ok)
			}
			var b strings.Builder
			if err := WriteTable(&b, []Line{l}); err != nil {
				t.Fatal(err)
			}
			if verdict := map[bool]string{true: "ok", false: "short"}[tt.ok]; !strings.Contains(b.String(), verdict) {
				t.Errorf("no %q in\n%s", verdict, &b)
			}
		})
	}
}
