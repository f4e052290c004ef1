package wsconn

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/hoshi-ws/hoshi/internal/poller"
	"github.com/hoshi-ws/hoshi/internal/proxyproto"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// secure makes of a listener one that speaks TLS, and takes headers of PROXY off before: the loops do not see those.
func secure(ln net.Listener, o *Options) net.Listener {
	if len(o.ProxyFrom) > 0 {
		ln = proxyproto.Listen(ln, func(peer netip.Addr) bool { return within(o.ProxyFrom, peer) })
	}
	return poller.Secure(ln, o.TLS)
}

func within(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Steps of a connection that must begin with a header of PROXY, in inbound.
const (
	proxyAwaited uint8 = iota + 1
	proxyTaken
)

// takeProxy takes a header of PROXY off what has come, where there must be one, and returns what is behind it. The peer's
// address is asked for with its first bytes, and only if there are proxies at all.
func (c *Conn) takeProxy(p []byte) (rest []byte, ok bool) {
	from := c.loop.srv.opt.ProxyFrom
	if len(from) == 0 || c.loop.srv.opt.TLS != nil {
		return p, true
	}
	in := c.in
	if in == nil {
		if !within(from, c.RemoteAddr().Addr()) {
			return p, true
		}
		in = c.inbound()
		in.proxy = proxyAwaited
	}
	if in.proxy != proxyAwaited {
		return p, true
	}
	in.msg = append(in.msg, p...)
	h, n, err := proxyproto.Parse(in.msg)
	switch {
	case err != nil:
		// Whoever is there speaks something else; an answer in HTTP could be taken for one to another's request.
		c.noRequest(refusedProxy + int(err.Reason))
		c.end(CloseError, false)
		return nil, false
	case n == 0:
		return nil, false
	}
	in.proxy, in.peer = proxyTaken, h.Source.Addr()
	rest = bytes.Clone(in.msg[n:])
	in.msg = in.msg[:0]
	return rest, len(rest) > 0
}

// introduce completes a request by who sends it.
func (c *Conn) introduce(r *handshake.Request) {
	socket := c.RemoteAddr().Addr()
	if r.Addr = c.in.peer; !r.Addr.IsValid() {
		r.Addr = socket
	}
	if trusted := c.loop.srv.opt.ForwardedFrom; within(trusted, r.Addr) {
		r.Addr = forwardedFor(r, trusted)
	}
	if r.Addr != socket {
		if c.loop.clients == nil {
			c.loop.clients = map[*Conn]netip.Addr{}
		}
		c.loop.clients[c] = r.Addr
	}
	if c.loop.srv.opt.TLS != nil {
		r.Certificate = c.loop.p.Certificate(&c.sock)
	}
}

// maxForwarded bounds the proxies that are walked past.
const maxForwarded = 32

// forwardedFor returns the client that X-Forwarded-For names: each proxy appends whom it has the request from, so the list
// is walked from its end, as long as who has appended is trusted. What cannot be read ends it: then the last that could
// be is the client.
func forwardedFor(r *handshake.Request, trusted []netip.Prefix) netip.Addr {
	last, seen := r.Addr, 0
	for _, line := range slices.Backward(slices.Collect(r.Values("X-Forwarded-For"))) { // several lines are one list
		for more := true; more; {
			var entry string
			if i := strings.LastIndexByte(line, ','); i >= 0 {
				line, entry = line[:i], line[i+1:]
			} else {
				entry, more = line, false
			}
			if entry = strings.Trim(entry, " \t"); entry == "" {
				continue
			}
			a, ok := forwardedAddr(entry)
			if seen++; !ok || seen > maxForwarded {
				return last
			}
			if last = a; !within(trusted, a) {
				return a
			}
		}
	}
	return last
}

// forwardedAddr reads an address; some proxies append the port.
func forwardedAddr(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		ap, perr := netip.ParseAddrPort(text)
		if a = ap.Addr(); perr != nil {
			if a, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err != nil || text[0] != '[' {
				return a, false
			}
		}
	}
	return a.Unmap(), a.Zone() == ""
}

// brokenOff counts a connection that ended before its request, by what its reader says.
func (c *Conn) brokenOff(err error) {
	if c.state != stateHead {
		return
	}
	why := refusedEOF
	if fault, ok := errors.AsType[*proxyproto.Error](err); ok {
		why = refusedProxy + int(fault.Reason)
	} else if fault, ok := errors.AsType[*poller.TLSError](err); ok {
		why = refusedTLS + int(fault.Reason)
	}
	c.noRequest(why)
}

// Certificate returns the verified certificate of the peer of a connection that Detach has returned, nil where it has
// shown none. Any goroutine.
func Certificate(c net.Conn) *x509.Certificate {
	if d, ok := c.(*detached); ok {
		return d.certificate
	}
	return nil
}

// RemoteAddr returns the client's address, as in handshake.Request; the port is the socket's where the address is, and 0
// where another has told it.
func (d *detached) RemoteAddr() net.Addr {
	if t, ok := d.Conn.RemoteAddr().(*net.TCPAddr); ok && t.AddrPort().Addr().Unmap() == d.peer {
		return t
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.peer, 0))
}
