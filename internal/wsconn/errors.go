package wsconn

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned by Detach on a connection that is closed, accepted, refused or detached already.
	ErrClosed = errors.New("wsconn: connection is not waiting for an answer")
	// ErrNotStarted is returned by Drain on a server that has not been started.
	ErrNotStarted = errors.New("wsconn: server is not started")
	// ErrStopped is returned by calls on a server that has been stopped.
	ErrStopped = errors.New("wsconn: server is stopped")
)

// ListenError says that the server cannot listen on an address. errors.Is with syscall.EADDRINUSE tells a busy port.
type ListenError struct {
	Addr string
	Err  error
}

// Error implements error.
func (e *ListenError) Error() string { return fmt.Sprintf("listen on %s: %v", e.Addr, e.Err) }

// Unwrap returns what the system said.
func (e *ListenError) Unwrap() error { return e.Err }
