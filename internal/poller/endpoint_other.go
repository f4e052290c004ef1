//go:build !linux

package poller

import (
	"fmt"
	"net"
)

func newBackend(l *Loop) (backend, error) { return newPortable(l), nil }

// Adopt takes c over for a loop.
func Adopt(c net.Conn) (Endpoint, error) { return Endpoint{conn: c}, nil }

// AdoptFD is available on Linux only.
func AdoptFD(fd int) (Endpoint, error) {
	return Endpoint{}, fmt.Errorf("adopt descriptor %d: %w", fd, ErrUnsupported)
}

// outq would say what the system itself holds.
func outq(net.Conn) int { return 0 }

// Close closes an endpoint that was not attached.
func (ep Endpoint) Close() {
	if ep.conn != nil {
		_ = ep.conn.Close()
	}
}
