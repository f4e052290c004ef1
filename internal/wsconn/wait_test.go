package wsconn_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// TestWithin pins what a class can say of a delay.
func TestWithin(t *testing.T) {
	class := latest(70000).For(7)
	for _, tt := range []struct {
		name string
		d    time.Duration
		same time.Duration
	}{
		{name: "at once", d: 0, same: 0},
		{name: "negative", d: -time.Second, same: 0},
		{name: "less than a millisecond", d: 999 * time.Microsecond, same: 0},
		{name: "whole milliseconds", d: 30*time.Millisecond + 900*time.Microsecond, same: 30 * time.Millisecond},
		{name: "more than a minute", d: time.Hour, same: time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := class.Within(tt.d), class.Within(tt.same); got != want {
				t.Errorf("%x, want %x", got, want)
			}
			if got := class.Within(time.Minute).Within(tt.d).For(9).For(7); got != class.Within(tt.same) {
				t.Errorf("%x is not replaced", got)
			}
			if class.Within(tt.d).Policy() != wsconn.LatestOnly {
				t.Error("the policy is another")
			}
		})
	}
	if class.Within(time.Millisecond) == class {
		t.Error("a millisecond is nothing")
	}
}

// idle waits until what has left is off the queue: what is queued meanwhile leaves behind it without a wait.
func (s *session) idle() {
	s.t.Helper()
	eventually(s.t, "the queue is empty", func() bool { n, _ := wsconn.QueueLen(&s.Conn); return n == 0 })
	s.on(func() {})
	s.on(func() {}) // the turn of the first has ended
}

// TestDelay: a delivery that comes to an empty queue waits as long as its class says, if nothing else comes.
func TestDelay(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		s := start(t, wsconn.Options{Portable: portable, Join: wsconn.JoinText, StallTimeout: 50 * time.Millisecond}, nil)
		c, se := s.pair()
		b := s.NewBatch()
		for i, delay := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond, 20 * time.Millisecond} {
			class := disconnect.Within(delay)
			for _, hand := range []func(f *wsconn.Frame){
				func(f *wsconn.Frame) { se.Enqueue(f) },
				func(f *wsconn.Frame) { b.Enqueue(&se.Conn, f, nil); b.Flush() },
				func(f *wsconn.Frame) { se.on(func() { se.Send(f) }) },
				func(f *wsconn.Frame) { s.Broadcast(f, nil) },
			} {
				se.idle()
				begin := time.Now()
				hand(part(class, "%d", i))
				c.wantText(fmt.Sprintf("[%d]", i))
				if took := time.Since(begin); took < delay || took > delay+2*time.Second {
					t.Errorf("delay %v took %v", delay, took)
				}
			}
		}
	})
}

// What ends a wait that would take a minute.
func TestEndOfAWait(t *testing.T) {
	minute := disconnect.Within(time.Minute)
	for _, tt := range []struct {
		name string
		o    wsconn.Options
		wait int // messages that wait
		size int
		end  func(t *testing.T, c *client, se *session)
		want []string // behind what waits
	}{
		{
			name: "sixteen messages", wait: 15, size: 10,
			end: func(_ *testing.T, _ *client, se *session) {
				se.Enqueue(wsconn.NewDelivery(minute, []byte("end")))
			},
			want: []string{"end"},
		},
		{
			name: "16 KiB", wait: 2, size: 8000,
			end: func(_ *testing.T, _ *client, se *session) {
				se.Enqueue(wsconn.NewDelivery(minute, []byte(strings.Repeat("x", 500))))
			},
			want: []string{strings.Repeat("x", 500)},
		},
		{
			name: "half of the queue", wait: 4, size: 10, o: wsconn.Options{QueueMessages: 8},
			end: func(_ *testing.T, _ *client, se *session) {
				se.Enqueue(wsconn.NewDelivery(minute, []byte("end")))
			},
			want: []string{"end"},
		},
		{
			name: "one without a delay", wait: 3, size: 10,
			end: func(_ *testing.T, _ *client, se *session) {
				se.Enqueue(wsconn.NewDelivery(dropOldest, []byte("end")))
			},
			want: []string{"end"},
		},
		{
			name: "a reply", wait: 3, size: 10,
			end:  func(_ *testing.T, c *client, _ *session) { c.text("echo") },
			want: []string{"echo"},
		},
		{
			name: "an answer", wait: 3, size: 10,
			end: func(_ *testing.T, _ *client, se *session) {
				se.Open(new(bool), wsconn.NewText([]byte("answer")))
			},
			want: []string{"answer"},
		},
		{
			name: "a shorter delay", wait: 3, size: 10,
			end: func(_ *testing.T, _ *client, se *session) {
				se.Enqueue(wsconn.NewDelivery(disconnect.Within(30*time.Second), []byte("shorter")))
				se.Enqueue(wsconn.NewDelivery(disconnect.Within(20*time.Millisecond), []byte("short")))
			},
			want: []string{"shorter", "short"},
		},
		{
			name: "a newer value without a delay", wait: 3, size: 10,
			end: func(t *testing.T, _ *client, se *session) {
				se.Enqueue(wsconn.NewDelivery(latest(1).Within(time.Minute), []byte("old")))
				if n, _ := wsconn.QueueLen(&se.Conn); n != 4 {
					t.Errorf("%d wait", n)
				}
				se.Enqueue(wsconn.NewDelivery(latest(1), []byte("new")))
			},
			want: []string{"new"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				o := tt.o
				o.Portable = portable
				s := start(t, o, nil)
				c, se := s.pair()
				se.idle()
				before := s.Stats()
				for range tt.wait {
					se.Enqueue(wsconn.NewDelivery(minute, []byte(strings.Repeat("w", tt.size))))
				}
				if st := s.settled(se); st.WriteCalls != before.WriteCalls {
					t.Fatal("something has left")
				}
				if n, _ := wsconn.QueueLen(&se.Conn); n != tt.wait {
					t.Fatalf("%d wait", n)
				}
				tt.end(t, c, se)
				for range tt.wait {
					c.wantText(strings.Repeat("w", tt.size))
				}
				for _, want := range tt.want {
					c.wantText(want)
				}
				if st := s.settled(se); st.WriteCalls != before.WriteCalls+1 {
					t.Errorf("%d calls", st.WriteCalls-before.WriteCalls)
				}
			})
		})
	}
}

// TestCloseEndsAWait: what waits leaves before the close frame, whoever closes.
func TestCloseEndsAWait(t *testing.T) {
	for _, tt := range []struct {
		name  string
		close func(s *server, c *client, se *session)
		code  uint16
	}{
		{name: "Close", close: func(_ *server, _ *client, se *session) { se.CloseAsync(4000, "") }, code: 4000},
		{name: "peer", close: func(_ *server, c *client, _ *session) { c.send(closeFrame(4001, "")) }, code: 4001},
		{name: "Stop", close: func(s *server, _ *client, _ *session) {
			go s.Stop(s.t.Context(), 1012, "") //nolint:errcheck // the cleanup waits for it
		}, code: 1012},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				s := start(t, wsconn.Options{Portable: portable, Join: wsconn.JoinText}, nil)
				c, se := s.pair()
				se.idle()
				se.Enqueue(part(disconnect.Within(time.Minute), "first"))
				se.Enqueue(part(disconnect.Within(time.Minute), "second"))
				se.on(func() {})
				tt.close(s, c, se)
				c.wantText("[first|second]")
				c.wantClose(wsconn.StatusCode(tt.code))
				_ = c.Close()
				if info := se.end(); info.Discarded != 0 {
					t.Errorf("%+v", info)
				}
			})
		})
	}
}

// TestWaitOfItsOwn: a wait that ended early does not end the next one.
func TestWaitOfItsOwn(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		s := start(t, wsconn.Options{Portable: portable}, nil)
		c, se := s.pair()
		const delay = 300 * time.Millisecond
		for range 3 {
			se.idle()
			se.Enqueue(wsconn.NewDelivery(disconnect.Within(delay), []byte("a")))
			time.Sleep(delay / 4)
			se.Enqueue(wsconn.NewText([]byte("b")))
			c.wantText("a")
			c.wantText("b")
			se.idle()
			begin := time.Now()
			se.Enqueue(wsconn.NewDelivery(disconnect.Within(delay), []byte("c")))
			c.wantText("c")
			if took := time.Since(begin); took < delay {
				t.Errorf("waited for %v", took)
			}
		}
	})
}

// TestFlushedBefore: that a queue was to be flushed, and has been already, does not end a wait that began since.
func TestFlushedBefore(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		const delay = 200 * time.Millisecond
		s := start(t, wsconn.Options{Portable: portable, QueueMessages: 10}, func(se *session) {
			se.onMessage = func(se *session, _ wsconn.OpCode, p []byte) wsconn.Verdict {
				if string(p) == "wait" {
					se.Send(wsconn.NewDelivery(disconnect.Within(delay), p))
					return wsconn.Done
				}
				for range 6 { // more than half of the queue: flushed before the next message
					se.Send(wsconn.NewText(p))
				}
				return wsconn.Done
			}
		})
		c, _ := s.pair()
		begin := time.Now()
		c.send(append(masked(true, wsconn.OpText, []byte("fill")), masked(true, wsconn.OpText, []byte("wait"))...))
		for range 6 {
			c.wantText("fill")
		}
		c.wantText("wait")
		if took := time.Since(begin); took < delay {
			t.Errorf("waited for %v", took)
		}
	})
}

// TestManyWait: one burst of deliveries to many connections, with several delays: all arrive, and no goroutine is made
// for it.
func TestManyWait(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Join: wsconn.JoinText}, nil)
		const conns, rounds = 300, 12
		var cs []*client
		var ses []*session
		for range conns {
			c, se := s.pair()
			cs, ses = append(cs, c), append(ses, se)
		}
		for _, se := range ses {
			se.idle()
		}
		before := runtime.NumGoroutine()
		b := s.NewBatch()
		for i := range rounds {
			f := part(disconnect.Within(time.Duration(1000+i%3*50)*time.Millisecond), "%d", i)
			for _, se := range ses {
				if r := b.Enqueue(&se.Conn, f, nil); r != wsconn.OK {
					t.Fatal(r)
				}
			}
		}
		b.Flush()
		ses[0].on(func() {})
		if n := runtime.NumGoroutine(); n > before && !portable {
			t.Errorf("%d goroutines, %d before", n, before)
		}
		for _, c := range cs {
			c.wantText("[0|1|2|3|4|5|6|7|8|9|10|11]")
		}
	})
}

// TestWaitingDoesNotAllocate, and neither a Conn nor a Frame has grown for it.
func TestWaitingDoesNotAllocate(t *testing.T) {
	if wsconn.ConnSize > 112 || wsconn.FrameSize > 48 {
		t.Errorf("Conn is %d bytes, Frame %d", wsconn.ConnSize, wsconn.FrameSize)
	}
	q := wsconn.NewQueue()
	f := wsconn.NewPart(disconnect.Within(time.Second), make([]byte, 128))
	n := testing.AllocsPerRun(1000, func() {
		for range 15 {
			q.Push(f, nil)
		}
		if q.Scheduled() {
			t.Error("does not wait")
		}
		q.Push(f, nil)
		if !q.Scheduled() {
			t.Error("waits for more than sixteen")
		}
		held, _ := q.BeginWrite()
		q.EndWrite(0)
		if held != 16 || q.Take() != 16 {
			t.Errorf("%d frames", held)
		}
	})
	// JoinText makes the frame, its bytes, and the text that grows; the queue's chunks come from a pool.
	if n > 14 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
