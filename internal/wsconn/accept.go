package wsconn

import (
	"bytes"
	"crypto/x509"
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/hoshi-ws/hoshi/internal/poller"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// attach makes a connection of an accepted socket.
func (l *loop) attach(ep poller.Endpoint) {
	attached := false
	defer func() {
		if !attached { // NewConn has panicked, too
			l.srv.turnAway()
		}
	}()
	if l.stopping {
		ep.Close()
		return
	}
	c := l.newConn(ep)
	if err := l.p.Attach(ep, (*sockEvents)(c)); err != nil {
		c.state = stateClosed
		l.n.acceptErrors++
		return
	}
	attached = true
	if !l.enter(c) {
		c.end(CloseServer, false)
		return
	}
	l.p.SetTimer(&c.sock, l.srv.opt.HandshakeTimeout) // for the whole head: bytes do not renew it
}

// newConn asks the owner for a connection. If that panics the socket is closed.
func (l *loop) newConn(ep poller.Endpoint) *Conn {
	made := false
	defer func() {
		if !made {
			ep.Close()
		}
	}()
	h, c := l.srv.opt.NewConn()
	c.loop, c.h, c.state = l, h, stateHead
	made = true
	return c
}

// readHead collects the request head. Bytes behind it are kept for after the answer.
func (c *Conn) readHead(p []byte) {
	l := c.loop
	p, ok := c.takeProxy(p)
	if !ok {
		return
	}
	limits := l.srv.limits
	in := c.in
	head, from := p, 0
	if in != nil {
		in.msg = append(in.msg, p...)
		head, from = in.msg, in.seen
	}
	n, err := handshake.End(head, from, limits)
	if err == nil && n == 0 {
		if in == nil {
			in = c.inbound()
			in.msg = append(in.msg[:0], p...)
		}
		in.seen = len(in.msg)
		return
	}
	var r *handshake.Request
	if err == nil {
		r, err = handshake.Parse(head[:n], limits)
	}
	if err != nil {
		c.noRequest(int(err.Reason))
		c.respond(err.AppendResponse(nil))
		return
	}
	l.p.SetTimer(&c.sock, 0)
	rest := bytes.Clone(head[n:])
	in = c.inbound()
	in.msg, in.seen, in.rest = nil, 0, rest
	c.introduce(r)
	if !c.admit(r) {
		return
	}
	c.state = stateRequest
	in.request = r
	// Most answers come during the call, and then epoll need not hear of the pause.
	if c.pause = pauseRequest; len(in.rest) > 0 {
		l.p.PauseRead(&c.sock)
	}
	c.h.OnRequest(r)
	if c.pause != 0 {
		l.p.PauseRead(&c.sock)
	}
}

// takeRequest returns the request that waits for an answer, once.
func (c *Conn) takeRequest() *handshake.Request {
	if c.in == nil {
		return nil
	}
	r := c.in.request
	c.in.request = nil
	return r
}

// Accept answers an upgrade with 101. From here on frames can be sent, and messages come. If the connection has
// ended meanwhile, OnClosed follows. Loop only.
func (c *Conn) Accept(o AcceptOptions) {
	l := c.loop
	if c.state == stateClosed && c.flags&flagWaits != 0 {
		c.flags = c.flags&^flagWaits | flagAccepted
		l.n.open++
		l.n.accepted++
		l.post(job{kind: jobFunc, c: c, fn: func() { l.closed(c, CloseInfo{Code: c.code, Reason: c.reason}) }})
		return
	}
	r := c.takeRequest()
	if c.state != stateRequest || r == nil || !r.Upgrade {
		return
	}
	c.state = stateOpen
	c.flags |= flagAccepted
	c.seen = l.clock()
	c.keep = o.Keepalive
	if o.FullSize {
		c.flags |= flagFullSize
	}
	l.n.open++
	l.n.accepted++
	answer := r.AppendSwitch(make([]byte, 0, 192), o.Subprotocol, c.agree(r, o.Uncompressed))
	c.mu.Lock()
	c.mu.putLocked(&Frame{wire: freeze(answer), bits: frameControl})
	if o.First != nil {
		c.mu.putLocked(o.First)
	}
	c.mu.bits = queueOpen | queueScheduled
	c.mu.Unlock()
	l.dirty = append(l.dirty, c)
	c.startKeepalive()
	c.unpause(pauseRequest)
	if l.draining != nil {
		l.draining.enter(c)
	}
}

// Refuse answers a request with a HTTP response and ends the connection. contentType "" is plain text; headers are
// names and values in turn. Loop only.
func (c *Conn) Refuse(status int, contentType, body string, headers ...string) {
	r := c.takeRequest()
	if c.state != stateRequest || r == nil {
		return
	}
	c.loop.n.refused[refusedHandler]++
	c.loop.demote(c)
	c.respond(handshake.AppendRefusal(nil, status, contentType, body, r.Method != "HEAD", headers...))
}

// respond sends a HTTP response as the last thing.
func (c *Conn) respond(response []byte) {
	c.state = stateClosing
	c.reason = CloseServer
	c.mu.Lock()
	c.mu.putLocked(&Frame{wire: freeze(response), bits: frameControl})
	c.mu.bits |= queueScheduled
	c.mu.Unlock()
	c.beginClose()
}

// Detach hands the connection over, with everything that was read to be read again, for a request that is not an
// upgrade. The caller owns it; this Conn has ended and its handler hears nothing more. Loop only.
func (c *Conn) Detach() (net.Conn, error) {
	r := c.takeRequest()
	if c.state != stateRequest || r == nil {
		return nil, ErrClosed
	}
	read := []byte(r.Raw())
	if c.in != nil {
		read = append(read, c.in.rest...)
		c.loop.putInbound(c.in)
		c.in = nil
	}
	c.state = stateClosed
	c.pause = 0
	c.loop.left(c)
	conn, err := c.loop.p.Detach(&c.sock)
	if err != nil {
		c.loop.srv.totals.sockets.Add(-1)
		return nil, err
	}
	c.loop.n.detached++
	return &detached{Conn: conn, srv: c.loop.srv, read: read, peer: r.Addr, certificate: r.Certificate}, nil
}

// detached is a connection whose first bytes have been read already.
type detached struct {
	net.Conn
	srv         *Server
	closed      atomic.Bool
	read        []byte
	peer        netip.Addr // the client's
	certificate *x509.Certificate
}

// Read returns what was read before, then what comes.
func (d *detached) Read(p []byte) (int, error) {
	if len(d.read) > 0 {
		n := copy(p, d.read)
		if d.read = d.read[n:]; len(d.read) == 0 {
			d.read = nil
		}
		return n, nil
	}
	return d.Conn.Read(p)
}

// Close closes the connection, which counts as a socket of the server until then.
func (d *detached) Close() error {
	if d.closed.CompareAndSwap(false, true) {
		d.srv.totals.sockets.Add(-1)
	}
	return d.Conn.Close()
}

// CloseWrite ends the sending direction, which net/http does before it closes.
func (d *detached) CloseWrite() error {
	if cw, ok := d.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}
