package k8s_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// TestTLS runs NATS and a node with components/nats-tls: clients and routes are
// there, and are so by TLS alone.
func TestTLS(t *testing.T) {
	t.Parallel()
	c := &cluster{b: whole(t)["with nats-tls"], secrets: made(t, gather(t)), here: map[string]string{}, addrs: freeAddrs(t, 9)}
	c.secrets["nats-tls"] = certificate(t, c.addrs)
	nats := c.startNATS(t)
	for _, s := range nats {
		eventually(t, "routes", s.process, func() error { return routed(s.monitor, 2) })
	}
	w, _ := nodes(c.b)
	n := c.startNode(t, w, nil)
	servers, _, _ := servers(c.b)
	password := c.env(t, servers, "nats-0")["NATS_BACKEND_PASSWORD"]
	env := map[string]string{"HOSHI_NATS_URL": strings.ReplaceAll(n.env["HOSHI_NATS_URL"], "tls://", "nats://"), "HOSHI_NATS_USER": "backend", "HOSHI_NATS_PASSWORD": password}
	if code, out := run(t, env, program(t, "hoshi"), "pub", "all", "[:chat/hi 1]"); code == 0 {
		t.Errorf("a backend without TLS, or the authority: %s", out)
	}
	env["HOSHI_NATS_TLS_CA"] = n.env["HOSHI_NATS_TLS_CA"]
	env["HOSHI_NATS_URL"] = n.env["HOSHI_NATS_URL"]
	if code, out := run(t, env, program(t, "hoshi"), "pub", "all", "[:chat/hi 1]"); code != 0 {
		t.Errorf("a backend: %d, %s", code, out)
	}
	n.end(t)
}

// certificate is a secret for whoever listens at some addresses. It is its own
// authority.
func certificate(t *testing.T, addrs []string) map[string]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nats"}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, a := range addrs {
		host, _, err := net.SplitHostPort(a)
		if err != nil {
			t.Fatal(err)
		}
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(host))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return map[string]string{"tls.crt": public, "ca.crt": public, "tls.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))}
}
