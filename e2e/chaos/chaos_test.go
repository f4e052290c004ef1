package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/netns"
	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/proc"
)

// mayNetns says whether this test may make network namespaces, and run the
// partitions. Continuous integration may.
func mayNetns() bool { return runtime.GOOS == "linux" && os.Geteuid() == 0 }

func chaos(t *testing.T, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "chaos")
	if err := proc.Build(bin, "github.com/hoshi-ws/hoshi/e2e/chaos"); err != nil {
		t.Fatal(err)
	}
	if !mayNetns() {
		args = append(args, "--no-netns")
	}
	cmd := exec.Command(bin, append(args, "--dir", t.TempDir())...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, bufio.NewScanner(out)
}

// children are the processes that a process has started, and theirs.
func children(t *testing.T, pid int) []int {
	t.Helper()
	var found []int
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if len(f) > 1 && f[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, child)
		}
	}
	return found
}

// An interrupt in the middle of a fault ends everything: no process, no namespace,
// no link is left.
func TestInterruptLeavesNothing(t *testing.T) {
	only := "kill-nats"
	if mayNetns() {
		only = "part-node-long"
	}
	cmd, lines := chaos(t, "--time", "5m", "--clients", "60000", "--only", only)
	var started []int
	tag := ""
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "  run "); ok {
			tag, _, _ = strings.Cut(rest, ",")
		}
		if strings.Contains(lines.Text(), only+": ") {
			started = children(t, cmd.Process.Pid)
			break
		}
	}
	if tag == "" || len(started) < nodes+servers-1 { // one may be killed at the moment
		t.Fatalf("processes %v; %v", started, lines.Err())
	}
	if mayNetns() {
		if left, err := netns.Left(tag); err != nil || len(left) == 0 {
			t.Errorf("namespaces during the run: %q, %v", left, err)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		t.Log(lines.Text())
	}
	if err := cmd.Wait(); err == nil {
		t.Error("an interrupted run ended as if all was well")
	}
	for _, pid := range started {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d is left", pid)
		}
	}
	if mayNetns() {
		if left, err := netns.Left(tag); err != nil || len(left) != 0 {
			t.Errorf("left: %q, %v", left, err)
		}
	}
}

// What cannot be run is said at once.
func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{name: "unknown flag", args: []string{"--nonsense"}, want: "nonsense"},
		{name: "argument", args: []string{"3m"}, want: `unexpected argument "3m"`},
		{name: "no time", args: []string{"--time", "1ms"}, want: "--time"},
		{name: "too many", args: []string{"--open", "100000"}, want: "--open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if code := command(t.Context(), tt.args, &out); code != exitUsage || !strings.Contains(out.String(), tt.want) {
				t.Errorf("code %d, %s", code, &out)
			}
		})
	}
}

// The schedule depends on the seed alone.
func TestDeck(t *testing.T) {
	o := &options{seed: 7}
	c := fakeCluster()
	texts := func() (list []string) {
		d, err := newDeck(c, o)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for range len(d.usual) {
			f := d.next()
			if seen[f.kind] {
				t.Errorf("%s twice in one round", f.kind)
			}
			seen[f.kind] = true
			list = append(list, f.text+f.lasts.String())
		}
		return list
	}
	a, b := texts(), texts()
	if strings.Join(a, "|") != strings.Join(b, "|") {
		t.Errorf("\n%q\n%q", a, b)
	}
	o.seed = 8
	if c := texts(); strings.Join(a, "|") == strings.Join(c, "|") {
		t.Error("another seed has the same schedule")
	}
	if _, err := newDeck(c, &options{only: []string{"flood"}}); err == nil {
		t.Error("an unknown fault is taken")
	}
	if _, err := newDeck(c, &options{only: []string{"part-node"}}); err == nil {
		t.Error("a partition is taken without namespaces")
	}
}

// fakeCluster has names only.
func fakeCluster() *cluster {
	c := &cluster{}
	for i := range nodes {
		c.nodes = append(c.nodes, &node{number: i, Process: proc.New("node-"+strconv.Itoa(i+1), "", "true")})
	}
	for i := range servers {
		c.nats = append(c.nats, &natsServer{Process: proc.New("nats-"+strconv.Itoa(i+1), "", "true")})
	}
	return c
}

// A short run through every fault without namespaces but the long ones, so that
// the program itself is tested where it is changed.
func TestShortRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	args := []string{
		"--time", "15s", "--clients", "1500", "--seed", "5", "--no-netns", "--dir", t.TempDir(),
		"--only", "kill-node,end-node,kill-nats,nats-reset,client-cut",
	}
	if code := command(ctx, args, t.Output()); code != exitFine {
		t.Errorf("code %d", code)
	}
}
