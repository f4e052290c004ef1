package obs

import (
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hoshi-ws/hoshi/internal/histogram"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// MetricsOptions say what [NewMetrics] exports. Stats is required.
type MetricsOptions struct {
	// Stats returns a snapshot of the node's counters. It is called once for each
	// scrape, by any goroutine.
	Stats func() edge.Stats
	// Tracing is the process's, nil where it traces nothing.
	Tracing *Tracing
	// Version, Commit and Node, the node-id, are labels of hoshi_build_info.
	Version, Commit, Node string
}

// Metrics are those of one node and its process, for Prometheus. They are a view of
// counters that are kept elsewhere, so nothing is counted twice and a scrape costs
// the same whatever the number of connections.
type Metrics struct {
	registry *prometheus.Registry
	options  MetricsOptions
	metrics  []*boundMetric // fixed after NewMetrics
}

// NewMetrics returns the metrics of a node. They are in a registry of their own.
func NewMetrics(o MetricsOptions) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), options: o}
	for _, metric := range metricTable {
		m.metrics = append(m.metrics, bind(metric))
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: infoMetric.name, Help: infoMetric.help,
		ConstLabels: prometheus.Labels{"version": o.Version, "commit": o.Commit, "goversion": runtime.Version(), "node": o.Node},
	})
	info.Set(1)
	m.registry.MustRegister(m, info, goCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// goCollector has, beside what it always has, what the heap was at the last
// collection: near the limit of memory it is what tells whether there is room, since
// a process grows to its limit with garbage alone.
func goCollector() prometheus.Collector {
	live := regexp.MustCompile(`^/gc/heap/live:bytes$`)
	return collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: live}))
}

// Gatherer returns what has all of them. Any goroutine.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// scrapesAtOnce bounds the scrapes that are served at a time: each holds a whole
// exposition, some 100 KiB.
const scrapesAtOnce = 4

// Handler serves them: GET /metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: scrapesAtOnce,
		Timeout:             10 * time.Second,
		EnableOpenMetrics:   true,
	})
}

// boundMetric is a metric with its places in observed.
type boundMetric struct {
	metric

	desc  *prometheus.Desc
	value prometheus.ValueType
	index [][]int // of each source
}

// observed is what metrics are taken from: paths of the table begin here.
type observed struct {
	edge.Stats
	Tracing TraceStats
}

// bind finds the fields that a metric names, and panics where there are none: the
// table is part of the program.
func bind(metric metric) *boundMetric {
	b := &boundMetric{metric: metric, desc: prometheus.NewDesc(metric.name, metric.help, metric.labels, nil), value: prometheus.GaugeValue}
	if metric.kind == counter {
		b.value = prometheus.CounterValue
	}
	for _, s := range metric.from {
		t, index := reflect.TypeFor[observed](), []int(nil)
		for name := range strings.SplitSeq(s.stat, ".") {
			f, ok := t.FieldByName(name)
			if !ok {
				panic("obs: " + metric.name + ": no field " + s.stat)
			}
			index, t = append(index, f.Index...), f.Type
		}
		b.index = append(b.index, index)
	}
	return b
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, b := range m.metrics {
		ch <- b.desc
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	all := observed{Stats: m.options.Stats(), Tracing: m.options.Tracing.Stats()}
	v := reflect.ValueOf(&all).Elem()
	for _, b := range m.metrics {
		b.collect(v, ch)
	}
}

func (b *boundMetric) collect(all reflect.Value, ch chan<- prometheus.Metric) {
	if b.kind == histo {
		for i, s := range b.from {
			ch <- constHistogram(b.desc, all.FieldByIndex(b.index[i]).Interface().(histogram.Snapshot), s.labels)
		}
		return
	}
	var points series
	for i := range b.from {
		points.add(all.FieldByIndex(b.index[i]), &b.from[i], len(b.labels))
	}
	for _, p := range points.bounded() {
		if p.value == 0 && b.omitZero {
			continue
		}
		ch <- prometheus.MustNewConstMetric(b.desc, b.value, p.value, p.labels...)
	}
}

// constHistogram makes buckets that count everything below their bound, as
// Prometheus wants them.
func constHistogram(desc *prometheus.Desc, s histogram.Snapshot, labels []string) prometheus.Metric {
	buckets, sum := make(map[float64]uint64, len(s.Counts)), uint64(0)
	for i, bound := range s.Bounds() {
		sum += s.Counts[i]
		buckets[bound] = sum
	}
	return prometheus.MustNewConstHistogram(desc, s.Count, s.Sum, buckets, labels...)
}

// point is one value of a metric, under its labels.
type point struct {
	labels []string
	value  float64
}

// series are the values of one metric.
type series struct {
	points []point
	at     map[string]int // their places, by their labels
}

// maxSeries bounds those of one metric. The keys of the counters are small fixed
// sets; should one be none, its values beyond this many are counted as other.
const maxSeries = 128

// add adds what a field holds: a number, or numbers by key.
func (s *series) add(v reflect.Value, from *source, labels int) {
	scale := from.scale
	if scale == 0 {
		scale = 1
	}
	if v.Kind() != reflect.Map {
		s.put(from.labels, number(v)*scale)
		return
	}
	counts := v.Interface().(map[string]uint64)
	for _, key := range from.keys {
		if _, there := counts[key]; !there {
			s.put(from.values(key, labels), 0)
		}
	}
	for key, n := range counts {
		if !slices.Contains(from.without, key) {
			s.put(from.values(key, labels), float64(n)*scale)
		}
	}
}

// values returns the values of all labels for a key.
func (s *source) values(key string, labels int) []string {
	values := slices.Clone(s.labels)
	if s.split == "" {
		return append(values, key)
	}
	first, rest, _ := strings.Cut(key, s.split)
	return append(values, first, rest)[:labels]
}

// put adds to the point with these labels, or makes it.
func (s *series) put(labels []string, value float64) {
	key := strings.Join(labels, "\xff") // which is in no text
	if i, there := s.at[key]; there {
		s.points[i].value += value
		return
	}
	if s.at == nil {
		s.at = map[string]int{}
	}
	s.at[key] = len(s.points)
	s.points = append(s.points, point{labels, value})
}

// bounded returns no more than maxSeries points.
func (s *series) bounded() []point {
	if len(s.points) <= maxSeries {
		return s.points
	}
	all := slices.SortedFunc(slices.Values(s.points), func(a, b point) int { return slices.Compare(a.labels, b.labels) })
	var kept series
	for _, p := range all[:maxSeries-1] {
		kept.put(p.labels, p.value)
	}
	other := slices.Repeat([]string{"other"}, len(all[0].labels))
	for _, p := range all[maxSeries-1:] {
		kept.put(other, p.value)
	}
	return kept.points
}

func number(v reflect.Value) float64 {
	switch {
	case v.Kind() == reflect.Bool:
		if v.Bool() {
			return 1
		}
		return 0
	case v.CanUint():
		return float64(v.Uint())
	default:
		return float64(v.Int())
	}
}
