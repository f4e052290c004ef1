package host

import "golang.org/x/sys/unix"

// portLater makes the system choose the local port when it knows where the
// connection goes. Chosen by bind, a port would serve one destination instead of
// each, so several servers would share the 28,000 ports of a source.
func portLater(fd uintptr) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
}
