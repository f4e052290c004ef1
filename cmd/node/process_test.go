package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// patience bounds every wait for a process.
const patience = 60 * time.Second

var binary struct {
	sync.Once
	path string
	err  error
}

// hoshi builds the program once and returns its path.
func hoshi(t *testing.T) string {
	t.Helper()
	binary.Do(func() {
		dir, err := os.MkdirTemp("", "hoshi-test-")
		if err != nil {
			binary.err = err
			return
		}
		binary.path = filepath.Join(dir, "hoshi")
		if out, err := exec.Command("go", "build", "-o", binary.path, ".").CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

func TestMain(m *testing.M) {
	testkit.Main(m, func() {
		if binary.path != "" {
			os.RemoveAll(filepath.Dir(binary.path))
		}
	})
}

// environment is what the test runs in, less what would configure hoshi.
func environment(extra ...string) []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "HOSHI_") {
			env = append(env, pair)
		}
	}
	return append(env, extra...)
}

// result is how a program ended.
type result struct {
	code           int
	stdout, stderr string
}

// runHoshi runs the program to its end.
func runHoshi(t *testing.T, env []string, args ...string) result {
	t.Helper()
	return finish(t, env, exec.CommandContext(t.Context(), hoshi(t), args...))
}

func finish(t *testing.T, env []string, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Env = environment(env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	killer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	if err := cmd.Run(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// running is a program that goes on until it is told to end.
type running struct {
	// Fixed after start.
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and all its output is read

	mu struct {
		sync.Mutex
		out     bytes.Buffer
		changed chan struct{} // closed and made anew with each write
	}
}

// Write takes the output; os/exec calls it from one goroutine.
func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.out.Write(p)
	close(r.mu.changed)
	r.mu.changed = make(chan struct{})
	return len(p), nil
}

func (r *running) output() (string, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.out.String(), r.mu.changed
}

// start starts cmd, which is killed at the end of the test if need be.
func start(t *testing.T, env []string, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{cmd: cmd, done: make(chan struct{})}
	r.mu.changed = make(chan struct{})
	cmd.Env = environment(env...)
	cmd.Stdout, cmd.Stderr = r, r
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(r.done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-r.done
		if t.Failed() {
			out, _ := r.output()
			t.Logf("output of %v:\n%s", cmd.Args, out)
		}
	})
	return r
}

// line waits for a line that begins with prefix, spaces aside, and returns what
// follows.
func (r *running) line(t *testing.T, prefix string) string {
	t.Helper()
	line := r.find(t, prefix, strings.HasPrefix)
	return strings.TrimSpace(strings.TrimPrefix(line, prefix))
}

// lineWith waits for a line that holds part and returns it.
func (r *running) lineWith(t *testing.T, part string) string {
	t.Helper()
	return r.find(t, part, strings.Contains)
}

func (r *running) find(t *testing.T, text string, fits func(line, text string) bool) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		out, changed := r.output()
		for line := range strings.Lines(out) {
			if trimmed := strings.TrimSpace(line); fits(trimmed, text) && strings.HasSuffix(line, "\n") {
				return trimmed
			}
		}
		select {
		case <-changed:
		case <-r.done:
			if again, _ := r.output(); again == out {
				t.Fatalf("ended without a line %q", text)
			}
		case <-deadline:
			t.Fatalf("no line %q", text)
		}
	}
}

// signal sends Ctrl-C's signal, or another.
func (r *running) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// ended waits for the end and returns the exit code.
func (r *running) ended(t *testing.T) int {
	t.Helper()
	select {
	case <-r.done:
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("still runs after %v", patience)
		return 0
	}
}
