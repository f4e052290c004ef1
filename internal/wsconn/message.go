package wsconn

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// message delivers a whole message that lies in the read buffer.
func (c *Conn) message(op ws.OpCode, payload []byte) {
	c.loop.n.framesIn++
	c.deliver(op, payload, nil)
}

// deliver hands a message to the handler. in is not nil if the payload is in.msg.
func (c *Conn) deliver(op ws.OpCode, payload []byte, in *inbound) {
	verdict := c.h.OnMessage(op, payload)
	if verdict == Done {
		if in != nil && c.in == in { // not if the handler has closed the connection
			in.forget()
		}
		return
	}
	if c.state != stateOpen {
		return // closed by the handler itself: nothing will be resumed
	}
	if in == nil {
		in = c.inbound()
		in.msg = append(in.msg[:0], payload...)
		in.op = op
	}
	in.held = true
	if verdict == Hold {
		c.pauseFor(pauseHold)
		return
	}
	c.pauseFor(pauseHigh)
	c.mu.Lock()
	empty := c.mu.count == 0
	c.mu.Unlock()
	if empty { // no flush will come and end the wait
		c.unpause(pauseHigh)
	}
}

// forget empties msg.
func (in *inbound) forget() {
	in.msg = in.msg[:0]
	if cap(in.msg) > spareBytes {
		in.msg = nil
	}
}

// Resume ends a Hold: the held message is delivered again, then parsing and reading go on. It takes effect in this
// turn of the loop, not inside of the call. Without a held message it does nothing. Loop only.
func (c *Conn) Resume() {
	if c.pause&pauseHold != 0 {
		c.alive()
		c.unpause(pauseHold)
	} else if c.flags&flagParsing != 0 {
		// Called inside of OnMessage, which may go on to say Hold.
		c.flags |= flagEarly
	}
}

// pauseFor stops reading for a reason, and unpause takes one away.
func (c *Conn) pauseFor(why uint8) {
	if c.pause == 0 {
		c.loop.p.PauseRead(&c.sock)
	}
	c.pause |= why
	if why == pauseHold && c.flags&flagEarly != 0 {
		c.flags &^= flagEarly
		c.unpause(pauseHold)
	}
}

// unpause has continueParse called later in the turn if nothing else keeps reading paused.
func (c *Conn) unpause(why uint8) {
	c.pause &^= why
	if c.pause == 0 && c.flags&flagResume == 0 {
		c.flags |= flagResume
		c.loop.resumes = append(c.loop.resumes, c)
	}
}

// continueParse delivers what was held, parses what was kept, and reads again.
func (c *Conn) continueParse() {
	c.flags &^= flagResume
	if c.pause != 0 || c.state != stateOpen {
		return
	}
	if in := c.in; in != nil && in.held {
		in.held = false
		c.flags |= flagParsing
		c.deliver(in.op, in.msg, in)
		c.flags &^= flagParsing
	}
	if in := c.in; in != nil && len(in.rest) > 0 {
		rest := in.rest
		in.rest = nil
		if rest = c.parse(rest); len(rest) > 0 {
			c.inbound().rest = rest
		}
	}
	if c.state == stateOpen {
		c.release()
		if c.pause == 0 && c.flags&flagResume == 0 {
			c.loop.p.ResumeRead(&c.sock)
		}
	}
}

// control handles a control frame.
func (c *Conn) control(op ws.OpCode, payload []byte) {
	c.loop.n.framesIn++
	switch op {
	case ws.OpPing:
		c.Send(newPong(payload))
	case ws.OpClose:
		c.peerClosed(payload)
	default: // a pong is a sign of life, and that has been noted
	}
}

// relieve is called while parsing when replies fill the queue: they are flushed at once, and if the peer does not
// take them, its own messages wait.
func (c *Conn) relieve() {
	c.flags &^= flagHigh
	if c.flags&flagBlocked == 0 {
		c.loop.n.at = c.loop.clockOf(c.loop.p.Now()) // else that of the turn before
		c.loop.flush(c, false)
	}
	c.mu.Lock()
	high := c.dutyLocked(2)
	c.mu.Unlock()
	if high && c.state == stateOpen {
		c.pauseFor(pauseHigh)
	}
}

// peerClosed answers the peer's close frame with its own code.
func (c *Conn) peerClosed(payload []byte) {
	code := ws.StatusCode(0)
	if len(payload) > 0 {
		if len(payload) == 1 {
			c.violate(errCloseBody)
			return
		}
		code = ws.StatusCode(binary.BigEndian.Uint16(payload))
		if !validCloseCode(code) {
			c.violate(errCloseBody)
			return
		}
		if !utf8.Valid(payload[2:]) {
			c.violate(errUTF8)
			return
		}
	}
	c.close(code, "", ClosePeer)
}

// validCloseCode says which codes may be on the wire: RFC 6455 section 7.4 and the registry behind it.
func validCloseCode(c ws.StatusCode) bool {
	switch {
	case c >= 3000 && c <= 4999:
		return true
	case c >= 1000 && c <= 1003, c >= 1007 && c <= 1014:
		return true
	}
	return false
}
