package bus

import (
	"context"
	"math/rand/v2"
	"net"
	"time"
)

// dialer dials with a context, for sockets and in process, and remembers.
type dialer struct {
	ctx     context.Context
	l       *link
	timeout time.Duration
}

// Dial implements nats.CustomDialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	d.l.mu.Lock()
	d.l.mu.dialled = true
	d.l.mu.Unlock()
	ctx, cancel := context.WithTimeout(d.ctx, d.timeout)
	defer cancel()
	return d.keep(dialAny(ctx, network, address))
}

// dialAny tries all addresses of a host, in random order so that nodes spread over
// the servers behind one name, each for its share of what is left of ctx.
func dialAny(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := net.DefaultResolver.LookupHost(ctx, host) // an address is its own
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	end, _ := ctx.Deadline()
	for i, addr := range addrs {
		nd := net.Dialer{Timeout: max(time.Until(end)/time.Duration(len(addrs)-i), time.Millisecond)}
		var c net.Conn
		if c, err = nd.DialContext(ctx, network, net.JoinHostPort(addr, port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// InProcessConn implements nats.InProcessConnProvider.
func (d dialer) InProcessConn() (net.Conn, error) {
	d.l.mu.Lock()
	d.l.mu.dialled = true
	d.l.mu.Unlock()
	if err := context.Cause(d.ctx); err != nil {
		return nil, err
	}
	return d.keep(d.l.o.InProcess.InProcessConn())
}

func (d dialer) keep(c net.Conn, err error) (net.Conn, error) {
	if err == nil {
		c = leavable{c, d.l}
	}
	d.l.mu.Lock()
	if err != nil {
		d.l.mu.dialErr = err
	} else {
		d.l.mu.raw = c
	}
	d.l.mu.Unlock()
	// A cut that came before the connection was kept found nothing to close.
	if err == nil && d.ctx.Err() != nil {
		_ = c.Close()
		return nil, context.Cause(d.ctx)
	}
	return c, err
}

// leavable is the socket of a connection that may be given up. What the system has
// not sent by then is dropped: after a partition it would arrive behind what has
// been published elsewhere since, and out of order. A link that stops has said all,
// and ends its connection properly.
type leavable struct {
	net.Conn
	l *link
}

func (c leavable) Close() error {
	if t, ok := c.Conn.(*net.TCPConn); ok && c.l.ctx.Err() == nil {
		_ = t.SetLinger(0)
	}
	return c.Conn.Close()
}
