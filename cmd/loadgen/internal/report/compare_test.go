package report_test

import (
	"bytes"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// read reads a file of testdata: what `loadgen run` wrote in two runs of the same
// scenarios, fan-out with 4 in flight in the first and with 16 in the second.
func read(t *testing.T, name string) []*report.Result {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	all, err := report.ReadResults(f)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func pair(t *testing.T, c report.Comparison, name string) report.Pair {
	t.Helper()
	i := slices.IndexFunc(c.Pairs, func(p report.Pair) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("no %q in %+v", name, c.Pairs)
	}
	return c.Pairs[i]
}

func row(t *testing.T, p report.Pair, metric string) report.Row {
	t.Helper()
	i := slices.IndexFunc(p.Rows, func(r report.Row) bool { return r.Metric == metric })
	if i < 0 {
		t.Fatalf("%s: no %q in %+v", p.Name, metric, p.Rows)
	}
	return p.Rows[i]
}

func TestCompareRealResults(t *testing.T) {
	t.Parallel()
	first, second := read(t, "first.json"), read(t, "second.json")
	c := report.Compare(first, second)
	var names []string
	for _, p := range c.Pairs {
		names = append(names, p.Name)
	}
	if want := []string{"idle", "storm", "fanout", "at a rate", "userpush", "pingpong"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	fanout := pair(t, c, "fanout")
	rate := row(t, fanout, "deliveries/s")
	if rate.A != fanout.A.Rate || rate.B != fanout.B.Rate || !rate.Higher || rate.Worse >= 0 || math.Abs(rate.Ratio-rate.B/rate.A) > 1e-9 {
		t.Errorf("got %+v", rate)
	}
	if ended := row(t, fanout, "frozen ended"); ended.A != 0 || ended.B != 10 || !math.IsInf(ended.Worse, 1) || !math.IsNaN(ended.Ratio) {
		t.Errorf("got %+v", ended)
	}
	if p99 := row(t, pair(t, c, "storm"), "connect p99 ms"); !p99.Key || p99.Higher || p99.Worse <= 0 {
		t.Errorf("got %+v", p99)
	}
	if w := c.Warnings(); len(w) != 1 || w[0] != "fanout: the settings differ: in_flight: 4, 16" {
		t.Errorf("got %q", w)
	}
	worse := strings.Join(c.Worse(10), "\n")
	if !strings.Contains(worse, "storm: connect p99 ms: ") || strings.Contains(worse, "fanout: ") {
		t.Errorf("got %s", worse)
	}
	if same := report.Compare(first, first); len(same.Worse(0)) != 0 || len(same.Warnings()) != 0 {
		t.Errorf("the first with itself: %q, %q", same.Worse(0), same.Warnings())
	}
	var table bytes.Buffer
	if err := c.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"fanout ", "  deliveries/s* ", "better\n", "worse\n", "  frozen ended "} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
}

func TestCompareJudges(t *testing.T) {
	t.Parallel()
	result := func(change func(r *report.Result)) *report.Result {
		r := &report.Result{
			Scenario: "fanout", Config: map[string]any{"size": 128.0}, Connections: 3, Sent: 10, Deliveries: 30, Rate: 100,
			Latency: report.Quantiles{Count: 30, P99: 10}, Server: &report.Server{CPUPerMillion: 2},
		}
		if change != nil {
			change(r)
		}
		return r
	}
	cases := []struct {
		name    string
		change  func(r *report.Result)
		percent float64
		worse   string // "" for not worse
		warns   string
	}{
		{name: "same"},
		{name: "faster", change: func(r *report.Result) { r.Rate = 200 }},
		{name: "slower within", change: func(r *report.Result) { r.Rate = 91 }, percent: 10},
		{name: "slower beyond", change: func(r *report.Result) { r.Rate = 89 }, percent: 10, worse: "fanout: deliveries/s: 89, was 100"},
		{name: "longer within", change: func(r *report.Result) { r.Latency.P99 = 11 }, percent: 10},
		{name: "longer beyond", change: func(r *report.Result) { r.Latency.P99 = 11.5 }, percent: 10, worse: "fanout: latency p99 ms: 11.5, was 10"},
		{name: "no key metric", change: func(r *report.Result) { r.Latency.Max = 1000 }, percent: 10},
		{name: "from nothing", change: func(r *report.Result) { r.Lost = 1 }, percent: 1000, worse: "fanout: lost: 1, was 0"},
		{name: "missing metric", change: func(r *report.Result) { r.Server = nil }, percent: 1000, worse: "fanout: server cpu s/million: missing"},
		{name: "failed", change: func(r *report.Result) { r.Error = "gone" }, percent: 1000, worse: "fanout: failed: gone", warns: "fanout: the second failed: gone"},
		{name: "interrupted", change: func(r *report.Result) { r.Interrupted = true }, percent: 1000, worse: "fanout: was interrupted", warns: "fanout: the second was interrupted"},
		{name: "missing", change: func(r *report.Result) { r.Name = "other" }, percent: 1000, worse: "fanout: missing", warns: "fanout: only the first file has it"},
		{name: "settings", change: func(r *report.Result) { r.Config = map[string]any{"rate": 5.0} }, warns: "fanout: the settings differ: rate: none, 5; size: 128, none"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := report.Compare([]*report.Result{result(nil)}, []*report.Result{result(tc.change)})
			if got := strings.Join(c.Worse(tc.percent), "\n"); got != tc.worse {
				t.Errorf("worse: got %q, want %q", got, tc.worse)
			}
			if got := c.Warnings(); (len(got) == 0) != (tc.warns == "") || tc.warns != "" && !slices.Contains(got, tc.warns) {
				t.Errorf("warnings: got %q, want %q", got, tc.warns)
			}
		})
	}
}

func TestCompareLinesUp(t *testing.T) {
	t.Parallel()
	named := func(names ...string) (all []*report.Result) {
		for _, n := range names {
			all = append(all, &report.Result{Scenario: "idle", Name: n})
		}
		return all
	}
	c := report.Compare(named("", "", "x"), named("x", "", "y"))
	var got []string
	for _, p := range c.Pairs {
		s := p.Name
		if p.A != nil {
			s += " A"
		}
		if p.B != nil {
			s += " B"
		}
		got = append(got, s)
	}
	if want := []string{"idle A B", "idle #2 A", "x A B", "y B"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if report.Compare(named("a"), named("b")).Shared() {
		t.Error("nothing is shared")
	}
}

func TestReadResults(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		in   string
		n    int
		err  string
	}{
		{name: "one", in: `{"scenario": "idle"}`, n: 1},
		{name: "several", in: ` [{"scenario": "idle"}, {"scenario": "storm", "new_in_a_later_version": 1}]`, n: 2},
		{name: "nothing", in: "", err: "no results"},
		{name: "no JSON", in: "{", err: "no results"},
		{name: "something else", in: `[{"name": "fan-out", "rounds": []}]`, err: `number 1 has no "scenario"`},
		{name: "null", in: `[null]`, err: `number 1 has no "scenario"`},
		{name: "empty", in: `[]`, err: "the array is empty"},
		{name: "two documents", in: `{"scenario": "idle"}{"scenario": "idle"}`, err: "no results"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := report.ReadResults(strings.NewReader(tc.in))
			if len(got) != tc.n || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %d, %v, want %d, %q", len(got), err, tc.n, tc.err)
			}
		})
	}
}

// FuzzReadResults holds that what is taken can be compared with itself, and is then
// the same.
func FuzzReadResults(f *testing.F) {
	for _, name := range []string{"first.json", "second.json"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`[{"scenario": "x", "config": {"a": [1]}, "storm": {}, "slow": {"ended": null}}]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		all, err := report.ReadResults(bytes.NewReader(in))
		if err != nil {
			return
		}
		c := report.Compare(all, all)
		for _, p := range c.Pairs {
			for _, r := range p.Rows {
				if r.Worse != 0 {
					t.Fatalf("%s: %+v", p.Name, r)
				}
			}
		}
		if err := c.WriteTable(&bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	})
}
