//go:build !linux

package rawserver

import (
	"errors"
	"net"
)

// Server exists on Linux only.
type Server struct{}

// Listen reports that there is no raw server on this system.
func Listen(string, bool) (*Server, error) {
	return nil, errors.New("raw server: Linux only")
}

// Addr is never called: Listen makes no Server here.
func (*Server) Addr() net.Addr { return nil }

// Serve is never called: Listen makes no Server here.
func (*Server) Serve() error { return nil }

// Stop is never called: Listen makes no Server here.
func (*Server) Stop() error { return nil }
