package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build builds a main package of this module, or one that it requires, into out.
func Build(out, pkg string) error {
	if msg, err := exec.Command("go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, msg)
	}
	return nil
}

// Process is a program that is started again and again on the same addresses.
// All methods are safe for concurrent use.
type Process struct {
	// Fixed after New.
	Name string
	log  string
	argv []string

	mu struct {
		sync.Mutex
		cmd   *exec.Cmd
		ended chan struct{} // closed when cmd has been waited for
	}
}

// New describes a process; argv[0] is the program. Its output is appended to a
// file in dir, over all its lives.
func New(name, dir string, argv ...string) *Process {
	return &Process{Name: name, log: filepath.Join(dir, name+".log"), argv: argv}
}

// Start starts it. It must not run.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	ended := make(chan struct{})
	p.mu.cmd, p.mu.ended = cmd, ended
	go func() { // ends with the process
		_ = cmd.Wait() // how it ended is in its log, and mostly by a signal
		close(ended)
	}()
	return nil
}

// environment is that of the run less what would configure a node.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "HOSHI_") {
			env = append(env, kv)
		}
	}
	return env
}

// Running says whether it has been started and has not ended.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.cmd == nil {
		return false
	}
	select {
	case <-p.mu.ended:
		return false
	default:
		return true
	}
}

// Pid is the id of the process, 0 where it does not run.
func (p *Process) Pid() int {
	if !p.Running() {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.cmd.Process.Pid
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.cmd == nil {
		return fmt.Errorf("signal %s: not started", p.Name)
	}
	if err := p.mu.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// End sends a signal that ends it and waits until it has ended; after patience it
// is killed, which is an error.
func (p *Process) End(s os.Signal, patience time.Duration) error {
	if !p.Running() {
		return nil
	}
	if err := p.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	p.mu.Lock()
	cmd, ended := p.mu.cmd, p.mu.ended
	p.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
	}
	_ = cmd.Process.Signal(syscall.SIGCONT)
	_ = cmd.Process.Kill() // it may have ended in between
	<-ended
	return fmt.Errorf("%s did not end within %v of %v", p.Name, patience, s)
}

// Tail is the end of its output, of so many bytes at most.
func (p *Process) Tail(n int64) string {
	f, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	at := max(info.Size()-n, 0)
	b := make([]byte, info.Size()-at)
	read, _ := f.ReadAt(b, at)
	return string(b[:read])
}

// Usage is what the system says of a process.
type Usage struct {
	RSS         int64 // bytes
	MaxRSS      int64 // the most there has ever been
	Descriptors int
}

// Usage reads what the process uses now.
func (p *Process) Usage() (Usage, error) {
	dir := "/proc/" + strconv.Itoa(p.Pid())
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return Usage{}, err
	}
	fds, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return Usage{}, err
	}
	u := Usage{Descriptors: len(fds)}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		switch name {
		case "VmRSS":
			u.RSS = kib << 10
		case "VmHWM":
			u.MaxRSS = kib << 10
		}
	}
	return u, nil
}
