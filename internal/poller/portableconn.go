package poller

import (
	"errors"
	"io"
	"net"
	"sync"
)

// pconn is one socket of the portable loop.
type pconn struct {
	b    *portable
	h    Handler
	conn net.Conn

	// loop only
	dead    bool   // closed or detached: late events reach nobody
	waiting bool   // the reader waits for more
	reading bool   // the reader is in Read
	held    []byte // read by a reader that was under way when reading was paused
	heldErr error

	more chan bool     // loop to reader: read again (true) or end (false)
	gone chan struct{} // closed when the reader has ended

	mu struct {
		sync.Mutex
		out     []byte // accepted by write, not yet written
		writing bool
		short   bool // a write was cut: OnWritable is due when there is room
		fin     bool // close the sending direction behind out
		end     bool // close the connection behind out
		err     error
	}
}

// socket returns nil once the connection is closed or detached.
func (c *pconn) socket() *Socket {
	if c.dead {
		return nil
	}
	return c.h.Socket()
}

// deliver hands over what the reader brought, unless reading is paused, and sends it for more.
func (c *pconn) deliver() {
	s := c.socket()
	if s == nil || s.bits&bitRead == 0 {
		return
	}
	l := c.b.l
	if p := c.held; len(p) > 0 {
		c.held = nil
		l.current, c.b.redo = c.h, c
		c.h.OnRead(p)
		l.current, c.b.redo = nil, nil
		if s = c.socket(); s == nil || s.bits&bitRead == 0 {
			return
		}
	}
	if err := c.heldErr; err != nil {
		c.heldErr = nil
		s.bits = s.bits&^bitRead | bitEOF
		l.current = c.h
		c.h.OnHangup(err)
		l.current = nil
		return
	}
	if c.waiting {
		c.waiting, c.reading = false, true
		c.more <- true
	}
}

// readBuffers are those of readers that have just filled their own.
var readBuffers = sync.Pool{New: func() any { return new([portableRead]byte) }}

// read reads into a small buffer, and into a large one only behind a read that has filled one: more is there then.
func (c *pconn) read() {
	defer close(c.gone)
	idle := make([]byte, portableIdle)
	var large *[portableRead]byte // from readBuffers
	for {
		buf := idle
		if large != nil {
			buf = large[:]
		}
		n, err := c.conn.Read(buf)
		if n == 0 && err == nil {
			continue
		}
		ev := pevent{kind: evRead, c: c, p: buf[:n], err: err}
		if err != nil {
			ev.kind, ev.err = evHangup, hangup(err)
		}
		c.b.post(ev)
		if err != nil || !<-c.more {
			return // what was read may have been kept: no buffer goes back
		}
		switch {
		case n < len(buf) && large != nil:
			readBuffers.Put(large)
			large = nil
		case n == len(buf) && large == nil:
			large = readBuffers.Get().(*[portableRead]byte)
		}
	}
}

// hangup takes an error of Read out of what package net says around it.
func hangup(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	if _, ok := errors.AsType[*TLSError](err); ok {
		return err
	}
	if ne, ok := errors.AsType[*net.OpError](err); ok {
		return ne.Err
	}
	return err
}

func (c *pconn) writeLocked(p []byte) (int, error) {
	if c.mu.err != nil {
		return 0, c.mu.err
	}
	n := min(len(p), portableWrite-len(c.mu.out))
	c.mu.out = append(c.mu.out, p[:n]...)
	c.mu.short = n < len(p)
	if n > 0 && !c.mu.writing {
		c.mu.writing = true
		c.b.wg.Go(c.flush) // ends when the buffer is empty or the connection broken
	}
	return n, nil
}

// flush writes the buffer until it is empty. It is alone: mu.writing says so.
func (c *pconn) flush() {
	var chunk []byte
	for {
		c.mu.Lock()
		if len(c.mu.out) == 0 || c.mu.err != nil {
			c.mu.out = nil // an idle connection holds no buffer
			if c.mu.fin || c.mu.end {
				c.finish()
				continue
			}
			c.mu.writing = false
			c.mu.Unlock()
			return
		}
		chunk = append(chunk[:0], c.mu.out[:min(len(c.mu.out), portableRead*4)]...)
		c.mu.Unlock()
		n, err := c.conn.Write(chunk)
		c.mu.Lock()
		c.mu.out = c.mu.out[:copy(c.mu.out, c.mu.out[n:])]
		if err != nil {
			c.mu.err = err
		}
		tell := c.mu.short && (err != nil || len(c.mu.out) <= portableWrite/2)
		if tell {
			c.mu.short = false
		}
		c.mu.Unlock()
		if tell {
			c.b.post(pevent{kind: evWritable, c: c})
		}
	}
}

// finish does what waited for the buffer to be written. It is called with the lock, and gives it up: the last of TLS is
// written like anything else, and may have to wait.
func (c *pconn) finish() {
	end := c.mu.end
	c.mu.fin, c.mu.end = false, false
	c.mu.Unlock()
	if end {
		_ = c.conn.Close()
	} else if hc, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = hc.CloseWrite()
	}
}

// finishLaterLocked has flush do what is to be done behind the buffer.
func (c *pconn) finishLaterLocked() {
	if !c.mu.writing {
		c.mu.writing = true
		c.b.wg.Go(c.flush) // ends when that is done
	}
}

// socketConn is what is below TLS, where there is TLS.
func (c *pconn) socketConn() net.Conn {
	if sec, ok := c.conn.(*secured); ok {
		return sec.raw
	}
	return c.conn
}

// replayed is a connection whose first bytes have been read already.
type replayed struct {
	net.Conn
	rest []byte
}

// Read returns the bytes read before, then those of the connection.
func (r *replayed) Read(p []byte) (int, error) {
	if len(r.rest) > 0 {
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}
