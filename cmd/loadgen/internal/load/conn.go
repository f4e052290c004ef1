package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

// state is what a connection waits for.
type state uint8

const (
	stDial       state = iota // the TCP connection
	stUpgrade                 // the answer to the upgrade
	stHandshake               // [:chsk/handshake ...]
	stSubscribed              // [:sente-lite/subscribed ...]
	stReady                   // nothing: it is in use
	stClosing                 // the server's end after our close frame
)

// String names what is awaited, for errors.
func (s state) String() string {
	switch s {
	case stDial:
		return "TCP connection"
	case stUpgrade:
		return "answer to the upgrade"
	case stHandshake:
		return "handshake frame"
	case stSubscribed:
		return "answer to the subscribe"
	case stReady:
		return "message"
	case stClosing:
		return "end of the connection"
	}
	return "?"
}

// conn is one client socket and the poller's handler of it. All of it is owned by
// the loop once it is attached.
type conn struct {
	link
	parser wsclient.Parser

	// What each message needs stands together.
	state     state
	reader    reader
	throttled bool   // it is slow, and the run has begun
	asked     bool   // its pong at the end is awaited
	slot      bool   // it holds one of client.slots
	dialect   uint8  // number in Options.Dialects
	last      uint32 // the scenario's: number of the last message, or of the ping under way
	index     int
	channel   int      // what it subscribes to, -1 for nothing
	lasts     []uint32 // fan-out's: last for each of the channel's publishers, where they are several

	head  []byte // the answer to the upgrade while it is not complete
	began int64  // when it was to be opened
	mark  int64  // when state began

	credit float64 // of a throttled one: bytes that it may read, below 0 while it is paused
	paid   int64   // when credit was so
}

// speaks returns the dialect of c.
func (c *conn) speaks() dialect.Dialect { return c.client.opt.Dialects[c.dialect].Dialect }

// OnRead takes frames off p.
func (c *conn) OnRead(p []byte) {
	cl := c.client
	now := cl.clock()
	if c.reader == healthy {
		cl.pump.tick(now)
		c.read(p, now)
		return
	}
	cl.lags[c.reader].last = now
	if c.read(p, now); c.throttled && c.sock.Attached() {
		c.throttle(len(p), now)
	}
}

// read takes frames off p, which was read at now.
func (c *conn) read(p []byte, now int64) {
	cl := c.client
	if c.state == stUpgrade {
		if p = c.upgrade(p, now); p == nil {
			return
		}
	}
	for {
		f, rest, ok, err := c.parser.Next(p)
		if err != nil {
			c.fault(reasonProtocol, fmt.Errorf("connection %d: %w", c.index, err))
			return
		}
		if !ok {
			return
		}
		p = rest
		switch {
		case f.Op == wsclient.OpText && c.state == stReady && cl.scenario.message(c, f, now):
		case f.Op == wsclient.OpText:
			if c.text(f.Head, now); !c.sock.Attached() {
				return
			}
		case f.Op == wsclient.OpPing:
			c.write(func(dst []byte) []byte { return wsclient.AppendPong(dst, f.Head) })
		case f.Op == wsclient.OpClose:
			c.ended(wsclient.CloseCode(f.Head), nil)
			return
		}
	}
}

// upgrade reads the answer to the upgrade and returns the frames behind it, nil
// when there is nothing more to do now.
func (c *conn) upgrade(p []byte, now int64) []byte {
	if c.head != nil {
		c.head = append(c.head, p...)
		p = c.head
	}
	n, err := wsclient.ParseUpgrade(p, c.client.accept)
	switch {
	case err != nil:
		c.fault(upgradeReason(err), fmt.Errorf("connection %d: %w", c.index, err))
		return nil
	case n == 0:
		if c.head == nil {
			c.head = bytes.Clone(p)
		}
		return nil
	}
	c.head = nil
	if c.client.opt.Bare {
		c.client.opened(c, now)
	} else {
		c.advance(stHandshake, now)
	}
	return p[n:]
}

// text handles what is no scenario's business.
func (c *conn) text(msg []byte, now int64) {
	cl := c.client
	m := c.speaks().Read(msg)
	switch {
	case m.Kind == dialect.Ping:
		c.say(c.speaks().AppendPong(nil))
	case m.Kind == dialect.Handshake && c.state == stHandshake:
		if err := cl.scenario.greeted(c, msg); err != nil {
			c.fault(reasonAnswer, err)
			return
		}
		if c.channel < 0 {
			cl.opened(c, now)
			return
		}
		c.advance(stSubscribed, now)
		c.say(c.speaks().AppendSubscribe(nil, cl.channels[c.channel]))
	case m.Kind == dialect.Subscribed && c.state == stSubscribed:
		cl.opened(c, now)
	case m.Kind == dialect.Refused && c.state == stSubscribed:
		c.fault(reasonSubscribe, fmt.Errorf("connection %d: server refuses the subscription: %.200s", c.index, msg))
	case m.Kind == dialect.Pong && c.asked:
		c.answered()
	case m.Kind == dialect.Fault:
		c.fault(reasonAnswer, fmt.Errorf("connection %d: server answers %.200s", c.index, msg))
	case m.Kind == dialect.Dropped:
		l := &cl.lags[c.reader]
		l.notices++
		l.dropped += m.Count
	default:
		cl.strays++
	}
}

// say sends a text message.
func (c *conn) say(text []byte) {
	c.write(func(dst []byte) []byte { return wsclient.AppendText(dst, text) })
}

// advance says that what c waited for has come.
func (c *conn) advance(to state, now int64) {
	from := c.state
	c.state = to
	c.client.scenario.passed(c, from, now)
	c.mark = now
}

// fault gives c up because of err. Where that is prepared for, reason is counted,
// else the run ends.
func (c *conn) fault(reason string, err error) {
	cl := c.client
	c.answered()
	switch {
	case c.state == stClosing:
	case c.state == stReady && c.reader != healthy:
		cl.lags[c.reader].ended[reason]++
	case !cl.scenario.lost(c, reason):
		cl.fail(err)
	case c.state < stReady:
		cl.refused++
	}
	cl.forget(c)
}

// write appends to what leaves at the end of the turn.
func (c *conn) write(appendTo func(dst []byte) []byte) {
	c.out = appendTo(c.out)
	c.touch(c)
}

// flush writes what is to leave.
func (c *conn) flush() {
	if err := c.drain(); err != nil {
		c.ended(0, err)
	}
}

// OnWritable goes on writing.
func (c *conn) OnWritable() { c.flush() }

// OnHangup is the end of the connection.
func (c *conn) OnHangup(err error) {
	if c.state == stUpgrade && errors.Is(err, io.EOF) && len(c.head) > 0 {
		err = fmt.Errorf("no upgrade: %.80q", strings.TrimSpace(string(c.head)))
	}
	c.ended(0, err)
}

// OnTimer is the deadline of the state that c is in.
func (c *conn) OnTimer() {
	if c.state == stClosing {
		c.client.forget(c)
		return
	}
	if c.throttled {
		c.client.loop.ResumeRead(&c.sock)
		return
	}
	c.fault(timeoutReason(c.state), fmt.Errorf("connection %d: no %s within %v: %w", c.index, c.state, c.client.opt.Timeout, ErrTimeout))
}

// ended is called when the server has ended the connection: with a close frame,
// or by err.
func (c *conn) ended(code int, err error) {
	c.fault(endReason(code, err), &ClosedError{Index: c.index, Code: code, Err: err})
}
