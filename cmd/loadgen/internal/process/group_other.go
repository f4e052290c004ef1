//go:build !unix

package process

import "syscall"

// OwnGroup does nothing on this system.
func OwnGroup() *syscall.SysProcAttr { return nil }
