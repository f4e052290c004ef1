package poller

import "errors"

var (
	// ErrStopped is returned by calls on a loop that has been stopped.
	ErrStopped = errors.New("poller: loop is stopped")
	// ErrNotAttached is returned by calls on a Socket that is not attached to the loop, or no longer.
	ErrNotAttached = errors.New("poller: socket is not attached")
	// ErrUnsupported is returned by Adopt for a connection whose descriptor cannot be had. Such connections
	// (TLS, in-memory pipes) need a portable loop.
	ErrUnsupported = errors.New("poller: connection has no descriptor")
)
