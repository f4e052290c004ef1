package wsconn

import "github.com/gobwas/ws"

// CloseReason says how a connection ended. It is a small set, fit for a metric label.
type CloseReason uint8

// How connections end.
const (
	ClosePeer        CloseReason = iota + 1 // the peer sent a close frame
	CloseServer                             // Close, CloseAsync, or Stop
	CloseEOF                                // the peer ended the stream without a close frame
	CloseError                              // reading or writing did not work: reset, broken pipe
	CloseIdle                               // no sign of life for IdleTimeout
	CloseOverflow                           // the send queue was full
	CloseStalled                            // the system took nothing of it for StallTimeout
	CloseProtocol                           // the peer broke RFC 6455 (1002)
	CloseTooBig                             // a message beyond MaxMessage (1009)
	CloseInvalidUTF8                        // text that is none (1007)
	ClosePanic                              // a panic in a Handler (1011)
	CloseTrickle                            // a message that was begun and hardly went on (1008)
	CloseDeflate                            // compressed data that is none (1007)
	CloseFragments                          // a message in too many frames (1009)
	closeReasons                            // keep last
)

var closeNames = [closeReasons]string{
	"", "peer", "server", "eof", "error", "idle", "overflow", "stalled", "protocol", "too-big", "utf8", "panic",
	"trickle", "deflate", "fragments",
}

// String returns the name that metrics use.
func (r CloseReason) String() string {
	if r < closeReasons {
		return closeNames[r]
	}
	return "unknown"
}

// CloseInfo tells how a connection ended.
type CloseInfo struct {
	// Code is the close code that the peer sent (1005 for an empty close frame), or the one that this side
	// decided on; 1006 when the connection broke.
	Code uint16
	// Reason is the kind of end.
	Reason CloseReason
	// Discarded counts the frames and parts that were handed over with OK or Overflow and not given to the system
	// whole, without those that a policy dropped.
	Discarded int
	// Unsent is how many bytes the system still held when the connection had to be reset: those are lost as
	// well, and it cannot be told how many frames they are. 0 unless the peer took nothing for CloseTimeout.
	Unsent int
}

// violation is a mistake of the peer, and what it is answered with.
type violation struct {
	code   ws.StatusCode
	reason CloseReason
	text   string
}

var (
	errReserved     = &violation{ws.StatusProtocolError, CloseProtocol, "reserved bit set"}
	errOpCode       = &violation{ws.StatusProtocolError, CloseProtocol, "unknown opcode"}
	errUnmasked     = &violation{ws.StatusProtocolError, CloseProtocol, "frame is not masked"}
	errControl      = &violation{ws.StatusProtocolError, CloseProtocol, "control frame fragmented or too long"}
	errLength       = &violation{ws.StatusProtocolError, CloseProtocol, "length beyond 63 bits"}
	errContinuation = &violation{ws.StatusProtocolError, CloseProtocol, "continuation out of order"}
	errCloseBody    = &violation{ws.StatusProtocolError, CloseProtocol, "invalid close frame"}
	errTooBig       = &violation{ws.StatusMessageTooBig, CloseTooBig, "message too big"}
	errFragments    = &violation{ws.StatusMessageTooBig, CloseFragments, "message in too many frames"}
	errUTF8         = &violation{ws.StatusInvalidFramePayloadData, CloseInvalidUTF8, "invalid utf-8"}
	errDeflate      = &violation{ws.StatusInvalidFramePayloadData, CloseDeflate, "invalid compressed data"}
	errTrickle      = &violation{ws.StatusPolicyViolation, CloseTrickle, "message is too slow"}
)

func (c *Conn) violate(v *violation) { c.close(v.code, v.text, v.reason) }

// Close sends what is queued, then a close frame, and ends the connection when the peer has taken both and closed its
// side, at the latest after CloseTimeout. The handler hears OnClosed, and no OnMessage any more; a held message is
// dropped. On a connection that is not open it does nothing. Loop only.
func (c *Conn) Close(code ws.StatusCode, reason string) {
	c.close(code, reason, CloseServer)
}

func (c *Conn) close(code ws.StatusCode, text string, why CloseReason) {
	if c.state != stateOpen {
		return
	}
	c.mu.Lock()
	if c.mu.bits&queueOver == 0 || !c.overflowLocked() { // an overflow that came first goes first
		c.closeLocked(code, text, why)
	}
	c.mu.Unlock()
	c.beginClose()
}

// closeLocked queues the close frame as the last one. Then beginClose must follow, without the lock.
func (c *Conn) closeLocked(code ws.StatusCode, text string, why CloseReason) {
	c.state = stateClosing
	c.reason = why
	if c.code = uint16(code); code == 0 {
		c.code = uint16(ws.StatusNoStatusRcvd)
	}
	c.mu.bits &^= queueOpen
	c.mu.scheduleLocked()
	if why == CloseEOF {
		c.code = uint16(ws.StatusAbnormalClosure)
		return // nobody is there to answer
	}
	if why == ClosePeer {
		text = ""
	}
	c.mu.putLocked(newClose(code, text))
}

// beginClose lets what is queued leave. Input is read away from now on.
func (c *Conn) beginClose() {
	l := c.loop
	c.dropInput()
	l.p.SetTimer(&c.sock, l.srv.opt.CloseTimeout)
	l.dirty = append(l.dirty, c)
}

func (c *Conn) dropInput() {
	if c.in != nil {
		c.loop.putInbound(c.in)
		c.in = nil
	}
	c.pause = 0
	c.loop.p.ResumeRead(&c.sock)
}

// drain follows when the last frame has been taken by the system: this side is shut, and what the peer still sends
// is read away, because closing with unread input makes the system reset, which would destroy the close frame.
func (c *Conn) drain() {
	if c.flags&flagEOF != 0 {
		c.end(c.reason, false)
		return
	}
	c.state = stateDraining
	if err := c.loop.p.CloseWrite(&c.sock); err != nil {
		c.breakOff()
		return
	}
	c.loop.p.SetTimer(&c.sock, c.loop.srv.opt.CloseTimeout)
	c.mu.Lock()
	discarded := int(c.mu.discarded)
	c.mu.Unlock()
	// Nothing will be sent or heard any more, so the owner need not wait until the peer has closed its side.
	c.loop.closed(c, CloseInfo{Code: c.code, Reason: c.reason, Discarded: discarded})
}

// onHangup is OnHangup of the poller: all that was received has been handled.
func (c *Conn) onHangup(eof bool) {
	c.flags |= flagEOF
	switch c.state {
	case stateOpen:
		if !eof {
			c.end(CloseError, true)
			return
		}
		c.close(0, "", CloseEOF) // what is queued still leaves: the peer may have shut one side only
	case stateClosing:
		if !eof {
			c.end(c.reason, true)
		}
	case stateDraining:
		c.end(c.reason, false)
	case stateHead: // brokenOff has counted it
		c.end(CloseEOF, false)
	default:
		c.end(CloseError, false)
	}
}

// onTimer is OnTimer of the poller.
func (c *Conn) onTimer() {
	switch c.state {
	case stateHead:
		c.noRequest(refusedTimeout)
		c.end(CloseIdle, false)
	case stateOpen:
		c.keepAlive()
	case stateClosing: // the peer takes nothing
		c.end(c.reason, true)
	case stateDraining:
		c.end(c.reason, false)
	default:
	}
}

// afterPanic ends a connection whose handler panicked.
func (c *Conn) afterPanic() {
	c.flags &^= flagParsing
	switch c.state {
	case stateOpen:
		c.close(ws.StatusInternalServerError, "", ClosePanic)
	case stateHead, stateRequest:
		c.end(ClosePanic, false)
	default:
	}
}

// stop is the server's end for this connection.
func (c *Conn) stop(w closeWith) {
	switch c.state {
	case stateOpen:
		c.Close(w.code, w.reason)
	case stateHead, stateRequest:
		c.end(CloseServer, false)
	default:
	}
}

// end takes the connection off the loop and tells the handler.
func (c *Conn) end(why CloseReason, reset bool) {
	l := c.loop
	if c.state == stateClosed {
		return
	}
	if c.state <= stateOpen {
		c.reason, c.code = why, uint16(ws.StatusAbnormalClosure)
	}
	if c.state == stateRequest {
		c.flags |= flagWaits
	}
	info := CloseInfo{Code: c.code, Reason: c.reason}
	c.state = stateClosed
	if c.pause = 0; c.in != nil {
		l.putInbound(c.in)
		c.in = nil
	}
	c.mu.Lock()
	if c.mu.bits&queueOverData != 0 {
		c.mu.discarded++
	}
	c.mu.bits = 0
	c.discardLocked()
	info.Discarded = int(c.mu.discarded)
	c.mu.Unlock()
	delete(l.stalls, c)
	delete(l.told, c)
	l.settle(c)
	l.ended(c)
	if reset {
		info.Unsent = l.p.Unsent(&c.sock)
		l.p.Reset(&c.sock)
	} else {
		l.p.Close(&c.sock)
	}
	l.closed(c, info)
}

func (l *loop) closed(c *Conn, info CloseInfo) {
	if c.flags&flagAccepted == 0 {
		return
	}
	c.flags &^= flagAccepted
	l.n.closed[info.Reason]++
	l.n.codes[codeOf(info.Code)]++
	l.n.open--
	l.n.discarded += uint64(info.Discarded)
	l.n.unsent += uint64(info.Unsent)
	c.h.OnClosed(info)
}
