package wsconn_test

import (
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/certs"
	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// gaugesHandler does with each request what its path says, with help of who asks.
func gaugesHandler(later *sync.WaitGroup) func(*session) {
	return func(c *session) {
		c.onRequest = func(c *session, r *handshake.Request) {
			switch path := r.Path(); {
			case !r.Upgrade && path == "/refuse":
				c.Refuse(404, "", "no\n")
			case !r.Upgrade:
				if conn, err := c.Detach(); err == nil {
					later.Go(func() {
						_, _ = io.WriteString(conn, "HTTP/1.0 204 No Content\r\n\r\n")
						_ = conn.Close()
					})
				}
			case path == "/refuse":
				c.Refuse(403, "", "no\n")
			case path == "/panic":
				panic("on request")
			case path == "/late", path == "/lateno":
				later.Go(func() { // by then its peer may have gone
					c.Post(func() {
						if path == "/late" {
							c.Accept(wsconn.AcceptOptions{})
						} else {
							c.Refuse(403, "", "no\n")
						}
					})
				})
			default:
				c.Accept(wsconn.AcceptOptions{})
			}
		}
		held := false
		c.onMessage = func(c *session, op ws.OpCode, p []byte) wsconn.Verdict {
			switch {
			case op == ws.OpBinary: // the flood
				return wsconn.Done
			case string(p) == "panic":
				panic("on message")
			case string(p) == "close":
				c.Close(1000, "")
			case string(p) == "hold" && !held:
				held = true
				later.Go(func() { c.Post(c.Resume) })
				return wsconn.Hold
			}
			return c.Echo(op, p)
		}
	}
}

// visit is one client, from its coming to its end. It does not care what it is answered: limits are low.
func visit(rnd *rand.Rand, addr string, secure *tls.Config) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	conn := raw
	if secure != nil {
		conn = tls.Client(raw, secure)
	}
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	switch rnd.IntN(8) {
	case 0: // says nothing
	case 1:
		_, _ = io.WriteString(conn, requestHead[:1+rnd.IntN(len(requestHead)-1)])
	case 2:
		_, _ = io.WriteString(conn, "GET "+pick("/", "/refuse")+" HTTP/1.1\r\nHost: h\r\n\r\n")
	case 3:
		_, _ = io.WriteString(conn, "BAD\r\n\r\n")
	default:
		_, _ = io.WriteString(conn, strings.Replace(requestHead, "/chat", pick("/", "/", "/", "/late", "/lateno", "/refuse", "/panic"), 1))
		if rnd.IntN(3) > 0 {
			_, _ = conn.Read(make([]byte, 1))
		}
		var all []byte
		for range rnd.IntN(4) {
			switch rnd.IntN(4) {
			case 0:
				all = append(all, numbered(0, 100+rnd.IntN(300))...)
			case 1:
				all = append(all, masked(true, ws.OpBinary, make([]byte, rnd.IntN(20_000)))...)
			case 2:
				all = append(all, masked(rnd.IntN(2) == 0, ws.OpText, []byte(pick("panic", "close", "hold", "hello")))...)
			case 3:
				all = append(all, closeFrame(1000, "")...)
			}
		}
		_, _ = conn.Write(all)
	}
	if rnd.IntN(2) == 0 { // waits for the end, or for so long
		_ = conn.SetReadDeadline(time.Now().Add(time.Duration(rnd.IntN(200)) * time.Millisecond))
		_, _ = io.Copy(io.Discard, conn)
	}
	switch rnd.IntN(3) {
	case 0:
		_ = raw.(*net.TCPConn).SetLinger(0)
	case 1:
		_ = raw.(*net.TCPConn).CloseWrite()
		_ = raw.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, _ = io.Copy(io.Discard, raw)
	}
	_ = raw.Close()
}

// Whoever comes, in whatever order, and however it ends: at the end nobody counts for anything. Also where the server
// stops in the middle of it.
func TestGaugesEndAtZero(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.New(t, "ca")
	cert, key := ca.Issue(t, "one", nil).Write(t, dir, "server")
	store, err := certs.Load(certs.Options{CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	var throttles atomic.Uint64
	t.Cleanup(func() {
		if throttles.Load() == 0 {
			t.Error("nobody was throttled")
		}
	})
	for _, tt := range []struct {
		name          string
		portable, tls bool
	}{{"epoll", false, false}, {"portable", true, false}, {"tls", true, true}} {
		for _, stop := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: ", stopped"}[stop], func(t *testing.T) {
				t.Parallel()
				o := wsconn.Options{
					Portable: tt.portable, MaxMessage: 16 << 10, HandshakeTimeout: 300 * time.Millisecond, CloseTimeout: 200 * time.Millisecond,
					Limits: wsconn.Limits{Conns: 22, ConnsPerAddr: 7, Heads: 14, HeadsPerAddr: 12, EventRate: 150, ByteRate: 20_000},
				}
				var secure *tls.Config
				if tt.tls {
					o.TLS, secure = store.Config(), &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"}
				}
				var later, clients sync.WaitGroup
				s := start(t, o, gaugesHandler(&later))
				ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
				defer cancel()
				for i := range uint64(12) {
					clients.Go(func() {
						rnd := rand.New(rand.NewPCG(i, 7))
						for ctx.Err() == nil {
							place, refused := s.Open(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
							visit(rnd, s.Addr().String(), secure)
							if refused == nil {
								s.Leave(place)
							}
						}
					})
				}
				if stop {
					<-ctx.Done()
					stopping, cancel := context.WithTimeout(context.Background(), patience)
					if err := s.Stop(stopping, 1012, ""); err != nil {
						t.Errorf("stop: %v", err)
					}
					cancel()
				}
				clients.Wait()
				var st wsconn.Stats
				eventually(t, "nobody counts", func() bool {
					st = s.Stats()
					return st.Sockets == 0 && st.Heads == 0 && st.Conns == 0 && st.Open == 0 && st.Throttled == 0 && st.Addresses == 0
				})
				later.Wait() // nobody adds any more
				throttles.Add(st.Throttles)
				if st.Accepted == 0 || len(st.Refused) == 0 {
					t.Errorf("the test does not try much: %+v", st)
				}
				if !stop { // else there is no loop to ask
					eventually(t, "all forgotten", func() bool { return s.Spends() == 0 })
				}
			})
		}
	}
}
