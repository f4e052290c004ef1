package wsconn_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

func TestMain(m *testing.M) {
	testkit.Parallel(4) // they wait
	testkit.Main(m)
}

const patience = time.Minute // for what must happen; reached only when a test fails

// session is a handler as an owner would write it. Its functions may be nil.
type session struct {
	wsconn.Conn
	t         *testing.T
	onRequest func(*session, *handshake.Request)
	onMessage func(*session, ws.OpCode, []byte) wsconn.Verdict
	accepted  chan *session
	closed    chan wsconn.CloseInfo
}

func (s *session) OnRequest(r *handshake.Request) {
	if s.onRequest != nil {
		s.onRequest(s, r)
		return
	}
	if !r.Upgrade {
		s.Refuse(http.StatusNotFound, "", "no\n")
		return
	}
	s.Accept(wsconn.AcceptOptions{})
	s.accepted <- s
}

func (s *session) OnMessage(op ws.OpCode, p []byte) wsconn.Verdict {
	if s.onMessage != nil {
		return s.onMessage(s, op, p)
	}
	if op == ws.OpText { // echo
		s.Send(wsconn.NewText(p))
	} else {
		s.Send(wsconn.NewBinary(p))
	}
	return wsconn.Done
}

func (s *session) OnClosed(info wsconn.CloseInfo) { s.closed <- info }

// server is a running server whose sessions can be had in the order of their acceptance.
type server struct {
	*wsconn.Server
	t        *testing.T
	accepted chan *session
}

// both runs f as a subtest with epoll and with portable loops: one contract.
func both(t *testing.T, f func(t *testing.T, portable bool)) {
	t.Helper()
	for _, portable := range []bool{false, true} {
		name := "epoll"
		if portable {
			name = "portable"
		}
		t.Run(name, func(t *testing.T) { f(t, portable) })
	}
}

func start(t *testing.T, o wsconn.Options, setup func(*session)) *server {
	t.Helper()
	s := &server{t: t, accepted: make(chan *session, 1<<14)}
	o.NewConn = func() (wsconn.Handler, *wsconn.Conn) {
		c := &session{t: t, accepted: s.accepted, closed: make(chan wsconn.CloseInfo, 2)}
		if setup != nil {
			setup(c)
		}
		return c, &c.Conn
	}
	if o.Loops == 0 {
		o.Loops = 2
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 2 * time.Second
	}
	srv, err := wsconn.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = srv
	srv.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := srv.Stop(ctx, 1001, "test over"); err != nil {
			t.Errorf("stop: %v", err)
		}
		if st := srv.Stats(); st.Open != 0 {
			t.Errorf("open connections after Stop: %d", st.Open)
		}
	})
	return s
}

func (s *server) next() *session {
	s.t.Helper()
	select {
	case c := <-s.accepted:
		return c
	case <-time.After(patience):
		s.t.Fatal("no connection was accepted")
		return nil
	}
}

func (s *session) end() wsconn.CloseInfo {
	s.t.Helper()
	select {
	case info := <-s.closed:
		return info
	case <-time.After(patience):
		s.t.Fatal("OnClosed did not come")
		return wsconn.CloseInfo{}
	}
}

// on runs f on the session's loop and waits for it.
func (s *session) on(f func()) {
	s.t.Helper()
	done := make(chan struct{})
	s.Post(func() { defer close(done); f() })
	select {
	case <-done:
	case <-time.After(patience):
		s.t.Fatal("posted function did not run")
	}
}

// client is a client that does nothing by itself.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

const requestHead = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

func (s *server) dialRaw() *client {
	s.t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &client{Conn: c, t: s.t, r: bufio.NewReader(c)}
}

// dial returns an upgraded connection.
func (s *server) dial() *client {
	s.t.Helper()
	c := s.dialRaw()
	c.send([]byte(requestHead))
	c.upgraded()
	return c
}

// pair returns both ends of a connection.
func (s *server) pair() (*client, *session) {
	s.t.Helper()
	c := s.dial()
	return c, s.next()
}

func (c *client) send(p []byte) {
	c.t.Helper()
	if _, err := c.Write(p); err != nil {
		c.t.Fatalf("client write: %v", err)
	}
}

func (c *client) upgraded() {
	c.t.Helper()
	if status := c.head(); !strings.Contains(status, " 101 ") || !strings.Contains(status, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
		c.t.Fatalf("not upgraded: %q", status)
	}
}

// head reads a response head.
func (c *client) head() string {
	c.t.Helper()
	var b strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			c.t.Fatalf("response head: %v after %q", err, b.String())
		}
		if line == "\r\n" {
			return b.String()
		}
	}
}

// text sends a masked text frame.
func (c *client) text(s string) { c.t.Helper(); c.send(masked(true, ws.OpText, []byte(s))) }

// masked builds a client frame.
func masked(fin bool, op ws.OpCode, p []byte) []byte {
	f := ws.NewFrame(op, fin, append([]byte(nil), p...))
	return ws.MustCompileFrame(ws.MaskFrameInPlaceWith(f, [4]byte{1, 2, 3, 4}))
}

func closeFrame(code ws.StatusCode, reason string) []byte {
	return masked(true, ws.OpClose, ws.NewCloseFrameBody(code, reason))
}

// read reads one frame.
func (c *client) read() ws.Frame {
	c.t.Helper()
	f, err := c.tryRead()
	if err != nil {
		c.t.Fatalf("client read: %v", err)
	}
	return f
}

func (c *client) tryRead() (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(c.r); err != nil {
		return f, err
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(c.r, f.Payload)
	return f, err
}

func (c *client) wantText(want string) {
	c.t.Helper()
	f := c.read()
	if f.Header.OpCode != ws.OpText || string(f.Payload) != want {
		c.t.Fatalf("got %s, want text %.80q", show(f), want)
	}
}

func show(f ws.Frame) string {
	if f.Header.OpCode == ws.OpClose {
		code, reason := ws.ParseCloseFrameData(f.Payload)
		return fmt.Sprintf("close %d %q", code, reason)
	}
	return fmt.Sprintf("opcode %d, %d bytes %.80q", f.Header.OpCode, len(f.Payload), f.Payload)
}

// wantClose wants a close frame with this code (0 = empty), then the end of the stream.
func (c *client) wantClose(code ws.StatusCode) {
	c.t.Helper()
	f := c.read()
	got := ws.StatusCode(0)
	if len(f.Payload) >= 2 {
		got, _ = ws.ParseCloseFrameData(f.Payload)
	}
	if f.Header.OpCode != ws.OpClose || got != code {
		c.t.Fatalf("got %s, want close %d", show(f), code)
	}
	c.wantEOF()
}

func (c *client) wantEOF() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		c.t.Fatalf("after the end: byte %#x, error %v", b, err)
	}
}

// eventually polls for what another process or goroutine does in its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func fdCount(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}
