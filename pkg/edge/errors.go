package edge

import "fmt"

// Listener names one of the addresses that a node listens on.
type Listener string

// The listeners, named as the option that moves each.
const (
	Main    Listener = "listen"
	Admin   Listener = "admin-listen"
	Metrics Listener = "metrics-listen"
)

// ListenError says that an address cannot be listened on, for the whole life
// of the node; Start may return several, joined. It unwraps to the system's
// error.
type ListenError struct {
	Listener Listener
	Addr     string
	Err      error
}

// Error says which listener failed, on which address, and why.
func (e *ListenError) Error() string {
	return fmt.Sprintf("%s %s: %v", e.Listener, e.Addr, e.Err)
}

// Unwrap returns the system's error.
func (e *ListenError) Unwrap() error { return e.Err }
