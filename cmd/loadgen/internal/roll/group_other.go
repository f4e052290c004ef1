//go:build !unix

package roll

import "syscall"

func ownGroup() *syscall.SysProcAttr { return nil }
