package certs

import (
	"crypto/x509"
	"time"
)

// warnEvery is how often the same warning is repeated.
const warnEvery = 24 * time.Hour

// warning is the last one that was logged.
type warning struct {
	leaf    *x509.Certificate
	expired bool
	at      time.Time
}

// warn says that the certificate in use has expired, or is about to. look is held, or nobody else has the Store.
func (s *Store) warn(leaf *x509.Certificate, now time.Time) {
	left := leaf.NotAfter.Sub(now)
	if left > notice(leaf) {
		return
	}
	w := warning{leaf, left <= 0, now}
	if last := s.look.warned; last.leaf == w.leaf && last.expired == w.expired && now.Sub(last.at) < warnEvery {
		return
	}
	s.look.warned = w
	msg := "certificate expires soon"
	if w.expired {
		msg = "certificate has expired, clients will not believe it"
	}
	s.log.Warn().Str("subject", leaf.Subject.String()).Time("not_after", leaf.NotAfter).Msg(msg)
}

// notice is how long before its end a certificate should have been replaced: two weeks, or the last tenth of a short life.
func notice(leaf *x509.Certificate) time.Duration {
	return min(14*24*time.Hour, leaf.NotAfter.Sub(leaf.NotBefore)/10)
}
