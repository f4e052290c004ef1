package load

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// portLater makes the system choose the local port when it knows where the
// connection goes. Chosen by bind, a port would serve one destination instead of
// each, so several servers would share the 28,000 ports of a source.
func portLater(_, _ string, raw syscall.RawConn) error {
	var err error
	cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
	if cerr != nil {
		return cerr
	}
	return err
}
