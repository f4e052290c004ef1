//go:build unix

package process

import "syscall"

// OwnGroup keeps a child process out of the terminal's signals: Ctrl-C is for
// whoever started it, who needs the child to the end.
func OwnGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
