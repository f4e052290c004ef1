package bus_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestTLS: the files of the options make a TLS connection with a certificate on
// both sides. The server speaks just enough NATS to be connected to.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, cert := selfSigned(t, dir)
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	peer := make(chan string, 4)
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				_, _ = io.WriteString(c, `INFO {"server_id":"TLS","version":"2.15.0","proto":1,"headers":true,"max_payload":1048576,"tls_required":true,"tls_verify":true}`+"\r\n")
				s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
				if s.Handshake() != nil {
					return
				}
				peer <- s.ConnectionState().PeerCertificates[0].Subject.CommonName
				for r := bufio.NewReader(s); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					if strings.HasPrefix(line, "PING") {
						_, _ = io.WriteString(s, "PONG\r\n")
					}
				}
			})
		}
	})
	defer wg.Wait()
	defer func() { _ = ln.Close() }()
	urls := []string{"nats://" + ln.Addr().String()}
	c, err := bus.Connect(t.Context(), bus.Options{URLs: urls, TLSCAFile: certFile, TLSCertFile: certFile, TLSKeyFile: keyFile})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-peer; got != "hoshi test" {
		t.Errorf("the server saw %q", got)
	}
	c.Stop()
	for _, tt := range []struct {
		name string
		o    bus.Options
	}{
		{"without the CA the server is not trusted", bus.Options{TLSRequired: true}},
		{"without a certificate we are not", bus.Options{TLSCAFile: certFile}},
	} {
		tt.o.URLs, tt.o.ConnectWait = urls, -1 // which mends nothing
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		c, err := bus.Connect(ctx, tt.o)
		cancel()
		if err == nil {
			c.Stop()
		}
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func selfSigned(t *testing.T, dir string) (certFile, keyFile string, cert tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "hoshi test"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile:  {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err = tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile, cert
}

// TestSilentServerAmongOthers: an address where nobody answers leaves time for
// the next one.
func TestSilentServerAmongOthers(t *testing.T) {
	s := server(t, natsd.Options{})
	mute := newProxy(t, s)
	mute.setStall(true)
	for range 4 { // in random order
		c, err := bus.Connect(t.Context(), bus.Options{URLs: []string{mute.url(), s.ClientURL()}, ConnectTimeout: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		c.Stop()
	}
}
