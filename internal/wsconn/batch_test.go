package wsconn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// A batch waits for a loop that it is faster than, never for a peer that takes nothing: one frozen reader must not
// slow a shard down to a turn of the loop for each message.
func TestBatchDoesNotWaitForASlowPeer(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, QueueBytes: 1 << 30}, nil)
		_, se := s.pair() // does not read
		f := wsconn.NewText([]byte(strings.Repeat("x", 30000)))
		b := s.NewBatch()
		for {
			n, _ := wsconn.QueueLen(&se.Conn)
			if n > 600 {
				break
			}
			if r := b.Enqueue(&se.Conn, f, nil); r != wsconn.OK {
				t.Fatalf("enqueue: %v", r)
			}
			b.Flush()
			se.on(func() {}) // a turn
		}
		stuck, leave := make(chan struct{}), make(chan struct{})
		se.Post(func() { close(stuck); <-leave })
		<-stuck
		done := make(chan wsconn.Result, 1)
		go func() { done <- b.Enqueue(&se.Conn, f, nil) }()
		select {
		case r := <-done:
			close(leave)
			if r != wsconn.OK {
				t.Errorf("enqueue: %v", r)
			}
		case <-time.After(5 * time.Second):
			close(leave)
			<-done
			t.Error("waits for the loop of a peer that takes nothing")
		}
	})
}

// A burst of broadcasts, more than a queue holds, reaches readers who are well.
func TestBroadcastBurst(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, QueueMessages: 100}, nil)
		var cs []*client
		for range 50 {
			c, _ := s.pair()
			cs = append(cs, c)
		}
		const count = 2000
		go func() {
			b := s.NewBatch()
			f := wsconn.NewText([]byte("all"))
			for range count {
				b.Broadcast(f, nil)
			}
			b.Flush()
		}()
		for i, c := range cs {
			for j := range count {
				f, err := c.tryRead()
				if err != nil {
					t.Fatalf("client %d, frame %d: %v", i, j, err)
				}
				if string(f.Payload) != "all" {
					t.Fatalf("client %d, frame %d: %s", i, j, show(f))
				}
			}
		}
	})
}
