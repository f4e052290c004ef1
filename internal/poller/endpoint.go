package poller

import "net"

// AdoptConn takes over any stream connection for a portable loop. Given to an epoll loop it is adopted there as
// by Adopt.
func AdoptConn(c net.Conn) Endpoint { return Endpoint{conn: c} }
