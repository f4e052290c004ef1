package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

// Reasons why a connection could not be made or has ended, as they are counted.
// Those with a number are "closed <code>" and "upgrade <status>".
const (
	reasonRefused     = "connection refused"
	reasonPorts       = "no local port left"
	reasonDescriptors = "no descriptor left"
	reasonTCP         = "tcp error"
	reasonProtocol    = "protocol error"
	reasonAnswer      = "error as the answer"
	reasonSubscribe   = "subscribe refused"
	reasonReset       = "reset"
	reasonEnded       = "ended without a close frame"
)

// dialReason says why a TCP connection could not be opened.
func dialReason(err error) string {
	ne, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return reasonRefused
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return reasonPorts
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return reasonDescriptors
	case errors.Is(err, syscall.ECONNRESET):
		return reasonReset
	case isNet && ne.Timeout():
		return timeoutReason(stDial)
	}
	return reasonTCP
}

// dialError says where a connection was to go, and what can be done about it.
func dialError(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("connect to %s: %w: nothing listens there", addr, syscall.ECONNREFUSED)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		if call, ok := errors.AsType[*os.SyscallError](err); ok && call.Syscall == "bind" {
			return fmt.Errorf("connect to %s: the source is no address of this machine: %w", addr, err)
		}
		return fmt.Errorf("connect to %s: no local port left (name several sources, or see net.ipv4.ip_local_port_range): %w", addr, err)
	}
	return fmt.Errorf("connect to %s: %w", addr, err)
}

// upgradeReason says why an upgrade did not take place.
func upgradeReason(err error) string {
	if r, ok := errors.AsType[*wsclient.RefusedError](err); ok {
		return "upgrade " + r.Status[:min(len(r.Status), 3)]
	}
	return reasonProtocol
}

// timeoutReason says what did not come in time.
func timeoutReason(s state) string { return "no " + s.String() + " in time" }

// endReason says how the server ended a connection.
func endReason(code int, err error) string {
	switch {
	case code != 0:
		return "closed " + strconv.Itoa(code)
	case errors.Is(err, io.EOF):
		return reasonEnded
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return reasonReset
	}
	return reasonTCP
}
