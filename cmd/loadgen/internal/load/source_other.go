//go:build !linux

package load

import "syscall"

// portLater has no counterpart here.
func portLater(string, string, syscall.RawConn) error { return nil }
