package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/client"
)

// socket is a server of real sockets, for what pipes do not do: TLS, buffers in
// the system, resets.
type socket struct {
	t   testing.TB
	l   net.Listener
	url string
	tls *tls.Config // nil: plain
}

func listen(t testing.TB, config *tls.Config) *socket {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &socket{t: t, l: l, tls: config, url: "ws://" + l.Addr().String() + "/ws?token=secret"}
	if config != nil {
		s.url = strings.Replace(s.url, "ws:", "wss:", 1)
	}
	return s
}

// conn takes a connection.
func (s *socket) conn() net.Conn {
	s.t.Helper()
	conn, err := s.l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(testkit.Patience)); err != nil {
		s.t.Fatal(err)
	}
	if s.tls != nil {
		conn = tls.Server(conn, s.tls)
	}
	return conn
}

// accept takes a connection and welcomes the client.
func (s *socket) accept() *peer {
	s.t.Helper()
	p := upgrade(s.t, s.conn())
	p.write(handshake)
	return p
}

// certificate returns what a server and its clients need for TLS.
func certificate(t *testing.T) (server, clients *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "a node"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		DNSNames:     []string{"node.test"},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

func TestTLS(t *testing.T) {
	server, trust := certificate(t)

	t.Run("data and Stop", func(t *testing.T) {
		s := listen(t, server)
		c := mustNew(t, client.Options{URLs: []string{s.url}, TLS: trust})
		got := make(chan client.Message, 2)
		c.On("*", func(m client.Message) { got <- m })
		c.Start()
		p := s.accept()
		long := `"` + strings.Repeat("x", 300_000) + `"`
		c.Enqueue(client.MustEvent("a/up", client.EDN(long)))
		p.want("[:a/up " + long + "]")
		p.write("[:a/down " + long + "]")
		if m := <-got; m.ID != ":a/down" || string(m.Data) != long {
			t.Errorf("%s with %d bytes came", m.ID, len(m.Data))
		}
		answer := ask(t.Context(), c, client.MustEvent("my/ask", nil))
		_, id := callback(t, p.read())
		p.write(`[7 "` + id + `"]`)
		if a := <-answer; a.value != "7" || a.err != nil {
			t.Errorf("answer %v", a)
		}
		c.Enqueue(client.MustEvent("a/last", nil))
		stopped := make(chan client.Stats)
		go func() { stopped <- c.Stop(t.Context()) }()
		p.want("[:a/last]")
		p.close(1000, "")
		if st := <-stopped; st.Send.Sent != 3 || st.Send.Dropped != 0 || st.Connects != 1 || st.Disconnects != 1 {
			t.Errorf("statistics %+v", st)
		}
	})

	t.Run("a dead peer", func(t *testing.T) {
		s := listen(t, server)
		ended := make(chan *client.Disconnect, 1)
		c := mustNew(t, client.Options{
			URLs: []string{s.url}, TLS: trust, PeerTimeout: 100 * time.Millisecond,
			OnDisconnect: func(_ *client.Client, d *client.Disconnect) { ended <- d },
		})
		c.Start()
		p := s.accept()
		p.want("[:chsk/ws-ping]")
		if d := <-ended; d.Cause != client.CauseSilent {
			t.Errorf("disconnect %v, want silent", d)
		}
		stopNow(c)
	})

	t.Run("Stop with a peer that does not read", func(t *testing.T) {
		s := listen(t, server)
		c := mustNew(t, client.Options{URLs: []string{s.url}, TLS: trust, CloseTimeout: 50 * time.Millisecond})
		c.Start()
		s.accept()
		long := client.MustEvent("a/long", strings.Repeat("x", 500_000))
		for range 50 {
			c.Enqueue(long)
		}
		ctx, cancel := contextIn(t, 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		defer func() {
			// Not the 5 s that crypto/tls might take to say goodbye; 0.2 s are due.
			if d := time.Since(began); d > 4*time.Second {
				t.Errorf("stopped after %v", d)
			}
		}()
		if st := c.Stop(ctx).Send; st.Dropped == 0 || st.Sent+st.Dropped != 50 || c.Err() == nil {
			t.Errorf("statistics %+v", st)
		}
	})

	t.Run("an address of IPv6", func(t *testing.T) {
		s := listen(t, server)
		dialled := make(chan string, 1)
		c := mustNew(t, client.Options{URLs: []string{"wss://[::1]/ws?a=b&c"}, TLS: trust, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled <- addr
			var d net.Dialer
			return d.DialContext(ctx, network, s.l.Addr().String())
		}})
		c.Start()
		p := s.accept()
		if addr := <-dialled; addr != "[::1]:443" || p.uri != "/ws?a=b&c" || p.header.Get("Host") != "[::1]" {
			t.Errorf("dialled %s, asked for %s of %s", addr, p.uri, p.header.Get("Host"))
		}
		stopNow(c)
	})

	for _, tt := range []struct {
		name    string
		trust   *tls.Config
		config  *tls.Config   // of the server
		timeout time.Duration // not 0: the server is silent
		want    string
	}{
		{name: "an unknown authority", config: server, want: "x509: certificate signed by unknown authority"},
		{name: "a certificate of another name", trust: &tls.Config{RootCAs: trust.RootCAs, ServerName: "other.test"}, config: server, want: "not other.test"},
		{name: "a server without TLS", trust: trust, want: "tls: first record does not look like a TLS handshake"},
		{name: "silence", trust: trust, timeout: 200 * time.Millisecond, want: "client: timed out after 200ms, waiting for TLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listen(t, tt.config)
			told := make(chan error, 10)
			c := mustNew(t, client.Options{
				URLs: []string{strings.Replace(s.url, "ws:", "wss:", 1)}, TLS: tt.trust, ConnectTimeout: tt.timeout,
				OnError: func(_ *client.Client, err error) { told <- err },
			})
			c.Start()
			conn := s.conn()
			if tt.timeout == 0 {
				_, _ = conn.Read(make([]byte, 100))
				_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			}
			if err := <-told; !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("OnError was told %v, want %q", err, tt.want)
			}
			stopNow(c)
		})
	}
}

// A server that closes while the client writes breaks the write. What it said
// before is heard all the same.
func TestCloseFrameBehindABrokenWrite(t *testing.T) {
	s := listen(t, nil)
	release := make(chan struct{})
	ended := make(chan *client.Disconnect, 1)
	c := mustNew(t, client.Options{
		URLs: []string{s.url}, Backlog: 1, CloseTimeout: testkit.Patience, FlushInterval: client.Immediately,
		ReconnectMin: testkit.Patience, // as 1013 asks for
		OnDisconnect: func(_ *client.Client, d *client.Disconnect) { ended <- d },
	})
	seen := 0
	c.On("a/b", func(client.Message) { <-release; seen++ })
	c.Start()
	p := s.accept()
	for range 3 {
		p.write("[:a/b]")
	}
	p.write(`[:a/b "` + strings.Repeat("x", 16_000) + `"]`) // beyond the client's read buffer
	p.frame(ws.NewCloseFrame(ws.NewCloseFrameBody(1013, "too much")))
	testkit.Eventually(t, "the client to stop reading", func() bool { return c.Stats().Receive.Backlog == 1 })
	if err := p.conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	p.hangUp()
	testkit.Eventually(t, "a write to break", func() bool {
		c.Enqueue(client.MustEvent("a/b", nil))
		return c.Stats().Send.WriteErrors == 1
	})
	close(release)
	if d := <-ended; d.Cause != client.CauseServer || d.Code != 1013 || d.Text != "too much" || seen != 4 {
		t.Errorf("after %d messages: %v, want 4 and the server's 1013", seen, d)
	}
	stopNow(c)
}

// Nobody answers a dead name, and a port where nobody listens.
func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "ws://" + l.Addr().String() + "/?secret"
	l.Close()
	told := make(chan error, 2)
	c := mustNew(t, client.Options{
		URLs: []string{"ws://nobody.invalid/?secret", closed}, ReconnectMin: time.Millisecond, MaxAttempts: 2,
		OnError: func(_ *client.Client, err error) { told <- err },
	})
	c.Start()
	<-c.Closed()
	first, second := <-told, <-told
	if _, ok := errors.AsType[*net.DNSError](first); !ok || !strings.Contains(first.Error(), "ws://nobody.invalid/") {
		t.Errorf("a name that is none: %v", first)
	}
	if !strings.Contains(second.Error(), "refused") {
		t.Errorf("a port where nobody listens: %v", second)
	}
	for _, err := range []error{first, second, c.Err()} {
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v says what may be secret", err)
		}
	}
}
