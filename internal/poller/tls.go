package poller

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// Secure returns a listener whose connections speak TLS, for portable loops: crypto/tls reads and writes as it likes, so
// it needs goroutines. Accept does not wait for the handshake, which the connection's reader makes with its first Read; a
// [*TLSError] of OnHangup says that it did not work. ln must not be used any more.
func Secure(ln net.Listener, config *tls.Config) net.Listener { return &secureListener{ln, config} }

type secureListener struct {
	net.Listener
	config *tls.Config
}

// Accept implements net.Listener.
func (l *secureListener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &secured{Conn: tls.Server(raw, l.config), raw: raw}, nil
}

// TLSReason says why a handshake of TLS did not work. It is a small set, fit for a metric label.
type TLSReason uint8

// The reasons of a TLSError.
const (
	TLSPlain       TLSReason = iota + 1 // the peer speaks HTTP
	TLSVersion                          // no version that both speak
	TLSProtocol                         // no application protocol that both speak
	TLSCertificate                      // the peer's certificate is missing, or not believed
	TLSRefused                          // the peer ended it: it does not believe us, for instance
	TLSFailed                           // anything else
	tlsReasons                          // keep last
)

var tlsNames = [tlsReasons]string{"", "plain", "version", "protocol", "certificate", "refused", "failed"}

// String returns a short name, for logs and metrics.
func (r TLSReason) String() string {
	if r < tlsReasons {
		return tlsNames[r]
	}
	return "unknown"
}

// TLSError is a handshake of TLS that did not work. It wraps what crypto/tls says.
type TLSError struct {
	Reason TLSReason
	Err    error
}

// Error implements error.
func (e *TLSError) Error() string { return "poller: tls handshake: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Err }

const (
	// closeWait bounds how long a close waits for the system to take the last of TLS.
	closeWait = time.Second
	// plainWait bounds how long a peer that does not speak TLS may take for reading that it should.
	plainWait = time.Second
	plainRead = 16 << 10
)

// plainAnswer is for who speaks HTTP where TLS is spoken. 1.0: whatever version was asked in, and without more requests.
const plainAnswer = "HTTP/1.0 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" +
	"This port speaks TLS: connect with https:// or wss://.\n"

// secured is a connection that speaks TLS. One goroutine reads, one at a time writes or closes.
type secured struct {
	*tls.Conn
	raw  net.Conn
	done atomic.Bool // the handshake has worked
}

// Read makes the handshake, the first time, and reads.
func (c *secured) Read(p []byte) (int, error) {
	if !c.done.Load() {
		if err := c.Handshake(); err != nil {
			return 0, c.refused(err)
		}
		c.done.Store(true)
	}
	return c.Conn.Read(p)
}

// refused says what was wrong with a handshake. A socket that has ended, or has been closed, is no fault of TLS.
func (c *secured) refused(err error) error {
	reason := TLSFailed
	if h, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if looksLikeHTTP(h.RecordHeader) && h.Conn != nil {
			c.answerPlain()
			reason = TLSPlain
		}
		return &TLSError{reason, err}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &TLSError{TLSCertificate, err}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		switch {
		case op.Op == "remote error": // an alert, which crypto/tls wraps so
			reason = TLSRefused
		case op.Op != "local error":
			return err
		}
		return &TLSError{reason, err}
	}
	// These are texts and nothing else; tests hold that they are still so.
	switch text := err.Error(); {
	case !strings.HasPrefix(text, "tls: "):
		return err // of the socket, or of who wraps it
	case strings.Contains(text, "unsupported version"):
		reason = TLSVersion
	case strings.Contains(text, "application protocol"):
		reason = TLSProtocol
	case strings.Contains(text, "certificate"):
		reason = TLSCertificate
	}
	return &TLSError{reason, err}
}

// looksLikeHTTP knows the methods that a request may begin with by the five bytes that would have been the header of a
// record.
func looksLikeHTTP(first [5]byte) bool {
	switch string(first[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH", "CONNE", "TRACE":
		return true
	}
	return false
}

// answerPlain tells who speaks HTTP what to do, and reads a while, since closing with unread input would destroy the
// answer. The reader's.
func (c *secured) answerPlain() {
	_ = c.raw.SetDeadline(time.Now().Add(plainWait))
	if _, err := io.WriteString(c.raw, plainAnswer); err != nil {
		return
	}
	if hc, ok := c.raw.(interface{ CloseWrite() error }); ok && hc.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, c.raw, plainRead)
	}
}

// CloseWrite sends the end of TLS, and then that of the socket: the peer may go on sending.
func (c *secured) CloseWrite() error {
	err := c.Conn.CloseWrite()
	if hc, ok := c.raw.(interface{ CloseWrite() error }); ok {
		err = errors.Join(err, hc.CloseWrite())
	}
	return err
}

// Close closes in order, which may take closeWait where the peer reads nothing.
func (c *secured) Close() error {
	cut := time.AfterFunc(closeWait, func() { _ = c.raw.Close() })
	defer cut.Stop()
	return c.Conn.Close()
}

// certificate returns what the peer has shown and has been verified, nil where it is nothing.
func (c *secured) certificate() *x509.Certificate {
	if !c.done.Load() { // else the state would be waited for as long as the handshake takes
		return nil
	}
	if st := c.ConnectionState(); len(st.VerifiedChains) > 0 {
		return st.PeerCertificates[0]
	}
	return nil
}

// Certificate returns the certificate that the peer has proved to have, where TLS has asked for one and verified it, else
// nil. It is not to be asked before something was read. Loop only.
func (l *Loop) Certificate(s *Socket) *x509.Certificate {
	if b, ok := l.be.(*portable); ok && s.bits&bitAttached != 0 {
		if c, ok := b.conns[s.slot].conn.(*secured); ok {
			return c.certificate()
		}
	}
	return nil
}
