package poller

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Adopt takes c over for an epoll loop: the descriptor is duplicated and c is closed, so that only one owner is
// left. ErrUnsupported, and c untouched, if c is not a plain socket; AdoptConn serves portable loops.
func Adopt(c net.Conn) (Endpoint, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return Endpoint{}, fmt.Errorf("adopt %T: %w", c, ErrUnsupported)
	}
	fd, err := dup(sc)
	if err != nil {
		return Endpoint{}, fmt.Errorf("poller: adopt: %w", err)
	}
	_ = c.Close()
	return Endpoint{fd: fd}, nil
}

// AdoptFD takes over a connected stream socket by its descriptor, for an epoll loop.
func AdoptFD(fd int) (Endpoint, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return Endpoint{}, fmt.Errorf("poller: adopt descriptor %d: %w", fd, err)
	}
	return Endpoint{fd: fd}, nil
}

// dup duplicates the descriptor without touching the mode that the original shares with it.
func dup(sc syscall.Conn) (int, error) {
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	fd := -1
	cerr := raw.Control(func(orig uintptr) {
		fd, err = unix.FcntlInt(orig, unix.F_DUPFD_CLOEXEC, 0)
	})
	if cerr != nil {
		return 0, cerr
	}
	return fd, err
}

// outq returns how many bytes the system holds for c that the peer has not acknowledged, 0 where it cannot tell.
func outq(c net.Conn) (n int) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if q, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			n = q
		}
	})
	return n
}

// Close closes an endpoint that was not attached.
func (ep Endpoint) Close() {
	switch {
	case ep.conn != nil:
		_ = ep.conn.Close()
	case ep.fd > 0:
		_ = unix.Close(ep.fd)
	}
}
