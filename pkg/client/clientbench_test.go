package client_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// BenchmarkReceive is a message of a channel on its way from the socket to a
// handler, in a client with many.
func BenchmarkReceive(b *testing.B) {
	const batch = 1000
	frame := ws.MustCompileFrame(ws.NewTextFrame([]byte(
		`[:sente-lite/channel-msg {:channel-id "room-0" :data {:text "some sixty bytes of what people say" :n 1} :from "conn-0192b3a4-7c1e"}]`)))
	var wire []byte
	for range batch {
		wire = append(wire, frame...)
	}
	for _, bb := range []struct {
		name     string
		register func(c *client.Client, f func())
	}{
		{"ids=1", func(c *client.Client, f func()) {
			c.On(client.ChannelMessageID, func(client.Message) { f() })
		}},
		{"channels=1", func(c *client.Client, f func()) {
			_, _ = c.OnChannel("room-0", func(client.ChannelMessage) { f() })
		}},
		{"channels=1000", func(c *client.Client, f func()) {
			registerChannels(b, c, 1000)
			_, _ = c.OnChannel("room-0", func(client.ChannelMessage) { f() })
		}},
		{"predicates=100", func(c *client.Client, f func()) {
			for i := range 100 {
				match, err := client.MatchChannel(fmt.Sprint("room-", i+1))
				if err != nil {
					b.Fatal(err)
				}
				c.Handle(client.Handler{Match: match, Func: func(client.Message, error) {}})
			}
			c.On(client.ChannelMessageID, func(client.Message) { f() })
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := listen(b, nil)
			done := make(chan struct{})
			var seen, goal atomic.Int64
			c, err := client.New(client.Options{URLs: []string{s.url}, ReceiveBuffer: -1})
			if err != nil {
				b.Fatal(err)
			}
			bb.register(c, func() {
				if seen.Add(1) == goal.Load() {
					close(done)
				}
			})
			c.Start()
			p := s.accept()
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			b.ResetTimer()
			goal.Store(int64(b.N))
			for n := b.N; n > 0; n -= batch {
				if _, err := p.conn.Write(wire[:len(frame)*min(n, batch)]); err != nil {
					b.Fatal(err)
				}
			}
			<-done
			b.StopTimer()
			stopNow(c)
		})
	}
}

// BenchmarkIdle is what a connected client costs that has nothing to do.
func BenchmarkIdle(b *testing.B) {
	s := listen(b, nil)
	var clients []*client.Client
	measure := func() (heap, stack uint64) {
		for range 5 { // each shrinks stacks a little
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, m.StackInuse
	}
	heap, stack := measure()
	for range b.N {
		c, err := client.New(client.Options{URLs: []string{s.url}, CloseTimeout: time.Millisecond}) // nobody answers
		if err != nil {
			b.Fatal(err)
		}
		c.Start()
		s.accept()
		if err := c.Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
		clients = append(clients, c)
	}
	b.StopTimer()
	h, st := measure()
	b.ReportMetric((float64(h)-float64(heap))/float64(b.N), "heapbytes/client")
	b.ReportMetric((float64(st)-float64(stack))/float64(b.N), "stackbytes/client")
	for _, c := range clients {
		stopNow(c)
	}
}
