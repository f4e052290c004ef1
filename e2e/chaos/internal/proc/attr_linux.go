package proc

import "syscall"

// attributes tie a process to the run, should that die without cleaning up, and
// take it out of the terminal's group, so that an interrupt reaches the run alone.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
