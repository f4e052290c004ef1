package proxyproto

import (
	"net"
	"net/netip"
	"sync/atomic"
)

// Listen returns a listener of TCP connections that takes a header off those whose peers required reports true for.
// Accept does not wait for it: the first Read does. An [*Error] of Read is a header that is none. required is called on
// the goroutine of Accept.
func Listen(ln net.Listener, required func(peer netip.Addr) bool) net.Listener {
	return &listener{ln, required}
}

type listener struct {
	net.Listener
	required func(netip.Addr) bool
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*net.TCPConn); ok && l.required(peer(t)) {
		return &conn{TCPConn: t, awaited: true}, nil
	}
	return c, nil
}

func peer(c *net.TCPConn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// conn is a connection that begins with a header.
type conn struct {
	*net.TCPConn

	// Owned by who reads.
	awaited bool
	err     error
	rest    []byte // read behind the header

	source atomic.Pointer[net.TCPAddr] // what it says; nil before, and where that is nothing
}

// Read returns what follows the header. One goroutine at a time.
func (c *conn) Read(p []byte) (int, error) {
	if c.awaited {
		if c.err == nil {
			c.err = c.readHeader()
		}
		if c.err != nil {
			return 0, c.err
		}
		c.awaited = false
	}
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		if c.rest = c.rest[n:]; len(c.rest) == 0 {
			c.rest = nil
		}
		return n, nil
	}
	return c.TCPConn.Read(p)
}

func (c *conn) readHeader() error {
	buf := make([]byte, 512)
	have := 0
	for {
		n, err := c.TCPConn.Read(buf[have:])
		have += n
		if n > 0 {
			h, length, bad := Parse(buf[:have])
			switch {
			case bad != nil:
				return bad
			case length > 0:
				if h.Source.IsValid() {
					c.source.Store(net.TCPAddrFromAddrPort(h.Source))
				}
				c.rest = buf[length:have]
				return nil
			}
		}
		if err != nil {
			return err
		}
		if have == len(buf) { // Parse bounds what it waits for
			buf = append(buf, make([]byte, have)...)
		}
	}
}

// RemoteAddr returns the address that the header says, once it is read. Any goroutine.
func (c *conn) RemoteAddr() net.Addr {
	if a := c.source.Load(); a != nil {
		return a
	}
	return c.TCPConn.RemoteAddr()
}
