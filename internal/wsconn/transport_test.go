package wsconn_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// ways are those in which a connection can come: on epoll loops, on portable ones, and with TLS.
var ways = []string{"epoll", "portable", "tls"}

// transport is a server whose sessions say where requests came from, and how to get to it.
type transport struct {
	*server
	client *tls.Config // nil without TLS
	addrs  chan netip.Addr
}

// startTransport starts one; request, where it is given, answers in place of Accept.
func startTransport(t *testing.T, way string, o wsconn.Options, request ...func(*session, *handshake.Request)) *transport {
	t.Helper()
	tr := &transport{addrs: make(chan netip.Addr, 100)}
	switch way {
	case "portable":
		o.Portable = true
	case "tls":
		ca := certtest.New(t, "ca")
		o.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "node", nil).TLS}, NextProtos: []string{"http/1.1"}}
		tr.client = &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"}
	}
	tr.server = start(t, o, func(s *session) {
		s.onRequest = func(s *session, r *handshake.Request) {
			for _, answer := range request {
				answer(s, r)
				return
			}
			tr.addrs <- r.Addr
			s.Accept(wsconn.AcceptOptions{})
			s.accepted <- s
		}
	})
	return tr
}

// connect sends what comes before TLS, in pieces of one byte where that is asked for, and returns the connection.
func (tr *transport) connect(before string, slow bool) *client {
	tr.t.Helper()
	c := tr.dialRaw()
	for len(before) > 0 {
		n := len(before)
		if slow {
			n = 1
		}
		c.send([]byte(before[:n]))
		before = before[n:]
	}
	if tr.client != nil {
		c = &client{Conn: tls.Client(c.Conn, tr.client), t: tr.t}
		c.r = bufio.NewReader(c)
	}
	return c
}

func (tr *transport) addr() netip.Addr {
	tr.t.Helper()
	select {
	case a := <-tr.addrs:
		return a
	case <-time.After(patience):
		tr.t.Fatal("no request came")
		return netip.Addr{}
	}
}

// refused waits until requests were refused for that reason.
func (tr *transport) refused(reason string, n uint64) {
	tr.t.Helper()
	eventually(tr.t, "refused: "+reason, func() bool { return tr.Stats().Refused[reason] >= n })
	if got := tr.Stats().Refused; got[reason] != n {
		tr.t.Errorf("refused %v, want %s %d times", got, reason, n)
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// v2 makes a header of PROXY, version 2.
func v2(command, family byte, length int, body string) string {
	h := binary.BigEndian.AppendUint16([]byte("\r\n\r\n\x00\r\nQUIT\n"+string([]byte{command, family})), uint16(length))
	return string(h) + body
}

const (
	v1     = "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n"
	v2Body = "\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x01\xbb"
)

var localhost = netip.MustParseAddr("127.0.0.1")

func forwarded(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString("X-Forwarded-For: " + l + "\r\n")
	}
	return strings.Replace(requestHead, "Upgrade: websocket", b.String()+"Upgrade: websocket", 1)
}

func TestProxyHeader(t *testing.T) {
	behind := netip.MustParseAddr("192.0.2.7")
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			tr := startTransport(t, way, wsconn.Options{ProxyFrom: prefixes("127.0.0.0/8")})
			for _, tt := range []struct {
				name, header string
				want         netip.Addr
			}{
				{"v1", v1, behind},
				{"v1 unknown", "PROXY UNKNOWN\r\n", localhost},
				{"v2", v2(0x21, 0x11, 12, v2Body), behind},
				{"v2 with extensions", v2(0x21, 0x11, 12+7, v2Body+"\x04\x00\x04abcd"), behind},
				{"v2 local", v2(0x20, 0x11, 12, v2Body), localhost},
				{"v2 unspec", v2(0x21, 0x00, 3, "abc"), localhost},
			} {
				for _, slow := range []bool{false, true} {
					c := tr.connect(tt.header, slow)
					c.send([]byte(requestHead))
					c.upgraded()
					if got := tr.addr(); got != tt.want {
						t.Errorf("%s, slow %v: address %v, want %v", tt.name, slow, got, tt.want)
					}
					c.text("hello")
					c.wantText("hello")
					near := tr.next()
					near.on(func() {
						if got := near.RemoteAddr().Addr(); got != tt.want {
							t.Errorf("%s, slow %v: once it is open, %v, want %v", tt.name, slow, got, tt.want)
						}
					})
					_ = c.Close()
					near.end()
				}
			}
			if n := tr.Clients(); n != 0 {
				t.Errorf("%d addresses are kept of connections that have ended", n)
			}
			if way == "tls" {
				return
			}
			c := tr.connect(v1+requestHead[:20], false) // together
			c.send([]byte(requestHead[20:]))
			c.upgraded()
			if got := tr.addr(); got != behind {
				t.Errorf("together with the head: address %v", got)
			}
		})
	}
}

// TestProxyHeaderIsRequired holds that what is no header ends the connection without a word.
func TestProxyHeaderIsRequired(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			tr := startTransport(t, way, wsconn.Options{ProxyFrom: prefixes("127.0.0.1/32"), HandshakeTimeout: 300 * time.Millisecond})
			for i, tt := range []struct{ header, reason string }{
				{requestHead, "proxy-missing"},
				{"\x16\x03\x01\x00\x05hello", "proxy-missing"},
				{"PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n", "proxy-malformed"},
				{"PROXY TCP4 " + strings.Repeat("1", 100), "proxy-too-long"},
				{v2(0x21, 0x11, 4097, ""), "proxy-too-long"},
				{v2(0x21, 0x12, 12, v2Body), "proxy-malformed"},
				{"\r\n\r\n\x00\r\nQUIT\r", "proxy-missing"},
				{v1[:20], "timeout"},
				{"", "timeout"},
				{v1, "timeout"}, // and no request behind it
			} {
				before := tr.Stats().Refused[tt.reason]
				c := tr.dialRaw()
				c.send([]byte(tt.header))
				if p, err := io.ReadAll(c); len(p) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("case %d: answered with %q, %v", i, p, err)
				}
				tr.refused(tt.reason, before+1)
			}
			c := tr.dialRaw()
			c.send([]byte(v1[:20]))
			_ = c.Close()
			tr.refused("eof", 1)
			if n := len(tr.addrs); n != 0 {
				t.Errorf("%d requests have come through", n)
			}
		})
	}
}

// TestProxyHeaderFromOthers holds that nobody else's is looked for.
func TestProxyHeaderFromOthers(t *testing.T) {
	for _, way := range []string{"epoll", "portable"} {
		tr := startTransport(t, way, wsconn.Options{ProxyFrom: prefixes("10.0.0.0/8")})
		for _, header := range []string{v1, v2(0x21, 0x11, 12, v2Body)} {
			c := tr.connect(header+requestHead, false)
			if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 400 ") {
				t.Errorf("%s: %q", way, head)
			}
		}
		tr.refused("malformed", 2)
		c := tr.dial()
		if got := tr.addr(); got != localhost {
			t.Errorf("%s: address %v", way, got)
		}
		_ = c.Close()
	}
}

func TestForwardedFor(t *testing.T) {
	many := strings.Repeat("10.0.0.1, ", 31)
	for _, tt := range []struct {
		name  string
		from  string // who is trusted, "" is nobody
		lines []string
		want  string
	}{
		{name: "believed", from: "127.0.0.0/8", lines: []string{"192.0.2.7"}, want: "192.0.2.7"},
		{name: "none", from: "127.0.0.0/8", want: "127.0.0.1"},
		{name: "spoofed from elsewhere", from: "10.0.0.0/8", lines: []string{"192.0.2.7"}, want: "127.0.0.1"},
		{name: "nobody is trusted", lines: []string{"192.0.2.7"}, want: "127.0.0.1"},
		{name: "spoofed through a proxy", from: "127.0.0.0/8", lines: []string{"203.0.113.9, 192.0.2.7"}, want: "192.0.2.7"},
		{name: "spoofed as trusted", from: "127.0.0.0/8", lines: []string{"127.0.0.2, 192.0.2.7"}, want: "192.0.2.7"},
		{name: "through two", from: "127.0.0.0/8", lines: []string{"203.0.113.9, 192.0.2.7 ,127.0.0.9"}, want: "192.0.2.7"},
		{name: "all are trusted", from: "127.0.0.0/8", lines: []string{"127.0.0.7,127.0.0.8"}, want: "127.0.0.7"},
		{name: "several lines", from: "127.0.0.0/8", lines: []string{"203.0.113.9", "192.0.2.7", "127.0.0.9,"}, want: "192.0.2.7"},
		{name: "empty", from: "127.0.0.0/8", lines: []string{" ", ","}, want: "127.0.0.1"},
		{name: "junk", from: "127.0.0.0/8", lines: []string{"unknown"}, want: "127.0.0.1"},
		{name: "junk behind a good one", from: "127.0.0.0/8", lines: []string{"192.0.2.7, _hidden, 127.0.0.9"}, want: "127.0.0.9"},
		{name: "with a port", from: "127.0.0.0/8", lines: []string{"192.0.2.7:1234"}, want: "192.0.2.7"},
		{name: "ipv6", from: "127.0.0.0/8", lines: []string{"2001:db8::7"}, want: "2001:db8::7"},
		{name: "ipv6 in brackets", from: "127.0.0.0/8", lines: []string{"[2001:db8::7]"}, want: "2001:db8::7"},
		{name: "ipv6 with a port", from: "127.0.0.0/8", lines: []string{"[2001:db8::7]:1234"}, want: "2001:db8::7"},
		{name: "mapped", from: "127.0.0.0/8", lines: []string{"::ffff:192.0.2.7"}, want: "192.0.2.7"},
		{name: "zone", from: "127.0.0.0/8", lines: []string{"fe80::1%eth0"}, want: "127.0.0.1"},
		{name: "ends in a bracket", from: "127.0.0.0/8", lines: []string{"192.0.2.7]"}, want: "127.0.0.1"},
		{name: "as many as are walked past", from: "0.0.0.0/0", lines: []string{"10.0.0.7, " + many}, want: "10.0.0.7"},
		{name: "one more", from: "0.0.0.0/0", lines: []string{"10.0.0.7, 10.0.0.8, " + many}, want: "10.0.0.8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := wsconn.Options{}
			if tt.from != "" {
				o.ForwardedFrom = prefixes(tt.from)
			}
			tr := startTransport(t, "epoll", o)
			c := tr.connect("", false)
			c.send([]byte(forwarded(tt.lines...)))
			c.upgraded()
			if got := tr.addr(); got.String() != tt.want {
				t.Errorf("address %v, want %v", got, tt.want)
			}
		})
	}
}

// TestForwardedBehindProxy holds that the header of a proxy that PROXY names is believed by its own address.
func TestForwardedBehindProxy(t *testing.T) {
	for _, way := range ways {
		tr := startTransport(t, way, wsconn.Options{ProxyFrom: prefixes("127.0.0.1/32"), ForwardedFrom: prefixes("192.0.2.0/24")})
		for header, want := range map[string]string{v1: "203.0.113.9", "PROXY UNKNOWN\r\n": "127.0.0.1"} {
			c := tr.connect(header, false)
			c.send([]byte(forwarded("203.0.113.9")))
			c.upgraded()
			if got := tr.addr(); got.String() != want {
				t.Errorf("%s: address %v, want %v", way, got, want)
			}
		}
	}
}

// TestDetachedKnowsItsClient holds that what net/http is given has the client's address.
func TestDetachedKnowsItsClient(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			conns := make(chan net.Conn, 1)
			o := wsconn.Options{ProxyFrom: prefixes("127.0.0.1/32"), ForwardedFrom: prefixes("127.0.0.1/32")}
			tr := startTransport(t, way, o, func(s *session, _ *handshake.Request) {
				conn, err := s.Detach()
				if err != nil {
					t.Error(err)
				}
				conns <- conn
			})
			for _, tt := range []struct{ proxy, forwarded, want string }{
				{v1, "", "192.0.2.7:0"},
				{"PROXY UNKNOWN\r\n", "X-Forwarded-For: 2001:db8::7\r\n", "[2001:db8::7]:0"},
				{"PROXY UNKNOWN\r\n", "", ""},
			} {
				c := tr.connect(tt.proxy, false)
				c.send([]byte("GET / HTTP/1.1\r\nHost: x\r\n" + tt.forwarded + "\r\n"))
				near := <-conns
				want := tt.want
				if way == "tls" && strings.HasPrefix(want, "192.") {
					want = "192.0.2.7:12345" // the header's, which is the connection's own there
				}
				if want == "" {
					want = c.LocalAddr().String()
				}
				if got := near.RemoteAddr().String(); got != want {
					t.Errorf("address %v, want %v", got, want)
				}
				r, err := http.ReadRequest(bufio.NewReader(near))
				if err != nil || r.URL.Path != "/" {
					t.Errorf("request: %v, %v", r, err)
				}
				_ = near.SetDeadline(time.Now().Add(patience))
				if _, err := io.WriteString(near, "HTTP/1.1 204 No Content\r\n\r\n"); err != nil {
					t.Error(err)
				}
				if status := c.head(); !strings.Contains(status, " 204 ") {
					t.Errorf("answer %q", status)
				}
				if err := near.Close(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				_ = c.Close()
			}
		})
	}
}
