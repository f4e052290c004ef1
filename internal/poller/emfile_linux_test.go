package poller_test

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hoshi-ws/hoshi/internal/poller"
)

// TestOutOfDescriptors: connections that cannot be taken are shed and counted, the loop does not spin, and accepting
// goes on when there are descriptors again. It lowers the process's limit, so it must not run beside others.
func TestOutOfDescriptors(t *testing.T) {
	var turns atomic.Int64
	b := newBench(t, poller.Options{OnTurn: func() { turns.Add(1) }})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan poller.Endpoint, 100)
	shed := make(chan error, 1000)
	b.on(func() {
		err = b.Listen(ln, poller.ListenOptions{
			OnAccept: func(ep poller.Endpoint) { accepted <- ep },
			OnError: func(err error, gone bool) {
				if gone {
					shed <- err
				}
			},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	// Clients' sockets are made before the limit falls, and connected after.
	var clients []int
	for range 4 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, fd)
	}
	defer func() {
		for _, fd := range clients {
			_ = unix.Close(fd)
		}
	}()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	var fillers []*os.File
	low := old
	low.Cur = uint64(clients[len(clients)-1] + 16)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }()
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		fillers = append(fillers, f)
	}
	addr := ln.Addr().(*net.TCPAddr)
	sa := &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}
	for _, fd := range clients[:3] {
		if err := unix.Connect(fd, sa); err != nil {
			t.Fatal(err)
		}
		if err := wait(t, "shedding", shed); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("shed for %v", err)
		}
		if n, err := unix.Read(fd, make([]byte, 1)); n > 0 {
			t.Errorf("a shed connection reads %d, %v", n, err)
		}
	}
	before := turns.Load()
	time.Sleep(50 * time.Millisecond)
	if n := turns.Load() - before; n > 5 {
		t.Errorf("%d turns while nothing happened", n)
	}
	for _, f := range fillers {
		_ = f.Close()
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(clients[3], sa); err != nil {
		t.Fatal(err)
	}
	wait(t, "accept after descriptors came back", accepted).Close()
}
