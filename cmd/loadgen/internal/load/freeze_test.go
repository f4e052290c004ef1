//go:build unix

package load_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
)

// TestStoppedServerShowsInP99 stops the server's process for one second of a run
// of 30 at a fixed rate. Of the messages 3.3 % are due in that second and wait up
// to 1,000 ms, so the worst 1 % of all wait 700 ms and more. A client that did not
// send meanwhile, or counted from the actual send, would see one slow message.
func TestStoppedServerShowsInP99(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}

	signal := func(s os.Signal) {
		if err := cmd.Process.Signal(s); err != nil {
			t.Errorf("signal: %v", err)
		}
	}
	stopped := make(chan struct{}) // closed when the server goes on again
	begun := false
	const rate, duration = 200, 30 * time.Second
	res, err := load.Run(t.Context(), load.Options{
		Scenario:    load.Fanout,
		URLs:        []string{"ws://" + strings.TrimSpace(addr) + "/"},
		Connections: 20,
		Rate:        rate,
		Duration:    duration,
		Progress: func(p load.Progress) {
			if begun || p.Phase != "measure" || p.Done < 10_000 {
				return
			}
			begun = true
			signal(syscall.SIGSTOP)
			time.AfterFunc(time.Second, func() {
				signal(syscall.SIGCONT)
				close(stopped)
			})
		},
	})
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	<-stopped
	q := res.Latency
	t.Logf("latency: %+v", q)
	if want := int64(rate * duration.Seconds()); res.Sent != want || res.Deliveries != 20*want {
		t.Errorf("sent %d, %d deliveries, want %d and %d: the schedule goes on while the server does not", res.Sent, res.Deliveries, want, 20*want)
	}
	if q.P99 < 500 || q.Max < 900 {
		t.Errorf("p99 is %.1f ms, longest %.1f ms: want at least 500 and 900", q.P99, q.Max)
	}
	if q.P50 > 250 {
		t.Errorf("p50 is %.1f ms: one second of thirty must not show there", q.P50)
	}
}
