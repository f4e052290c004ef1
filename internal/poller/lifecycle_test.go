package poller_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/poller"
)

func TestTimers(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s, _ := b.attach()
		unset, _ := b.attach()
		again, _ := b.attach()
		begin := time.Now()
		after := make(chan time.Time, 1)
		b.on(func() {
			b.SetTimer(&s.Socket, 120*time.Millisecond)
			b.SetTimer(&unset.Socket, 50*time.Millisecond)
			b.SetTimer(&unset.Socket, 0)
			b.SetTimer(&again.Socket, 50*time.Millisecond)
			b.SetTimer(&again.Socket, 200*time.Millisecond)
			b.After(30*time.Millisecond, func() { after <- time.Now() })
		})
		for _, c := range []struct {
			name string
			got  time.Duration
			want time.Duration
		}{
			{"After", wait(t, "after", after).Sub(begin), 30 * time.Millisecond},
			{"timer", wait(t, "timer", s.timer).Sub(begin), 120 * time.Millisecond},
			{"timer set again", wait(t, "timer", again.timer).Sub(begin), 200 * time.Millisecond},
		} {
			if c.got < c.want || c.got > c.want+2*time.Second {
				t.Errorf("%s after %v, want %v", c.name, c.got, c.want)
			}
		}
		if len(unset.timer) != 0 {
			t.Error("an unset timer ended")
		}
		b.on(func() {
			b.SetTimer(&s.Socket, time.Hour)
			b.Close(&s.Socket)
		})
	})
}

func TestPostOrderAndWake(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		const n = 10000
		got := make([]int, 0, n)
		for i := range n {
			b.Post(func() { got = append(got, i) })
		}
		b.on(func() {
			for i, v := range got {
				if i != v {
					t.Fatalf("function %d ran at place %d", v, i)
				}
			}
			if len(got) != n {
				t.Errorf("%d ran", len(got))
			}
		})
	})
}

func TestWakeRunsOnTurn(t *testing.T) {
	for _, portable := range []bool{false, true} {
		turns := make(chan struct{}, 1)
		b := newBench(t, poller.Options{Portable: portable, OnTurn: func() {
			select {
			case turns <- struct{}{}:
			default:
			}
		}})
		for range 2000 {
			b.Wake()
			wait(t, "turn", turns)
		}
	}
}

func TestPanics(t *testing.T) {
	for _, portable := range []bool{false, true} {
		type report struct {
			h poller.Handler
			v any
		}
		reports := make(chan report, 10)
		b := newBench(t, poller.Options{Portable: portable, OnPanic: func(h poller.Handler, v any, stack []byte) {
			if len(stack) == 0 {
				t.Error("no stack")
			}
			reports <- report{h, v}
		}})
		s := newSock(b)
		s.onRead = func(p []byte) {
			if string(p) == "panic" {
				panic("read")
			}
			s.read <- bytes.Clone(p)
		}
		near, far := tcpPair(t)
		b.add(s, near)
		_, _ = far.Write([]byte("panic"))
		if r := wait(t, "report", reports); r.h != (handler{s}) || r.v != "read" {
			t.Errorf("portable %v: %+v", portable, r)
		}
		_, _ = far.Write([]byte("goes on"))
		wait(t, "read after a panic", s.read)
		ran := make(chan struct{})
		b.Post(func() { panic("post") })
		b.Post(func() { close(ran) })
		if r := wait(t, "report", reports); r.h != nil || r.v != "post" {
			t.Errorf("portable %v: %+v", portable, r)
		}
		wait(t, "function behind a panic", ran)
	}
}

func TestDetach(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s := newSock(b)
		s.onRead = func(p []byte) {
			b.PauseRead(&s.Socket)
			s.read <- bytes.Clone(p)
		}
		near, far := tcpPair(t)
		b.add(s, near)
		_, _ = far.Write([]byte("one"))
		wait(t, "read", s.read)
		_, _ = far.Write([]byte("two"))
		var c net.Conn
		b.on(func() {
			var err error
			if c, err = b.Detach(&s.Socket); err != nil {
				t.Errorf("detach: %v", err)
			}
			if b.Len() != 0 {
				t.Error("still attached")
			}
		})
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(patience))
		p := make([]byte, 3)
		if _, err := io.ReadFull(c, p); err != nil || string(p) != "two" {
			t.Errorf("read %q, %v", p, err)
		}
		_, _ = c.Write([]byte("three"))
		p = make([]byte, 5)
		if _, err := io.ReadFull(far, p); err != nil || string(p) != "three" {
			t.Errorf("far end read %q, %v", p, err)
		}
	})
}

// TestDetachWhileReading: the portable loop's reader is in Read then.
func TestDetachWhileReading(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		for range 20 {
			s, far := b.attach()
			go func() { _, _ = far.Write([]byte("x")) }()
			var c net.Conn
			b.on(func() {
				b.PauseRead(&s.Socket)
				c, _ = b.Detach(&s.Socket)
			})
			if len(s.read) == 0 {
				_ = c.SetDeadline(time.Now().Add(patience))
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatalf("byte lost: %v", err)
				}
			}
			_ = c.Close()
		}
	})
}

func TestListen(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan *sock, 100)
		b.on(func() {
			err = b.Listen(ln, poller.ListenOptions{OnAccept: func(ep poller.Endpoint) {
				s := newSock(b)
				if err := b.Attach(ep, handler{s}); err != nil {
					t.Error(err)
				}
				accepted <- s
			}})
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			msg := fmt.Sprint("message ", i)
			_, _ = c.Write([]byte(msg))
			s := wait(t, "accept", accepted)
			if p := wait(t, "read", s.read); string(p) != msg {
				t.Errorf("read %q", p)
			}
		}
		b.on(b.StopListen)
		if c, err := net.DialTimeout("tcp", ln.Addr().String(), time.Second); err == nil {
			_ = c.Close()
			t.Error("still listening")
		}
		b.on(func() {
			if b.Len() != 20 {
				t.Errorf("%d sockets attached", b.Len())
			}
		})
	})
}

func TestStop(t *testing.T) {
	before := fds(t)
	for _, portable := range []bool{false, true} {
		l, err := poller.New(poller.Options{Portable: portable})
		if err != nil {
			t.Fatal(err)
		}
		l.Stop() // never started
		l.Stop()
		l, err = poller.New(poller.Options{Portable: portable})
		if err != nil {
			t.Fatal(err)
		}
		l.Start()
		b := &bench{Loop: l, t: t}
		_, far := b.attach()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		b.on(func() { _ = l.Listen(ln, poller.ListenOptions{OnAccept: poller.Endpoint.Close}) })
		l.Stop()
		wait(t, "done", l.Done())
		if _, err := io.ReadAll(far); err != nil {
			t.Errorf("far end: %v", err)
		}
		_ = far.Close()
		if l.Post(func() {}) {
			t.Error("a stopped loop took a function")
		}
		l.Wake()
	}
	if after := fds(t); after > before+1 { // Go's own epoll descriptor may have come
		t.Errorf("descriptors: %d before, %d after", before, after)
	}
}

// TestNoGoroutineForASocket holds the point of the epoll loop.
func TestNoGoroutineForASocket(t *testing.T) {
	b := newBench(t, poller.Options{})
	before := runtime.NumGoroutine()
	for range 200 {
		_, far := b.attach()
		_, _ = far.Write([]byte("x"))
	}
	b.on(func() {})
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("goroutines: %d before, %d with 200 sockets", before, n)
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	b := newBench(t, poller.Options{})
	s := newSock(b)
	got := make(chan struct{}, 1)
	vec := make([][]byte, 2)
	s.onRead = func(p []byte) {
		_, _ = b.Write(&s.Socket, p)
		vec[0], vec[1] = p, p
		_, _ = b.Writev(&s.Socket, vec)
		b.SetTimer(&s.Socket, time.Second)
		got <- struct{}{}
	}
	near, far := tcpPair(t)
	b.add(s, near)
	p, q := []byte("x"), make([]byte, 3)
	n := testing.AllocsPerRun(200, func() {
		_, _ = far.Write(p)
		<-got
		_, _ = io.ReadFull(far, q)
		b.Wake()
	})
	if n > 0 && !raceEnabled {
		t.Errorf("%v allocations for each round", n)
	}
}
