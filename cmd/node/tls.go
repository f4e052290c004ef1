package main

import (
	"crypto/tls"
	"errors"

	"github.com/hoshi-ws/hoshi/internal/certs"
	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// tlsOptions says to the node how it speaks TLS.
func tlsOptions(t *config.Transport) edge.TLSOptions {
	o := edge.TLSOptions{
		CertFile:      t.TLSCert,
		KeyFile:       t.TLSKey,
		ClientCAFile:  t.TLSClientCA,
		RequireClient: t.WantsCertificates(),
		ClientUID:     t.TLSClientUID,
	}
	if t.TLSMin == "1.3" {
		o.MinVersion = tls.VersionTLS13
	}
	return o
}

// checkTLS reports files that the node could not use when it starts, at the
// option that names them.
func checkTLS(t *config.Transport, report config.Report) {
	if t.TLSCert == "" || t.TLSKey == "" {
		return
	}
	_, err := certs.Load(certs.Options{CertFile: t.TLSCert, KeyFile: t.TLSKey, ClientCAFile: t.TLSClientCA})
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // takes a joined error apart
		all = joined.Unwrap()
	}
	options := map[certs.Role]string{certs.Certificate: "tls-cert", certs.Key: "tls-key", certs.ClientCA: "tls-client-ca"}
	for _, err := range all {
		if f, ok := errors.AsType[*certs.FileError](err); ok {
			report(options[f.Role], oneLine(f.Error()))
		}
	}
}
