package natsd

import "fmt"

// Listener says which listener of the server an error is about.
type Listener string

// The listeners of the embedded server.
const (
	ClientListener  Listener = "client"
	ClusterListener Listener = "cluster"
)

// PortError is returned by [Start] for an address that cannot be listened on.
// Several are joined with [errors.Join]; find one with [errors.AsType], and all
// with [PortErrors].
type PortError struct {
	Listener Listener
	Addr     string // host:port as configured
	Err      error  // from net.Listen: syscall.EADDRINUSE, EACCES, a DNS error, ...
}

func (e *PortError) Error() string {
	return fmt.Sprintf("nats %s listener on %s: %v", e.Listener, e.Addr, e.Err)
}

func (e *PortError) Unwrap() error { return e.Err }

// CredentialsError is returned by [Start] for a cluster listener or a route
// beyond loopback without a user and a password.
type CredentialsError struct {
	What string // "cluster listener" or "route"
	Addr string // host:port, without any user information
}

func (e *CredentialsError) Error() string {
	return fmt.Sprintf("nats %s %s is beyond loopback and needs cluster credentials", e.What, e.Addr)
}

// AddrError is returned by [Start] for an address or a route that cannot be read.
type AddrError struct {
	What string // "client listener", "cluster listener" or "route"
	Addr string // without any user information
	Err  error
}

func (e *AddrError) Error() string {
	return fmt.Sprintf("nats %s %q: %v", e.What, e.Addr, e.Err)
}

func (e *AddrError) Unwrap() error { return e.Err }

// PortErrors returns every [PortError] in err's tree, in the order found.
func PortErrors(err error) []*PortError {
	switch x := err.(type) { //nolint:errorlint // this walks the tree itself
	case nil:
		return nil
	case *PortError:
		return []*PortError{x}
	case interface{ Unwrap() []error }:
		var all []*PortError
		for _, e := range x.Unwrap() {
			all = append(all, PortErrors(e)...)
		}
		return all
	case interface{ Unwrap() error }:
		return PortErrors(x.Unwrap())
	}
	return nil
}
