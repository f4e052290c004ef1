package wsconn_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// pairSlow is pair with a small receive buffer at the client.
func (s *server) pairSlow() (*client, *session) {
	s.t.Helper()
	c := s.dialRaw()
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
		s.t.Fatal(err)
	}
	c.send([]byte(requestHead))
	c.upgraded()
	return c, s.next()
}

// TestStalledPeerThatPings: it sends, so it is not idle, but it reads nothing. No policy keeps it.
func TestStalledPeerThatPings(t *testing.T) {
	t.Parallel()
	for _, class := range []wsconn.Class{disconnect, dropOldest, dropNewest, latest(1)} {
		t.Run(class.Policy().String(), func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				t.Parallel()
				const timeout = 500 * time.Millisecond
				s := start(t, wsconn.Options{
					Portable: portable, StallTimeout: timeout, IdleTimeout: time.Minute, CloseTimeout: 200 * time.Millisecond,
					QueueBytes: 64 << 20, // the pongs have room
				}, nil)
				c, se := s.pairSlow()
				begin := time.Now()
				se.Enqueue(wsconn.NewDelivery(class, make([]byte, 16<<20))) // more than the system takes
				stop := make(chan struct{})
				var pings sync.WaitGroup
				pings.Go(func() {
					for ping := masked(true, ws.OpPing, nil); ; {
						_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
						_, _ = c.Write(ping) // until it is reset
						select {
						case <-stop:
							return
						case <-time.After(10 * time.Millisecond):
						}
					}
				})
				info := se.end()
				took := time.Since(begin)
				close(stop)
				pings.Wait()
				if info.Reason != wsconn.CloseStalled || info.Code != 1013 || info.Discarded == 0 {
					t.Errorf("%+v", info)
				}
				if took < timeout {
					t.Errorf("closed after %v", took)
				}
				eventually(t, "the close is counted", func() bool {
					st := s.Stats()
					return st.Closed["stalled"] == 1 && st.Discarded >= uint64(info.Discarded) && st.Overflows == 0 && st.FramesIn > 0
				})
			})
		})
	}
}

// TestStalledPeerThatWakes hears why it is closed.
func TestStalledPeerThatWakes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		s := start(t, wsconn.Options{Portable: portable, StallTimeout: 300 * time.Millisecond, CloseTimeout: patience, QueueBytes: 64 << 20}, nil)
		c, se := s.pairSlow()
		f := wsconn.NewText(make([]byte, 1<<20))
		const handed = 32 // more than the system takes
		for range handed {
			se.Enqueue(f)
		}
		eventually(t, "it is closed", func() bool { return se.Enqueue(wsconn.NewPing(nil)) == wsconn.Rejected })
		read := 0
		for {
			f := c.read()
			if f.Header.OpCode == ws.OpClose {
				if code, _ := ws.ParseCloseFrameData(f.Payload); code != 1013 {
					t.Errorf("close code %d", code)
				}
				break
			}
			if f.Header.OpCode == ws.OpText {
				read++
			}
		}
		_ = c.Close()
		if info := se.end(); info.Reason != wsconn.CloseStalled || read+info.Discarded != handed {
			t.Errorf("handed over %d, read %d, %+v", handed, read, info)
		}
	})
}

// TestSlowReaderIsNotStalled: it takes a few bytes at a time, far less than what makes its socket writable.
func TestSlowReaderIsNotStalled(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		const timeout = 4 * time.Second // more than a busy machine keeps this process waiting
		s := start(t, wsconn.Options{Portable: portable, StallTimeout: timeout}, nil)
		c, se := s.pairSlow()
		const size = 12 << 20
		se.Enqueue(wsconn.NewDelivery(dropOldest, make([]byte, size)))
		if h, err := ws.ReadHeader(c.r); err != nil || h.Length != size {
			t.Fatal(h, err)
		}
		read := 0
		for begin := time.Now(); time.Since(begin) < timeout*3/2; time.Sleep(20 * time.Millisecond) {
			n, err := io.ReadFull(c.r, make([]byte, 2<<10))
			if err != nil {
				t.Fatal(err)
			}
			read += n
		}
		select {
		case info := <-se.closed:
			t.Fatalf("closed: %+v", info)
		default:
		}
		if n, err := io.CopyN(io.Discard, c.r, int64(size-read)); err != nil {
			t.Fatal(n, err)
		}
		c.text("still here")
		c.wantText("still here")
		t.Logf("%d KiB in %v", read>>10, timeout*3/2)
	})
}
