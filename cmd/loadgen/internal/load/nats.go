package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

// backend is a NATS client that only publishes: the protocol's text on the loop's
// own socket. A client library's goroutines and locks would cost the load's core
// about what the server's core spends on a push.
type backend struct {
	link
	user *url.Userinfo
	in   []byte        // an incomplete line
	up   chan struct{} // closed at the first PONG; nil afterwards
}

// dialNATS connects to the server at address, "nats://[user:password@]host:port",
// and returns when the server has accepted the connection.
func (c *client) dialNATS(ctx context.Context, address string) (*backend, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("nats: %q, want nats://host:port", address)
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "4222")
	}
	d := net.Dialer{Timeout: c.opt.Timeout}
	nc, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", dialError(host, err))
	}
	ep, err := c.adopt(nc)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	up := make(chan struct{})
	b := &backend{link: link{client: c}, user: u.User, up: up}
	if !c.call(func() { c.backend, err = b, c.loop.Attach(ep, b) }) || err != nil {
		return nil, fmt.Errorf("nats: attach: %w", err)
	}
	select {
	case <-up:
		return b, nil
	case <-c.failed:
		return nil, c.failure()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(c.opt.Timeout):
		return nil, fmt.Errorf("nats: no answer from %s within %v: %w", host, c.opt.Timeout, ErrTimeout)
	}
}

// OnRead answers the server's lines.
func (b *backend) OnRead(p []byte) {
	b.in = append(b.in, p...)
	for {
		line, rest, ok := bytes.Cut(b.in, []byte("\r\n"))
		if !ok {
			break
		}
		b.line(string(line))
		b.in = rest
	}
	b.in = bytes.Clone(b.in)
}

func (b *backend) line(s string) {
	word, _, _ := strings.Cut(s, " ")
	switch strings.ToUpper(word) {
	case "INFO":
		if b.up == nil {
			return // a later INFO is about the cluster
		}
		opts := map[string]any{"verbose": false, "pedantic": false, "lang": "go", "version": "1", "name": "hoshi-loadgen"}
		if b.user != nil {
			if pass, ok := b.user.Password(); ok {
				opts["user"], opts["pass"] = b.user.Username(), pass
			} else {
				opts["auth_token"] = b.user.Username()
			}
		}
		text, err := json.Marshal(opts)
		if err != nil {
			b.client.fail(fmt.Errorf("nats: %w", err))
			return
		}
		b.out = append(append(append(b.out, "CONNECT "...), text...), "\r\nPING\r\n"...)
		b.touch(b)
	case "PING":
		b.out = append(b.out, "PONG\r\n"...)
		b.touch(b)
	case "PONG":
		if b.up != nil {
			close(b.up)
			b.up = nil
		}
	case "-ERR":
		b.client.fail(fmt.Errorf("nats: %s", s))
	}
}

// publish appends one message.
func (b *backend) publish(subject string, body []byte) {
	b.out = append(append(append(b.out, "PUB "...), subject...), ' ')
	b.out = append(strconv.AppendInt(b.out, int64(len(body)), 10), "\r\n"...)
	b.out = append(append(b.out, body...), "\r\n"...)
	b.touch(b)
}

func (b *backend) flush() {
	if err := b.drain(); err != nil {
		b.client.fail(fmt.Errorf("nats: write: %w", err))
	}
}

// OnWritable goes on writing.
func (b *backend) OnWritable() { b.flush() }

// OnHangup is the end of the connection.
func (b *backend) OnHangup(err error) {
	b.client.loop.Close(&b.sock)
	b.client.fail(fmt.Errorf("nats: connection ended by the server: %w", err))
}

// OnTimer is never called: no timer is set.
func (b *backend) OnTimer() {}

// userpush publishes to users in turn, each of whom has one socket.
type userpush struct {
	plain
	names
	backend *backend
	finders []finder // one for each dialect
	body    marked   // EDN, whatever the dialects: the server translates
	users   []string
	heard   []bool // in the probe
	silent  int    // users that have not heard the probe
	readers []reader
	next    int
}

func newUserpush(c *client, b *backend) *userpush {
	u := &userpush{names: names{c}, backend: b, finders: c.finders(), silent: c.opt.Connections}
	u.body = newMarked(append(dialect.AppendEDN([]byte("[:load/push "), mark(c.tag), c.opt.Size), ']'), c.tag)
	for i := range c.opt.Connections {
		u.users = append(u.users, c.opt.Prefix+".user."+u.of(i))
	}
	u.heard, u.readers = make([]bool, c.opt.Connections), c.opt.readers()
	return u
}

func (u *userpush) query(i int) string                { return u.names.query(i) }
func (u *userpush) greeted(c *conn, msg []byte) error { return u.names.greeted(c, msg) }

func (u *userpush) message(c *conn, f wsclient.Frame, now int64) bool {
	seq, ok := u.finders[c.dialect].find(f.Head)
	switch {
	case !ok:
		return false
	case seq == 0:
		if !u.heard[c.index] {
			u.heard[c.index] = true
			u.silent--
		}
	case c.reader != healthy:
		u.client.lags[c.reader].got(f.Len, false)
	case !u.client.pump.got(seq, f.Len, now):
		u.client.strays++
	}
	return true
}

func (u *userpush) send(intended int64) {
	receivers := 1
	if r := u.readers[u.next]; r != healthy {
		u.client.lags[r].expected++
		receivers = 0
	}
	u.backend.publish(u.users[u.next], u.body.numbered(u.client.pump.take(intended, receivers, 0)))
	if u.next++; u.next == len(u.users) {
		u.next = 0
	}
}

// probe pushes to every user that has heard nothing so far. An interest comes
// into force a moment after the handshake, so the run begins when all have heard.
func (u *userpush) probe() {
	body := u.body.numbered(0)
	for i, ok := range u.heard {
		if !ok {
			u.backend.publish(u.users[i], body)
		}
	}
}
