package obs_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/hoshi-ws/hoshi/internal/histogram"
	"github.com/hoshi-ws/hoshi/internal/obs"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

var updateMetrics = flag.Bool("update-metrics", false, "write docs/metrics.md anew")

// notExported are the fields of edge.Stats that no metric has, and why.
var notExported = map[string]string{
	"UptimeMS":           "process_start_time_seconds",
	"Process.Goroutines": "go_goroutines",
	"Process.HeapBytes":  "go_memstats_heap_alloc_bytes, and others",
}

// leaves calls fn with the path of each number, or numbers by key, below v.
func leaves(path string, v reflect.Value, fn func(path string, v reflect.Value)) {
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[histogram.Snapshot]() {
		if v.Kind() != reflect.String {
			fn(path, v)
		}
		return
	}
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if path != "" {
			name = path + "." + name
		}
		leaves(name, v.Field(i), fn)
	}
}

// TestEveryCounterIsExported walks edge.Stats and what is counted of traces.
func TestEveryCounterIsExported(t *testing.T) {
	sources := obs.MetricSources()
	seen := 0
	check := func(path string, _ reflect.Value) {
		seen++
		n := 0
		for _, s := range sources {
			if s == path {
				n++
			}
		}
		why, excepted := notExported[path]
		switch {
		case n == 0 && !excepted:
			t.Errorf("%s is neither exported nor excepted", path)
		case n > 0 && excepted:
			t.Errorf("%s is exported, and excepted since there is %s", path, why)
		case n > 1:
			t.Errorf("%s is exported %d times", path, n)
		}
	}
	leaves("", reflect.ValueOf(edge.Stats{}), check)
	leaves("Tracing", reflect.ValueOf(obs.TraceStats{}), check)
	if want := len(sources) + len(notExported); seen != want {
		t.Errorf("%d numbers, and %d in the tables", seen, want)
	}
}

// filled returns counters in which nothing is 0.
func filled() edge.Stats {
	var s edge.Stats
	scale := histogram.NewScale(1e-9, 1000, 1_000_000)
	leaves("", reflect.ValueOf(&s).Elem(), func(path string, v reflect.Value) {
		switch {
		case v.Kind() == reflect.Bool:
			v.SetBool(true)
		case v.CanInt():
			v.SetInt(7)
		case v.CanUint():
			v.SetUint(7)
		case v.Kind() == reflect.Map:
			key := "some-reason"
			switch path {
			case "Voices", "Rendered":
				key = "sente/transit-verbose-gzip"
			case "Conversions", "Unconverted":
				key = "edn>json"
			}
			v.Set(reflect.ValueOf(map[string]uint64{key: 7}))
		default:
			h := histogram.New(scale)
			h.Observe(500)
			h.Observe(5_000_000)
			v.Set(reflect.ValueOf(h.Snapshot()))
		}
	})
	return s
}

// scrape returns what a node with these counters exports.
func scrape(t testing.TB, s edge.Stats) string {
	t.Helper()
	m := obs.NewMetrics(obs.MetricsOptions{Stats: func() edge.Stats { return s }, Version: "v1.2.3", Commit: "0123abcd", Node: "0123456789ab"})
	return get(t, m.Handler(), "")
}

func get(t testing.TB, h http.Handler, accept string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, body)
	}
	return string(body)
}

func TestExposition(t *testing.T) {
	text := scrape(t, filled())
	for _, want := range []string{
		`hoshi_build_info{commit="0123abcd",goversion="go1.`,
		`node="0123456789ab",version="v1.2.3"} 1`,
		"\nhoshi_ready 1\n",
		"\nhoshi_connections 7\n",
		"\n" + `hoshi_voice_connections{dialect="sente",format="transit-verbose-gzip"} 7` + "\n",
		"\n" + `hoshi_conversions_total{from="edn",to="json"} 7` + "\n",
		"\n" + `hoshi_handshakes_refused_total{reason="full"} 0` + "\n",
		"\n" + `hoshi_handshakes_refused_total{reason="some-reason"} 14` + "\n", // of both sources
		"\n" + `hoshi_closes_total{reason="overflow"} 0` + "\n",
		"\n" + `hoshi_callouts_total{kind="connect",outcome="some-reason"} 7` + "\n",
		"\nhoshi_throttled_seconds_total 0.007\n",
		"\n" + `hoshi_delivery_seconds_bucket{le="1e-06"} 1` + "\n",
		"\n" + `hoshi_delivery_seconds_bucket{le="0.001"} 1` + "\n",
		"\n" + `hoshi_delivery_seconds_bucket{le="+Inf"} 2` + "\n",
		"\nhoshi_delivery_seconds_count 2\n",
		"\ngo_goroutines ",
		"\nprocess_resident_memory_bytes ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	handler := scrape(t, func() edge.Stats { s := filled(); s.Sockets.Refused["handler"] = 5; return s }())
	if strings.Contains(handler, `reason="handler"`) {
		t.Error("what the node has refused is counted twice")
	}
	empty := scrape(t, edge.Stats{})
	for _, absent := range []string{"hoshi_certificate_expiry_timestamp_seconds", "hoshi_drain_start_timestamp_seconds"} {
		if strings.Contains(empty, "\n"+absent+" ") || !strings.Contains(text, "\n"+absent+" ") {
			t.Errorf("%s is there where there is none, or missing where there is one", absent)
		}
	}
	open := get(t, obs.NewMetrics(obs.MetricsOptions{Stats: filled}).Handler(), "application/openmetrics-text; version=1.0.0")
	if !strings.HasSuffix(open, "# EOF\n") {
		t.Error("no OpenMetrics for who asks for it")
	}
}

func TestLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(scrape(t, filled()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "hoshi_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestDocumented: docs/metrics.md is what the program says, and every name in it is
// exported, every exported one in it.
func TestDocumented(t *testing.T) {
	const file = "../../docs/metrics.md"
	want := obs.MetricsMarkdown()
	if *updateMetrics {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/metrics.md is not what the program says: go test ./internal/obs -run Documented -update-metrics")
	}
	exported := names(scrape(t, filled()))
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(hoshi_[a-z_]+)` \\| (counter|gauge|histogram) \\| .* \\| .* \\| .+ \\|$").FindAllStringSubmatch(string(got), -1) {
		if documented[m[1]] {
			t.Errorf("%s is documented twice", m[1])
		}
		documented[m[1]] = true
		if exported[m[1]] != m[2] {
			t.Errorf("%s is documented as a %s and exported as %q", m[1], m[2], exported[m[1]])
		}
	}
	for name := range exported {
		if strings.HasPrefix(name, "hoshi_") && !documented[name] {
			t.Errorf("%s is exported and not documented", name)
		}
	}
	if len(documented) < 90 || len(documented) != len(obs.MetricNames()) {
		t.Errorf("%d metrics are documented, there are %d", len(documented), len(obs.MetricNames()))
	}
}

// names returns the type of every family of an exposition.
func names(text string) map[string]string {
	types := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE ([a-z0-9_]+) ([a-z]+)$`).FindAllStringSubmatch(text, -1) {
		types[m[1]] = m[2]
	}
	return types
}

// TestSeriesAreBounded: a counter whose keys are no small set, which would be a
// mistake, does not fill Prometheus.
func TestSeriesAreBounded(t *testing.T) {
	s := filled()
	s.RefusedMessages = map[string]uint64{}
	s.Conversions = map[string]uint64{}
	for i := range 5000 {
		s.RefusedMessages[fmt.Sprintf("reason-%04d", i)] = 1
		s.Conversions[fmt.Sprintf("a>%04d", i)] = 1
	}
	text := scrape(t, s)
	for name, other := range map[string]string{
		"hoshi_messages_refused_total": `{reason="other"}`,
		"hoshi_conversions_total":      `{from="other",to="other"}`,
	} {
		lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return !strings.HasPrefix(l, name+"{") })
		if len(lines) != obs.MaxSeries {
			t.Errorf("%s has %d series", name, len(lines))
		}
		if want := fmt.Sprintf("%s%s %d", name, other, 5000-obs.MaxSeries+1); !slices.Contains(lines, want) {
			t.Errorf("no %s", want)
		}
	}
}
