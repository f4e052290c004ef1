package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"regexp"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// seed is that of a user, in a file with an nkey or with credentials.
var seed = regexp.MustCompile(`SU[A-Z2-7]{56}`)

// checkNATSFiles reports files that a node could not log in to NATS with.
func checkNATSFiles(s *config.Shared, report config.Report) {
	read := func(option, path, what string, good func(text []byte) bool) bool {
		if path == "" {
			return false
		}
		text, err := os.ReadFile(path)
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			err = pe.Err
		}
		switch {
		case err != nil:
			report(option, path+": "+err.Error())
		case !good(text):
			report(option, path+" holds no "+what)
		default:
			return true
		}
		return false
	}
	anything := func([]byte) bool { return true }
	read("nats-creds", s.NATSCreds, "credentials", seed.Match)
	read("nats-nkey", s.NATSNKey, "nkey seed", seed.Match)
	read("nats-tls-ca", s.NATSTLSCA, "certificates in PEM", func(text []byte) bool { return x509.NewCertPool().AppendCertsFromPEM(text) })
	cert := read("nats-tls-cert", s.NATSTLSCert, "", anything)
	if key := read("nats-tls-key", s.NATSTLSKey, "", anything); cert && key {
		if _, err := tls.LoadX509KeyPair(s.NATSTLSCert, s.NATSTLSKey); err != nil {
			report("nats-tls-cert", s.NATSTLSCert+" and "+s.NATSTLSKey+" are no certificate and its key: "+oneLine(err.Error()))
		}
	}
}
