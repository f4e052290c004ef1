package bench

import (
	"maps"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

func TestParseCounts(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		in      string
		strace  bool
		want    counts
		clients int64
	}{
		{
			name:    "perf",
			in:      "# started on Tue Nov 24\n\n12,,syscalls:sys_enter_write,261792445,100.00,,\n0,,syscalls:sys_enter_writev,1,100.00,,\n900,,syscalls:sys_enter_sendto,261792445,100.00,,\n",
			want:    counts{"write": 12, "writev": 0, "sendto": 900},
			clients: 912,
		},
		{
			name:    "strace",
			in:      "    calls syscall\n--------- ----------------\n      907 sendto\n       55 write\n--------- ----------------\n      962 total\n",
			strace:  true,
			want:    counts{"sendto": 907, "write": 55},
			clients: 907,
		},
		{
			name:    "strace of plain writes",
			in:      "    calls syscall\n--------- ----------------\n       55 write\n",
			strace:  true,
			want:    counts{"write": 55},
			clients: 55,
		},
		{name: "perf without tracepoints", in: "<not supported>,,syscalls:sys_enter_write,0,0.00,,\n"},
		{name: "empty", in: "", strace: true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseCounts(tc.in, tc.strace)
			if (err != nil) != (tc.want == nil) || !maps.Equal(got, tc.want) {
				t.Fatalf("got %v, %v, want %v", got, err, tc.want)
			}
			if n := got.clients(tc.strace); n != tc.clients {
				t.Errorf("%d calls to clients, want %d", n, tc.clients)
			}
		})
	}
}

func TestTableJudges(t *testing.T) {
	t.Parallel()
	round := func(rate, ceiling float64) Round {
		return Round{
			Before: &report.Result{Rate: ceiling - 20, Server: &report.Server{CPUPerMillion: 7}},
			Run:    &report.Result{Rate: rate, Server: &report.Server{CPUPerMillion: 3}},
			After:  &report.Result{Rate: ceiling + 20, Server: &report.Server{CPUPerMillion: 5}},
		}
	}
	lines := summed([]Line{
		{Name: "reached", Rounds: []Round{round(90, 100), round(10, 100), round(95, 100)}, Bar: 0.85},
		{Name: "slow", Rounds: []Round{round(75, 100), round(87.5, 100)}, Bar: 0.85},
		{Name: "uncoalesced", Rounds: []Round{round(2000, 100)}, Bar: 15, PerCall: 20, PerCallBar: 35},
		{Name: "small", Bytes: 400, Bar: 600},
		{Name: "large", Bytes: 700, Bar: 600},
		{Name: "broken", Error: "no answer"},
	})
	if lines[0].Ratio != 0.9 || lines[1].Ratio != 0.8125 || lines[0].CPURatio != 2 {
		t.Errorf("medians: %v, %v, %v", lines[0].Ratio, lines[1].Ratio, lines[0].CPURatio)
	}
	for i, want := range []bool{true, false, false, true, false, false} {
		if lines[i].OK() != want {
			t.Errorf("%s: OK is %v", lines[i].Name, !want)
		}
	}
	var b strings.Builder
	if err := WriteTable(&b, lines); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0.90", "400 B", "failed: no answer"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, b.String())
		}
	}
}
