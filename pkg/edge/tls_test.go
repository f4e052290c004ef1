package edge_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// secureCluster is nodes that speak TLS, and what their clients need.
type secureCluster struct {
	*testkit.Cluster
	t           *testing.T
	ca, clients *certtest.Authority
}

func startSecure(t *testing.T, count int, change func(o *edge.Options)) *secureCluster {
	t.Helper()
	s := &secureCluster{t: t, ca: certtest.New(t, "ca"), clients: certtest.New(t, "clients")}
	dir := t.TempDir()
	cert, key := s.ca.Issue(t, "node", nil).Write(t, dir, "node")
	clients := certtest.Write(t, dir, "clients.pem", s.clients.PEM)
	s.Cluster = testkit.StartCluster(t, count, func(_ int, o *edge.Options) {
		o.TLS = edge.TLSOptions{CertFile: cert, KeyFile: key, ClientCAFile: clients}
		o.Sente.SendBufWS, o.Sente.SendBufAjax = 5*time.Millisecond, 5*time.Millisecond
		o.Sente.LPTimeout = 300 * time.Millisecond
		if change != nil {
			change(o)
		}
	})
	return s
}

// as returns what somebody connects with, nil for who shows no certificate.
func (s *secureCluster) as(p *certtest.Pair) *tls.Config {
	c := &tls.Config{RootCAs: s.ca.Pool, ServerName: "localhost", NextProtos: []string{"http/1.1"}}
	if p != nil {
		c.Certificates = []tls.Certificate{p.TLS}
	}
	return c
}

// of makes a client's certificate.
func (s *secureCluster) of(name string, change func(*x509.Certificate)) *certtest.Pair {
	s.t.Helper()
	p := s.clients.Issue(s.t, name, change)
	return &p
}

func (s *secureCluster) dial(node int, path string, config *tls.Config) (*testkit.Client, error) {
	s.t.Helper()
	return testkit.DialTLS(s.t, s.Nodes[node].Addr().String(), path, config)
}

// status is what an upgrade is refused with, 0 where it is not.
func (s *secureCluster) status(path string, config *tls.Config) int {
	s.t.Helper()
	c, err := s.dial(0, path, config)
	if err == nil {
		c.Conn.Close()
		return 0
	}
	status, ok := errors.AsType[ws.StatusError](err)
	if !ok {
		s.t.Fatalf("%s: %v", path, err)
	}
	return int(status)
}

func (s *secureCluster) poller(client string, config *tls.Config, at *int) *poller {
	s.t.Helper()
	p := newPoller(s.t, s.Cluster, client, func() int { return *at })
	p.http.Transport.(*http.Transport).DialContext = testkit.Secure(config)
	return p
}

// Both dialects and polls over TLS, from the handshake to a push.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := startSecure(t, 2, func(o *edge.Options) { o.Echo = true; o.InsecureUIDParam = "uid" })
	backend := s.Backend(t, 0)
	lite, err := s.dial(0, "/?uid=alice", s.as(nil))
	must(t, err)
	lite.Subscribe(`"lobby"`)
	sente, err := s.dial(1, "/chsk?client-id=tab-1&uid=alice", s.as(nil))
	must(t, err)
	at := 0
	p := s.poller("tab-2", s.as(nil), &at)
	p.query.Set("uid", "alice")
	p.Open()
	must(t, backend.PublishUser(bus.String("alice"), []byte("[:a/b 1]")))
	lite.Expect("[:a/b 1]")
	sente.Expect("[[[:a/b 1]] nil]")
	if got := p.Poll(""); got != "[[[:a/b 1]] nil]" {
		t.Errorf("poll %s", got)
	}
	at = 1 // the other node has to ask the first
	must(t, backend.PublishUser(bus.String("alice"), []byte("[:a/b 2]")))
	if got := p.Poll(""); got != "[[[:a/b 2]] nil]" {
		t.Errorf("poll of the other node %s", got)
	}
	if got := p.Post(`[[:echo/hi 1] "cb"]`); got != "[1 nil]" {
		t.Errorf("post %s", got)
	}
	big := strings.Repeat("x", 100<<10)
	if got := p.Post(`[[:echo/hi "` + big + `"] "cb"]`); !strings.Contains(got, big) {
		t.Errorf("a large post is answered with %d bytes", len(got))
	}
	must(t, backend.PublishChannel(bus.String("lobby"), []byte(`"`+big+`"`)))
	lite.Expect("[:a/b 2]")
	if got := lite.Read(); !strings.Contains(got, big) {
		t.Errorf("a large message is %d bytes", len(got))
	}
	for _, path := range []string{"/health", "/"} {
		r, err := p.http.Get("http://" + s.Nodes[0].Addr().String() + path)
		must(t, err)
		body, err := io.ReadAll(r.Body)
		must(t, err)
		r.Body.Close()
		if path == "/" && !strings.Contains(string(body), "wss://") || path == "/health" && r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, r.StatusCode, body)
		}
	}
	if _, err = testkit.TryDial(t, s.Nodes[0].Addr().String(), "/"); err == nil {
		t.Error("somebody has come without TLS")
	}
	testkit.Eventually(t, "it is counted", func() bool { return s.Nodes[0].Stats().Sockets.Refused["tls-plain"] == 1 })
}

// A certificate says who somebody is, as a token does.
func TestTLSClientCertificates(t *testing.T) {
	t.Parallel()
	s := startSecure(t, 2, func(o *edge.Options) {
		o.InsecureUIDParam = "uid"
		o.Access.Issuers = []edge.Issuer{{Keys: []edge.KeySource{{Secret: []byte(tokenSecret)}}}}
		o.Access.TokenParam, o.Access.Leeway = "token", -1
		o.Access.Channels = []edge.Rule{
			{Pattern: "open", Subscribe: []edge.Who{{Kind: edge.Anyone}}},
			{Pattern: "admin", Subscribe: []edge.Who{{Kind: edge.Claim, Name: "role", Value: "admin"}}},
			{Pattern: "inbox/{uid}", Subscribe: []edge.Who{{Kind: edge.User}}},
			{Pattern: "*", Subscribe: []edge.Who{{Kind: edge.Authenticated}}},
		}
	})
	backend := s.Backend(t, 0)
	alice := s.as(s.of("alice", nil))
	at := 1
	p := s.poller("tab-2", alice, &at)
	if got := p.Open(); !strings.HasPrefix(got, `[[:chsk/handshake ["alice" `) {
		t.Errorf("poll: %s", got)
	}
	lite, err := s.dial(0, "/?uid=bob", alice) // nobody else than the certificate says
	must(t, err)
	sente, err := s.dial(0, "/chsk?client-id=tab-1", alice)
	must(t, err)
	if lite.UID != `"alice"` || sente.UID != `"alice"` {
		t.Errorf("uids %s, %s", lite.UID, sente.UID)
	}
	lite.Subscribe(`"members"`)
	lite.Subscribe(`"inbox/alice"`)
	for _, channel := range []string{"admin", "inbox/bob"} { // it has no claims
		lite.Send(`[:sente-lite/subscribe {:channel-id "` + channel + `"}]`)
		if got := lite.Read(); !strings.Contains(got, ":forbidden") {
			t.Errorf("%s: %s", channel, got)
		}
	}
	must(t, backend.PublishUser(bus.String("alice"), []byte("[:a/b 1]")))
	lite.Expect("[:a/b 1]")
	sente.Expect("[[[:a/b 1]] nil]")
	if got := p.Poll(""); got != "[[[:a/b 1]] nil]" {
		t.Errorf("poll %s", got)
	}
	at = 0
	if got := p.Post(`[[:x/y 1]]`); strings.Contains(got, "Unauthorized") {
		t.Errorf("post: %s", got)
	}

	// With a token both are of one user, whose claims are the token's.
	of := func(uid string, claims map[string]any) string {
		claims["sub"], claims["exp"] = uid, in(time.Hour)
		return "token=" + token(t, claims)
	}
	admin, err := s.dial(0, "/?"+of("alice", map[string]any{"role": "admin"}), alice)
	must(t, err)
	admin.Subscribe(`"admin"`)
	if status := s.status("/?"+of("bob", map[string]any{}), alice); status != http.StatusUnauthorized {
		t.Errorf("a token of another user: %d", status)
	}
	if _, err := p.poll(t.Context(), "&"+of("bob", map[string]any{})); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a poll with a token of another user: %v", err)
	}
	if n := s.Nodes[0].Stats().RefusedUpgrades["certificate-token"]; n != 2 {
		t.Errorf("counted %d times", n)
	}
	if status := s.status("/?token=junk", alice); status != http.StatusUnauthorized {
		t.Errorf("a token that is none: %d", status)
	}

	// Without one nobody has vouched.
	anon, err := s.dial(0, "/", s.as(nil))
	must(t, err)
	anon.Subscribe(`"open"`)
	anon.Send(`[:sente-lite/subscribe {:channel-id "members"}]`)
	if got := anon.Read(); !strings.Contains(got, ":forbidden") {
		t.Errorf("nobody in particular: %s", got)
	}
	for what, change := range map[string]func(*x509.Certificate){
		"no name":   func(c *x509.Certificate) { c.Subject = pkix.Name{} },
		"too long":  func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("a", 300) },
		"a conn-id": func(c *x509.Certificate) { c.Subject.CommonName = lite.ConnID },
	} {
		if status := s.status("/", s.as(s.of("alice", change))); status != http.StatusUnauthorized && status != http.StatusBadRequest {
			t.Errorf("%s: status %d", what, status)
		}
	}
}

func TestTLSClientUID(t *testing.T) {
	t.Parallel()
	spiffe, err := url.Parse("spiffe://example.com/alice")
	must(t, err)
	for field, want := range map[string]string{
		"": `"alice"`, "cn": `"alice"`, "dns": `"alice.example.com"`, "email": `"alice@example.com"`, "uri": `"spiffe://example.com/alice"`,
	} {
		s := startSecure(t, 1, func(o *edge.Options) { o.TLS.ClientUID, o.TLS.RequireClient = field, true })
		c, err := s.dial(0, "/", s.as(s.of("alice", func(c *x509.Certificate) {
			c.DNSNames, c.EmailAddresses, c.URIs = []string{"alice.example.com"}, []string{"alice@example.com"}, []*url.URL{spiffe}
		})))
		must(t, err)
		if c.UID != want {
			t.Errorf("%q: uid %s, want %s", field, c.UID, want)
		}
		if field != "" && field != "cn" {
			many := s.of("alice", func(c *x509.Certificate) {
				c.DNSNames, c.EmailAddresses, c.URIs = []string{"a.b", "c.d"}, []string{"a@b", "c@d"}, []*url.URL{spiffe, spiffe}
			})
			if status := s.status("/", s.as(many)); status != http.StatusUnauthorized {
				t.Errorf("%q: several names: %d", field, status)
			}
		}
		if _, err := s.dial(0, "/", s.as(nil)); err == nil {
			t.Errorf("%q: somebody without a certificate has come", field)
		}
	}
}

// Who must bring a token may bring a certificate instead.
func TestTLSCertificateForToken(t *testing.T) {
	s := startSecure(t, 1, func(o *edge.Options) {
		o.Access.Issuers = []edge.Issuer{{Keys: []edge.KeySource{{Secret: []byte(tokenSecret)}}}}
		o.Access.TokenParam, o.Access.TokenRequired = "token", true
	})
	lite, err := s.dial(0, "/", s.as(s.of("alice", nil)))
	must(t, err)
	if lite.UID != `"alice"` {
		t.Errorf("uid %s", lite.UID)
	}
	if status := s.status("/", s.as(nil)); status != http.StatusUnauthorized {
		t.Errorf("with neither: %d", status)
	}
}

// A connection ends with its certificate, whatever tokens say.
func TestTLSCertificateExpires(t *testing.T) {
	t.Parallel()
	s := startSecure(t, 1, func(o *edge.Options) {
		o.Access.Issuers = []edge.Issuer{{Keys: []edge.KeySource{{Secret: []byte(tokenSecret)}}}}
		o.Access.TokenParam, o.Access.Leeway = "token", -1
	})
	short := s.as(s.of("alice", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(2 * time.Second) }))
	long := token(t, map[string]any{"sub": "alice", "exp": in(time.Hour)})
	alone, err := s.dial(0, "/", short)
	must(t, err)
	with, err := s.dial(0, "/?token="+long, short)
	must(t, err)
	with.Send(`[[:hoshi/refresh {:token "` + long + `"}] "cb"]`)
	with.Read() // taken
	alone.ExpectClose(int(edge.StatusTokenExpired))
	with.ExpectClose(int(edge.StatusTokenExpired))
}

// A proxy says who the client is, and a node that expects one takes nobody else's
// word.
func TestTLSBehindProxy(t *testing.T) {
	s := startSecure(t, 1, func(o *edge.Options) { o.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	raw, err := net.Dial("tcp", s.Nodes[0].Addr().String())
	must(t, err)
	defer raw.Close()
	must(t, raw.SetDeadline(time.Now().Add(testkit.Patience)))
	_, err = io.WriteString(raw, "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n")
	must(t, err)
	c := tls.Client(raw, s.as(nil))
	_, err = io.WriteString(c, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	if p, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(p), "HTTP/1.1 200 ") {
		t.Errorf("%q, %v", p, err)
	}
	if _, err := s.dial(0, "/", s.as(nil)); err == nil {
		t.Error("somebody without a header has come")
	}
	testkit.Eventually(t, "it is counted", func() bool { return s.Nodes[0].Stats().Sockets.Refused["proxy-missing"] == 1 })
}

func TestTLSLeavesNothing(t *testing.T) {
	s := startSecure(t, 1, nil)
	at := 0
	p := s.poller("tab-1", s.as(nil), &at)
	p.Open()
	p.http.CloseIdleConnections()
	runtime.GC()
	goroutines, descriptors := runtime.NumGoroutine(), testkit.Descriptors()
	for i := range 30 {
		c, err := s.dial(0, "/", s.as(nil))
		must(t, err)
		if i%2 == 0 {
			must(t, c.Conn.(*tls.Conn).NetConn().Close()) // without a word
		}
		c.Conn.Close()
		if i%6 == 0 {
			p.Poll("")
		}
		raw, err := net.Dial("tcp", s.Nodes[0].Addr().String())
		must(t, err)
		_, err = io.WriteString(raw, "\x16\x03\x01GET / HTTP/1.1\r\n\r\n"[i%3:])
		must(t, err)
		raw.Close()
	}
	testkit.Eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
	testkit.Eventually(t, "descriptors are closed", func() bool { return testkit.Descriptors() <= descriptors+2 })
}

func TestTLSOptionFaults(t *testing.T) {
	for name, o := range map[string]edge.TLSOptions{
		"CertFile and KeyFile":                 {CertFile: "a"},
		"clients' certificates needs CertFile": {ClientCAFile: "a"},
		"RequireClient needs":                  {CertFile: "a", KeyFile: "b", RequireClient: true},
		"MinVersion":                           {CertFile: "a", KeyFile: "b", MinVersion: tls.VersionTLS11},
		"ClientUID":                            {ClientUID: "ou"},
		"no such file":                         {CertFile: "/nowhere/a", KeyFile: "/nowhere/b"},
	} {
		if _, err := edge.Start(t.Context(), edge.Options{Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", TLS: o}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A node and NATS that know each other by certificates; new files are used for
// the next connection.
func TestNATSOverTLS(t *testing.T) {
	dir := t.TempDir()
	ca, other := certtest.New(t, "ca"), certtest.New(t, "other")
	cert, key := ca.Issue(t, "node", nil).Write(t, dir, "node")
	caFile := certtest.Write(t, dir, "ca.pem", ca.PEM)
	var servers []*server.Server
	t.Cleanup(func() { // behind the node, which would wait for NATS in vain
		for _, s := range servers {
			s.Shutdown()
			s.WaitForShutdown()
		}
	})
	start := func(a *certtest.Authority, port int) *server.Server {
		t.Helper()
		pair := a.Issue(t, "nats", nil)
		s, err := server.NewServer(&server.Options{
			Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, TLS: true, TLSVerify: true, TLSTimeout: 5,
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair.TLS}, ClientCAs: a.Pool, ClientAuth: tls.RequireAndVerifyClientCert},
		})
		must(t, err)
		s.Start()
		servers = append(servers, s)
		if !s.ReadyForConnections(testkit.Patience) {
			t.Fatal("nats-server is not ready")
		}
		return s
	}
	first := start(ca, server.RANDOM_PORT)
	addr := first.Addr().(*net.TCPAddr)
	b := bus.Options{URLs: []string{"tls://" + addr.String()}, TLSRequired: true, TLSCAFile: caFile, TLSCertFile: cert, TLSKeyFile: key}
	n := testkit.StartNode(t, edge.Options{Bus: b, InsecureUIDParam: "uid"})
	c := testkit.Dial(t, n.Addr().String(), "/?uid=alice")
	push := func(text string) {
		t.Helper()
		backend, err := bus.Connect(t.Context(), b)
		must(t, err)
		defer backend.Stop()
		must(t, backend.PublishUser(bus.String("alice"), []byte(text)))
		must(t, backend.Flush(t.Context()))
		c.Expect(text)
	}
	push("[:a/b 1]")
	if _, err := bus.Connect(t.Context(), bus.Options{URLs: b.URLs, TLSRequired: true, TLSCAFile: caFile}); err == nil {
		t.Error("NATS takes somebody without a certificate")
	}
	// Another authority for all: what the node has started with is good for nothing now.
	other.Issue(t, "node", nil).Write(t, dir, "node")
	certtest.Write(t, dir, "ca.pem", other.PEM)
	first.Shutdown()
	first.WaitForShutdown()
	testkit.Eventually(t, "the node has noticed", func() bool { return !n.Ready() })
	start(other, addr.Port)
	testkit.Eventually(t, "the node is back", n.Ready)
	push("[:a/b 2]")
}
