package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// runEnv makes the test binary the program itself, and all that it starts of itself;
// nodes among what it starts take no unknown variable of their own prefix.
const runEnv = "LOADGEN_TEST_RUN"

func TestMain(m *testing.M) {
	// The raw server is started as this executable with its own arguments.
	if os.Getenv(runEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// loadgen prepares the program in a process of its own.
func loadgen(args ...string) (cmd *exec.Cmd, out, errs *bytes.Buffer) {
	cmd, out, errs = program(os.Args[0], args...)
	cmd.Env = append(os.Environ(), runEnv+"=1")
	return cmd, out, errs
}

// program prepares any other.
func program(path string, args ...string) (cmd *exec.Cmd, out, errs *bytes.Buffer) {
	cmd = exec.Command(path, args...)
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, errs
	return cmd, out, errs
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

func TestCeiling(t *testing.T) {
	t.Parallel()
	cmd, out, errs := loadgen("ceiling", "-n", "50", "-d", "300ms", "--warmup", "50ms", "--server-cpu=-1")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	var res report.Result
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		t.Fatalf("standard output is not JSON: %v\n%s", err, out)
	}
	if res.Scenario != "ceiling" || res.Deliveries == 0 || res.Deliveries != 50*res.Sent || res.Server.CPUSeconds <= 0 {
		t.Errorf("got %+v", res)
	}
	for _, want := range []string{"connect: ", "measure: ", "latency  ", "server cpu"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("standard error lacks %q:\n%s", want, errs)
		}
	}
	// The raw server has ended with us: nothing has its pid, or something else.
	if err := syscall.Kill(res.Server.PID, 0); err == nil {
		if b, _ := os.ReadFile("/proc/" + strconv.Itoa(res.Server.PID) + "/cmdline"); bytes.Contains(b, []byte("raw-server")) {
			t.Error("the raw server is left behind")
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	const first, second = "internal/report/testdata/first.json", "internal/report/testdata/second.json"
	cases := []struct {
		name string
		args []string
		code int
		want string
	}{
		{name: "help", args: []string{"--help"}, code: 0},
		{name: "nothing", code: exitUsage, want: "expected one of"},
		{name: "unknown flag", args: []string{"idle", "--nonsense"}, code: exitUsage, want: "--nonsense"},
		{name: "wrong value", args: []string{"idle", "-n", "0"}, code: exitUsage, want: "connections: 0"},
		{name: "unknown dialect", args: []string{"idle", "--dialect=sente-lite=70,x=1"}, code: exitUsage, want: "there is: sente-lite"},
		{name: "no file", args: []string{"run"}, code: exitUsage, want: "want a scenario file"},
		{name: "file that is not there", args: []string{"run", "/nonexistent.edn"}, code: exitUsage, want: "/nonexistent.edn"},
		{name: "flags before the file", args: []string{"run", "-n", "3", "x.edn"}, code: exitUsage, want: "want a scenario file"},
		{name: "help of run", args: []string{"run", "--help"}, code: 0},
		{name: "compare", args: []string{"compare", first, second}, code: 0, want: "warning: fanout: the settings differ: in_flight: 4, 16"},
		{name: "compare with itself", args: []string{"compare", first, first, "--fail-worse=0"}, code: 0},
		{name: "compare to something worse", args: []string{"compare", first, second, "--fail-worse=10"}, code: exitFailed, want: "worse by more than 10 %:\n  storm: connect p99 ms: "},
		{name: "compare with a percentage that is none", args: []string{"compare", first, second, "--fail-worse=-1"}, code: exitUsage, want: "want a percentage"},
		{name: "compare with nothing", args: []string{"compare", first, "main_test.go"}, code: exitUsage, want: "main_test.go: no results"},
		{name: "unreachable", args: []string{"idle", "--url", "ws://127.0.0.1:1/", "-n", "1"}, code: exitFailed, want: "connect to 127.0.0.1:1: connection refused"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cmd, _, errs := loadgen(tc.args...)
			if code := exitCode(cmd.Run()); code != tc.code || !strings.Contains(errs.String(), tc.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tc.code, tc.want, errs)
			}
		})
	}
}

func TestInterruptPrintsTheSummarySoFar(t *testing.T) {
	t.Parallel()
	cmd, out, _ := loadgen("ceiling", "-n", "5", "-d", "1h", "--warmup", "0s", "--server-cpu=-1")
	pipe, pipeW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pipe.Close() }()
	cmd.Stderr = pipeW
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = pipeW.Close()
	guard := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	var seen strings.Builder
	buf := make([]byte, 4096)
	sent := false
	for {
		n, err := pipe.Read(buf)
		seen.Write(buf[:n])
		if !sent && strings.Contains(seen.String(), "measure: 1 of") {
			sent = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}
		if err != nil {
			break
		}
	}
	if code := exitCode(cmd.Wait()); code != exitInterrupted {
		t.Errorf("exit code %d, want %d:\n%s", code, exitInterrupted, seen.String())
	}
	var res report.Result
	if err := json.Unmarshal(out.Bytes(), &res); err != nil || !res.Interrupted || res.Deliveries == 0 {
		t.Errorf("got %+v, %v", res, err)
	}
	if !strings.Contains(seen.String(), "ceiling (interrupted: so far)") {
		t.Errorf("no summary:\n%s", seen.String())
	}
}
