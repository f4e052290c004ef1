package main_test

import (
	"crypto/tls"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestTLSProcess starts the node with a certificate, connects as its greeting
// says, and exchanges the certificate.
func TestTLSProcess(t *testing.T) {
	ca := certtest.New(t, "ca")
	dir := t.TempDir()
	cert, key := ca.Issue(t, "one", nil).Write(t, dir, "node")
	clients := certtest.Write(t, dir, "ca.pem", ca.PEM)
	args := append([]string{"--tls-cert=" + cert, "--tls-key=" + key, "--tls-client-ca=" + clients}, freePorts...)
	node := start(t, nil, exec.Command(hoshi(t), args...))
	g := greeted(t, node)
	rest, ok := strings.CutPrefix(strings.Fields(g.clients)[0], "wss://")
	if !ok {
		t.Fatalf("no wss URL in %q", g.clients)
	}
	host, path, _ := strings.Cut(rest, "/")
	config := &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"}
	if _, err := testkit.DialTLS(t, host, "/"+path, config); err == nil {
		t.Error("somebody without a certificate has come")
	}
	config.Certificates = []tls.Certificate{ca.Issue(t, "alice", nil).TLS}
	for _, name := range []string{"one", "two"} {
		testkit.Eventually(t, "certificate "+name, func() bool {
			c, err := testkit.DialTLS(t, host, "/"+path, config)
			if err != nil || c.UID != `"alice"` {
				t.Fatalf("%v", err)
			}
			defer c.Conn.Close()
			return c.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName == name
		})
		ca.Issue(t, "two", nil).Write(t, dir, "node")
	}
	node.signal(t, os.Interrupt)
	if code := node.ended(t); code != 0 {
		t.Errorf("Ctrl-C gives exit code %d", code)
	}
}
