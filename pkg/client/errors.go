package client

import (
	"errors"
	"fmt"
)

// Errors of this package. Match with [errors.Is].
var (
	// ErrBadOption: an option makes no sense.
	ErrBadOption = errors.New("client: bad option")
	// ErrBadEvent: an event or a value of it is no valid EDN, or has no
	// namespaced keyword for its id.
	ErrBadEvent = errors.New("client: bad event")
	// ErrTooLarge: an event is longer than Options.MaxSend.
	ErrTooLarge = errors.New("client: event too large")
	// ErrTimeout: time was up. A waiter or an asynchronous enqueue is told so
	// once, and is then gone. An attempt that took ConnectTimeout and a connection
	// that was silent for PeerTimeout match it too.
	ErrTimeout = errors.New("client: timed out")
	// ErrClosed: the connection that a waiter or a request belonged to has
	// ended; the [*Disconnect] in the chain says why.
	ErrClosed = errors.New("client: connection closed")
	// ErrStopped: the client has been stopped, or has given up.
	ErrStopped = errors.New("client: stopped")
	// ErrAttempts: Options.MaxAttempts attempts in a row have failed.
	ErrAttempts = errors.New("client: no more attempts")
	// ErrKicked: the server closed the connection with 4410, which asks a client not
	// to come back by itself; the [*Disconnect] in the chain has its text.
	ErrKicked = errors.New("client: kicked")
	// ErrNotReady: the context ended before there was a connection; what the
	// last attempt met is in the chain.
	ErrNotReady = errors.New("client: not connected")
)

// ReplyError is the answer to a request, or to a subscribe, that is an error
// keyword: :chsk/error, :chsk/timeout, :forbidden. Match one with
// errors.Is(err, &ReplyError{Keyword: ":chsk/timeout"}).
type ReplyError struct {
	Keyword string // with its colon
}

func (e *ReplyError) Error() string { return "client: the server answered " + e.Keyword }

// Is reports whether target is a ReplyError with the same keyword.
func (e *ReplyError) Is(target error) bool {
	t, ok := target.(*ReplyError)
	return ok && t.Keyword == e.Keyword
}

// Cause says in one word why a connection ended.
type Cause string

// Causes.
const (
	CauseRequested Cause = "requested" // Stop
	CauseServer    Cause = "server"    // the server sent a close frame: Code and Text are its
	CauseLost      Cause = "lost"      // the connection broke, or ended without a close frame
	CauseSilent    Cause = "silent"    // nothing came for Options.PeerTimeout
	CauseProtocol  Cause = "protocol"  // the server broke the protocol, or sent more than Options.MaxReceive
	CauseRefused   Cause = "refused"   // the handshake was refused or did not come
)

// Disconnect says why a connection ended. As an error it matches [ErrClosed].
type Disconnect struct {
	Cause Cause
	Code  int    // of the server's close frame, 0 without one
	Text  string // of the server's close frame
	Err   error  // what the system said; may be nil
}

func (d *Disconnect) Error() string {
	s := fmt.Sprintf("%v: %s", ErrClosed, d.Cause)
	if d.Code != 0 {
		s += fmt.Sprintf(", code %d", d.Code)
	}
	if d.Text != "" {
		s += fmt.Sprintf(", %q", d.Text)
	}
	if d.Err != nil {
		s += ": " + d.Err.Error()
	}
	return s
}

// Is reports whether target is [ErrClosed].
func (d *Disconnect) Is(target error) bool { return target == ErrClosed }

// Unwrap returns what the system said.
func (d *Disconnect) Unwrap() error { return d.Err }

// PanicError is a panic in a callback of the application. The callback counts
// as returned, the client goes on.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("client: panic in a callback: %v", e.Value) }
