package rawserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readSize is the size of the one read buffer, in bytes.
const readSize = 64 << 10

// maxInput bounds what one client may have sent without completing a frame.
const maxInput = 2 << 20

// Server is a listening raw server. Its methods but Addr belong to one goroutine.
type Server struct {
	// fixed after Listen
	listener *net.TCPListener // keeps the descriptor open
	file     *os.File         // the listener's descriptor, for epoll
	epfd     int
	wake     int // eventfd: Stop
	done     chan struct{}
	bare     bool // clients are answered the upgrade, and not greeted

	// owned by Serve
	conns    map[int]*conn
	channels map[string][]int // channel-id as written -> subscribers' descriptors
	read     []byte
	out      []byte // scratch for the frame being built
	sends    uint64
	stalls   uint64
}

// conn is one socket. While it is idle it holds no buffer.
type conn struct {
	fd       int
	upgraded bool
	in       []byte // bytes of an incomplete request or frame
}

// Listen opens addr, for example "127.0.0.1:0". With bare set clients get the answer
// to their upgrade and no handshake frame: what the least connect costs.
func Listen(addr string, bare bool) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	tcp := l.(*net.TCPListener)
	s := &Server{
		listener: tcp,
		bare:     bare,
		done:     make(chan struct{}),
		conns:    make(map[int]*conn),
		channels: make(map[string][]int),
		read:     make([]byte, readSize),
	}
	if s.file, err = tcp.File(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if s.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, errors.Join(fmt.Errorf("epoll_create1: %w", err), l.Close())
	}
	if s.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, errors.Join(fmt.Errorf("eventfd: %w", err), l.Close(), unix.Close(s.epfd))
	}
	return s, nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Stop ends Serve and waits for it. It may be called once, by another goroutine
// than Serve's.
func (s *Server) Stop() error {
	if _, err := unix.Write(s.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		return fmt.Errorf("wake the server: %w", err)
	}
	<-s.done
	return nil
}

// Serve answers clients until Stop. A client that breaks the protocol, or leaves,
// is closed; only a fault of the server's own is returned.
func (s *Server) Serve() (err error) {
	defer close(s.done)
	defer func() {
		for fd := range s.conns {
			err = errors.Join(err, unix.Close(fd))
		}
		err = errors.Join(err, s.file.Close(), s.listener.Close(), unix.Close(s.epfd), unix.Close(s.wake))
	}()
	lfd := int(s.file.Fd())
	if err := unix.SetNonblock(lfd, true); err != nil {
		return fmt.Errorf("listener: %w", err)
	}
	for _, fd := range []int{lfd, s.wake} {
		if err := s.watch(fd); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(s.epfd, events, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, ev := range events[:n] {
			switch fd := int(ev.Fd); fd {
			case s.wake:
				return nil
			case lfd:
				if err := s.accept(lfd); err != nil {
					return err
				}
			default:
				if c := s.conns[fd]; c != nil && !s.serve(c) {
					if err := s.drop(c); err != nil {
						return err
					}
				}
			}
		}
	}
}

func (s *Server) watch(fd int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(s.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

func (s *Server) accept(lfd int) error {
	for {
		fd, _, err := unix.Accept4(lfd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case err != nil:
			return fmt.Errorf("accept: %w", err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return errors.Join(fmt.Errorf("set no delay: %w", err), unix.Close(fd))
		}
		s.conns[fd] = &conn{fd: fd}
		if err := s.watch(fd); err != nil {
			return err
		}
	}
}

// drop closes c and forgets its subscriptions.
func (s *Server) drop(c *conn) error {
	delete(s.conns, c.fd)
	for name, fds := range s.channels {
		for i, fd := range fds {
			if fd == c.fd {
				s.channels[name] = append(fds[:i], fds[i+1:]...)
				break
			}
		}
	}
	return unix.Close(c.fd)
}

// serve reads once and handles what is complete; false means close.
func (s *Server) serve(c *conn) bool {
	n, err := unix.Read(c.fd, s.read)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return true
	}
	if err != nil || n == 0 {
		return false
	}
	in := s.read[:n]
	if len(c.in) > 0 {
		c.in = append(c.in, in...)
		in = c.in
	}
	used, ok := s.handle(c, in)
	if !ok || len(in)-used > maxInput {
		return false
	}
	if used == len(in) {
		c.in = nil
	} else {
		c.in = append([]byte(nil), in[used:]...)
	}
	return true
}

// send writes all of p to fd: one call unless the socket is full, for which it
// waits, and everybody with it.
func (s *Server) send(fd int, p []byte) bool {
	for len(p) > 0 {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
		s.sends++
		switch errno {
		case 0:
			p = p[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			s.stalls++
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 10_000); err != nil && !errors.Is(err, unix.EINTR) {
				return false
			}
		default:
			return false
		}
	}
	return true
}
