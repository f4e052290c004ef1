//go:build unix

package wsconn

import "syscall"

// descriptorLimit returns how many descriptors the process may have, which Go has raised to what it may be raised to; 0
// where that is no limit.
func descriptorLimit() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || uint64(r.Cur) > 1<<30 {
		return 0
	}
	return int(r.Cur)
}
