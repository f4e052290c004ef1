package poller

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// ListenOptions say what happens to accepted connections. Both functions run on the loop.
type ListenOptions struct {
	// OnAccept receives each accepted connection, which it may give to another loop's Attach.
	OnAccept func(Endpoint)
	// OnError hears of an accept that did not work; shed says that a connection was taken and closed
	// because there is no descriptor left. The listener goes on in any case. Nil ignores them.
	OnError func(err error, shed bool)
}

// Listen accepts from ln on this loop. The loop takes the listener over, whether it works or not, and closes it
// in StopListen or Stop. Loop only.
func (l *Loop) Listen(ln net.Listener, o ListenOptions) error { return l.be.listen(ln, o) }

// StopListen closes the listeners. Loop only.
func (l *Loop) StopListen() { l.be.stopListen() }

// outOfDescriptors reports the errors of accept that do not go away by trying again at once.
func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// closed reports whether err says that the connection or listener was closed on this side.
func closed(err error) bool { return errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) }
