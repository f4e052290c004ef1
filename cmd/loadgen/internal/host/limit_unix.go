//go:build unix

package host

import (
	"fmt"
	"syscall"
)

// spareDescriptors is what a process needs beside its sockets.
const spareDescriptors = 32

// Descriptors makes sure that n sockets can be open at once.
func Descriptors(n int) error {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("read the descriptor limit: %w", err)
	}
	// Signed on some systems, and there negative where there is no limit.
	if need := n + spareDescriptors; uint64(need) > uint64(lim.Cur) {
		return fmt.Errorf("%d connections need %d descriptors, the limit is %d (ulimit -n)", n, need, lim.Cur)
	}
	return nil
}

// setReceiveBuffer bounds what the system holds of what a socket has not read.
func setReceiveBuffer(fd uintptr, bytes int) error {
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes)
}
