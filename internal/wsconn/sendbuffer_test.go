package wsconn_test

import (
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// TestSendBuffer holds how much of what a frozen reader is sent is out of reach of its queue, and so of its policy: the
// system's part would be 4 MiB without a bound, which is that of a client that has read for a while and then stops.
func TestSendBuffer(t *testing.T) {
	const (
		frame   = 8 << 10
		handed  = 8 << 20
		segment = 64 << 10  // by which the system goes beyond it
		peer    = 64 << 10  // what the client's own system takes, whose receive buffer is as small as can be
		goLoop  = 320 << 10 // what the portable loop holds itself
	)
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		for _, size := range []int{0, 32 << 10} { // the default, and another
			limit := size + segment + peer
			if size == 0 {
				limit += 128 << 10
			}
			if portable {
				limit += goLoop
			}
			s := start(t, wsconn.Options{
				Portable: portable, SendBuffer: size, QueueBytes: 2 * handed, QueueMessages: 1 << 20, StallTimeout: time.Minute,
			}, nil)
			c, se := s.slowPair()
			for range 100 { // it is well, for a while
				se.Enqueue(wsconn.NewText(make([]byte, frame)))
			}
			for range 100 {
				c.read()
			}
			f := wsconn.NewText(make([]byte, frame))
			for range handed / frame {
				se.Enqueue(f)
			}
			eventually(t, "the reader is noted as frozen", func() bool { return wsconn.Frozen(&se.Conn) })
			_, queued := wsconn.QueueLen(&se.Conn)
			if taken := handed/frame*f.Len() - queued; taken > limit {
				t.Errorf("SendBuffer %d: the system has taken %d KiB of a reader that stands still, not %d at most", size, taken>>10, limit>>10)
			} else {
				t.Logf("SendBuffer %d: %d KiB", size, taken>>10)
			}
			for range handed / frame { // and nothing is lost or waits for ever
				c.read()
			}
		}
	})
}
