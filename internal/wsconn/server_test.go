package wsconn_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

func TestStop(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		before := fdCount(t)
		s := start(t, wsconn.Options{Portable: portable}, nil)
		const n = 50
		var cs []*client
		var ses []*session
		for range n {
			c, se := s.pair()
			cs, ses = append(cs, c), append(ses, se)
			se.Enqueue(wsconn.NewText([]byte("last")))
		}
		head := s.dialRaw() // has not sent its whole request, but is known to be in
		head.send([]byte("GET"))
		read := uint64(n * len(requestHead))
		eventually(t, "half a request is read", func() bool { return s.Stats().BytesIn == read+3 })
		stopped := make(chan error, 1)
		go func() { stopped <- s.Stop(context.Background(), 1012, "restart") }()
		for i, c := range cs {
			c.wantText("last")
			c.wantClose(1012)
			_ = c.Close()
			if info := ses[i].end(); info.Code != 1012 || info.Reason != wsconn.CloseServer {
				t.Errorf("info %+v", info)
			}
		}
		if err := <-stopped; err != nil {
			t.Errorf("stop: %v", err)
		}
		head.wantEOF()
		_ = head.Close()
		if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
			_ = c.Close()
			t.Error("still accepting")
		}
		if after := fdCount(t); after > before+2 { // Go's own epoll and event descriptors
			t.Errorf("descriptors: %d before, %d after", before, after)
		}
	})
}

func TestStopIsBoundedByItsContext(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, CloseTimeout: time.Hour}, nil)
		_, se := s.pair() // never answers the close
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := s.Stop(ctx, 1012, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: %v", err)
		}
		se.end()
	})
}

func TestStopWhileARequestWaits(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		requests := make(chan *session, 1)
		s := start(t, wsconn.Options{Portable: portable, Loops: 1}, func(se *session) {
			se.onRequest = func(se *session, _ *handshake.Request) { requests <- se }
		})
		keep := s.dialRaw() // keeps the loop alive until the late Accept
		keep.send([]byte(requestHead))
		k := <-requests
		k.on(func() { k.Accept(wsconn.AcceptOptions{}) })
		c := s.dialRaw()
		c.send([]byte(requestHead))
		se := <-requests
		stopped := make(chan error, 1)
		go func() { stopped <- s.Stop(context.Background(), 1012, "") }()
		c.wantEOF()
		se.on(func() { se.Accept(wsconn.AcceptOptions{}) })
		se.end()
		_ = keep.Close()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestStopAccepting(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		c, _ := s.pair()
		s.StopAccepting()
		eventually(t, "refused connection", func() bool {
			c, err := net.Dial("tcp", s.Addr().String())
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
		c.text("still served")
		c.wantText("still served")
	})
}

func TestPortInUse(t *testing.T) {
	s := start(t, wsconn.Options{}, nil)
	_, err := wsconn.New(wsconn.Options{Addr: s.Addr().String(), NewConn: func() (wsconn.Handler, *wsconn.Conn) { return nil, nil }})
	var le *wsconn.ListenError
	if !errors.As(err, &le) || !errors.Is(err, syscall.EADDRINUSE) || le.Addr != s.Addr().String() {
		t.Errorf("error %v", err)
	}
	if _, err := wsconn.New(wsconn.Options{}); err == nil {
		t.Error("no NewConn is no error")
	}
	never, err := wsconn.New(wsconn.Options{NewConn: func() (wsconn.Handler, *wsconn.Conn) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := never.Stop(context.Background(), 1000, ""); err != nil {
		t.Error(err)
	}
}

func TestDetach(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		conns := make(chan net.Conn, 10)
		s := start(t, wsconn.Options{Portable: portable}, func(se *session) {
			se.onRequest = func(se *session, r *handshake.Request) {
				c, err := se.Detach()
				if err != nil {
					t.Errorf("detach: %v", err)
					return
				}
				if _, err := se.Detach(); !errors.Is(err, wsconn.ErrClosed) {
					t.Errorf("second detach: %v", err)
				}
				conns <- c
			}
		})
		hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.URL.Path)
		})}
		ln := &chanListener{conns: conns, done: make(chan struct{}), addr: s.Addr()}
		served := make(chan struct{})
		go func() { defer close(served); _ = hs.Serve(ln) }()
		c := s.dialRaw()
		// Two requests in one write: the second one was read by the loop as well.
		c.send([]byte("GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n"))
		for _, want := range []string{"/one", "/two", "/three"} {
			if want == "/three" {
				c.send([]byte("GET /three HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
			}
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(body) != want {
				t.Errorf("body %q, want %q", body, want)
			}
		}
		c.wantEOF()
		_ = hs.Close()
		<-served
		eventually(t, "detached is counted", func() bool { return s.Stats().Detached == 1 })
	})
}

type chanListener struct {
	conns chan net.Conn
	done  chan struct{}
	addr  net.Addr
}

func (l *chanListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *chanListener) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}
func (l *chanListener) Addr() net.Addr { return l.addr }

func TestHandshake(t *testing.T) {
	head := func(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }
	const up, conn, host, key, version = "Upgrade: websocket", "Connection: Upgrade", "Host: x", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"
	tests := []struct {
		name   string
		send   string
		status string
		reason string
	}{
		{"plain", head("GET / HTTP/1.1", host), "404", "handler"},
		{"wrong version", head("GET / HTTP/1.1", host, up, conn, key, "Sec-WebSocket-Version: 8"), "426", "ws-version"},
		{"no key", head("GET / HTTP/1.1", host, up, conn, version), "400", "key"},
		{"put", head("PUT / HTTP/1.1", host, "Content-Length: 0"), "405", "method"},
		{"http/1.0", head("GET / HTTP/1.0", host), "505", "http-version"},
		{"rubbish", "\x16\x03\x01\x02\x00", "400", "malformed"},
		{"endless", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 20000), "431", "head-too-large"},
		{"many headers", head("GET / HTTP/1.1", host, strings.Repeat("A: b\r\n", 120)+"A: c"), "431", "too-many-headers"},
	}
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		for _, tt := range tests {
			c := s.dialRaw()
			c.send([]byte(tt.send))
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			_, _ = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if !strings.HasPrefix(resp.Status, tt.status) || resp.ContentLength < 0 || !resp.Close {
				t.Errorf("%s: %+v", tt.name, resp)
			}
			if tt.status == "426" && resp.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Errorf("%s: version %q", tt.name, resp.Header)
			}
			c.wantEOF()
			_ = c.Close()
			eventually(t, "refusal is counted", func() bool { return s.Stats().Refused[tt.reason] == 1 })
		}
	})
}

// TestHandshakeInPieces: byte by byte, with frames right behind it.
func TestHandshakeInPieces(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		c := s.dialRaw()
		_ = c.Conn.(*net.TCPConn).SetNoDelay(true)
		all := append([]byte(requestHead), masked(true, ws.OpText, []byte("at once"))...)
		for i := range all {
			c.send(all[i : i+1])
		}
		c.upgraded()
		c.wantText("at once")
		se := s.next()
		se.on(func() {
			if !wsconn.Idle(&se.Conn) {
				t.Error("an idle connection holds a buffer")
			}
			if se.RemoteAddr().String() != c.LocalAddr().String() {
				t.Errorf("remote address %v", se.RemoteAddr())
			}
		})
	})
}

// TestHandshakeDeadline: bytes do not renew it.
func TestHandshakeDeadline(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, HandshakeTimeout: 300 * time.Millisecond}, nil)
		c := s.dialRaw()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range requestHead {
				if _, err := c.Write([]byte{requestHead[i]}); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
		if _, err := c.r.ReadByte(); err == nil {
			t.Error("the server answered")
		}
		<-done
		eventually(t, "timeout is counted", func() bool { return s.Stats().Refused["timeout"] == 1 })
	})
}

// TestAcceptLeavesInOneCall counts: the 101, the first frame and what is sent at once leave together.
func TestAcceptLeavesInOneCall(t *testing.T) {
	s := start(t, wsconn.Options{Loops: 1}, func(se *session) {
		se.onRequest = func(se *session, r *handshake.Request) {
			for p := range r.Protocols {
				se.Accept(wsconn.AcceptOptions{Subprotocol: p, First: wsconn.NewText([]byte("first"))})
				break
			}
			se.Send(wsconn.NewText([]byte("second")))
			se.accepted <- se
		}
	})
	c := s.dialRaw()
	c.send([]byte(strings.Replace(requestHead, "\r\n\r\n", "\r\nSec-WebSocket-Protocol: a, b\r\n\r\n", 1)))
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil || resp.Header.Get("Sec-WebSocket-Protocol") != "a" {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	c.wantText("first")
	c.wantText("second")
	eventually(t, "write calls", func() bool { return s.Stats().FramesOut == 3 })
	if n := s.Stats().WriteCalls; n != 1 {
		t.Errorf("%d write calls", n)
	}
}

func TestSpreadsOverLoops(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Loops: 3}, nil)
		var per [3]int
		for range 30 {
			_, se := s.pair()
			per[se.Loop()]++
		}
		if per != [3]int{10, 10, 10} {
			t.Errorf("connections by loop: %v", per)
		}
	})
}
