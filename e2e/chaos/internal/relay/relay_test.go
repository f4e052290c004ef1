package relay_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/relay"
)

// echo sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer func() { _ = c.Close() }()
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); done.Wait() })
	return l.Addr().String()
}

func start(t *testing.T) (*relay.Relay, net.Conn) {
	t.Helper()
	r, err := relay.New("127.0.0.1:0", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return r, c
}

// answer says something and waits so long for its echo.
func answer(t *testing.T, c net.Conn, patience time.Duration) error {
	t.Helper()
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	return hear(t, c, patience)
}

func hear(t *testing.T, c net.Conn, patience time.Duration) error {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	_, err := io.ReadFull(c, got)
	return err
}

func TestRelay(t *testing.T) {
	r, c := start(t)
	if err := answer(t, c, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	const delay = 50 * time.Millisecond
	r.Delay(delay)
	before := time.Now()
	if err := answer(t, c, 10*time.Second); err != nil || time.Since(before) < 2*delay {
		t.Errorf("with a delay: %v after %v", err, time.Since(before))
	}
	r.Delay(0)
	r.Stall(true)
	if err := answer(t, c, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("stalled: %v", err)
	}
	late, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = late.Close() }()
	if err := answer(t, late, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a new one, stalled: %v", err)
	}
	r.Stall(false)
	for _, conn := range []net.Conn{c, late} {
		if err := hear(t, conn, 10*time.Second); err != nil {
			t.Errorf("after the stall: %v", err)
		}
	}
}

func TestRelayEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(r *relay.Relay) int
		want error
	}{
		{name: "cut", end: (*relay.Relay).Cut, want: io.EOF},
		{name: "reset", end: (*relay.Relay).Reset, want: syscall.ECONNRESET},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, c := start(t)
			if err := answer(t, c, 10*time.Second); err != nil {
				t.Fatal(err)
			}
			if n := tt.end(r); n != 1 {
				t.Errorf("%d connections ended", n)
			}
			if err := hear(t, c, 10*time.Second); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A reset is passed on: what has not been sent yet is dropped.
func TestRelayPassesResetsOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	r, err := relay.New("127.0.0.1:0", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if err := hear(t, s, 10*time.Second); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}
