package k8s_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything here may take on a busy machine.
const patience = 60 * time.Second

// programs is the folder of what the images hold, built from this tree once for
// all tests, and removed by TestMain.
var programs string

var compiled = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "deploy-check-k8s-")
	if err != nil {
		return err
	}
	programs = dir
	for name, pkg := range map[string]string{"hoshi": "./cmd/node", "nats-server": "github.com/nats-io/nats-server/v2"} {
		cmd := exec.Command("go", "build", "-C", repository, "-o", filepath.Join(dir, name), pkg)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	return nil
})

// program is the path of one of them.
func program(t *testing.T, name string) string {
	t.Helper()
	if err := compiled(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programs, name)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if programs != "" {
		os.RemoveAll(programs)
	}
	os.Exit(code)
}

// process is a program with nothing in its environment but what it is given.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	out  output
}

// output keeps what a program writes; os/exec writes, tests read.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs a program until the test ends, or it does.
func start(t *testing.T, env map[string]string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Env = []string{}
	for k, v := range env {
		p.cmd.Env = append(p.cmd.Env, k+"="+v)
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the program
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s %v:\n%s", filepath.Base(name), args, p.out.String())
		}
	})
	return p
}

// ends waits for its end, and returns the exit code.
func (p *process) ends(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		t.Fatalf("it has not ended after %v:\n%s", within, p.out.String())
		return -1
	}
}

// signal asks it to end as a kubelet does.
func (p *process) signal(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// hears waits until the process has said text, has ended, or has had its time.
func (p *process) hears(text string) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && !strings.Contains(p.out.String(), text); {
		select {
		case <-p.done:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// run runs a program to its end.
func run(t *testing.T, env map[string]string, name string, args ...string) (code int, out string) {
	t.Helper()
	p := start(t, env, name, args...)
	code = p.ends(t, patience)
	return code, p.out.String()
}

// eventually asks until the answer is yes. The answer says why it is no. A
// process that ends meanwhile ends the wait.
func eventually(t *testing.T, what string, of *process, ok func() error) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if last = ok(); last == nil {
			return
		}
		select {
		case <-of.done:
			t.Fatalf("%s: the process has ended: %v\n%s", what, last, of.out.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("%s: %v", what, last)
}

// asked fetches a page.
func asked(url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(text), err
}

// answers is asked as a probe asks.
func answers(url string) error {
	status, body, err := asked(url)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", url, status, body)
	}
	return err
}

// hosts counts the addresses that were given away.
var hosts atomic.Uint32

// freeAddrs are n addresses on which nobody listens: each has a host of its own
// below 127, so nobody takes its port before it is listened on.
func freeAddrs(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		host := fmt.Sprintf("127.%d.%d.%d", 128+os.Getpid()>>8&127, os.Getpid()&255, hosts.Add(1))
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, l.Addr().String())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return addrs
}
