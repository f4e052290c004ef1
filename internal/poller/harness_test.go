package poller_test

import (
	"bytes"
	"net"
	"os"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/poller"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const patience = 20 * time.Second

// both runs f with both implementations: one contract.
func both(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	for _, portable := range []bool{false, true} {
		name := "epoll"
		if portable {
			name = "portable"
		}
		t.Run(name, func(t *testing.T) { f(t, newBench(t, poller.Options{Portable: portable})) })
	}
}

// bench is a running loop and what its tests need.
type bench struct {
	*poller.Loop
	t *testing.T
}

func newBench(t *testing.T, o poller.Options) *bench {
	t.Helper()
	l, err := poller.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l.Start()
	t.Cleanup(l.Stop)
	return &bench{Loop: l, t: t}
}

// on runs f on the loop and waits for it.
func (b *bench) on(f func()) {
	b.t.Helper()
	done := make(chan struct{})
	b.Post(func() { defer close(done); f() })
	wait(b.t, "posted function", done)
}

func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("did not happen: %s", what)
		panic("unreachable")
	}
}

// sock is a handler that records; its functions may be nil. They run on the loop.
type sock struct {
	poller.Socket
	b          *bench
	onRead     func(p []byte)
	onWritable func()
	read       chan []byte
	hangup     chan error
	timer      chan time.Time
}

type handler struct{ *sock }

func (h handler) Socket() *poller.Socket { return &h.sock.Socket }

func (h handler) OnRead(p []byte) {
	if h.onRead != nil {
		h.onRead(p)
		return
	}
	h.read <- bytes.Clone(p)
}

func (h handler) OnHangup(err error) { h.hangup <- err }

func (h handler) OnWritable() {
	if h.onWritable != nil {
		h.onWritable()
	}
}

func (h handler) OnTimer() { h.timer <- time.Now() }

// tcpPair returns two connected sockets.
func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	far, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = far.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = far.Close() })
	return near, far
}

func newSock(b *bench) *sock {
	return &sock{b: b, read: make(chan []byte, 1<<14), hangup: make(chan error, 2), timer: make(chan time.Time, 10)}
}

// attach puts one end of a new connection on the loop.
func (b *bench) attach() (*sock, net.Conn) {
	b.t.Helper()
	s := newSock(b)
	near, far := tcpPair(b.t)
	b.add(s, near)
	return s, far
}

func (b *bench) add(s *sock, near net.Conn) {
	b.t.Helper()
	var err error
	b.on(func() { err = b.Attach(poller.AdoptConn(near), handler{s}) })
	if err != nil {
		b.t.Fatal(err)
	}
}

func fds(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}
