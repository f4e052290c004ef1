package certs_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/certs"
	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
)

// shake makes one handshake and returns what the client saw and what the server knows.
func shake(t *testing.T, config, client *tls.Config) (seen tls.ConnectionState, known []*x509.Certificate, err error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	deadline := time.Now().Add(20 * time.Second)
	_ = near.SetDeadline(deadline)
	_ = far.SetDeadline(deadline)
	server := tls.Server(near, config)
	ended := make(chan error, 1)
	go func() { // ends with the handshake, or with near
		err := server.Handshake()
		if err == nil {
			_, err = server.Write([]byte("x")) // a client of TLS 1.3 is done before we have judged it
		}
		if err != nil {
			near.Close()
		}
		ended <- err
	}()
	c := tls.Client(far, client)
	clientErr := c.Handshake()
	if clientErr == nil {
		_, clientErr = io.ReadFull(c, make([]byte, 1))
	}
	far.Close()
	err = errors.Join(<-ended, clientErr)
	for _, chain := range server.ConnectionState().VerifiedChains {
		known = chain
	}
	return c.ConnectionState(), known, err
}

// files is a store with its files, and what it has logged.
type files struct {
	*certs.Store
	config *tls.Config // what its listener has
	dir    string
	log    *bytes.Buffer
	ca     *certtest.Authority
}

func load(t *testing.T, first certtest.Pair, ca *certtest.Authority, change func(*certs.Options)) files {
	t.Helper()
	f := files{dir: t.TempDir(), log: &bytes.Buffer{}, ca: ca}
	cert, key := first.Write(t, f.dir, "server")
	o := certs.Options{CertFile: cert, KeyFile: key, Every: 1, Logger: zerolog.New(f.log)}
	if change != nil {
		change(&o)
	}
	s, err := certs.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	f.Store, f.config = s, s.Config()
	return f
}

func (f files) served(t *testing.T) string {
	t.Helper()
	st, _, err := shake(t, f.config, &tls.Config{RootCAs: f.ca.Pool, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	return st.PeerCertificates[0].Subject.CommonName
}

func (f files) logged(text string) int { return strings.Count(f.log.String(), text) }

func TestReload(t *testing.T) {
	ca := certtest.New(t, "ca")
	one, two := ca.Issue(t, "one", nil), ca.Issue(t, "two", nil)
	f := load(t, one, ca, nil)
	if got := f.served(t); got != "one" {
		t.Fatalf("served %q", got)
	}
	const broken, taken = "cannot be used", "are in use"
	certtest.Write(t, f.dir, "server.pem", two.Cert) // its key comes later
	for range 3 {
		if got := f.served(t); got != "one" {
			t.Fatalf("served %q with half of a pair", got)
		}
	}
	if n := f.logged(broken); n != 1 {
		t.Errorf("half of a pair was told %d times: %s", n, f.log)
	}
	certtest.Write(t, f.dir, "server-key.pem", two.Key)
	if got := f.served(t); got != "two" {
		t.Fatalf("served %q behind the change", got)
	}
	certtest.Write(t, f.dir, "server-key.pem", two.Key) // nothing new
	f.served(t)
	if n := f.logged(taken); n != 1 {
		t.Errorf("one new pair was told %d times: %s", n, f.log)
	}
	for _, text := range []string{"junk", ""} {
		certtest.Write(t, f.dir, "server.pem", []byte(text))
		if got := f.served(t); got != "two" {
			t.Fatalf("served %q with %q", got, text)
		}
	}
	if err := os.Remove(filepath.Join(f.dir, "server.pem")); err != nil {
		t.Fatal(err)
	}
	if got := f.served(t); got != "two" {
		t.Fatalf("served %q without a file", got)
	}
	if n := f.logged(broken); n != 3 {
		t.Errorf("three faults were told %d times: %s", n, f.log)
	}
	one.Write(t, f.dir, "server")
	if got := f.served(t); got != "one" {
		t.Fatalf("served %q in the end", got)
	}
	if strings.Contains(f.log.String(), "PRIVATE") {
		t.Error("a key is in the log")
	}
}

// TestReadsWhatLooksTheSame holds that a file is read in the end although size and time of it are the old ones.
func TestReadsWhatLooksTheSame(t *testing.T) {
	ca := certtest.New(t, "ca")
	then := time.Now().Add(-time.Hour)
	one, two := ca.Issue(t, "one", nil), ca.Issue(t, "two", nil)
	put := func(f files, p certtest.Pair) {
		for name, text := range map[string][]byte{"server.pem": p.Cert, "server-key.pem": p.Key} {
			text = append(bytes.Clone(text), bytes.Repeat([]byte("\n"), 2000-len(text))...)
			if err := os.Chtimes(certtest.Write(t, f.dir, name, text), then, then); err != nil {
				t.Fatal(err)
			}
		}
	}
	for reread, want := range map[time.Duration]string{time.Hour: "one", 1: "two"} {
		f := load(t, one, ca, nil)
		f.Reread(reread)
		put(f, one)
		f.served(t)
		put(f, two)
		if got := f.served(t); got != want {
			t.Errorf("after %v: %q, want %q", reread, got, want)
		}
	}
}

func TestLooksOnceInATime(t *testing.T) {
	ca := certtest.New(t, "ca")
	f := load(t, ca.Issue(t, "one", nil), ca, func(o *certs.Options) { o.Every = time.Hour })
	f.served(t) // the first look
	ca.Issue(t, "two", nil).Write(t, f.dir, "server")
	if got := f.served(t); got != "one" {
		t.Errorf("served %q within the hour", got)
	}
}

func TestLoadFaults(t *testing.T) {
	ca := certtest.New(t, "ca")
	good, other := ca.Issue(t, "one", nil), ca.Issue(t, "two", nil)
	dir := t.TempDir()
	cert, key := good.Write(t, dir, "good")
	junk := certtest.Write(t, dir, "junk.pem", []byte("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"))
	large := certtest.Write(t, dir, "large.pem", bytes.Repeat([]byte("a"), 1<<20+1))
	_, wrongKey := other.Write(t, dir, "other")
	for _, tt := range []struct {
		name          string
		cert, key, ca string
		want          []certs.Role
		text          string
	}{
		{name: "no certificate", cert: key, key: key, want: []certs.Role{certs.Certificate}, text: "holds no certificate"},
		{name: "junk", cert: junk, key: key, want: []certs.Role{certs.Certificate}, text: "cannot be read"},
		{name: "missing", cert: "nowhere", key: "nowhere-key", ca: "nowhere-ca", want: []certs.Role{certs.Certificate, certs.Key, certs.ClientCA}, text: "no such file"},
		{name: "too large", cert: large, key: key, want: []certs.Role{certs.Certificate}, text: "larger"},
		{name: "other key", cert: cert, key: wrongKey, want: []certs.Role{certs.Key}, text: "does not match"},
		{name: "no key", cert: cert, key: cert, want: []certs.Role{certs.Key}, text: "key"},
		{name: "no authority", cert: cert, key: key, ca: key, want: []certs.Role{certs.ClientCA}, text: "holds no certificate"},
		{name: "a folder", cert: dir, key: key, want: []certs.Role{certs.Certificate}, text: "directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := certs.Load(certs.Options{CertFile: tt.cert, KeyFile: tt.key, ClientCAFile: tt.ca})
			if err == nil {
				t.Fatal("loaded")
			}
			var roles []certs.Role
			all := []error{err}
			if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // takes a joined error apart
				all = joined.Unwrap()
			}
			for _, e := range all {
				if f, ok := errors.AsType[*certs.FileError](e); ok {
					roles = append(roles, f.Role)
				}
			}
			if len(roles) != len(tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("%v (roles %v)", err, roles)
			}
			for i := range roles {
				if roles[i] != tt.want[i] {
					t.Errorf("roles %v, want %v", roles, tt.want)
				}
			}
		})
	}
}

func TestExpiryIsTold(t *testing.T) {
	ca := certtest.New(t, "ca")
	for _, tt := range []struct {
		name         string
		from, to     time.Duration
		soon, passed int
	}{
		{name: "fresh", from: -time.Hour, to: 24 * time.Hour},
		{name: "short and fresh", from: -time.Hour, to: time.Hour},
		{name: "short and about to", from: -time.Hour, to: time.Minute, soon: 1},
		{name: "long and about to", from: -300 * 24 * time.Hour, to: 13 * 24 * time.Hour, soon: 1},
		{name: "long and fresh", from: -300 * 24 * time.Hour, to: 15 * 24 * time.Hour},
		{name: "expired", from: -time.Hour, to: -time.Minute, passed: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair := ca.Issue(t, "x", func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Now().Add(tt.from), time.Now().Add(tt.to)
			})
			f := load(t, pair, ca, nil)
			for range 3 {
				_, _, _ = shake(t, f.config, &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"})
			}
			if a, b := f.logged("expires soon"), f.logged("has expired"); a != tt.soon || b != tt.passed {
				t.Errorf("told %d and %d times, want %d and %d: %s", a, b, tt.soon, tt.passed, f.log)
			}
		})
	}
}

func TestClients(t *testing.T) {
	ca, other := certtest.New(t, "ca"), certtest.New(t, "other")
	alice := ca.Issue(t, "alice", nil)
	for _, require := range []bool{true, false} {
		f := load(t, ca.Issue(t, "server", nil), ca, nil)
		caFile := certtest.Write(t, f.dir, "ca.pem", ca.PEM)
		f = load(t, ca.Issue(t, "server", nil), ca, func(o *certs.Options) {
			o.ClientCAFile, o.RequireClient, o.MinVersion = caFile, require, tls.VersionTLS13
		})
		dial := func(p *certtest.Pair) (string, error) {
			c := &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"}
			if p != nil { // whatever authorities we name
				c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &p.TLS, nil }
			}
			_, known, err := shake(t, f.config, c)
			if len(known) == 0 {
				return "", err
			}
			return known[0].Subject.CommonName, err
		}
		if name, err := dial(&alice); name != "alice" || err != nil {
			t.Errorf("require %v: alice is %q, %v", require, name, err)
		}
		if name, err := dial(nil); name != "" || (err != nil) != require {
			t.Errorf("require %v: nobody is %q, %v", require, name, err)
		}
		stranger := other.Issue(t, "alice", nil)
		expired := ca.Issue(t, "alice", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
		server := ca.Issue(t, "alice", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
		for what, p := range map[string]*certtest.Pair{"stranger": &stranger, "expired": &expired, "server": &server} {
			if name, err := dial(p); name != "" || err == nil {
				t.Errorf("require %v: %s is %q, %v", require, what, name, err)
			}
		}
		certtest.Write(t, filepath.Dir(caFile), "ca.pem", other.PEM) // another authority from here on
		if name, err := dial(&alice); name != "" || err == nil {
			t.Errorf("require %v: alice is %q, %v, without her authority", require, name, err)
		}
		if name, err := dial(&stranger); name != "alice" || err != nil {
			t.Errorf("require %v: the other alice is %q, %v", require, name, err)
		}
	}
}

// TestNoResumption holds that a session does not outlive the authority that it began with.
func TestNoResumption(t *testing.T) {
	ca := certtest.New(t, "ca")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		caFile := certtest.Write(t, t.TempDir(), "ca.pem", ca.PEM)
		f := load(t, ca.Issue(t, "server", nil), ca, func(o *certs.Options) { o.ClientCAFile = caFile })
		alice := ca.Issue(t, "alice", nil)
		c := &tls.Config{
			RootCAs: ca.Pool, ServerName: "localhost", MaxVersion: version,
			Certificates: []tls.Certificate{alice.TLS}, ClientSessionCache: tls.NewLRUClientSessionCache(4),
		}
		for range 2 {
			if st, known, err := shake(t, f.config, c); err != nil || st.DidResume || len(known) == 0 {
				t.Errorf("version %x: resumed %v, known %d, %v", version, st.DidResume, len(known), err)
			}
		}
		certtest.Write(t, filepath.Dir(caFile), "ca.pem", certtest.New(t, "other").PEM)
		if _, known, _ := shake(t, f.config, c); len(known) != 0 {
			t.Errorf("version %x: she is known although her authority is gone", version)
		}
	}
}

func TestVersions(t *testing.T) {
	ca := certtest.New(t, "ca")
	for _, tt := range []struct {
		least, most uint16
		protocols   []string
		fails       bool
	}{
		{most: tls.VersionTLS13},
		{most: tls.VersionTLS12},
		{most: tls.VersionTLS11, fails: true},
		{least: tls.VersionTLS13, most: tls.VersionTLS12, fails: true},
		{least: tls.VersionTLS13, most: tls.VersionTLS13},
		{most: tls.VersionTLS13, protocols: []string{"h2", "http/1.1"}},
		{most: tls.VersionTLS13, protocols: []string{"h2"}, fails: true},
	} {
		f := load(t, ca.Issue(t, "server", nil), ca, func(o *certs.Options) { o.MinVersion = tt.least })
		st, _, err := shake(t, f.config, &tls.Config{
			RootCAs: ca.Pool, ServerName: "localhost", MinVersion: tls.VersionTLS10, MaxVersion: tt.most, NextProtos: tt.protocols,
		})
		if (err != nil) != tt.fails {
			t.Errorf("%+v: %v", tt, err)
		}
		if err == nil && (st.Version != tt.most || len(tt.protocols) > 0 && st.NegotiatedProtocol != "http/1.1") {
			t.Errorf("%+v: version %x, protocol %q", tt, st.Version, st.NegotiatedProtocol)
		}
	}
}

func TestNames(t *testing.T) {
	uri := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	full := &x509.Certificate{
		DNSNames: []string{"a.example"}, EmailAddresses: []string{"alice@example.com"}, URIs: []*url.URL{uri("spiffe://example.com/alice")},
	}
	full.Subject.CommonName = "alice"
	many := &x509.Certificate{DNSNames: []string{"a.example", "b.example"}}
	for _, tt := range []struct {
		field certs.Field
		leaf  *x509.Certificate
		want  string
	}{
		{certs.CommonName, full, "alice"},
		{certs.DNS, full, "a.example"},
		{certs.Email, full, "alice@example.com"},
		{certs.URI, full, "spiffe://example.com/alice"},
		{certs.DNS, many, ""},
		{certs.CommonName, many, ""},
		{certs.Email, many, ""},
		{certs.URI, many, ""},
		{"ou", full, ""},
	} {
		got, err := tt.field.Name(tt.leaf)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s: %q, %v, want %q", tt.field, got, err, tt.want)
		}
		if tt.field.Valid() != (tt.field != "ou") {
			t.Errorf("%s: valid %v", tt.field, tt.field.Valid())
		}
	}
}
