package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/gobwas/ws"
)

// run is the connector: it makes connections one after another, and reads each
// itself.
func (c *Client) run() {
	err := fmt.Errorf("%w: Token or Dial has ended the goroutine it was called on", ErrStopped)
	defer func() { c.finish(err) }() // deferred, so that nobody waits for ever after runtime.Goexit
	err = c.connecting()
}

// connecting returns why no more connections are made.
func (c *Client) connecting() error {
	wait := newBackoff(c.opts.ReconnectMin, c.opts.ReconnectMax)
	var session Session
	for n, failed := 0, 0; ; n++ {
		c.setStatus(func(s *Status) { s.State, s.Next, s.Attempt = Connecting, time.Time{}, failed+1 })
		c.counts.attempts.Add(1)
		l, err := c.connect(c.opts.URLs[n%len(c.opts.URLs)])
		var (
			floor time.Duration
			later bool
		)
		switch {
		case err == nil:
			failed = 0
			wait.connected()
			l.session.Number = session.Number + 1
			session = l.session
			d := c.live(l)
			if d.Cause == CauseServer && d.Code == int(statusKicked) {
				return fmt.Errorf("%w: %w", ErrKicked, d)
			}
			if later = d.Code == int(statusTryAgainLater); !later {
				wait.ended(l.over - l.welcomed)
			}
			err = d
		case c.ctx.Err() == nil:
			failed++
			c.counts.failures.Add(1)
			if refused, ok := errors.AsType[*refusedError](err); ok {
				floor = refused.retryAfter
			}
			c.report(err)
		}
		if c.opts.MaxAttempts > 0 && failed >= c.opts.MaxAttempts {
			return fmt.Errorf("%w: %d in a row have failed: %w", ErrAttempts, failed, err)
		}
		d := wait.next(floor, later)
		if c.ctx.Err() == nil {
			c.setStatus(func(s *Status) { s.State, s.Next, s.Err = Waiting, c.opts.Clock.Now().Add(d), err })
		}
		if !c.pause(d) {
			return ErrStopped
		}
	}
}

// live is one connection from its handshake to its end.
func (c *Client) live(l *link) *Disconnect {
	l.welcomed = l.age()
	c.counts.connects.Add(1)
	c.setStatus(func(s *Status) { *s = Status{State: Connected, Session: l.session} })
	c.welcome(l.session)
	c.out.attach(l)
	beat := c.startHeartbeat(l)
	unhook := context.AfterFunc(c.ctx, l.leave)
	d := c.read(l)
	beat.stop()
	unhook()
	l.end()
	c.counts.disconnects.Add(1)
	c.calls.fail(d, false)
	c.in.renew(d)
	if c.opts.OnDisconnect != nil {
		c.in.post(func() { c.opts.OnDisconnect(c, d) })
	}
	return d
}

// welcome posts the hooks of a handshake; what comes on the connection is
// dispatched behind them.
func (c *Client) welcome(s Session) {
	first := c.opts.OnConnect
	if s.Number > 1 {
		first = c.opts.OnReconnect
	}
	for _, hook := range []func(*Client, Session){first, c.opts.OnChannelReady} {
		if hook != nil {
			c.in.post(func() { hook(c, s) })
		}
	}
}

// connect makes one attempt: token, TCP, TLS, upgrade, handshake.
func (c *Client) connect(url string) (*link, error) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	limit := c.opts.Clock.AfterFunc(c.opts.ConnectTimeout, func() {
		cancel(fmt.Errorf("%w after %v", ErrTimeout, c.opts.ConnectTimeout))
	})
	defer limit.Stop()
	a := attempt{Client: c, url: url}
	l, err := a.dial(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			// It says more than the deadline that it set.
			err = fmt.Errorf("%w, %s", cause, a.doing)
		}
		return nil, fmt.Errorf("connect to %s: %w", plain(url), err)
	}
	return l, nil
}

// attempt is one attempt to connect.
type attempt struct {
	*Client
	url     string
	doing   string        // what would take the time, should it run out
	refused *refusedError // nil: the upgrade was not refused
}

func (a *attempt) dial(ctx context.Context) (*link, error) {
	header, err := a.header(ctx)
	if err != nil {
		return nil, err
	}
	a.doing = "opening the connection"
	d := ws.Dialer{
		TLSConfig: a.opts.TLS,
		Header:    ws.HandshakeHeaderHTTP(header),
		WrapConn: func(conn net.Conn) net.Conn {
			if conn != nil { // it is called after a dial that failed, too
				a.doing = "waiting for TLS or for the answer to the upgrade"
			}
			return &upgrading{Conn: conn, left: maxAnswer}
		},
		OnStatusError: func(_ int, _ []byte, resp io.Reader) { a.refused = readRefusal(resp, a.opts.Clock.Now()) },
	}
	if dial := a.opts.Dial; dial != nil {
		d.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return safely(func() (net.Conn, error) { return dial(ctx, network, addr) })
		}
	}
	conn, buffered, _, err := d.Dial(ctx, a.url)
	if u, ok := conn.(*upgrading); ok {
		conn = u.Conn
	}
	if err != nil {
		if conn != nil {
			conn.Close()
		}
		if a.refused != nil {
			return nil, a.refused
		}
		return nil, err
	}
	a.doing = "waiting for the handshake"
	l := newLink(a.Client, conn, buffered)
	stop := context.AfterFunc(ctx, l.hangUp)
	l.session, err = l.readHandshake()
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		stop()
		l.hangUp()
		return nil, err
	}
	l.session.URL = a.url
	return l, nil
}

// header returns the headers of the upgrade request that are not the protocol's.
func (a *attempt) header(ctx context.Context) (http.Header, error) {
	header := a.opts.Header.Clone()
	if a.opts.Token == nil {
		return header, nil
	}
	a.doing = "waiting for a token"
	token, err := safely(func() (string, error) { return a.opts.Token(ctx) })
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	if header == nil {
		header = http.Header{}
	}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return header, nil
}

// safely calls a function of the application on the connector, and turns a panic
// into an error.
func safely[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return f()
}

// maxAnswer bounds the answer to the upgrade, in bytes. The dialer itself would
// gather a line of any length.
const maxAnswer = 64 << 10

// upgrading is a connection until its upgrade is done.
type upgrading struct {
	net.Conn
	left int
}

func (u *upgrading) Read(p []byte) (int, error) {
	if u.left <= 0 {
		return 0, fmt.Errorf("the answer to the upgrade has more than %d bytes", maxAnswer)
	}
	n, err := u.Conn.Read(p[:min(len(p), u.left)])
	u.left -= n
	return n, err
}

// plain returns a url without what may be secret in it: password and query.
func plain(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(a malformed url)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
