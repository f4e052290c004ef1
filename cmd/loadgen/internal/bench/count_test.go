package bench

import (
	"maps"
	"testing"
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
