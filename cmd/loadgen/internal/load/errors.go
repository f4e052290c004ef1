package load

import (
	"errors"
	"fmt"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// ErrTimeout is matched by every error of a wait that took too long.
var ErrTimeout = errors.New("timed out")

// ErrInterrupted is returned, with the result so far, when the context ends.
var ErrInterrupted = report.ErrInterrupted

// ClosedError is a connection that the server ended while it was in use.
type ClosedError struct {
	// Index numbers the connection from 0.
	Index int
	// Code is the WebSocket close code, 0 when there was no close frame.
	Code int
	// Err is what the system said, nil after a close frame.
	Err error
}

// Error names the connection, the code and the cause.
func (e *ClosedError) Error() string {
	if e.Code != 0 {
		return fmt.Sprintf("connection %d: closed by the server with %d", e.Index, e.Code)
	}
	return fmt.Sprintf("connection %d: ended by the server: %v", e.Index, e.Err)
}

// Unwrap returns the cause.
func (e *ClosedError) Unwrap() error { return e.Err }
