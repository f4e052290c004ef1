package obs

import (
	"fmt"
	"strings"
)

// MetricsMarkdown is docs/metrics.md: every metric of a node, with its labels.
func MetricsMarkdown() string {
	var b strings.Builder
	b.WriteString(metricsHead)
	row := func(m *metric) {
		labels, unit := "", m.unit
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		if unit == "" {
			unit = "0 or 1"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.name, m.kind, labels, unit, m.help)
	}
	row(&infoMetric)
	for i := range metricTable {
		row(&metricTable[i])
	}
	return b.String()
}

const metricsHead = `# Metrics

` + "`GET /metrics`" + ` of the admin listener (` + "`--admin-listen`" + `), and of ` + "`--metrics-listen`" + `, has these, for Prometheus, in its text format or that of OpenMetrics.
What to make of them is in [operations.md](operations.md#metrics). This page is generated, see internal/obs.

* **Labels are bounded.** Each is one of a small set that stands in the program: no user, channel, address or connection is ever one.
* **Counters** begin at 0 with the process; with labels, the usual values of these do, and a rare one is not there before it has counted once. A scrape reads counters that are kept anyway, and costs the same for ten connections as for
  a hundred thousand.
* **Histograms** are classic ones, with the same bounds on all nodes, so those of a fleet can be added:
  ` + "`histogram_quantile(0.99, sum by (le) (rate(hoshi_delivery_seconds_bucket[5m])))`" + `. There are no native ones.
* What is in ` + "`/stats`" + ` is the same, for people.
* Beside these there are those of the Go runtime (` + "`go_...`" + `) and of the process (` + "`process_...`" + `, on Linux): memory, CPU, descriptors.
  ` + "`go_gc_heap_live_bytes`" + ` is what was in use at the last collection: of a node that has a limit of memory, look at that.

| name | type | labels | unit | what it tells |
|---|---|---|---|---|
`
