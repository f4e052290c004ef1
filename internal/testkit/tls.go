package testkit

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"github.com/gobwas/ws"
)

// DialTLS is TryDial for a node that speaks TLS.
func DialTLS(t testing.TB, addr, path string, config *tls.Config) (*Client, error) {
	t.Helper()
	return dial(t, ws.Dialer{NetDial: Secure(config)}, addr, path, true)
}

// Secure returns what dials TLS for whoever takes it for TCP: the urls of who
// is given it are those without TLS.
func Secure(config *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := tls.Dialer{Config: config}
	return d.DialContext
}
