package poller

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitUnsent has the system take nothing more for a socket once n bytes wait to be sent, and call it writable at less
// than half of that. A socket that is none of TCP does not know it, and goes without.
//
// It is set on each socket: of a listener that takes Multipath TCP, as Go's do, those that are accepted do not inherit it.
func limitUnsent(fd, n int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, n)
}

// limitUnsentOf is limitUnsent for a connection of package net.
func limitUnsentOf(c net.Conn, n int) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { limitUnsent(int(fd), n) })
}
