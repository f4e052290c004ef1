package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// first makes the first connection, and says why there is none meanwhile where
// Options.ConnectWait has it wait.
func (l *link) first(ctx context.Context) (*nats.Conn, <-chan struct{}, error) {
	bounded := ctx
	if w := l.o.ConnectWait; w > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeoutCause(ctx, w, fmt.Errorf("no answer within %v", w))
		defer cancel()
	}
	began, pause := time.Now(), l.newPause()
	var (
		told complaint
		last error
	)
	for {
		// Several dead addresses must not add up: all together get one timeout.
		attempt, cancel := context.WithTimeoutCause(bounded, l.o.ConnectTimeout, fmt.Errorf("no answer within %v", l.o.ConnectTimeout))
		nc, closed, err := l.dial(attempt)
		cancel()
		if err == nil {
			return nc, closed, nil
		}
		if bounded.Err() != nil && ctx.Err() == nil && last != nil {
			return nil, nil, last // this attempt has not had its time
		}
		if last = err; l.o.ConnectWait == 0 || bounded.Err() != nil || l.lasts(err) {
			return nil, nil, err
		}
		now := time.Now()
		l.o.Logger.WithLevel(told.level(now, err)).Str("component", "bus").Stringer("waited", now.Sub(began).Round(time.Millisecond)).
			Err(err).Msg("no nats yet, waiting for it: start it, or name another one")
		if !pause.wait(bounded) {
			if ctx.Err() != nil {
				err = l.explain(ctx, err)
			}
			return nil, nil, err
		}
	}
}

// lasts reports whether an attempt has failed in a way that no waiting mends: what
// was configured cannot be, or a server that is there does not take us. A server
// that has no room is taken for one that will have some.
func (l *link) lasts(err error) bool {
	l.mu.Lock()
	dialled := l.mu.dialled
	l.mu.Unlock()
	if !dialled { // nats.go, or we, could not even begin
		return true
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return true
	}
	if errors.Is(err, nats.ErrSecureConnWanted) || errors.Is(err, nats.ErrNkeysNotSupported) || disagreesOnTLS(err) {
		return true
	}
	// The rest comes as text: what a server says in its -ERR, and of credentials
	// that were exchanged since the first attempt.
	text := strings.ToLower(err.Error())
	for _, sign := range []string{
		"authorization violation", "authentication expired", "authentication revoked",
		"nkeys: ", "root certificate", "client certificate",
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// disagreesOnTLS reports whether a handshake has failed that the other side took
// part in: not one in which the connection was lost.
func disagreesOnTLS(err error) bool {
	if oe, ok := errors.AsType[*net.OpError](err); ok && (oe.Op == "remote error" || oe.Op == "local error") { // an alert
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if !errors.Is(err, nats.ErrTLS) {
		return false
	}
	_, lost := errors.AsType[syscall.Errno](err)
	ne, isNet := errors.AsType[net.Error](err)
	return !lost && !(isNet && ne.Timeout()) &&
		!errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed)
}

// pause is what passes between two attempts to connect.
type pause struct{ next, most time.Duration }

func (l *link) newPause() *pause { return &pause{l.o.ReconnectWait, l.o.MaxReconnectWait} }

// wait returns after a pause, twice as long as the one before; false: ctx has ended.
// It is half fixed, half random: nodes that lost one server must not come back to
// the next one all at once.
func (p *pause) wait(ctx context.Context) bool {
	t := time.NewTimer(p.next/2 + rand.N(p.next/2+1))
	defer t.Stop()
	p.next = min(p.next*2, p.most)
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

const (
	// stillAway is how often it is said why there is no connection, while the cause
	// stays the same.
	stillAway = 30 * time.Second
	// changesTold are the changes of the cause that are told at once, until it has
	// been silent for that long: servers of one cluster may take turns with theirs.
	changesTold = 5
)

// complaint remembers what has been said of a connection that there is not. One
// goroutine.
type complaint struct {
	at      time.Time // of the last one
	cause   string
	changes int
}

// level is the one to say err at: a warning, or, where that has been said, debug.
func (c *complaint) level(now time.Time, err error) zerolog.Level {
	cause := innermost(err).Error()
	switch {
	case c.at.IsZero() || now.Sub(c.at) >= stillAway:
		c.changes = 0
	case cause != c.cause && c.changes < changesTold:
		c.changes++
	default:
		return zerolog.DebugLevel
	}
	c.at, c.cause = now, cause
	return zerolog.WarnLevel
}

// innermost is the cause of an error, without the address that it is about: attempts
// take turns with addresses.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
