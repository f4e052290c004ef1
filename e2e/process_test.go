package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait for a process.
const patience = 60 * time.Second

// process is a child of the test. Its output is kept for the report of a
// failure, and its lines can be waited for.
type process struct {
	// Fixed after start.
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and all its output is read

	mu struct {
		sync.Mutex
		out     bytes.Buffer
		partial []byte
		lines   chan string
	}
}

// start runs a program. It is killed at the end of the test life, which is t
// or one around it, if it still runs then.
func start(t, life *testing.T, name, dir string, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.mu.lines = make(chan string, 4096)
	p.cmd.Dir = dir
	p.cmd.Env = append(cleanEnv(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = childAttr()
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	life.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		out := p.output()
		if strings.Contains(out, "DATA RACE") {
			life.Errorf("%s: the race detector speaks", name)
		}
		if life.Failed() {
			life.Logf("output of %s (%v):\n%s", name, p.cmd.ProcessState, tail(out, 6<<10))
		}
	})
	return p
}

// cleanEnv is the environment less what would configure a node.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "HOSHI_") {
			env = append(env, kv)
		}
	}
	return env
}

// Write takes the output of the child; os/exec calls it from one goroutine.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.out.Write(b)
	p.mu.partial = append(p.mu.partial, b...)
	for {
		i := bytes.IndexByte(p.mu.partial, '\n')
		if i < 0 {
			return len(b), nil
		}
		select {
		case p.mu.lines <- string(p.mu.partial[:i]):
		default: // nobody reads the lines of this one
		}
		p.mu.partial = p.mu.partial[i+1:]
	}
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.out.String()
}

// next returns the next line, or false when the child has ended and all its
// lines are taken.
func (p *process) next(t *testing.T) (string, bool) {
	t.Helper()
	select {
	case line := <-p.mu.lines:
		return line, true
	default:
	}
	select {
	case line := <-p.mu.lines:
		return line, true
	case <-p.done:
		select {
		case line := <-p.mu.lines:
			return line, true
		default:
			return "", false
		}
	case <-time.After(patience):
		t.Fatalf("%s: silent for %v", p.name, patience)
		return "", false
	}
}

// await returns when the child has printed this very line.
func (p *process) await(t *testing.T, want string) {
	t.Helper()
	for {
		line, ok := p.next(t)
		if !ok {
			t.Fatalf("%s ended before it printed %q", p.name, want)
		}
		if line == want {
			return
		}
	}
}

// ended waits for the end and returns the exit code (-1: by a signal).
func (p *process) ended(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s: still runs after %v", p.name, patience)
		return 0
	}
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
