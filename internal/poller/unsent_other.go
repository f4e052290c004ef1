//go:build !linux

package poller

import "net"

// limitUnsentOf would bound what the system takes for a socket.
func limitUnsentOf(net.Conn, int) {}
