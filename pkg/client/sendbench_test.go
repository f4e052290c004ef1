package client_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// arrivals is a writer that says how much it is given, if somebody listens.
type arrivals chan int

func (c arrivals) Write(p []byte) (int, error) {
	select {
	case c <- len(p):
	default:
	}
	return len(p), nil
}

func TestEnqueueDoesNotAllocate(t *testing.T) {
	e := repeat("x", 100)
	const events = 1000
	gathering := newSendBench(client.SendOptions{Messages: events, Interval: time.Hour})
	written := make(arrivals, 1)
	gathering.Attach(written)
	detached := newSendBench(client.SendOptions{Messages: events})
	full := newSendBench(client.SendOptions{Messages: 1})
	full.Enqueue(e)
	for _, tt := range []struct {
		name string
		f    func()
		most float64
	}{
		// A thousand at a time: what a block of 64 costs would hide in the mean of single
		// calls. A collection may take blocks from the pool.
		{"gathered and written", func() {
			for range events {
				gathering.Enqueue(e)
			}
			gathering.Urgent("now")
			<-written
			gathering.Detach() // returns when the queue knows that it has been written
			gathering.Attach(written)
		}, 20},
		{"kept and written", func() {
			for range events {
				detached.Enqueue(e)
			}
			detached.Attach(written)
			<-written
			detached.Detach()
		}, 20},
		{"rejected", func() { full.Enqueue(e) }, 0},
	} {
		if n := testing.AllocsPerRun(50, tt.f); n > tt.most && !raceEnabled {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
	for _, q := range []*sendBench{gathering, detached} {
		if s := q.Stats(); s.Dropped > 0 || s.Sent != s.Enqueued-uint64(s.Depth) {
			t.Errorf("not all were taken: %+v", s)
		}
	}
}

func BenchmarkEnqueue(b *testing.B) {
	e := repeat("x", 100)
	for _, tt := range []struct {
		name     string
		interval time.Duration
	}{
		{"interval=10ms", tick},
		{"interval=0", 0},
	} {
		enqueue := func(b *testing.B, q *sendBench) {
			if q.Enqueue(e) != client.OK {
				b.Error("rejected")
			}
		}
		start := func(b *testing.B) *sendBench {
			q := newSendBench(client.SendOptions{Messages: 1 << 30, Interval: tt.interval})
			q.Attach(io.Discard)
			b.ReportAllocs()
			return q
		}
		b.Run(tt.name+"/producers=1", func(b *testing.B) {
			q := start(b)
			for b.Loop() {
				enqueue(b, q)
			}
			b.StopTimer()
			q.Stop(b.Context())
		})
		b.Run(tt.name+"/producers=GOMAXPROCS", func(b *testing.B) {
			q := start(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					enqueue(b, q)
				}
			})
			b.StopTimer()
			q.Stop(b.Context())
		})
	}
	b.Run("rejected", func(b *testing.B) {
		q := newSendBench(client.SendOptions{Messages: 1})
		q.Enqueue(e)
		b.ReportAllocs()
		for b.Loop() {
			q.Enqueue(e)
		}
	})
}

// BenchmarkFlush is the work of the flusher alone: hooks, frames, masks.
func BenchmarkFlush(b *testing.B) {
	for _, size := range []int{16, 128, 1024} {
		b.Run(fmt.Sprint("messages=1000/size=", size), func(b *testing.B) {
			e := repeat("x", size-len(repeat("", 1).String()))
			q := newSendBench(client.SendOptions{Messages: 1000})
			written := make(arrivals, 1)
			b.ReportAllocs()
			b.SetBytes(int64(1000 * size))
			for b.Loop() {
				b.StopTimer()
				for range 1000 {
					q.Enqueue(e)
				}
				b.StartTimer()
				q.Attach(written)
				<-written
				q.Detach()
			}
		})
	}
}

// tcpPeer is the other end of a TCP connection on loopback, which counts frames.
type tcpPeer struct {
	net.Conn // ours
	frames   atomic.Int64
	reached  chan struct{} // one for each time that frames reaches goal
	goal     atomic.Int64
	writes   atomic.Int64
	done     chan struct{}
}

func newTCPPeer(tb testing.TB) *tcpPeer {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	p := &tcpPeer{reached: make(chan struct{}, 1), done: make(chan struct{})}
	if p.Conn, err = net.Dial("tcp", l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	go func() { // ends with the connection; close waits for it
		defer close(p.done)
		defer far.Close()
		r := bufio.NewReaderSize(far, 64<<10)
		for {
			h, err := ws.ReadHeader(r)
			if err == nil {
				_, err = r.Discard(int(h.Length))
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					tb.Error(err)
				}
				return
			}
			if p.frames.Add(1) == p.goal.Load() {
				p.reached <- struct{}{}
			}
		}
	}()
	return p
}

func (p *tcpPeer) Write(b []byte) (int, error) {
	p.writes.Add(1)
	return p.Conn.Write(b)
}

// close ends the connection, so detach comes after it, as in the client.
func (p *tcpPeer) close(q *sendBench) {
	p.Conn.Close()
	q.Detach()
	<-p.done
}

// TestBurstLeavesInOneInterval is what the flush interval promises, over TCP: the
// real time is measured by BenchmarkBurst, the number of writes is held here.
func TestBurstLeavesInOneInterval(t *testing.T) {
	const burst = 5000
	q, p := newSendBench(client.SendOptions{Messages: burst, Interval: time.Second}), newTCPPeer(t)
	defer p.close(q)
	p.goal.Store(burst)
	q.Attach(p)
	fill(t, q.SendQueue, 0, burst)
	<-p.reached
	if n := p.writes.Load(); n != 1 {
		t.Errorf("%d writes for %d small events", n, burst)
	}
}

// BenchmarkBurst is the time from the first of 5,000 enqueues until the server
// has read the last: an interval, plus what work there is.
func BenchmarkBurst(b *testing.B) {
	const burst = 5000
	e := repeat("x", 100)
	for _, interval := range []time.Duration{0, tick} {
		b.Run(fmt.Sprintf("messages=%d/interval=%v", burst, interval), func(b *testing.B) {
			q, p := newSendBench(client.SendOptions{Messages: 2 * burst, Interval: interval}), newTCPPeer(b)
			q.Attach(p)
			for b.Loop() {
				p.goal.Store(p.frames.Load() + burst)
				for range burst {
					if q.Enqueue(e) != client.OK {
						b.Fatal("rejected")
					}
				}
				<-p.reached
			}
			b.ReportMetric(float64(p.writes.Load())/float64(b.N), "writes/burst")
			p.close(q)
		})
	}
}

// BenchmarkThroughput is what EnqueueWait gets through a queue of the default
// length to a server that reads as fast as it can.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{128, 1024} {
		for _, interval := range []time.Duration{0, tick} {
			b.Run(fmt.Sprintf("size=%d/interval=%v", size, interval), func(b *testing.B) {
				e := repeat("x", size-len(repeat("", 1).String()))
				q, p := newSendBench(client.SendOptions{Interval: interval}), newTCPPeer(b)
				q.Attach(p)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				p.goal.Store(int64(b.N))
				for range b.N { // not Loop: the goal has to be known before
					if err := q.Wait(b.Context(), e); err != nil {
						b.Fatal(err)
					}
				}
				<-p.reached
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64(b.N)/float64(p.writes.Load()), "events/write")
				p.close(q)
			})
		}
	}
}

// BenchmarkLatency is the time of one event alone until the server has read it.
func BenchmarkLatency(b *testing.B) {
	for _, interval := range []time.Duration{0, tick} {
		b.Run(fmt.Sprint("interval=", interval), func(b *testing.B) {
			e := repeat("x", 100)
			q, p := newSendBench(client.SendOptions{Interval: interval}), newTCPPeer(b)
			q.Attach(p)
			b.ReportAllocs()
			for b.Loop() {
				p.goal.Store(p.frames.Load() + 1)
				q.Enqueue(e)
				<-p.reached
			}
			p.close(q)
		})
	}
}
