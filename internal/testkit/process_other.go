//go:build !unix

package testkit

import "testing"

// Stop fails the test: no process stands still here.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	t.Fatal("nats process cannot be stopped on this system")
}

// Continue undoes Stop.
func (p *Process) Continue(testing.TB) {}

func (p *Process) wake() {}
