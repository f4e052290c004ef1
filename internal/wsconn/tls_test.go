package wsconn_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/certs"
	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// dialTLS upgrades a connection with this configuration.
func (s *server) dialTLS(config *tls.Config) (*client, error) {
	s.t.Helper()
	raw := s.dialRaw()
	c := &client{Conn: tls.Client(raw.Conn, config), t: s.t}
	c.r = bufio.NewReader(c)
	if _, err := c.Write([]byte(requestHead)); err != nil {
		return nil, err
	}
	if _, err := c.r.Peek(1); err != nil {
		return nil, err
	}
	c.upgraded()
	return c, nil
}

// secureServer speaks TLS with files.
type secureServer struct {
	*server
	ca, clients *certtest.Authority
	dir         string
	shown       chan *x509.Certificate
}

func startSecure(t *testing.T, o wsconn.Options, change func(*certs.Options)) *secureServer {
	t.Helper()
	s := &secureServer{ca: certtest.New(t, "ca"), clients: certtest.New(t, "clients"), dir: t.TempDir(), shown: make(chan *x509.Certificate, 1000)}
	cert, key := s.ca.Issue(t, "one", nil).Write(t, s.dir, "server")
	f := certs.Options{CertFile: cert, KeyFile: key, Every: 1}
	if change != nil {
		f.ClientCAFile = certtest.Write(t, s.dir, "clients.pem", s.clients.PEM)
		change(&f)
	}
	store, err := certs.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	o.TLS = store.Config()
	s.server = start(t, o, func(c *session) {
		c.onRequest = func(c *session, r *handshake.Request) {
			s.shown <- r.Certificate
			if !r.Upgrade {
				c.Refuse(http.StatusNotFound, "", "no\n")
				return
			}
			c.Accept(wsconn.AcceptOptions{})
			c.accepted <- c
		}
	})
	return s
}

func (s *secureServer) config() *tls.Config {
	return &tls.Config{RootCAs: s.ca.Pool, ServerName: "localhost"}
}

func (s *secureServer) refused(reason string, n uint64) {
	s.t.Helper()
	eventually(s.t, "refused: "+reason, func() bool { return s.Stats().Refused[reason] >= n })
	if got := s.Stats().Refused; got[reason] != n {
		s.t.Errorf("refused %v, want %s %d times", got, reason, n)
	}
}

func TestTLS(t *testing.T) {
	s := startSecure(t, wsconn.Options{}, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := s.config()
		config.MaxVersion, config.NextProtos = version, []string{"h2", "http/1.1"}
		c, err := s.dialTLS(config)
		if err != nil {
			t.Fatal(err)
		}
		if st := c.Conn.(*tls.Conn).ConnectionState(); st.Version != version || st.NegotiatedProtocol != "http/1.1" {
			t.Errorf("version %x, protocol %q", st.Version, st.NegotiatedProtocol)
		}
		if leaf := <-s.shown; leaf != nil {
			t.Errorf("a certificate from nowhere: %v", leaf.Subject)
		}
		near := s.next()
		big := strings.Repeat("0123456789abcdef", 20<<10)
		for _, text := range []string{"hello", "", big, "x"} {
			c.text(text)
			c.wantText(text)
		}
		c.send(closeFrame(1000, "bye"))
		c.wantClose(1000) // and the end of TLS behind it
		if info := near.end(); info.Reason != wsconn.ClosePeer {
			t.Errorf("closed: %+v", info)
		}
		// The socket's end is there too: a read below TLS says so.
		if n, err := c.Conn.(*tls.Conn).NetConn().Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("below TLS: %d, %v", n, err)
		}
	}
	if refused := s.Stats().Refused; len(refused) != 0 {
		t.Errorf("refused: %v", refused)
	}
}

// TestTLSAbuse holds what becomes of those who cannot speak TLS as it is spoken here, that each is counted by its reason,
// and that others are served meanwhile.
func TestTLSAbuse(t *testing.T) {
	s := startSecure(t, wsconn.Options{HandshakeTimeout: 400 * time.Millisecond}, nil)
	raw := func(text string) func() string {
		return func() string {
			c := s.dialRaw()
			c.send([]byte(text))
			p, err := io.ReadAll(c)
			_ = c.Close()
			if err != nil && len(p) > 0 {
				return err.Error() // what was answered might not have come
			}
			return string(p)
		}
	}
	with := func(change func(*tls.Config)) func() string {
		return func() string {
			config := s.config()
			change(config)
			if _, err := s.dialTLS(config); err != nil {
				return err.Error()
			}
			return ""
		}
	}
	const plain = "HTTP/1.0 400 Bad Request\r\n"
	for _, tt := range []struct {
		name, reason string
		do           func() string
		answer       string // what its answer begins with, or its error holds
	}{
		{"plain get", "tls-plain", raw(requestHead), plain},
		{"plain post", "tls-plain", raw("POST /chsk HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"), plain},
		{"plain post with a large body", "tls-plain", raw("POST /chsk HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("a", 9000)), plain},
		{"other", "tls-failed", raw("SSH-2.0-OpenSSH_9.9\r\n"), ""},
		{"junk in a record", "tls-failed", raw("\x16\x03\x01\x00\x05\xff\xff\xff\xff\xff"), "\x15"},
		{"version 1.1", "tls-version", with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), "protocol version not supported"},
		{"http 2 alone", "tls-protocol", with(func(c *tls.Config) { c.NextProtos = []string{"h2"} }), "no application protocol"},
		{"does not believe us", "tls-refused", with(func(c *tls.Config) { c.RootCAs = s.clients.Pool }), "unknown authority"},
		{"other name", "tls-refused", with(func(c *tls.Config) { c.ServerName = "example.com" }), "valid for localhost"},
		{"says nothing", "timeout", raw(""), ""},
		{"stalls in the handshake", "timeout", raw("\x16\x03\x01\x02\x00\x01\x00"), ""},
		{"stalls behind it", "timeout", func() string {
			c := tls.Client(s.dialRaw().Conn, s.config())
			if err := c.Handshake(); err != nil {
				return err.Error()
			}
			p, err := io.ReadAll(c)
			if err != nil {
				return err.Error()
			}
			return string(p)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := s.Stats().Refused[tt.reason]
			answer := tt.do()
			if tt.answer == "" && answer != "" || !strings.Contains(answer, tt.answer) {
				t.Errorf("answered with %q, want %q", answer, tt.answer)
			}
			s.refused(tt.reason, before+1)
			c, err := s.dialTLS(s.config())
			if err != nil {
				t.Fatal(err)
			}
			c.text("hello")
			c.wantText("hello")
			_ = c.Close()
		})
	}
	c := s.dialRaw()
	c.send([]byte("\x16\x03"))
	_ = c.Close()
	s.refused("eof", 1)
}

// TestTLSStalledDoNotBlock holds that many who stall cost those who come behind them nothing.
func TestTLSStalledDoNotBlock(t *testing.T) {
	s := startSecure(t, wsconn.Options{Loops: 1}, nil)
	for i := range 50 {
		c := s.dialRaw()
		c.send([]byte("\x16\x03\x01\x02\x00\x01\x00"[:i%8]))
	}
	begin := time.Now()
	c, err := s.dialTLS(s.config())
	if err != nil {
		t.Fatal(err)
	}
	c.text("hello")
	c.wantText("hello")
	if took := time.Since(begin); took > 5*time.Second { // they would have twice that
		t.Errorf("took %v", took)
	}
}

func TestTLSReload(t *testing.T) {
	s := startSecure(t, wsconn.Options{}, nil)
	name := func(c *client) string {
		return c.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	old, err := s.dialTLS(s.config())
	if err != nil || name(old) != "one" {
		t.Fatalf("%v, %v", name(old), err)
	}
	s.ca.Issue(t, "two", nil).Write(t, s.dir, "server")
	c, err := s.dialTLS(s.config())
	if err != nil || name(c) != "two" {
		t.Fatalf("%v, %v", name(c), err)
	}
	for _, c := range []*client{old, c} { // the old one lives on
		c.text("hello")
		c.wantText("hello")
	}
	certtest.Write(t, s.dir, "server.pem", []byte("junk"))
	if c, err = s.dialTLS(s.config()); err != nil || name(c) != "two" {
		t.Fatalf("with junk: %v", err)
	}
}

func TestTLSClientCertificates(t *testing.T) {
	for _, require := range []bool{true, false} {
		s := startSecure(t, wsconn.Options{}, func(o *certs.Options) { o.RequireClient = require })
		as := func(p certtest.Pair) error {
			config := s.config()
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &p.TLS, nil }
			c, err := s.dialTLS(config)
			if err == nil {
				_ = c.Close()
			}
			return err
		}
		if err := as(s.clients.Issue(t, "alice", nil)); err != nil {
			t.Fatal(err)
		}
		if leaf := <-s.shown; leaf == nil || leaf.Subject.CommonName != "alice" {
			t.Errorf("require %v: alice has shown %v", require, leaf)
		}
		_, err := s.dialTLS(s.config())
		if (err != nil) != require {
			t.Errorf("require %v: nobody: %v", require, err)
		}
		n := uint64(0)
		if require {
			n = 1
		} else if leaf := <-s.shown; leaf != nil {
			t.Errorf("nobody has shown %v", leaf)
		}
		for what, p := range map[string]certtest.Pair{
			"of another authority": s.ca.Issue(t, "alice", nil),
			"expired":              s.clients.Issue(t, "alice", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
			"not yet good":         s.clients.Issue(t, "alice", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }),
			"of a server":          s.clients.Issue(t, "alice", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
		} {
			if err := as(p); err == nil {
				t.Errorf("require %v: one %s is believed", require, what)
			}
			n++
		}
		s.refused("tls-certificate", n)
	}
}

// TestTLSDetach holds that a request of plain HTTP keeps its certificate, and is read whole.
func TestTLSDetach(t *testing.T) {
	ca, clients := certtest.New(t, "ca"), certtest.New(t, "clients")
	conns := make(chan net.Conn, 1)
	s := start(t, wsconn.Options{TLS: &tls.Config{
		Certificates: []tls.Certificate{ca.Issue(t, "node", nil).TLS}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: clients.Pool,
	}}, func(s *session) {
		s.onRequest = func(s *session, _ *handshake.Request) {
			c, err := s.Detach()
			if err != nil {
				t.Error(err)
			}
			conns <- c
		}
	})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(append([]byte(r.Header.Get("X-Name")+": "), p...))
	})
	config := &tls.Config{RootCAs: ca.Pool, ServerName: "localhost", Certificates: []tls.Certificate{clients.Issue(t, "alice", nil).TLS}}
	c := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	for _, size := range []int{0, 10, 100 << 10} {
		body := strings.Repeat("b", size)
		answered := make(chan error, 1)
		go func() { // ends with the answer
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.Addr().String()+"/", strings.NewReader(body))
			if err != nil {
				answered <- err
				return
			}
			req.Header.Set("X-Name", "n")
			r, err := c.Do(req)
			if err == nil {
				var p []byte
				p, err = io.ReadAll(r.Body)
				_ = r.Body.Close()
				if err == nil && string(p) != "n: "+body {
					err = errors.New("answered " + string(p[:min(len(p), 40)]))
				}
			}
			answered <- err
		}()
		near := <-conns
		if leaf := wsconn.Certificate(near); leaf == nil || leaf.Subject.CommonName != "alice" {
			t.Errorf("certificate %v", leaf)
		}
		hs := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
		hs.SetKeepAlivesEnabled(false)
		ln := &oneConn{conn: make(chan net.Conn, 1), addr: s.Addr()}
		ln.conn <- near
		served := make(chan struct{})
		go func() { defer close(served); _ = hs.Serve(ln) }() // ends when ln is closed
		if err := <-answered; err != nil {
			t.Error(err)
		}
		_ = hs.Close() // and so ln
		<-served
	}
	if leaf := wsconn.Certificate(s.dialRaw()); leaf != nil {
		t.Error("a certificate of another kind of connection")
	}
}

// oneConn is a listener of one connection.
type oneConn struct {
	conn chan net.Conn
	addr net.Addr
}

func (l *oneConn) Accept() (net.Conn, error) {
	c, ok := <-l.conn
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *oneConn) Close() error   { close(l.conn); return nil }
func (l *oneConn) Addr() net.Addr { return l.addr }

// TestTLSSlowReader holds that a peer which reads nothing is dealt with as without TLS, and that its loop goes on: nothing
// of TLS is waited for there, not even its end.
func TestTLSSlowReader(t *testing.T) {
	s := startSecure(t, wsconn.Options{
		Loops: 1, QueueMessages: 1000, QueueBytes: 64 << 20, StallTimeout: 500 * time.Millisecond, CloseTimeout: 300 * time.Millisecond,
	}, nil)
	slow, err := s.dialTLS(s.config())
	if err != nil {
		t.Fatal(err)
	}
	near := s.next()
	c, err := s.dialTLS(s.config())
	if err != nil {
		t.Fatal(err)
	}
	s.next()
	frame := wsconn.NewBinary(make([]byte, 64<<10))
	for range 300 { // more than any buffer takes
		near.Enqueue(frame)
	}
	closed := make(chan wsconn.CloseInfo, 1)
	go func() { closed <- <-near.closed }()
	var info wsconn.CloseInfo
	for longest := time.Duration(0); ; {
		begin := time.Now()
		c.text("hello")
		c.wantText("hello")
		longest = max(longest, time.Since(begin))
		select {
		case info = <-closed:
			if longest > 900*time.Millisecond { // a close of TLS that nobody reads takes a second
				t.Errorf("the loop has stood still for %v", longest)
			}
		default:
			continue
		}
		break
	}
	if info.Reason != wsconn.CloseStalled || info.Code != 1013 || info.Discarded == 0 {
		t.Errorf("closed: %+v", info)
	}
	_ = slow.Close()
}

// TestTLSStop holds that a server stops in time whatever its peers do.
func TestTLSStop(t *testing.T) {
	s := startSecure(t, wsconn.Options{CloseTimeout: 200 * time.Millisecond}, nil)
	for range 20 {
		if _, err := s.dialTLS(s.config()); err != nil { // none of them answers a close
			t.Fatal(err)
		}
		s.dialRaw().send([]byte("\x16\x03\x01"))
		s.dialRaw()
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Stop(ctx, 1001, "over"); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
