package poller_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/poller"
)

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
		if err := wait(t, "hangup", s.hangup); err == nil {
			t.Error("hangup without a reason")
		}
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

// A peer that takes less than what makes the system call the socket writable is still seen to take something.
func TestUnsentMovesWithThePeer(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s := newSock(b)
		near, far := tcpPair(t)
		if err := near.(*net.TCPConn).SetWriteBuffer(1 << 20); err != nil {
			t.Fatal(err)
		}
		if err := far.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		b.add(s, near)
		data := make([]byte, 64<<10)
		unsent := func() (n int) {
			b.on(func() { n = b.Unsent(&s.Socket) })
			return n
		}
		settled := -1 // all that can be held is held, and nothing moves
		for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			full := false
			b.on(func() {
				n, err := b.Write(&s.Socket, data)
				full = n == 0 && err == nil
			})
			now := unsent()
			if full && now == settled {
				break
			}
			if settled = now; time.Now().After(deadline) {
				t.Fatal("never full")
			}
		}
		for deadline := time.Now().Add(patience); unsent() >= settled; {
			if _, err := io.ReadFull(far, make([]byte, 16<<10)); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				t.Fatal("does not move")
			}
		}
	})
}
