package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// run is the connector: it makes connections one after another, and reads each
// itself.
func (c *Client) run() {
	c.finish(c.connecting())
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
			later = d.Code == int(statusTryAgainLater)
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
	l, err := c.dial(ctx, url)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // it says more than the deadline that it set
		}
		return nil, fmt.Errorf("connect to %s: %w", plain(url), err)
	}
	return l, nil
}

func (c *Client) dial(ctx context.Context, url string) (*link, error) {
	header := c.opts.Header.Clone()
	if c.opts.Token != nil {
		token, err := c.opts.Token(ctx)
		if err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
		if header == nil {
			header = http.Header{}
		}
		header.Set("Authorization", "Bearer "+token)
	}
	var refused *refusedError
	d := ws.Dialer{
		NetDial:       c.opts.Dial,
		TLSConfig:     c.opts.TLS,
		Header:        ws.HandshakeHeaderHTTP(header),
		OnStatusError: func(_ int, _ []byte, resp io.Reader) { refused = readRefusal(resp) },
	}
	conn, buffered, _, err := d.Dial(ctx, url)
	if err != nil {
		if conn != nil {
			conn.Close()
		}
		if refused != nil {
			return nil, refused
		}
		return nil, err
	}
	l := newLink(c, conn, buffered)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	l.session, err = l.readHandshake()
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	l.session.URL = url
	return l, nil
}

// refusedError is an answer to the upgrade that is not 101.
type refusedError struct {
	status     string
	body       string
	retryAfter time.Duration
}

func (e *refusedError) Error() string {
	if e.body == "" {
		return "the server answered " + e.status
	}
	return fmt.Sprintf("the server answered %s: %s", e.status, e.body)
}

// maxRefusal bounds what is read of such an answer, in bytes.
const maxRefusal = 4 << 10

func readRefusal(r io.Reader) *refusedError {
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(r, maxRefusal)), nil)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	e := &refusedError{status: resp.Status}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 && s < 1<<20 {
		e.retryAfter = time.Duration(s) * time.Second
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") && resp.ContentLength > 0 {
		body := make([]byte, min(resp.ContentLength, 200))
		n, _ := io.ReadFull(resp.Body, body)
		e.body = strings.TrimSpace(strings.ToValidUTF8(string(body[:n]), "?"))
	}
	return e
}

// plain returns a url without what may be secret in it: password and query.
func plain(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(a malformed url)"
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}
