package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// held is a connection that keeps what is written, for the test to send it in
// pieces of its own.
type held struct {
	net.Conn
	bytes.Buffer
}

func (h *held) Read(p []byte) (int, error)  { return h.Conn.Read(p) }
func (h *held) Write(p []byte) (int, error) { return h.Buffer.Write(p) }

// However the bytes of a connection are cut into segments, it is the same.
func TestSegments(t *testing.T) {
	for _, size := range []int{1, 2, 7, 64, 1 << 20} {
		t.Run(fmt.Sprint("bytes=", size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				var j journal
				o := n.options()
				o.OnChannelReady = func(_ *client.Client, s client.Session) { j.add("ready %s", s.ConnID) }
				o.OnDisconnect = func(_ *client.Client, d *client.Disconnect) { j.add("ended %s %d %s", d.Cause, d.Code, d.Text) }
				c := mustNew(t, o)
				c.On("*", func(m client.Message) { j.add("%s %d", m.ID, len(m.Data)) })
				c.Start()
				h := &held{Conn: <-n.conns}
				p := upgrade(t, h)
				p.write(handshake)
				p.write("[:a/b 1]")
				p.frame(ws.NewPongFrame([]byte("nobody asked")))
				p.frame(ws.Frame{Header: ws.Header{OpCode: ws.OpText, Length: 0}})
				p.frame(ws.Frame{Header: ws.Header{OpCode: ws.OpContinuation, Length: 6}, Payload: []byte("[:a/pa")})
				p.frame(ws.NewPongFrame(nil))
				p.frame(ws.Frame{Header: ws.Header{Fin: true, OpCode: ws.OpContinuation, Length: 3}, Payload: []byte("rt]")})
				p.write(`[:a/long "` + strings.Repeat("x", 10_000) + `"]`)
				p.frame(ws.NewCloseFrame(ws.NewCloseFrameBody(4000, "enough")))
				wire := h.Bytes()
				for len(wire) > 0 {
					k := min(size, len(wire))
					if _, err := h.Conn.Write(wire[:k]); err != nil {
						t.Fatal(err)
					}
					wire = wire[k:]
				}
				if code := (&peer{t: t, conn: h.Conn}).wantClose(); code != 4000 {
					t.Errorf("close answered with %d", code)
				}
				h.Close()
				j.want(t, "ready conn-1", ":a/b 1", ":a/part 0", ":a/long 10002", "ended server 4000 enough")
				stopNow(c)
			})
		})
	}
}

// What an answer to the upgrade may not be, and what is said of it.
func TestBadAnswers(t *testing.T) {
	const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	for _, tt := range []struct {
		name   string
		answer string
		want   string
	}{
		{"a line without end", head + "X: " + strings.Repeat("x", 100_000), "the answer to the upgrade has more than 65536 bytes"},
		{"lines without end", head + strings.Repeat("X: y\r\n", 20_000), "the answer to the upgrade has more than 65536 bytes"},
		{"half an answer", head, "EOF"},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "malformed"},
		{"of another key", head + "Sec-WebSocket-Accept: eHh4eHh4eHh4eHh4eHh4eHh4eHg=\r\n\r\n", "Sec-WebSocket-Accept"},
		{
			"a redirect", "HTTP/1.1 302 Found\r\nLocation: https://elsewhere/login?secret\r\n\r\n",
			"the server answered 302 Found (to https://elsewhere/login, where no client goes by itself)",
		},
		{
			"a text that would break a log", "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nno\x1b[31m\nno " + strings.Repeat("x", 997),
			"the server answered 403 Forbidden: no [31m no xxx",
		},
		{"a status that would", "HTTP/1.1 403 \x1b[31m\r\n\r\n", "the server answered 403  [31m"},
		{"a first message that would", "", `the first message is [:a/b "  [31m"] and no :chsk/handshake`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				told := make(chan error, 1)
				o := n.options()
				o.URLs = []string{"ws://node-a/ws?secret"}
				o.OnError = func(_ *client.Client, err error) { told <- err }
				c := mustNew(t, o)
				c.Start()
				if tt.answer == "" {
					n.upgrade().write("[:a/b \"\n\x1b[31m\"]")
				} else {
					conn := <-n.conns
					readRequest(t, conn)
					_, _ = io.WriteString(conn, tt.answer) // it may hang up before the end
					conn.Close()
				}
				err := <-told
				if s := err.Error(); !strings.Contains(s, tt.want) || len(s) > 400 || strings.Contains(s, "secret") || strings.ContainsAny(s, "\n\x1b") {
					t.Errorf("OnError was told %q, want %q", s, tt.want)
				}
				stopNow(c)
			})
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		after string
		want  time.Duration
	}{
		{"7", 7 * time.Second},
		{"0", 0},
		{"-5", 0},
		{"31", 30 * time.Second}, // ReconnectMax
		{"99999999999999999", 30 * time.Second},
		{"soon", 0},
		{time.Date(2000, 1, 1, 0, 0, 9, 0, time.UTC).Format(time.RFC1123), 9 * time.Second}, // a bubble begins at that midnight
		{time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC).Format(time.RFC1123), 0},
	} {
		t.Run(tt.after, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer client.SetRandom(func(time.Duration) time.Duration { return 0 })()
				n := newNetwork(t)
				c := mustNew(t, n.options())
				c.Start()
				began := time.Now()
				n.refuse("HTTP/1.1 503 Service Unavailable\nRetry-After: " + strings.ReplaceAll(tt.after, "UTC", "GMT") + "\n\n")
				n.accept()
				if d := time.Since(began); d != tt.want {
					t.Errorf("back after %v, want %v", d, tt.want)
				}
				stopNow(c)
			})
		})
	}
}

// A violation is told to the server, and what it still has to say is taken, so
// that nothing resets the connection before it has read the reason.
func TestViolatorIsHeardOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		o.MaxReceive = 1000
		c := mustNew(t, o)
		c.Start()
		p := n.accept()
		began := time.Now()
		written := make(chan error)
		go func() {
			_, err := p.conn.Write(ws.MustCompileFrame(ws.NewTextFrame(make([]byte, 100_000))))
			written <- err
		}()
		if code := p.wantClose(); code != ws.StatusMessageTooBig {
			t.Errorf("closed with %d", code)
		}
		if err := <-written; err != nil {
			t.Errorf("the client hangs up on a server that is writing: %v", err)
		}
		n.accept() // although the server never hangs up
		if d := time.Since(began); d > client.DefaultCloseTimeout+client.DefaultReconnectMin {
			t.Errorf("back after %v", d)
		}
		stopNow(c)
	})
}

// asks is a connection that notes how much is asked of it.
type asks struct {
	net.Conn
	last atomic.Int64
}

func (a *asks) Read(p []byte) (int, error) {
	a.last.Store(int64(len(p)))
	return a.Conn.Read(p)
}

// A connection on which little comes has a small read buffer, one on which
// messages come in crowds a large one, as long as they do.
func TestReadBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		dial := o.Dial
		var conn *asks
		o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			conn = &asks{Conn: c}
			return conn, err
		}
		c := mustNew(t, o)
		c.Start()
		p := n.accept()
		want := func(when string, size int64) {
			t.Helper()
			synctest.Wait()
			if got := conn.last.Load(); got != size {
				t.Errorf("%s: reads %d bytes at most, want %d", when, got, size)
			}
		}
		want("at first", 512)
		for range 20 {
			p.write(`[:a/b "` + strings.Repeat("x", 2000) + `"]`)
			p.write("[:a/b]")
		}
		want("after messages one by one", 512)
		crowd := bytes.Repeat(ws.MustCompileFrame(ws.NewTextFrame([]byte("[:a/b]"))), 5000)
		if _, err := p.conn.Write(crowd); err != nil {
			t.Fatal(err)
		}
		want("after a crowd", 16<<10)
		for range 20 {
			p.write("[:a/b]")
		}
		want("after some more one by one", 512)
		if s := stopNow(c).Receive; s.Received != 5060 {
			t.Errorf("%+v", s)
		}
	})
}

// An attempt that takes too long says where the time went.
func TestSlowAttempts(t *testing.T) {
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	for _, tt := range []struct {
		name  string
		set   func(o *client.Options)
		serve func(n *network)
		want  string
	}{
		{"token", func(o *client.Options) {
			o.Token = func(ctx context.Context) (string, error) { return "", wait(ctx) }
		}, nil, "waiting for a token"},
		{"dial", func(o *client.Options) {
			o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, wait(ctx) }
		}, nil, "opening the connection"},
		{"upgrade", nil, func(n *network) { readRequest(n.t, <-n.conns) }, "waiting for TLS or for the answer to the upgrade"},
		{"handshake", nil, func(n *network) { n.upgrade() }, "waiting for the handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				told := make(chan error, 1)
				o := n.options()
				o.MaxAttempts = 1
				o.OnError = func(_ *client.Client, err error) { told <- err }
				if tt.set != nil {
					tt.set(&o)
				}
				c := mustNew(t, o)
				began := time.Now()
				c.Start()
				if tt.serve != nil {
					tt.serve(n)
				}
				<-c.Closed()
				if d := time.Since(began); d != client.DefaultConnectTimeout {
					t.Errorf("after %v", d)
				}
				if err := <-told; !errors.Is(err, client.ErrTimeout) || !strings.HasSuffix(err.Error(), "timed out after 10s, "+tt.want) {
					t.Errorf("OnError was told %v, want %q", err, tt.want)
				}
			})
		})
	}
}
