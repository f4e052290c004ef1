package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Close codes that the ws package does not name.
const (
	statusTryAgainLater ws.StatusCode = 1013
	statusKicked        ws.StatusCode = 4410 // of Hoshi's own: do not come back
	statusTooBig                      = ws.StatusMessageTooBig
)

// keepBuffer is the size in bytes beyond which a read buffer is given back
// after the message that needed it.
const keepBuffer = 64 << 10

// link is one connection.
type link struct {
	// Fixed after newLink, session after the handshake.
	c       *Client
	conn    net.Conn
	began   time.Time
	session Session

	// Owned by the connector.
	src    io.Reader     // the linkReader, behind what came with the 101
	in     *bufio.Reader // of src
	reads  int           // in a row that a small buffer would have held; negative: that filled one
	head   [ws.MaxHeaderSize]byte
	buf    []byte // the message that is being read
	parser codec.Parser
	scan   edn.Scanner
	// Ages of the link: when it had its handshake, and when reading ended.
	welcomed, over time.Duration

	// Any goroutine.
	heard  atomic.Int64 // age when something last came
	busy   atomic.Bool  // the connector may wait for the application and not read
	cause  atomic.Pointer[Disconnect]
	ending atomic.Bool
	ended  chan struct{} // closed when what ending began is done
}

func newLink(c *Client, conn net.Conn, buffered *bufio.Reader) *link {
	l := &link{c: c, conn: conn, began: c.opts.Clock.Now(), ended: make(chan struct{})}
	l.src = (*linkReader)(l)
	if buffered != nil {
		// What came with the 101 is behind it; the dialer's reader goes back to its pool.
		early, _ := buffered.Peek(buffered.Buffered())
		l.src = io.MultiReader(bytes.NewReader(bytes.Clone(early)), l.src)
		ws.PutReader(buffered)
	}
	l.in = bufio.NewReaderSize(l.src, smallRead)
	return l
}

// Sizes of the read buffer in bytes, for a connection on which a message comes
// now and then, and for one on which they come in crowds.
const (
	smallRead = 512
	largeRead = 16 << 10
)

// refitAfter is how many reads in a row must have been too large, or so small, for
// the read buffer to change. A message alone takes two or three.
const refitAfter = 8

// refit gives an empty read buffer the size that it should have.
func (l *link) refit() {
	switch size := l.in.Size(); {
	case l.in.Buffered() > 0:
	case size == smallRead && l.reads <= -refitAfter:
		l.in = bufio.NewReaderSize(l.src, largeRead)
	case size == largeRead && l.reads >= refitAfter:
		l.in = bufio.NewReaderSize(l.src, smallRead)
	}
}

// age is how long there has been the link. Not the time of day: that may be set
// meanwhile, and nobody is to be taken for dead because of it.
func (l *link) age() time.Duration { return l.c.opts.Clock.Now().Sub(l.began) }

func (l *link) hear() { l.heard.Store(int64(l.age())) }

// silence is how long nothing has come.
func (l *link) silence() time.Duration { return l.age() - time.Duration(l.heard.Load()) }

// linkReader is the link as its bufio.Reader reads it.
type linkReader link

func (r *linkReader) Read(p []byte) (int, error) {
	l := (*link)(r)
	n, err := l.conn.Read(p)
	l.hear()
	l.c.counts.bytesRead.Add(uint64(n))
	if n >= smallRead {
		l.reads = max(min(l.reads, 0)-1, -refitAfter)
	} else {
		l.reads = min(max(l.reads, 0)+1, refitAfter)
	}
	return n, err
}

// Write is the send queue's way out: any goroutine, one at a time.
func (l *link) Write(p []byte) (int, error) {
	n, err := l.conn.Write(p)
	l.c.counts.bytesWritten.Add(uint64(n))
	if err != nil {
		// A server that closes while we write breaks the write, but what it sent before
		// can still be read: a close frame that says why, and when to come back.
		l.cause.CompareAndSwap(nil, &Disconnect{Cause: CauseLost, Err: err})
		l.c.opts.Clock.AfterFunc(l.c.opts.CloseTimeout, l.hangUp)
	}
	return n, err
}

// fail ends the connection from outside of the connector, at once. The first
// cause is the one that counts.
func (l *link) fail(d *Disconnect) {
	l.cause.CompareAndSwap(nil, d)
	l.hangUp()
}

// hangUp closes the connection without a close frame.
func (l *link) hangUp() { l.conn.Close() }

// leave begins the end that Stop asks for: our close frame, and a little time
// for the server's.
func (l *link) leave() {
	l.cause.CompareAndSwap(nil, &Disconnect{Cause: CauseRequested})
	// Here and in close an error means that the connection has ended, which is what is wanted.
	_ = l.conn.SetReadDeadline(time.Now().Add(l.c.opts.CloseTimeout))
	l.close(ws.StatusNormalClosure, "")
}

// close says goodbye with a close frame, after what is being written.
func (l *link) close(code ws.StatusCode, reason string) {
	l.once(func() {
		_ = l.conn.SetWriteDeadline(time.Now().Add(l.c.opts.CloseTimeout))
		l.c.out.detach()
		_, _ = l.conn.Write(appendFrame(nil, ws.OpClose, ws.NewCloseFrameBody(code, reason)))
	})
}

// end releases what is left of the connection, on the connector.
func (l *link) end() {
	l.hangUp()
	l.once(l.c.out.detach)
}

// once calls the first f that it is given, and returns when that is done. (Whoever
// waits for a sync.Once keeps a bubble of testing/synctest from going on.)
func (l *link) once(f func()) {
	if l.ending.CompareAndSwap(false, true) {
		f()
		close(l.ended)
	}
	<-l.ended
}

// broken turns an error of reading into the reason why the connection ended,
// and tells the server what it did wrong.
func (l *link) broken(err error) *Disconnect {
	l.over = l.age()
	d, ok := errors.AsType[*Disconnect](err)
	if !ok {
		d = &Disconnect{Cause: CauseLost, Err: err}
	}
	switch {
	case d.Cause == CauseServer:
		l.close(echoCode(d.Code), "")
	case d.Cause == CauseProtocol && errors.Is(d.Err, errTooBig):
		l.close(statusTooBig, "")
		l.linger()
	case d.Cause == CauseProtocol:
		l.close(ws.StatusProtocolError, "")
		l.linger()
	}
	cause := l.cause.Load()
	switch {
	case cause == nil || d.Cause == CauseProtocol:
		return d
	case d.Cause != CauseServer:
		return cause
	case cause.Cause == CauseRequested:
		return &Disconnect{Cause: CauseRequested, Code: d.Code, Text: d.Text}
	}
	return d // the server's word says more than the write that it broke
}

// linger waits a little for the server to hang up (RFC 6455, 7.1.1). Closing a
// socket that holds something unread resets the connection, and a server that is
// still sending would never see why.
func (l *link) linger() {
	_ = l.conn.SetReadDeadline(time.Now().Add(l.c.opts.CloseTimeout))
	_, _ = io.Copy(io.Discard, l.conn)
}

// echoCode is what answers a close frame: the same code (RFC 6455, 5.5.1).
func echoCode(code int) ws.StatusCode {
	if code == 0 {
		return ws.StatusNormalClosure
	}
	return ws.StatusCode(code)
}

// mayClose reports whether a close frame may hold the code (RFC 6455, 7.4).
func mayClose(code ws.StatusCode) bool {
	switch {
	case code == 1004 || code == 1005 || code == 1006:
		return false
	case code >= 1000 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

var (
	errTooBig     = errors.New("a message is longer than MaxReceive")
	errNotUTF8    = errors.New("a text message is not UTF-8")
	errMasked     = errors.New("the server masks its frames")
	errBinary     = errors.New("a binary message, and only EDN in text was agreed on")
	errBadControl = errors.New("a close frame is malformed")
)

func violation(err error) error { return &Disconnect{Cause: CauseProtocol, Err: err} }

// readMessage reads the next message. Control frames that come before it are
// answered. What it returns is valid until the next call.
func (l *link) readMessage() ([]byte, error) {
	if cap(l.buf) > keepBuffer {
		l.buf = nil
	}
	l.buf = l.buf[:0]
	l.refit()
	state := ws.StateClientSide
	for {
		h, err := ws.ReadHeaderBuffer(l.in, l.head[:])
		if err != nil {
			if errors.Is(err, ws.ErrHeaderLengthMSB) || errors.Is(err, ws.ErrHeaderLengthUnexpected) {
				return nil, violation(err)
			}
			return nil, err
		}
		if h.Masked {
			return nil, violation(errMasked)
		}
		if err := ws.CheckHeader(h, state); err != nil {
			return nil, violation(err)
		}
		if h.OpCode.IsControl() {
			if err := l.control(h); err != nil {
				return nil, err
			}
			continue
		}
		if h.OpCode == ws.OpBinary {
			return nil, violation(errBinary)
		}
		if h.Length > int64(l.c.opts.MaxReceive-len(l.buf)) {
			return nil, violation(errTooBig)
		}
		if err := l.readPayload(int(h.Length)); err != nil {
			return nil, err
		}
		if !h.Fin {
			state = state.Set(ws.StateFragmented)
			continue
		}
		if !utf8.Valid(l.buf) {
			return nil, violation(errNotUTF8)
		}
		return l.buf, nil
	}
}

// readPayload appends n bytes to the message. A length is believed as the
// bytes come.
func (l *link) readPayload(n int) error {
	for n > 0 {
		step := min(n, keepBuffer)
		have := len(l.buf)
		if cap(l.buf)-have < step {
			grown := make([]byte, have, max(have+step, min(2*have, have+n)))
			copy(grown, l.buf)
			l.buf = grown
		}
		l.buf = l.buf[:have+step]
		if _, err := io.ReadFull(l.in, l.buf[have:]); err != nil {
			return err
		}
		n -= step
	}
	return nil
}

// control takes one control frame, whose header has been checked: its payload
// is at most 125 bytes.
func (l *link) control(h ws.Header) error {
	var buf [ws.MaxControlFramePayloadSize]byte
	p := buf[:h.Length]
	if _, err := io.ReadFull(l.in, p); err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		l.c.out.pong(p)
	case ws.OpClose:
		if len(p) == 0 {
			return &Disconnect{Cause: CauseServer}
		}
		if len(p) == 1 || !utf8.Valid(p[2:]) {
			return violation(errBadControl)
		}
		code, reason := ws.ParseCloseFrameData(p)
		if !mayClose(code) {
			return violation(errBadControl)
		}
		return &Disconnect{Cause: CauseServer, Code: int(code), Text: reason}
	default:
	}
	return nil
}

// read takes the messages of a connection until it ends.
func (c *Client) read(l *link) *Disconnect {
	for {
		p, err := l.readMessage()
		if err != nil {
			return l.broken(err)
		}
		c.receive(l, p)
	}
}

// receive takes one message, which is valid until it returns.
func (c *Client) receive(l *link, p []byte) {
	if c.calls.waiting() && c.calls.reply(&l.scan, p) {
		return
	}
	var env codec.Envelope
	if err := l.parser.EDN(p, &env); err != nil {
		c.refuse(err)
		return
	}
	switch string(env.ID) {
	case ":chsk/ws-ping":
		c.out.urgent(pongText)
		return
	case ":chsk/ws-pong", ":chsk/handshake":
		return
	}
	asks := newQuestion(l, env.Callback)
	m, err := message(&l.parser, &env)
	if err != nil {
		c.refuse(err)
		return
	}
	m.question = asks
	l.busy.Store(true)
	if c.in.put(m) {
		l.hear() // the silence was ours: it ends here, before busy says so
	}
	l.busy.Store(false)
}

// refuse counts a message that is none.
func (c *Client) refuse(err error) {
	c.counts.badMessages.Add(1)
	c.report(fmt.Errorf("client: message from the server: %w", err))
}

// What the dialect's own pings look like.
const (
	pingText = "[:chsk/ws-ping]"
	pongText = "[:chsk/ws-pong]"
)
