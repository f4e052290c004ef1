package wsconn

import (
	"net/netip"
	"sync"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/poller"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// Handler is the owner of a connection. Every method is called on the connection's loop and must not block.
type Handler interface {
	// OnRequest receives a complete and valid request head: r.Upgrade tells an upgrade from a plain request.
	// Reading is paused until exactly one of Accept, Refuse and Detach is called, during the call or later. If
	// the server stops meanwhile, an Accept that comes later is followed by OnClosed at once.
	OnRequest(r *handshake.Request)
	// OnMessage receives a whole message, unmasked; a text message is valid UTF-8. payload is valid until the
	// call returns and may be changed if the message is not held.
	OnMessage(op ws.OpCode, payload []byte) Verdict
	// OnClosed is the last call, exactly once for each connection that was accepted: when the close frame has been
	// given to the system, or the connection has broken. The peer may take a moment to close its side.
	OnClosed(info CloseInfo)
}

// Verdict is what OnMessage says about a message.
type Verdict uint8

const (
	// Done means that the message is consumed.
	Done Verdict = iota
	// Hold means that the message is not consumed: it is kept, and nothing more is parsed or read until Resume,
	// after which it is delivered again. The peer is not judged dead meanwhile.
	Hold
	// Wait is Hold until three quarters of the send queue, which must not be empty, are free; then the message is
	// delivered again by itself. For answers that HasRoom has no room for.
	Wait
)

// Result is what became of a frame that was handed over.
type Result uint8

const (
	// OK means that the frame is queued.
	OK Result = iota
	// Rejected means that the connection is closing or closed, or not accepted yet. The frame is not counted.
	Rejected
	// Overflow means that the frame did not fit. It is discarded and counted, and so is all that is queued, and
	// the connection is being closed with 1013.
	Overflow
	// Shut means that the gate was shut.
	Shut
	// Dropped means that the frame did not fit and is dropped, as its policy says. It is counted, and the
	// connection goes on.
	Dropped
)

// String returns a short name, for logs and metrics.
func (r Result) String() string {
	return [...]string{"ok", "rejected", "overflow", "shut", "dropped"}[r]
}

// AcceptOptions say how an upgrade is accepted. The zero value is usable.
type AcceptOptions struct {
	// Subprotocol is one that the client offered, or "".
	Subprotocol string
	// Keepalive is how silence is dealt with. Nil stands for the server's: a WebSocket ping every PingInterval, and
	// IdleTimeout.
	Keepalive *Keepalive
	// Uncompressed declines compression although Options.Deflate is set and the client offers it: for what is
	// compressed already.
	Uncompressed bool
	// FullSize bounds messages by Options.MaxMessage, whatever SetMaxMessage has said.
	FullSize bool
	// First leaves together with the 101, in one write call. May be nil.
	First *Frame
}

type state uint8

const (
	stateNew     state = iota // zero value: not on a loop
	stateHead                 // the request head is being read
	stateRequest              // the handler has the request and has not answered
	stateOpen
	stateClosing  // what is queued is being flushed; its last frame is our close frame or HTTP response
	stateDraining // our side is shut; reading away what the peer still sends
	stateClosed   // off the loop
)

const (
	pauseRequest uint8 = 1 << iota // the handler has not answered
	pauseHold                      // a message is held
	pauseHigh                      // the peer does not take what is queued for it
	pauseRate                      // the peer has sent more than it may
)

const (
	flagAccepted uint16 = 1 << iota // OnClosed is due
	flagEOF                         // nothing more will come
	flagBlocked                     // OnWritable is awaited
	flagResume                      // is in loop.resumes
	flagParsing                     // parse is on the stack
	flagBroken                      // a write failed: is in loop.broken
	flagHigh                        // Send has filled more than half of the queue
	flagEarly                       // Resume was called before the Hold it answers
	flagWaits                       // ended while the handler had the request: OnClosed follows a late Accept
	flagAsked                       // a ping was sent since there was last a sign of life; for Quiet
	flagBegun                       // is in loop.begins
	flagFullSize                    // SetMaxMessage does not count

	// Of the other bits: 0 without compression, or else 7 less than the base-2 logarithm of what compressed data that
	// is sent may refer back to.
	flagDeflate  = 0xf << deflateShift
	deflateShift = 12
)

// Conn is one connection, made to be embedded in the owner's own struct: 112 bytes, and another 32 in the loop's
// table. Its zero value is what Options.NewConn returns. It must not be copied.
type Conn struct {
	// fixed after it is attached
	loop *loop
	h    Handler

	// owned by the loop
	in     *inbound // nil unless something is incomplete, held or unparsed
	keep   *Keepalive
	sock   poller.Socket
	seen   uint32 // loop clock (tenths of a second) when there was last a sign of life
	code   uint16 // for CloseInfo, once closing
	reason CloseReason
	state  state
	pause  uint8
	group  uint8 // fixed once others know of c
	flags  uint16

	mu struct {
		sync.Mutex
		queue
		discarded uint32 // for CloseInfo
		dropped   uint32 // deliveries since the last notice
	}
}

// sockEvents is Conn as the poller sees it: its methods stay out of Conn's, which its owner embeds.
type sockEvents Conn

// Enqueue appends f to the send queue and wakes the loop. It never blocks and may be called from any goroutine.
func (c *Conn) Enqueue(f *Frame) Result {
	r, tell := c.push(f, nil)
	if tell != callNone {
		c.loop.schedule(waiter{c, tell})
	}
	return r
}

// Open appends f, which may be nil, and then sets *gate, under the queue's lock: frames that Batch.Enqueue appends
// through this gate come behind f, LatestOnly included. The gate stays as it is unless the result is OK. Any goroutine.
func (c *Conn) Open(gate *bool, f *Frame) Result {
	r, tell := c.gated(gate, true, f)
	if tell != callNone {
		c.loop.schedule(waiter{c, tell})
	}
	return r
}

// Shut clears *gate and then appends f, which may be nil, under the queue's lock: no frame comes through this gate
// behind f. The gate is shut whatever the result. Any goroutine.
func (c *Conn) Shut(gate *bool, f *Frame) Result {
	r, tell := c.gated(gate, false, f)
	if tell != callNone {
		c.loop.schedule(waiter{c, tell})
	}
	return r
}

// CloseAsync is Close for other goroutines. On a connection that was never on a loop it does nothing.
func (c *Conn) CloseAsync(code ws.StatusCode, reason string) {
	c.Post(func() { c.Close(code, reason) })
}

// SetGroup puts c into a group of the owner's, 0 unless told otherwise. Loop only, before any other goroutine knows of c.
func (c *Conn) SetGroup(group uint8) { c.group = group }

// Handler returns the owner of c. Any goroutine, once c is on a loop.
func (c *Conn) Handler() Handler { return c.h }

// Group returns the group of SetGroup. Any goroutine.
func (c *Conn) Group() uint8 { return c.group }

// Post runs fn on the connection's loop, also when the connection is closed by then; never, if the server has ended.
// A panic in fn is the connection's. A connection that was never on a loop (the zero value: an owner without a socket)
// runs nothing. Any goroutine.
func (c *Conn) Post(fn func()) {
	if c.loop == nil {
		return
	}
	c.loop.post(job{kind: jobFunc, c: c, fn: fn})
}

// Send appends f to the send queue; it leaves at the end of the turn. Loop only.
func (c *Conn) Send(f *Frame) Result {
	c.mu.Lock()
	r, tell := c.pushLocked(f)
	high := f.policy() == Disconnect && c.dutyLocked(2)
	c.mu.Unlock()
	switch {
	case tell == callNone:
	case tell == callNow:
		c.loop.dirty = append(c.loop.dirty, c)
	default:
		c.loop.waits = append(c.loop.waits, waiter{c, tell})
	}
	if high {
		c.flags |= flagHigh
	}
	return r
}

// HasRoom reports whether a frame with so many bytes of payload finds room in the send queue without anything being
// dropped. Loop only; other goroutines may take that room.
func (c *Conn) HasRoom(payload int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.count == 0 || c.mu.count < c.loop.maxFrames && int(c.mu.bytes)+payload+maxHeader <= int(c.loop.maxBytes)
}

// SetHandler gives c another owner's methods, from the next call on. In OnRequest, before it is answered.
func (c *Conn) SetHandler(h Handler) { c.h = h }

// RemoteAddr returns the client's address: what its request's Addr was, and until there is a request, or where no proxy has
// told another, what the system says of the socket. The port is 0 where a proxy has told. Loop only.
func (c *Conn) RemoteAddr() netip.AddrPort {
	if c.loop == nil {
		return netip.AddrPort{}
	}
	if a, ok := c.loop.clients[c]; ok {
		return netip.AddrPortFrom(a, 0)
	}
	return c.loop.p.RemoteAddr(&c.sock)
}

// Loop returns the number of the connection's loop, below Server.Loops; 0 if it was never on one. Any goroutine.
func (c *Conn) Loop() int {
	if c.loop == nil {
		return 0
	}
	return c.loop.index
}
