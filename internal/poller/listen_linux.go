package poller

import (
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	acceptBudget = 128                    // per turn, so that a storm leaves time for those who are in
	acceptPause  = 100 * time.Millisecond // how long a listener rests when even shedding does not work
)

// listener is a listening descriptor on the loop. reserve is an open descriptor that is given up for a moment
// when the process has none left: the connection is taken with it and closed, so that the peer knows, and the
// level-triggered event does not spin.
type listener struct {
	fd      int
	reserve int
	index   uint32
	paused  bool
	o       ListenOptions
}

func (e *epoll) listen(ln net.Listener, o ListenOptions) error {
	defer func() { _ = ln.Close() }() // the duplicate goes on listening
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return fmt.Errorf("listen on %T: %w", ln, ErrUnsupported)
	}
	fd, err := dup(sc)
	if err != nil {
		return fmt.Errorf("poller: listen: %w", err)
	}
	// What is written leaves when a turn ends; the system should not hold it back. Accepted sockets inherit this.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	li := &listener{fd: fd, reserve: openReserve(), index: uint32(len(e.listens)), o: o}
	if err := e.ctl(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN, slotAux+li.index, 0); err != nil {
		_ = unix.Close(fd)
		_ = unix.Close(li.reserve)
		return fmt.Errorf("poller: listen: %w", err)
	}
	e.listens = append(e.listens, li)
	return nil
}

func openReserve() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

func (e *epoll) accept(li *listener) {
	for range acceptBudget {
		if li.fd < 0 || li.paused {
			return
		}
		fd, _, err := unix.Accept4(li.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			li.o.OnAccept(Endpoint{fd: fd})
		case err == unix.EAGAIN:
			return
		case err == unix.EINTR || err == unix.ECONNABORTED:
		case outOfDescriptors(err):
			if !e.shed(li, err) {
				return
			}
		default:
			li.error(err, false)
			e.rest(li)
			return
		}
	}
}

func (li *listener) error(err error, shed bool) {
	if li.o.OnError != nil {
		li.o.OnError(fmt.Errorf("poller: accept: %w", err), shed)
	}
}

// shed takes one connection with the reserve descriptor and closes it. False: rest instead.
func (e *epoll) shed(li *listener, cause error) bool {
	if li.reserve >= 0 {
		_ = unix.Close(li.reserve)
		fd, _, err := unix.Accept4(li.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err == nil {
			_ = unix.Close(fd)
		}
		li.reserve = openReserve()
		if err == nil || err == unix.EAGAIN {
			li.error(cause, err == nil)
			return err == nil
		}
	} else if li.reserve = openReserve(); li.reserve >= 0 {
		return true
	}
	li.error(cause, false)
	e.rest(li)
	return false
}

// rest stops listening for a moment; a level-triggered event that cannot be served would spin.
func (e *epoll) rest(li *listener) {
	li.paused = true
	_ = e.ctl(unix.EPOLL_CTL_MOD, li.fd, 0, slotAux+li.index, 0)
	e.l.After(acceptPause, func() {
		li.paused = false
		if li.fd >= 0 {
			_ = e.ctl(unix.EPOLL_CTL_MOD, li.fd, unix.EPOLLIN, slotAux+li.index, 0)
		}
	})
}

func (e *epoll) stopListen() {
	for _, li := range e.listens {
		if li.fd >= 0 {
			_ = unix.Close(li.fd)
			li.fd = -1
		}
		if li.reserve >= 0 {
			_ = unix.Close(li.reserve)
			li.reserve = -1
		}
	}
}
