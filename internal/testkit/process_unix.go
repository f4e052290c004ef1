//go:build unix

package testkit

import (
	"errors"
	"syscall"
	"testing"
)

// Stop makes the process stand still, and returns when it does. Continue lets it
// go on.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil || !status.Stopped():
			t.Fatalf("nats process does not stop: %v, status %v", err, status)
		default:
			return
		}
	}
}

// Continue undoes Stop.
func (p *Process) Continue(t testing.TB) { p.signal(t, syscall.SIGCONT) }

func (p *Process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal nats process: %v", err)
	}
}

// wake lets it go on, if it is still there.
func (p *Process) wake() { _ = p.cmd.Process.Signal(syscall.SIGCONT) }
