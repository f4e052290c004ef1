package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/bench"
)

// benchPrograms makes a node, a load generator without the race detector, with which
// each case would take thrice as long, and its raw server as the reference server: what
// the other one says is tested beside it, and needs modules that the project does not.
func benchPrograms(t *testing.T) (node, load, peer string) {
	t.Helper()
	dir := t.TempDir()
	node, load, peer = filepath.Join(dir, "hoshi"), filepath.Join(dir, "loadgen"), filepath.Join(dir, "peer")
	for what, to := range map[string]string{"../node": node, ".": load} {
		if out, err := exec.Command("go", "build", "-o", to, what).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", what, err, out)
		}
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s raw-server\n", load)
	if err := os.WriteFile(peer, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return node, load, peer
}

// cores returns two cores that this process may use, or one twice.
func cores(t *testing.T) (server, load string) {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	var all []int
	for i := range 1024 {
		if set.IsSet(i) {
			all = append(all, i)
		}
	}
	return strconv.Itoa(all[0]), strconv.Itoa(all[len(all)-1])
}

// TestBench runs every case with a hundredth of its sockets.
func TestBench(t *testing.T) {
	t.Parallel()
	node, generator, peer := benchPrograms(t)
	server, load := cores(t)
	names, err := exec.Command(generator, "bench", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(names)) {
		name = strings.TrimSpace(name)
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "bench.json")
			cmd, out, errs := program(generator, "bench", "--node", node, "--peer", peer, "--server-cpu", server, "--load-cpu", load, "--scale", "100",
				"--rounds", "1", "--pairs", "1", "-d", "100ms", "--hold", "50ms", "--counter", "none", "--only", name, "--json", to)
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s%s", err, out, errs)
			}
			r, err := bench.ReadReport(to)
			if err != nil || len(r.Lines) != 1 {
				t.Fatalf("got %+v, %v", r, err)
			}
			l := r.Lines[0]
			if l.Name != name || len(l.Measures) == 0 || !strings.Contains(out.String(), name) {
				t.Errorf("got %+v\n%s", l, out)
			}
			for _, m := range l.Measures { // memory may well have shrunk
				if m.Value == 0 || (m.Ratio <= 0) != (l.Against == "") {
					t.Errorf("%s: got %+v", m.What, m)
				}
			}
		})
	}
}

// TestBenchWithoutReference holds that what cannot be compared is left out, and that
// --check does not take that for good.
func TestBenchWithoutReference(t *testing.T) {
	t.Parallel()
	const name = "round trips on 500 connections"
	cmd, out, errs := loadgen("bench", "--node", "/bin/true", "--counter", "none", "--only", name, "--json", filepath.Join(t.TempDir(), "b.json"))
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "left out: needs a reference server") {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
	cmd, out, errs = loadgen("bench", "--node", "/bin/true", "--counter", "none", "--only", name, "--check")
	if err := cmd.Run(); exitCode(err) != exitFailed {
		t.Errorf("--check passes what was not measured: %v\n%s%s", err, out, errs)
	}
}

func TestBenchRefuses(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "b.json")
	if err := os.WriteFile(broken, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		args []string
		code int
		want string
	}{
		{name: "no case", args: []string{"--node", "/bin/true", "--counter", "none", "--only", "nothing"}, code: exitFailed, want: `no case is named "nothing"`},
		{name: "no node", args: []string{"--node", "/nonexistent", "--counter", "none"}, code: exitFailed, want: "benchmark needs /nonexistent"},
		{name: "no file", args: []string{"--markdown", "/nonexistent.json"}, code: exitUsage, want: "/nonexistent.json"},
		{name: "another file", args: []string{"--markdown", broken}, code: exitUsage, want: "b.json: json: cannot unmarshal array"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cmd, _, errs := loadgen(append([]string{"bench"}, tc.args...)...)
			if code := exitCode(cmd.Run()); code != tc.code || !strings.Contains(errs.String(), tc.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tc.code, tc.want, errs)
			}
		})
	}
}

func TestBenchMarkdown(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "b.json")
	b, err := json.Marshal(bench.Report{Lines: []bench.Line{{Name: "idle, 15,000 on one channel", Measures: []bench.Measured{{What: "bytes of RSS", Value: 380}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, out, errs := loadgen("bench", "--markdown", file)
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "| idle, 15,000 on one channel | bytes of RSS | 380 |") {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
}
