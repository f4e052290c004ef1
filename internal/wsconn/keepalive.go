package wsconn

import (
	"math/rand/v2"
	"time"
)

// Keepalive is how a connection deals with silence. It is shared by any number of connections and must not be changed.
type Keepalive struct {
	// Ping is what is sent; Concat makes one of several frames. Nil stands for a WebSocket ping.
	Ping *Frame
	// Interval is the time between pings, the first of which comes after a random half to whole of it; one comes sooner
	// where Idle leaves no time for it. With Quiet it is the silence after which one is sent. Default
	// Options.PingInterval.
	Interval time.Duration
	// Idle is the silence after which the connection counts as dead, from the last frame that was received.
	// Default Options.IdleTimeout. All of it is kept within a tenth of a second.
	Idle time.Duration
	// Quiet sends no ping while the peer sends anything, and only one in each silence.
	Quiet bool
}

// keepalive returns k with its defaults filled in, for the server to keep.
func (o *Options) keepalive() *Keepalive {
	return &Keepalive{Ping: NewPing(nil), Interval: o.PingInterval, Idle: o.IdleTimeout}
}

// SetKeepalive has c deal with silence as k says, nil as Options say, from its last sign of life on. Before Accept and
// after the end it does nothing. Loop only.
func (c *Conn) SetKeepalive(k *Keepalive) {
	if c.state == stateOpen {
		c.keep = k
		c.startKeepalive()
	}
}

// terms returns what c.keep says, its defaults filled in.
func (c *Conn) terms() (k Keepalive) {
	k = *c.loop.srv.keep
	if own := c.keep; own != nil {
		k.Quiet = own.Quiet
		if own.Ping != nil {
			k.Ping = own.Ping
		}
		if own.Interval > 0 {
			k.Interval = own.Interval
		}
		if own.Idle > 0 {
			k.Idle = own.Idle
		}
	}
	return k
}

// startKeepalive orders the first look.
func (c *Conn) startKeepalive() {
	k := c.terms()
	next := k.Interval - c.silence()
	if !k.Quiet {
		// The first ping comes early by chance, so that those who came together are not pinged together for ever.
		next = k.Interval - time.Duration(rand.Int64N(int64(k.Interval)/2+1))
	}
	c.flags &^= flagAsked
	c.loop.p.SetTimer(&c.sock, max(min(next, k.Idle-c.silence()), 1))
}

// alive notes a sign of life.
func (c *Conn) alive() {
	c.seen = c.loop.clock()
	c.flags &^= flagAsked
}

// silence returns for how long there was no sign of life: half of the clock's unit off at most.
func (c *Conn) silence() time.Duration {
	l := c.loop
	return l.p.Now().Sub(l.srv.epoch) - time.Duration(c.seen)*clockUnit - clockUnit/2
}

// keepAlive sends a ping, or ends a connection that is silent for too long.
func (c *Conn) keepAlive() {
	l := c.loop
	k := c.terms()
	next, silent := k.Interval, c.silence()
	if c.pause&(pauseHold|pauseRate) == 0 { // else it is us who do not listen
		if silent >= k.Idle {
			c.end(CloseIdle, c.flags&flagBlocked != 0)
			return
		}
		next = min(next, k.Idle-silent)
	}
	switch {
	case c.flags&flagBlocked != 0: // a peer that takes nothing need not be asked
	case !c.HasRoom(len(k.Ping.Payload())): // nor one that will take much in a moment: a ping must not overflow the queue
	case !k.Quiet:
		// Also when this is a look at the silence alone: a ping that waited for its turn could come too late for the
		// next such look.
		c.Send(k.Ping)
	case silent < k.Interval:
		next = min(next, k.Interval-silent)
	case c.flags&flagAsked == 0:
		c.flags |= flagAsked
		c.Send(k.Ping)
	}
	l.p.SetTimer(&c.sock, max(next, 1))
}

// isPing reports whether f is the ping of c, which nobody handed over.
func (c *Conn) isPing(f *Frame) bool { return c.keep != nil && f == c.keep.Ping }
