package wsconn_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

func TestBatchKeepsOrder(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		const conns, rounds = 20, 300
		var cs []*client
		var ses []*session
		for range conns {
			c, se := s.pair()
			cs, ses = append(cs, c), append(ses, se)
		}
		var wg sync.WaitGroup
		for w := range 2 { // two delivering goroutines: order of each is kept
			wg.Go(func() {
				b := s.NewBatch()
				for i := range rounds {
					f := wsconn.NewText([]byte(fmt.Sprintf("%d %d", w, i)))
					for _, se := range ses {
						if r := b.Enqueue(&se.Conn, f, nil); r != wsconn.OK {
							t.Errorf("enqueue: %v", r)
						}
					}
					if i%7 == 0 {
						b.Flush()
					}
				}
				b.Flush()
			})
		}
		for _, c := range cs {
			next := [2]int{}
			for range 2 * rounds {
				var w, i int
				if _, err := fmt.Sscanf(string(c.read().Payload), "%d %d", &w, &i); err != nil {
					t.Fatal(err)
				}
				if i != next[w] {
					t.Fatalf("goroutine %d: got %d, want %d", w, i, next[w])
				}
				next[w]++
			}
		}
		wg.Wait()
	})
}

func TestGate(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		c, se := s.pair()
		gate := new(bool)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { // a deliverer that never stops; what comes while the gate is shut is not sent
			b := s.NewBatch()
			f := wsconn.NewText([]byte("m"))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if b.Enqueue(&se.Conn, f, gate) == wsconn.Overflow {
					t.Error("overflow")
					return
				}
				b.Flush()
				time.Sleep(10 * time.Microsecond)
			}
		})
		for range 50 {
			if r := se.Open(gate, wsconn.NewText([]byte("open"))); r != wsconn.OK {
				t.Fatalf("open: %v", r)
			}
			c.wantText("open") // and nothing before it
			for range 3 {
				c.wantText("m")
			}
			if r := se.Shut(gate, wsconn.NewText([]byte("shut"))); r != wsconn.OK {
				t.Fatalf("shut: %v", r)
			}
			for {
				if f := c.read(); string(f.Payload) == "shut" {
					break
				} else if string(f.Payload) != "m" {
					t.Fatalf("got %s", show(f))
				}
			}
		}
		close(stop)
		wg.Wait()
		b := s.NewBatch()
		if r := b.Enqueue(&se.Conn, wsconn.NewText(nil), gate); r != wsconn.Shut {
			t.Errorf("through a shut gate: %v", r)
		}
		se.CloseAsync(1000, "")
		c.wantClose(1000)
		_ = c.Close()
		se.end()
		if r := se.Open(gate, nil); r != wsconn.Rejected || *gate {
			t.Errorf("open on a closed connection: %v, gate %v", r, *gate)
		}
	})
}

// TestFrozenReader: one peer stops reading. The others do not notice; memory is bounded; and when it wakes in time,
// what it reads and what was counted add up to what was handed over.
func TestFrozenReader(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, CloseTimeout: 10 * time.Second, QueueMessages: 100}, nil)
		frozen, frozenSession := s.pair()
		bystander, bystanderSession := s.pair()
		b := s.NewBatch()
		handed := 0 // OK and Overflow: the connection took the frame over
		payload := []byte(strings.Repeat("x", 20000))
		for over := false; !over; {
			f := wsconn.NewText(payload)
			switch r := b.Enqueue(&frozenSession.Conn, f, nil); r {
			case wsconn.OK:
				handed++
			case wsconn.Overflow:
				handed++
				over = true
			default:
				t.Fatalf("enqueue: %v", r)
			}
			b.Enqueue(&bystanderSession.Conn, f, nil)
			b.Flush()
			if n, size := wsconn.QueueLen(&frozenSession.Conn); n > 100 || size > 2<<20 {
				t.Fatalf("queue holds %d frames, %d bytes", n, size)
			}
			bystander.wantText(string(payload))
		}
		if r := frozenSession.Enqueue(wsconn.NewText(payload)); r != wsconn.Rejected {
			t.Errorf("after the overflow: %v", r)
		}
		read := 0
		for {
			f := frozen.read()
			if f.Header.OpCode == ws.OpClose {
				if code, _ := ws.ParseCloseFrameData(f.Payload); code != 1013 {
					t.Errorf("close code %d", code)
				}
				break
			}
			if len(f.Payload) != len(payload) {
				t.Fatalf("damaged frame of %d bytes", len(f.Payload))
			}
			read++
		}
		frozen.wantEOF()
		_ = frozen.Close()
		info := frozenSession.end()
		if info.Code != 1013 || info.Reason != wsconn.CloseOverflow || read+info.Discarded != handed || info.Discarded == 0 {
			t.Errorf("handed over %d, read %d, %+v", handed, read, info)
		}
		eventually(t, "overflow is counted", func() bool {
			st := s.Stats()
			return st.Discarded == uint64(info.Discarded) && st.Overflows == 1
		})
	})
}

// TestFrozenReaderIsReset: the peer never wakes.
func TestFrozenReaderIsReset(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, CloseTimeout: 300 * time.Millisecond}, nil)
		frozen, se := s.pair()
		f := wsconn.NewText(make([]byte, 32<<20)) // more than the system takes
		if r := se.Enqueue(f); r != wsconn.OK {
			t.Fatalf("first: %v", r)
		}
		eventually(t, "the frame is half written", func() bool { return s.Stats().BytesOut > 1<<16 })
		if r := se.Enqueue(f); r != wsconn.Overflow {
			t.Fatalf("second: %v", r)
		}
		info := se.end()
		if info.Code != 1013 || info.Reason != wsconn.CloseOverflow || info.Discarded == 0 || info.Unsent == 0 {
			t.Errorf("%+v", info)
		}
		for {
			if _, err := frozen.tryRead(); err != nil {
				if !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "EOF") {
					t.Errorf("the peer sees %v", err)
				}
				break
			}
		}
	})
}

func TestStalledPeerIsIdle(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		s := start(t, wsconn.Options{Portable: portable, PingInterval: 200 * time.Millisecond, IdleTimeout: 2 * time.Second}, nil)
		f := wsconn.NewText(make([]byte, 32<<20)) // more than the system takes
		_, se := s.pair()
		se.Enqueue(f)
		if info := se.end(); info.Reason != wsconn.CloseIdle || info.Discarded != 1 {
			t.Errorf("%+v", info)
		}
	})
}

func TestOneFrameAlwaysFits(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, QueueBytes: 1000}, nil)
		c, se := s.pair()
		big := strings.Repeat("x", 5<<20)
		if r := se.Enqueue(wsconn.NewText([]byte(big))); r != wsconn.OK {
			t.Fatalf("enqueue: %v", r)
		}
		c.wantText(big)
	})
}

// TestMixedSizes drives the joined, single and vectored ways with a reader that is slow at times.
func TestMixedSizes(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, QueueBytes: 1 << 30, QueueMessages: 1 << 20}, nil)
		c, se := s.pair()
		rnd := rand.New(rand.NewPCG(1, 2))
		var sizes []int
		for range 3000 {
			n := rnd.IntN(300)
			if rnd.IntN(20) == 0 {
				n = rnd.IntN(200000)
			}
			sizes = append(sizes, n)
		}
		go func() {
			for i, n := range sizes {
				p := make([]byte, n)
				for j := range p {
					p[j] = 'a' + byte((i+j)%26)
				}
				if se.Enqueue(wsconn.NewText(p)) != wsconn.OK {
					t.Error("enqueue")
				}
			}
		}()
		for i, n := range sizes {
			f := c.read()
			if len(f.Payload) != n {
				t.Fatalf("frame %d has %d bytes, want %d", i, len(f.Payload), n)
			}
			for j, b := range f.Payload {
				if b != 'a'+byte((i+j)%26) {
					t.Fatalf("frame %d is damaged at %d", i, j)
				}
			}
			if i%500 == 0 {
				time.Sleep(5 * time.Millisecond)
			}
		}
		eventually(t, "queue is empty", func() bool { n, size := wsconn.QueueLen(&se.Conn); return n == 0 && size == 0 })
		se.on(func() {
			if !wsconn.Idle(&se.Conn) {
				t.Error("an idle connection holds a buffer")
			}
		})
	})
}

// TestQueueModel compares the queue with a slice.
func TestQueueModel(t *testing.T) {
	q := wsconn.NewQueue()
	rnd := rand.New(rand.NewPCG(3, 4))
	var model []*wsconn.Frame
	for range 20000 {
		if rnd.IntN(100) < 95 && len(model) < 900 {
			f := wsconn.NewText(make([]byte, rnd.IntN(400)))
			if q.Push(f, nil) != wsconn.OK {
				t.Fatal("push")
			}
			model = append(model, f)
			continue
		}
		took := q.TakeSome(rnd.IntN(50))
		for i, f := range took {
			if f != model[i] {
				t.Fatalf("frame %d of %d is not the one", i, len(took))
			}
		}
		model = model[len(took):]
		if n, _ := q.Len(); n != len(model) {
			t.Fatalf("queue holds %d, model %d", n, len(model))
		}
	}
}

func TestBroadcast(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		var cs []*client
		var not *session
		for i := range 10 {
			c, se := s.pair()
			if i == 3 {
				not = se
				continue
			}
			cs = append(cs, c)
		}
		for i := range 5 {
			s.Broadcast(wsconn.NewText([]byte(fmt.Sprint(i))), func(c *wsconn.Conn) bool { return c == &not.Conn })
		}
		for _, c := range cs {
			for i := range 5 {
				c.wantText(fmt.Sprint(i))
			}
		}
		met := make(chan wsconn.Handler, 100)
		s.Each(func(h wsconn.Handler) { met <- h })
		seen := map[wsconn.Handler]bool{}
		for range 10 {
			select {
			case h := <-met:
				seen[h] = true
			case <-time.After(patience):
				t.Fatal("Each did not meet everyone")
			}
		}
		if len(seen) != 10 || !seen[not] {
			t.Errorf("met %d", len(seen))
		}
	})
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	frame := wsconn.NewText(make([]byte, 128))
	gate := true
	q := wsconn.NewQueue()
	p := wsconn.NewParser(func(ws.OpCode, []byte) {})
	whole := masked(true, ws.OpText, make([]byte, 128))
	buf := make([]byte, 2*len(whole))
	s := start(t, wsconn.Options{Loops: 1}, nil)
	c, se := s.pair()
	b := s.NewBatch()
	in := make([]byte, 3*frame.Len())
	tests := []struct {
		name string
		f    func()
	}{
		{"enqueue one and take it", func() { q.Push(frame, &gate); q.Take() }},
		{"enqueue 64 and take them", func() {
			for range 64 {
				q.Push(frame, &gate)
			}
			q.Take()
		}},
		{"parse two messages", func() {
			copy(buf, whole)
			copy(buf[len(whole):], whole)
			p.Feed(buf)
		}},
		{"parse a message in two reads", func() {
			copy(buf, whole)
			p.Feed(buf[:50])
			p.Feed(buf[50:len(whole)])
		}},
		{"batch, wake-up and flush", func() {
			b.Enqueue(&se.Conn, frame, &gate)
			b.Enqueue(&se.Conn, frame, nil)
			b.Enqueue(&se.Conn, frame, nil)
			b.Flush()
			for got := 0; got < len(in); {
				n, err := c.Conn.Read(in[got:])
				if err != nil {
					t.Fatal(err)
				}
				got += n
			}
		}},
	}
	for _, tt := range tests {
		if n := testing.AllocsPerRun(500, tt.f); n > 0 && !raceEnabled {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}
