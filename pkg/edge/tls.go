package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/certs"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// TLSOptions have the clients' listener speak TLS. The zero value does not. The
// files are PEM, and new ones are taken while the node runs.
type TLSOptions struct {
	// CertFile and KeyFile are the node's certificate, with those between it and an
	// authority behind it, and its key. TLS takes loops that need no epoll.
	CertFile, KeyFile string

	// MinVersion is the least version that is spoken, [tls.VersionTLS12] by default.
	MinVersion uint16

	// ClientCAFile are the authorities of clients' certificates, which are asked for
	// where it is set. The name in one is the uid, as sub of a token is.
	// RequireClient cuts off who shows none; ClientUID is where the name is: "cn",
	// the default, "dns", "email" or "uri".
	ClientCAFile  string
	RequireClient bool
	ClientUID     string
}

// withDefaults fills the zero fields and reports every wrong one, joined.
func (o TLSOptions) withDefaults() (TLSOptions, error) {
	var errs []error
	if o.ClientUID == "" {
		o.ClientUID = string(certs.CommonName)
	}
	if !certs.Field(o.ClientUID).Valid() {
		errs = append(errs, fmt.Errorf("TLS.ClientUID must be cn, dns, email or uri, not %q", o.ClientUID))
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		errs = append(errs, errors.New("TLS needs both CertFile and KeyFile"))
	}
	if o.CertFile == "" && (o.ClientCAFile != "" || o.RequireClient) {
		errs = append(errs, errors.New("TLS with clients' certificates needs CertFile and KeyFile"))
	}
	if o.RequireClient && o.ClientCAFile == "" {
		errs = append(errs, errors.New("TLS.RequireClient needs ClientCAFile"))
	}
	if o.MinVersion != 0 && (o.MinVersion < tls.VersionTLS12 || o.MinVersion > tls.VersionTLS13) {
		errs = append(errs, fmt.Errorf("TLS.MinVersion must be 1.2 or 1.3, not %#x", o.MinVersion))
	}
	return o, errors.Join(errs...)
}

// loadTLS returns what the listener is configured with, nil where it speaks none.
func (n *Node) loadTLS() (*tls.Config, error) {
	o := n.opts.TLS
	if o.CertFile == "" {
		return nil, nil
	}
	store, err := certs.Load(certs.Options{
		CertFile:      o.CertFile,
		KeyFile:       o.KeyFile,
		ClientCAFile:  o.ClientCAFile,
		RequireClient: o.RequireClient,
		MinVersion:    o.MinVersion,
		Logger:        *n.opts.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	n.certs = store
	return store.Config(), nil
}

// Refusals of certificates.
var (
	refuseCertificate = &refusal{
		status: http.StatusUnauthorized, reason: "certificate-name",
		body: "The certificate must have exactly one name where this node looks for the user id.\n",
	}
	refuseConflict = &refusal{
		status: http.StatusUnauthorized, reason: "certificate-token",
		body: "The token and the certificate are of different users.\n",
	}
)

// shown returns who a verified certificate says that its holder is, nil where
// none was shown. It has no claims.
func (a *access) shown(leaf *x509.Certificate) (*auth.Identity, *refusal) {
	if leaf == nil {
		return nil, nil
	}
	uid, err := a.certUID.Name(leaf)
	if err != nil {
		return nil, refuseCertificate
	}
	return &auth.Identity{UID: uid, IssuedAt: leaf.NotBefore, Expires: leaf.NotAfter}, nil
}

// until returns when a certificate expires, the zero time where there is none.
func until(leaf *x509.Certificate) time.Time {
	if leaf == nil {
		return time.Time{}
	}
	return leaf.NotAfter
}

// sooner returns the earlier time; the zero one is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

type certificateKey struct{}

// withCertificate keeps with a connection of net/http what its client has shown.
func withCertificate(ctx context.Context, c net.Conn) context.Context {
	if leaf := wsconn.Certificate(c); leaf != nil {
		return context.WithValue(ctx, certificateKey{}, leaf)
	}
	return ctx
}

// certificateOf returns it, nil where there is none.
func certificateOf(r *http.Request) *x509.Certificate {
	leaf, _ := r.Context().Value(certificateKey{}).(*x509.Certificate)
	return leaf
}
