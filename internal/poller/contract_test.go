package poller_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hoshi-ws/hoshi/internal/poller"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

func TestReadWrite(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s, far := b.attach()
		_, _ = far.Write([]byte("hello"))
		if p := wait(t, "read", s.read); string(p) != "hello" {
			t.Errorf("read %q", p)
		}
		b.on(func() {
			if n, err := b.Write(&s.Socket, []byte("world")); n != 5 || err != nil {
				t.Errorf("write: %d, %v", n, err)
			}
			if n, err := b.Writev(&s.Socket, [][]byte{[]byte("a"), nil, []byte("bc")}); n != 3 || err != nil {
				t.Errorf("writev: %d, %v", n, err)
			}
			if r, l := b.RemoteAddr(&s.Socket), b.LocalAddr(&s.Socket); r.String() != far.LocalAddr().String() || l.String() != far.RemoteAddr().String() {
				t.Errorf("addresses %v, %v", r, l)
			}
		})
		p := make([]byte, 8)
		if _, err := io.ReadFull(far, p); err != nil || string(p) != "worldabc" {
			t.Errorf("far end read %q, %v", p, err)
		}
	})
}

func TestHangupComesBehindTheData(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s, far := b.attach()
		b.on(func() { b.PauseRead(&s.Socket) })
		_, _ = far.Write([]byte("last words"))
		_ = far.Close()
		b.on(func() { b.ResumeRead(&s.Socket) })
		if p := wait(t, "read", s.read); string(p) != "last words" {
			t.Errorf("read %q", p)
		}
		if err := wait(t, "hangup", s.hangup); !errors.Is(err, io.EOF) {
			t.Errorf("hangup: %v", err)
		}
		b.on(func() { b.ResumeRead(&s.Socket); b.Close(&s.Socket) })
		select {
		case err := <-s.hangup:
			t.Errorf("second hangup: %v", err)
		default:
		}
	})
}

func TestPausedMeansNoRead(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s := newSock(b)
		reads := 0
		s.onRead = func(p []byte) {
			reads++
			s.read <- bytes.Clone(p)
			b.PauseRead(&s.Socket)
		}
		near, far := tcpPair(t)
		b.add(s, near)
		const total = 1 << 20
		go func() { _, _ = far.Write(make([]byte, total)) }()
		got := 0
		for i := 1; got < total; i++ {
			got += len(wait(t, "read", s.read))
			b.on(func() {
				if reads != i {
					t.Errorf("reads while paused: %d, want %d", reads, i)
				}
				b.ResumeRead(&s.Socket)
			})
		}
	})
}

// TestPausedHangupDoesNotSpin: epoll reports a hang-up unasked, and must be made to forget.
func TestPausedHangupDoesNotSpin(t *testing.T) {
	for _, portable := range []bool{false, true} {
		var turns atomic.Int64
		b := newBench(t, poller.Options{Portable: portable, OnTurn: func() { turns.Add(1) }})
		s, far := b.attach()
		b.on(func() { b.PauseRead(&s.Socket) })
		_ = far.(*net.TCPConn).SetLinger(0)
		_ = far.Close()
		time.Sleep(20 * time.Millisecond) // lets it spin
		before := turns.Load()
		time.Sleep(50 * time.Millisecond)
		if n := turns.Load() - before; n > 5 {
			t.Errorf("portable %v: %d turns while nothing happened", portable, n)
		}
		b.on(func() { b.ResumeRead(&s.Socket) })
		if err := wait(t, "hangup", s.hangup); errors.Is(err, io.EOF) {
			t.Errorf("portable %v: reset reported as %v", portable, err)
		}
	}
}

func TestFullSocket(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s := newSock(b)
		const total = 8 << 20
		sent := 0
		data := make([]byte, 64<<10)
		for i := range data {
			data[i] = byte(i)
		}
		fill := func() {
			for sent < total {
				n, err := b.Write(&s.Socket, data[sent%len(data):])
				if err != nil {
					t.Errorf("write: %v", err)
					return
				}
				sent += n
				if n == 0 {
					b.WantWrite(&s.Socket, true)
					return
				}
			}
			b.WantWrite(&s.Socket, false)
			if err := b.CloseWrite(&s.Socket); err != nil {
				t.Errorf("close write: %v", err)
			}
		}
		s.onWritable = fill
		near, far := tcpPair(t)
		b.add(s, near)
		b.on(fill)
		for deadline := time.Now().Add(patience); ; {
			unsent := 0
			b.on(func() { unsent = b.Unsent(&s.Socket) })
			if unsent > 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("everything fitted: nothing tested")
			}
		}
		got, err := io.ReadAll(far)
		if err != nil || len(got) < total {
			t.Fatalf("far end read %d, %v", len(got), err)
		}
		for i, c := range got {
			if c != byte(i) {
				t.Fatalf("byte %d is %d", i, c)
			}
		}
		_, _ = far.Write([]byte("still open"))
		if p := wait(t, "read after CloseWrite", s.read); string(p) != "still open" {
			t.Errorf("read %q", p)
		}
	})
}

func TestCloseDeliversWhatWasWritten(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s, far := b.attach()
		b.on(func() {
			_, _ = b.Write(&s.Socket, []byte("bye"))
			b.Close(&s.Socket)
			b.Close(&s.Socket)
			if _, err := b.Write(&s.Socket, nil); !errors.Is(err, poller.ErrNotAttached) {
				t.Errorf("write after close: %v", err)
			}
			if s.Attached() || b.Len() != 0 {
				t.Error("still attached")
			}
		})
		if p, err := io.ReadAll(far); string(p) != "bye" || err != nil {
			t.Errorf("far end: %q, %v", p, err)
		}
	})
}

func TestReset(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s, far := b.attach()
		b.on(func() { b.Reset(&s.Socket) })
		if _, err := far.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("far end: %v", err)
		}
	})
}

func TestWriteToBrokenPeer(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s, far := b.attach()
		_ = far.(*net.TCPConn).SetLinger(0)
		_ = far.Close()
		wait(t, "hangup", s.hangup)
		deadline := time.Now().Add(patience)
		for {
			var err error
			b.on(func() { _, err = b.Write(&s.Socket, []byte("x")) })
			if err != nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("writing to a peer that is gone is no error")
			}
		}
	})
}

func TestCloseInsideOfCallback(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		// Many sockets become readable at once; each callback closes its neighbour, whose event is under way.
		const n = 50
		var socks [n]*sock
		var fars [n]net.Conn
		closed := make(chan int, n)
		for i := range socks {
			s := newSock(b)
			s.onRead = func([]byte) {
				if j := i ^ 1; socks[j].Attached() {
					b.Close(&socks[j].Socket)
					closed <- j
					// The descriptor number is free again, and so is the slot.
					near, _ := tcpPair(t)
					other := newSock(b)
					other.onRead = func([]byte) { t.Error("stale event reached a new socket") }
					if err := b.Attach(poller.AdoptConn(near), handler{other}); err != nil {
						t.Error(err)
					}
				}
			}
			socks[i] = s
			var near net.Conn
			near, fars[i] = tcpPair(t)
			b.add(s, near)
		}
		b.on(func() {
			for _, f := range fars {
				_, _ = f.Write([]byte("x"))
			}
		})
		for range n / 2 {
			wait(t, "close", closed)
		}
		b.on(func() {})
	})
}

func TestFairness(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		greedy := newSock(b)
		greedy.onRead = func([]byte) {}
		near, far := tcpPair(t)
		b.add(greedy, near)
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			p := make([]byte, 1<<20)
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := far.Write(p); err != nil {
						return
					}
				}
			}
		}()
		modest, far2 := b.attach()
		for range 20 {
			_, _ = far2.Write([]byte("x"))
			wait(t, "read beside a greedy peer", modest.read)
		}
		close(stop)
		wait(t, "end of writer", done)
	})
}

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

func fds(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
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
