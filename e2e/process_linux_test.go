package e2e

import "syscall"

// childAttr ties a child to the test: should the test die without cleaning up,
// the kernel ends the child.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
