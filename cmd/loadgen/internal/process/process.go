package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// EndWait is how long a process may take to end before it is killed.
const EndWait = 15 * time.Second

const (
	look    = 10 * time.Millisecond // between two looks whether it is ready
	askTime = 5 * time.Second
	mostAsk = 1 << 20 // bytes of an answer that are read
)

// Process is a server with an admin listener. Any goroutine.
type Process struct {
	name, admin, log string
	cmd              *exec.Cmd
	client           http.Client
	ended            chan struct{} // closed when it is gone
}

// Start starts cmd out of the terminal's reach, with its output in log, which is the
// caller's, who may close it. name stands in errors; admin is the address of its admin
// listener. Stop must follow.
func Start(name string, cmd *exec.Cmd, log *os.File, admin string) (*Process, error) {
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = OwnGroup()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{name: name, admin: admin, log: log.Name(), cmd: cmd, ended: make(chan struct{})}
	p.client = http.Client{Timeout: askTime, Transport: &http.Transport{DisableKeepAlives: true}}
	go func() { // ends with the process, which Stop sees to
		_ = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// PID returns its id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Get asks the admin listener for a path; 200 alone is no error.
func (p *Process) Get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+path, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAsk))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", p.name, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answers %s", p.name, resp.Status)
	}
	return body, nil
}

// Await returns when Get has an answer that is good; nil is any. It ends with the
// process, and with ctx.
func (p *Process) Await(ctx context.Context, path string, good func(body []byte) bool) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if body, err := p.Get(ctx, path); err == nil && (good == nil || good(body)) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("%s ended at once, see %s: %s", p.name, p.log, lastLine(p.log))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready, see %s: %w", p.name, p.log, context.Cause(ctx))
		}
	}
}

// End sends a signal and returns when the process has ended: with exit code 0, or an
// error. When ctx ends before, it goes on.
func (p *Process) End(ctx context.Context, signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	select {
	case <-p.ended:
	case <-ctx.Done():
		return fmt.Errorf("%s does not end, see %s: %w", p.name, p.log, context.Cause(ctx))
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with exit code %d, see %s", p.name, code, p.log)
	}
	return nil
}

// Stop ends it at once, whether it runs or not, and waits for it. It may be called
// again.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	late := time.NewTimer(EndWait)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// lastLine returns the last line of a log, as far as that can be had.
func lastLine(file string) string {
	b, _ := os.ReadFile(file)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// FreePorts returns loopback addresses that nobody listens on at the moment.
func FreePorts(count int) (addrs []string, err error) {
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(errors.New("find a free port"), err)
		}
		defer func() { _ = l.Close() }() // all at the end, so that no two are the same
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}

// TempDir makes a directory for logs; remove it with os.RemoveAll.
func TempDir() (string, error) { return os.MkdirTemp("", "hoshi-bench-") }
