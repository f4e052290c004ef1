package bench

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// result is one with a rate, CPU seconds for a million deliveries, and a p99.
func result(rate, cpu, p99 float64) *report.Result {
	return &report.Result{Rate: rate, Server: &report.Server{CPUPerMillion: cpu}, Latency: report.Quantiles{P99: p99}}
}

func TestMeasures(t *testing.T) {
	t.Parallel()
	between := func(run *report.Result, before, after float64) Round {
		return Round{Run: run, References: []*report.Result{result(before, 6, 10), result(after, 4, 20)}}
	}
	cases := []struct {
		name    string
		measure measure
		rounds  []Round
		perCall float64
		want    Measured
		none    bool
		ok      bool
	}{
		{
			name: "one bad minute of three", measure: deliveries(0.85, 1),
			rounds: []Round{between(result(90, 0, 0), 80, 120), between(result(10, 0, 0), 100, 100), between(result(95, 0, 0), 100, 100)},
			want:   Measured{What: "deliveries/s", Value: 90, Reference: 100, Ratio: 0.9, Bar: 0.85, Aimed: 1}, ok: true,
		},
		{
			name: "two rounds", measure: deliveries(0.85, 1), rounds: []Round{between(result(75, 0, 0), 100, 100), between(result(87.5, 0, 0), 100, 100)},
			want: Measured{What: "deliveries/s", Value: 81.25, Reference: 100, Ratio: 0.8125, Bar: 0.85, Aimed: 1},
		},
		{
			name: "less is better", measure: cpu(1.35, 1.1), rounds: []Round{between(result(0, 6, 0), 1, 1)},
			want: Measured{What: "CPU s for a million", Value: 6, Reference: 5, Ratio: 1.2, Most: true, Bar: 1.35, Aimed: 1.1}, ok: true,
		},
		{
			name: "more than may be", measure: p99(0.8, 0.7), rounds: []Round{between(result(0, 0, 15), 1, 1)},
			want: Measured{What: "p99 ms", Value: 15, Reference: 15, Ratio: 1, Most: true, Bar: 0.8, Aimed: 0.7},
		},
		{
			name: "the number itself", measure: latency("p99 ms", 99, 10, 0.5), rounds: []Round{{Run: result(0, 0, 3)}},
			want: Measured{What: "p99 ms", Value: 3, Most: true, Bar: 10, Aimed: 0.5}, ok: true,
		},
		{
			name: "messages a call", measure: perCall(35, 40), perCall: 34, rounds: []Round{between(result(1, 1, 1), 1, 1)},
			want: Measured{What: "messages a write call", Value: 34, Bar: 35, Aimed: 40},
		},
		{name: "nothing counted", measure: perCall(35, 40), none: true},
		{name: "no round", measure: deliveries(1, 1), none: true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, ok := tc.measure.measured(tc.rounds, tc.perCall)
			if ok == tc.none {
				t.Fatalf("measured: %v", ok)
			}
			if tc.none {
				return
			}
			if got != tc.want || got.OK() != tc.ok {
				t.Errorf("got %+v, ok %v, want %+v, %v", got, got.OK(), tc.want, tc.ok)
			}
		})
	}
}

func TestLineJudges(t *testing.T) {
	t.Parallel()
	good, bad := Measured{Value: 2, Bar: 1}, Measured{Value: 2, Bar: 1, Most: true}
	cases := []struct {
		name string
		line Line
		ok   bool
	}{
		{name: "reached", line: Line{Measures: []Measured{good, good}}, ok: true},
		{name: "one short", line: Line{Measures: []Measured{good, bad}}},
		{name: "failed", line: Line{Measures: []Measured{good}, Error: "no answer"}},
		{name: "left out", line: Line{Missing: "a reference server"}},
	}
	for _, tc := range cases {
		if tc.line.OK() != tc.ok {
			t.Errorf("%s: OK is %v", tc.name, !tc.ok)
		}
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	r := Report{Rounds: 3, Pairs: 1, Duration: 5, Machine: Machine{CPU: "Z80", Cores: 2, Kernel: "CP/M 2.2-fast", Go: "go9"}, Lines: []Line{
		{Name: "fan-out to 1,000, 1 in flight", Against: "single sends", Measures: []Measured{
			{What: "deliveries/s", Value: 164_000.4, Reference: 1_180_000, Ratio: 0.912, Bar: 0.85, Aimed: 1},
			{What: "CPU s for a million", Value: 6, Reference: 5, Ratio: 1.5, Most: true, Bar: 1.35, Aimed: 1.1},
		}},
		{Name: "idle, 15,000 on one channel", Measures: []Measured{{What: "bytes of RSS", Value: 380, Most: true, Bar: 600}}},
		{Name: "broken", Error: "no answer"},
		{Name: "round trips on 500 connections", Against: "gws", Missing: "a reference server (--peer)"},
	}}
	var b strings.Builder
	if err := WriteTable(&b, r.Lines); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for i, want := range []string{
		"case measure here reference ratio bar aimed at",
		"fan-out to 1,000, 1 in flight deliveries/s 164,000 1,180,000 single sends 0.91 >= 0.85 ok >= 1.00",
		"CPU s for a million 6.00 5.00 single sends 1.50 <= 1.35 short <= 1.10",
		"idle, 15,000 on one channel bytes of RSS 380 <= 600 ok",
		"broken failed: no answer",
		"round trips on 500 connections left out: needs a reference server (--peer)",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("line %d:\n%s\nwant\n%s", i, got, want)
		}
	}

	// What goes into a file comes out of it.
	file := filepath.Join(t.TempDir(), "bench.json")
	if err := r.Write(file); err != nil {
		t.Fatal(err)
	}
	back, err := ReadReport(file)
	if err != nil {
		t.Fatal(err)
	}
	md := Markdown(back)
	for _, want := range []string{
		"| fan-out to 1,000, 1 in flight | deliveries/s, ratio to single sends | 0.91 | ≥ 1.00 | 164,000 against 1,180,000 |\n|  | CPU s for a million, ratio to single sends | 1.50 | ≤ 1.10 | 6.00 against 5.00 |\n",
		"| idle, 15,000 on one channel | bytes of RSS | 380 | ≤ 400 | 380 |\n",
		"| round trips on 500 connections | round trips/s, ratio to gws | ? | ≥ 1.25 | ? |\n",
		", Z80, 2 cores, CP/M 2.2, go9; medians of 3 rounds of 5 s, of neighbours one pair.\n",
	} {
		if !strings.Contains(md, want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
	if _, err := ReadReport(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0.00", 0.0412: "0.041", 0.04: "0.040", 0.912: "0.91", 1: "1.00", 26.04: "26.0", 380.4: "380", 999.6: "1,000", 1234567.8: "1,234,568", -420: "-420", -4200: "-4,200",
	} {
		if got := number(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}
