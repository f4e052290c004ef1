package wsconn_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// TestTrickle: a message that is begun and hardly goes on is no sign of life for ever, however it trickles.
func TestTrickle(t *testing.T) {
	t.Parallel()
	const timeout = 400 * time.Millisecond
	long := text(strings.Repeat("x", 1000))
	tests := []struct {
		name  string
		begin []byte
		drip  []byte // one byte at a time, again and again
	}{
		{"nothing behind half a header", long[:1], nil},
		{"half a frame", long[:100], nil},
		{"a frame by single bytes", long[:10], long[10:900]},
		{"empty fragments", raw(opText, "a"), raw(opCont, "")},
		{"fragments of one byte", raw(opText, "a"), raw(opCont, "b")},
		{"pings within a message", raw(opText, "a"), ping("p")},
		{"half a ping", ping("ping")[:8], nil},
		{"half a ping within a message", stream(raw(opText, "a"), ping("ping")[:8]), nil},
		{"compressed", raw(rsv1|opText, "\x00"), raw(opCont, "\x00")},
	}
	both(t, func(t *testing.T, portable bool) {
		s := echoServer(t, wsconn.Options{Portable: portable, Deflate: true, StallTimeout: timeout, CloseTimeout: patience})
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				c := s.dialDeflate()
				begin := time.Now()
				c.send(tt.begin)
				done := make(chan struct{})
				go func() { // ends with the connection
					defer close(done)
					for drip := tt.drip; len(drip) > 0; drip = drip[1:] {
						if _, err := c.Write(drip[:1]); err != nil {
							return
						}
						if len(drip) == 1 {
							drip = append([]byte{0}, tt.drip...)
						}
						time.Sleep(5 * time.Millisecond)
					}
				}()
				got, err := c.all()
				took := time.Since(begin)
				_ = c.Close()
				<-done
				got = slices.DeleteFunc(got, func(s string) bool { return s == "pong p" })
				if err != nil || !slices.Equal(got, []string{"close 1008"}) {
					t.Fatalf("got %s, error %v", short(got), err)
				}
				if took < timeout {
					t.Errorf("closed after %v", took)
				}
			})
		}
	})
}

// TestTrickleCounts: its reason is told.
func TestTrickleCounts(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, StallTimeout: 200 * time.Millisecond}, nil)
		c, se := s.pair()
		c.send(text("hello")[:3])
		c.wantClose(1008)
		_ = c.Close()
		if info := se.end(); info.Reason != wsconn.CloseTrickle || info.Code != 1008 {
			t.Errorf("info %+v", info)
		}
		eventually(t, "the close is counted", func() bool { return s.Stats().Closed["trickle"] == 1 })
	})
}

// TestNoTrickle: what goes on, what ends, and what we do not read ourselves stays.
func TestNoTrickle(t *testing.T) {
	t.Parallel()
	const timeout = 600 * time.Millisecond
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, StallTimeout: timeout, MaxMessage: 16 << 20}, func(se *session) {
			held := false
			se.onMessage = func(se *session, op ws.OpCode, p []byte) wsconn.Verdict {
				if string(p) == "hold" && !held {
					held = true
					return wsconn.Hold
				}
				return se.Echo(op, p)
			}
		})
		t.Run("a large message in time", func(t *testing.T) {
			t.Parallel()
			c, _ := s.pair()
			m := strings.Repeat("x", 4<<20)
			frame := text(m)
			for begin := time.Now(); len(frame) > 64<<10 && time.Since(begin) < 3*timeout; frame = frame[64<<10:] {
				c.send(frame[:64<<10])
				time.Sleep(timeout / 20)
			}
			c.send(frame)
			if got := c.read(); len(got.Payload) != len(m) {
				t.Errorf("got %s", show(got))
			}
		})
		t.Run("messages that end, each seen half", func(t *testing.T) {
			t.Parallel()
			c, _ := s.pair()
			halves(t, c, text("0123456789"), "text 0123456789", 3*timeout)
		})
		t.Run("pings that end, each seen half", func(t *testing.T) {
			t.Parallel()
			c, _ := s.pair()
			halves(t, c, ping("0123456789"), "pong 0123456789", 3*timeout)
		})
		t.Run("nothing is begun", func(t *testing.T) {
			t.Parallel()
			c, _ := s.pair()
			c.text("a")
			c.wantText("a")
			time.Sleep(3 * timeout)
			c.text("b")
			c.wantText("b")
		})
		t.Run("begun, and then not read", func(t *testing.T) {
			t.Parallel()
			c := s.dial()
			c.text("whose")
			c.wantText("whose")
			se := s.of(c)
			m := text("slow")
			c.send(m[:8])
			eventually(t, "it is begun", func() bool {
				begun := make(chan bool)
				se.Post(func() { begun <- !wsconn.Idle(&se.Conn) })
				return <-begun
			})
			se.on(func() { wsconn.StopReading(&se.Conn) })
			time.Sleep(3 * timeout)
			se.on(func() { wsconn.ReadOn(&se.Conn) })
			c.send(m[8:])
			c.wantText("slow")
		})
		t.Run("held", func(t *testing.T) {
			t.Parallel()
			c := s.dial()
			var se *session
			c.text("whose")
			c.wantText("whose")
			se = s.of(c)
			rest := stream(raw(opText, "a"), raw(fin|opCont, "b"))
			c.send(stream(text("hold"), rest[:8]))
			time.Sleep(3 * timeout)
			se.on(se.Resume)
			c.wantText("hold")
			c.send(rest[8:])
			c.wantText("ab")
		})
	})
}

// halves sends a frame again and again, so that the server always has half of one: the end of each comes together with
// the beginning of the next.
func halves(t *testing.T, c *client, frame []byte, want string, long time.Duration) {
	t.Helper()
	turned := append(bytes.Clone(frame[len(frame)/2:]), frame[:len(frame)/2]...)
	c.send(frame[:len(frame)/2])
	for begin := time.Now(); time.Since(begin) < long; time.Sleep(long / 100) {
		c.send(turned)
		if got, _, err := c.readAs(); err != nil || got != want {
			t.Fatalf("got %q, error %v", got, err)
		}
	}
}

// of finds the session of a client among those that were accepted.
func (s *server) of(c *client) (found *session) {
	s.t.Helper()
	done := make(chan *session, 1)
	s.Each(func(h wsconn.Handler) {
		if se := h.(*session); se.RemoteAddr().String() == c.LocalAddr().String() {
			done <- se
		}
	})
	select {
	case found = <-done:
	case <-time.After(patience):
		s.t.Fatal("no such session")
	}
	return found
}
