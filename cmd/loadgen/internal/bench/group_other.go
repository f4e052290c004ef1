//go:build !unix

package bench

import "syscall"

// OwnGroup does nothing on this system.
func OwnGroup() *syscall.SysProcAttr { return nil }
