package wsconn_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// refusals collects what Options.Refused hears.
type refusals struct {
	mu   sync.Mutex
	seen map[string]int
	addr netip.Addr // the last
}

func (r *refusals) hear(addr netip.Addr, reason string, limit bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]int{}
	}
	if !limit {
		reason = "no request: " + reason
	}
	r.seen[reason]++
	r.addr = addr
}

func (r *refusals) count(reason string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[reason]
}

func (r *refusals) last() netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.addr
}

// ask sends a whole request and returns the status line with the headers.
func (s *server) ask(head string) (*client, string) {
	s.t.Helper()
	c := s.dialRaw()
	c.send([]byte(head))
	return c, c.head()
}

// Each limit refuses with its status, says when to come back, counts and tells; what is given back may be had again.
func TestAdmission(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits wsconn.Limits
		reason string
		status int
		again  string // Retry-After
		rate   bool   // time gives it back, and not the end of a connection
	}{
		{name: "node", limits: wsconn.Limits{Conns: 2}, reason: "full", status: 503, again: "5"},
		{name: "address", limits: wsconn.Limits{ConnsPerAddr: 2}, reason: "address-connections", status: 429, again: "5"},
		{name: "handshakes", limits: wsconn.Limits{HandshakeRate: 1}, reason: "handshake-rate", status: 503, again: "1", rate: true},
		{name: "handshakes of an address", limits: wsconn.Limits{HandshakeRatePerAddr: 1}, reason: "address-handshake-rate", status: 429, again: "1", rate: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				var heard refusals
				s := start(t, wsconn.Options{Limits: tt.limits, Portable: portable, Refused: heard.hear}, nil)
				first, second := s.dial(), s.dial()
				c, head := s.ask(requestHead)
				if !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", tt.status)) || !strings.Contains(head, "\r\nRetry-After: "+tt.again+"\r\n") {
					t.Fatalf("the third: %q", head)
				}
				if body, err := c.r.ReadString('\n'); err != nil || len(body) < 20 {
					t.Errorf("body %q, %v", body, err)
				}
				eventually(t, "counted", func() bool { return s.Stats().Refused[tt.reason] == 1 })
				if n := heard.count(tt.reason); n != 1 || !heard.last().IsLoopback() {
					t.Errorf("told %d times, of %v", n, heard.last())
				}
				// Plain requests are none of it.
				if _, head := s.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n"); !strings.HasPrefix(head, "HTTP/1.1 404 ") {
					t.Errorf("a plain request: %q", head)
				}
				if !tt.rate {
					_ = first.Close()
				}
				eventually(t, "room again", func() bool {
					c, head := s.ask(requestHead)
					if strings.HasPrefix(head, "HTTP/1.1 101 ") {
						return true
					}
					_ = c.Close()
					time.Sleep(10 * time.Millisecond)
					return false
				})
				second.text("still here")
				second.wantText("still here")
			})
		})
	}
}

// Whatever becomes of a socket, what it counts for is given back, once.
func TestEverythingIsGivenBack(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		panics := false
		var mu sync.Mutex
		plain, asked := make(chan net.Conn, 1), make(chan *session, 1)
		s := start(t, wsconn.Options{
			Limits:           wsconn.Limits{Conns: 100, ConnsPerAddr: 100, HandshakeRatePerAddr: 1_000_000},
			Portable:         portable,
			HandshakeTimeout: 300 * time.Millisecond,
		}, func(c *session) {
			mu.Lock()
			defer mu.Unlock()
			if panics {
				panic("no connection")
			}
			c.onRequest = func(c *session, r *handshake.Request) {
				switch {
				case !r.Upgrade:
					conn, err := c.Detach()
					if err != nil {
						t.Error(err)
						return
					}
					plain <- conn
				case r.Path() == "/refuse":
					c.Refuse(http.StatusForbidden, "", "no\n")
				case r.Path() == "/panic":
					panic("on request")
				case r.Path() == "/late":
					c.Conn.Post(func() { c.Refuse(http.StatusForbidden, "", "no\n") })
				case r.Path() == "/wait":
					asked <- c
				default:
					c.Accept(wsconn.AcceptOptions{})
					c.accepted <- c
				}
			}
		})
		to := func(path string) string { return strings.Replace(requestHead, "/chat", path, 1) }
		nothing := func(after string) {
			t.Helper()
			eventually(t, "nothing counted after "+after, func() bool {
				st := s.Stats()
				return st.Sockets == 0 && st.Heads == 0 && st.Conns == 0
			})
		}
		for range 3 {
			c := s.dialRaw()
			eventually(t, "a head", func() bool { st := s.Stats(); return st.Heads == 1 && st.Sockets == 1 && st.Conns == 0 })
			_ = c.Close()
			nothing("an end in the head")

			c = s.dialRaw()
			c.send([]byte("GET / HT"))
			nothing("a timeout in the head")
			_ = c.Close()

			c, _ = s.ask("BAD\r\n\r\n")
			_ = c.Close()
			nothing("a bad head")

			c = s.dial()
			s.next()
			if st := s.Stats(); st.Heads != 0 || st.Sockets != 1 || st.Conns != 1 || st.Addresses != 1 {
				t.Errorf("a connection: %+v", st)
			}
			c.send(closeFrame(1000, ""))
			c.wantClose(1000)
			_ = c.Close()
			nothing("a close")

			c = s.dial()
			s.next().on(func() { panic("on the loop") })
			c.wantClose(1011)
			_ = c.Close()
			nothing("a panic")

			for _, path := range []string{"/refuse", "/late"} {
				c, _ = s.ask(to(path))
				eventually(t, "a refused one is no connection", func() bool { st := s.Stats(); return st.Conns == 0 })
				_ = c.Close()
				nothing(path)
			}

			c = s.dialRaw()
			c.send([]byte(to("/panic")))
			c.wantEOF()
			nothing("/panic")

			c = s.dialRaw()
			c.send([]byte(to("/wait")))
			eventually(t, "a connection while it waits", func() bool { st := s.Stats(); return st.Conns == 1 && st.Heads == 0 })
			waits := <-asked
			waits.on(func() { waits.Refuse(http.StatusForbidden, "", "no\n") })
			if st := s.Stats(); st.Conns != 0 || st.Heads != 1 {
				t.Errorf("refused: %d connections, %d heads", st.Conns, st.Heads)
			}
			_ = c.Close()
			nothing("/wait")

			c = s.dialRaw()
			c.send([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
			conn := <-plain
			eventually(t, "a socket that others have", func() bool { st := s.Stats(); return st.Sockets == 1 && st.Heads == 0 && st.Conns == 0 })
			_ = conn.Close()
			_ = conn.Close()
			_ = c.Close()
			nothing("a plain request")

			mu.Lock()
			panics = true
			mu.Unlock()
			before := s.Stats().Panics
			c = s.dialRaw()
			c.wantEOF()
			eventually(t, "the panic is counted", func() bool { return s.Stats().Panics == before+1 })
			mu.Lock()
			panics = false
			mu.Unlock()
			nothing("a panic of NewConn")
		}
		if st := s.Stats(); st.Addresses > 1 {
			t.Errorf("%d addresses", st.Addresses)
		}
	})
}

// A session's panic on its loop costs that one, with a name in the log.
func (s *session) Name() string { return "conn-of-a-test" }

// Sockets that say nothing have places of their own: beyond them new ones are closed at once, and nobody else is hurt.
func TestFloodOfHeads(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits wsconn.Limits
		reason string
	}{
		{"of the node", wsconn.Limits{Heads: 20, HeadsPerAddr: -1}, "heads"},
		{"of an address", wsconn.Limits{Heads: 100, HeadsPerAddr: 20}, "address-heads"},
		{"half of them for each address", wsconn.Limits{Heads: 40}, "address-heads"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				var heard refusals
				s := start(t, wsconn.Options{Limits: tt.limits, Portable: portable, Refused: heard.hear, Loops: 1}, nil)
				friend := s.dial()
				var silent []*client
				for range 20 {
					silent = append(silent, s.dialRaw())
				}
				eventually(t, "20 heads", func() bool { return s.Stats().Heads == 20 })
				for range 5 {
					s.dialRaw().wantGone()
				}
				eventually(t, "shed", func() bool { return s.Stats().Shed[tt.reason] == 5 && heard.count(tt.reason) == 5 })
				friend.text("hello")
				friend.wantText("hello")
				_ = silent[0].Close()
				eventually(t, "19 heads", func() bool { return s.Stats().Heads == 19 })
				silent[1].send([]byte(requestHead))
				silent[1].upgraded()
				s.dial()
			})
		})
	}
}

// Who is refused and stays counts for its address like one that says nothing, however often it comes.
func TestFloodOfRefused(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Limits: wsconn.Limits{Heads: 100, HeadsPerAddr: 10}, Portable: portable, CloseTimeout: patience, HandshakeTimeout: time.Minute}, func(c *session) {
			c.onRequest = func(c *session, _ *handshake.Request) { c.Refuse(http.StatusUnauthorized, "", "no\n") }
		})
		var refused []*client
		for range 10 {
			c, head := s.ask(requestHead)
			if !strings.HasPrefix(head, "HTTP/1.1 401 ") {
				t.Fatal(head)
			}
			refused = append(refused, c)
		}
		eventually(t, "10 heads", func() bool { return s.Stats().Heads == 10 })
		s.dialRaw().wantGone()
		eventually(t, "shed", func() bool { return s.Stats().Shed["address-heads"] == 1 })
		for _, c := range refused {
			_ = c.Close()
		}
		eventually(t, "nobody is left", func() bool { st := s.Stats(); return st.Heads == 0 && st.Sockets == 0 && st.Addresses == 0 })
		if _, head := s.ask(requestHead); !strings.HasPrefix(head, "HTTP/1.1 401 ") {
			t.Errorf("then: %q", head)
		}
	})
}

// A proxy's own address has no limit of heads: it speaks for many.
func TestHeadsOfProxies(t *testing.T) {
	s := start(t, wsconn.Options{
		Limits:        wsconn.Limits{HeadsPerAddr: 2, ConnsPerAddr: 1},
		ForwardedFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}, nil)
	for range 10 {
		s.dialRaw()
	}
	eventually(t, "10 heads", func() bool { return s.Stats().Heads == 10 })
	from := func(addr string) string {
		return strings.Replace(requestHead, "\r\n\r\n", "\r\nX-Forwarded-For: "+addr+"\r\n\r\n", 1)
	}
	for _, tt := range []struct{ addr, want string }{
		{"192.0.2.1", "101"}, {"192.0.2.2", "101"}, {"192.0.2.1", "429"}, {"2001:db8::1", "101"}, {"2001:db8::2", "429"},
	} {
		if _, head := s.ask(from(tt.addr)); !strings.HasPrefix(head, "HTTP/1.1 "+tt.want+" ") {
			t.Errorf("%s: %q", tt.addr, head)
		}
	}
}

// An owner's connections without a socket count as others do.
func TestOpenWithoutSocket(t *testing.T) {
	s := start(t, wsconn.Options{Limits: wsconn.Limits{Conns: 2, ConnsPerAddr: 1, HandshakeRate: 2}}, nil)
	a, b, c := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	place, refused := s.Open(a)
	if refused != nil {
		t.Fatal(refused.Reason)
	}
	if _, refused := s.Open(a); refused == nil || refused.Reason != "address-connections" || refused.Status != 429 {
		t.Errorf("the address again: %+v", refused)
	}
	if _, refused := s.Open(b); refused != nil {
		t.Error(refused.Reason)
	}
	if _, refused := s.Open(c); refused == nil || refused.Status != 503 {
		t.Errorf("a third: %+v", refused)
	}
	if _, head := s.ask(requestHead); !strings.HasPrefix(head, "HTTP/1.1 503 ") {
		t.Errorf("a socket: %q", head)
	}
	s.Leave(place)
	eventually(t, "room again", func() bool {
		place, refused = s.Open(a)
		return refused == nil
	})
	if n := s.Stats().Conns; n != 2 {
		t.Errorf("%d connections", n)
	}
	s.Leave(place)
}

func TestKnock(t *testing.T) {
	s := start(t, wsconn.Options{Limits: wsconn.Limits{HandshakeRate: 2, HandshakeRatePerAddr: 1}}, nil)
	a := netip.MustParseAddr("192.0.2.1")
	for i, want := range []string{"", "", "address-handshake-rate"} {
		got := ""
		if refused := s.Knock(a); refused != nil {
			got = refused.Reason
		}
		if got != want {
			t.Errorf("knock %d: %q, want %q", i, got, want)
		}
	}
	if s.Stats().Refused["address-handshake-rate"] != 1 {
		t.Error("not counted")
	}
}

func TestDefaultConns(t *testing.T) {
	for descriptors, want := range map[int]int{1: 1, 64: 32, 128: 64, 1024: 909, 20_000: 18_936, 1 << 20: 1<<20 - 64 - 1<<20/20} {
		if got := wsconn.DefaultConns(descriptors); got != want {
			t.Errorf("%d descriptors: %d, want %d", descriptors, got, want)
		}
	}
}

// wantGone wants that the server has closed the connection without a word.
func (c *client) wantGone() {
	c.t.Helper()
	if b, err := bufio.NewReader(c.Conn).ReadByte(); err == nil {
		c.t.Fatalf("got a byte: %q", b)
	} else if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // a deadline is never wrapped
		c.t.Fatal("still open")
	}
}
