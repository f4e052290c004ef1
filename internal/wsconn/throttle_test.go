package wsconn_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// frames is many small messages that carry their numbers, as bytes.
func numbered(from, n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, masked(true, ws.OpBinary, binary.BigEndian.AppendUint32(nil, uint32(from+i)))...)
	}
	return b
}

// Who sends more than its rate is not read meanwhile: nothing is lost, all is in order, it takes as long as the rate
// says, and a neighbour is served as ever.
func TestThrottleEvents(t *testing.T) {
	const rate, count = 1000, 3000
	both(t, func(t *testing.T, portable bool) {
		var heard refusals
		s := start(t, wsconn.Options{
			Portable: portable, Loops: 1, Limits: wsconn.Limits{EventRate: rate}, Refused: heard.hear,
			PingInterval: 100 * time.Millisecond, IdleTimeout: 300 * time.Millisecond, // shorter than the pause
		}, nil)
		flooder, neighbour := s.dial(), s.dial()
		begin := time.Now()
		flooder.send(append(numbered(0, count), closeFrame(1000, "")...))
		eventually(t, "throttled", func() bool { return s.Stats().Throttled == 1 })
		neighbour.text("hello")
		for f := neighbour.read(); f.Header.OpCode != ws.OpText; f = neighbour.read() { // pings
		}
		if st := s.Stats(); st.Throttled != 1 {
			t.Errorf("the flood is over before the neighbour is served: %d frames", st.FramesIn)
		}
		for i := 0; i < count; {
			f := flooder.read()
			if f.Header.OpCode == ws.OpPing {
				continue
			}
			if n := binary.BigEndian.Uint32(f.Payload); n != uint32(i) {
				t.Fatalf("message %d came as number %d", n, i)
			}
			i++
		}
		if took := time.Since(begin); took < 950*time.Millisecond {
			t.Errorf("2 s worth and %d more took %v at %d a second", count-2*rate, took, rate)
		}
		for f := flooder.read(); ; f = flooder.read() {
			if f.Header.OpCode == ws.OpClose {
				break
			}
		}
		eventually(t, "counted", func() bool {
			st := s.Stats()
			return st.Throttled == 0 && st.Throttles > 0 && st.ThrottledMS >= 900 && st.ThrottledMS < 20_000
		})
		if n := heard.count("event-rate"); n != 1 {
			t.Errorf("told %d times", n)
		}
		_ = flooder.Close()
	})
}

func TestThrottleBytes(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		var heard refusals
		s := start(t, wsconn.Options{Portable: portable, MaxMessage: 64 << 10, Limits: wsconn.Limits{ByteRate: 100_000}, Refused: heard.hear}, nil)
		c := s.dial()
		begin := time.Now()
		message := bytes.Repeat([]byte("x"), 50_000)
		go func() {
			for range 6 { // 2 s worth are 200,000
				if _, err := c.Write(masked(true, ws.OpBinary, message)); err != nil {
					t.Error(err)
				}
			}
		}()
		for range 6 {
			if f := c.read(); len(f.Payload) != len(message) {
				t.Fatal(show(f))
			}
		}
		// The sixth is read as soon as the fifth, which overdraws, is paid for.
		if took := time.Since(begin); took < 480*time.Millisecond {
			t.Errorf("300,000 bytes took %v", took)
		}
		if n := heard.count("byte-rate"); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

// A message of the largest size is never too much for a new connection, however low the rate.
func TestOneLargestMessage(t *testing.T) {
	s := start(t, wsconn.Options{MaxMessage: 64 << 10, Limits: wsconn.Limits{ByteRate: 10}}, nil)
	c := s.dial()
	message := bytes.Repeat([]byte("x"), 64<<10)
	c.send(masked(true, ws.OpBinary, message))
	if f := c.read(); len(f.Payload) != len(message) {
		t.Fatal(show(f))
	}
	if st := s.Stats(); st.Throttles != 0 {
		t.Errorf("throttled %d times", st.Throttles)
	}
}

// Everything that costs a loop time counts: pings, frames without payload, and what inflates.
func TestWhatCounts(t *testing.T) {
	fragments := masked(false, ws.OpText, nil)
	for range 300 {
		fragments = append(fragments, masked(false, ws.OpContinuation, nil)...)
	}
	for _, tt := range []struct {
		name string
		send []byte
	}{
		{"pings", bytes.Repeat(masked(true, ws.OpPing, nil), 300)},
		{"pongs", bytes.Repeat(masked(true, ws.OpPong, nil), 300)},
		{"fragments", fragments},
		{"messages", numbered(0, 300)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				s := start(t, wsconn.Options{Portable: portable, Limits: wsconn.Limits{EventRate: 100}}, nil)
				c := s.dial()
				c.send(tt.send)
				eventually(t, "throttled", func() bool { return s.Stats().Throttled == 1 })
				if n := s.Stats().FramesIn; n < 200 || n > 290 {
					t.Errorf("%d frames of a burst of 200", n)
				}
				_ = c.Close()
			})
		})
	}
}

// What a kilobyte inflates to is what it costs.
func TestInflatedBytesCount(t *testing.T) {
	s := start(t, wsconn.Options{Deflate: true, MaxMessage: 1 << 20, Limits: wsconn.Limits{ByteRate: 1000}}, func(c *session) {
		c.onMessage = func(*session, ws.OpCode, []byte) wsconn.Verdict { return wsconn.Done }
	})
	c, _ := s.dialOffering("permessage-deflate")
	message := raw(fin|rsv1|byte(ws.OpBinary), deflated(strings.Repeat("x", 1<<20), 1))
	c.send(message)
	c.send(message)
	eventually(t, "throttled", func() bool { return s.Stats().Throttled == 1 })
	_ = c.Close()
}

// A stop, or a close by the owner, does not wait for a budget, and a throttled connection that ends is none any more.
func TestEndOfThrottled(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Limits: wsconn.Limits{EventRate: 1}}, func(c *session) {
			c.onMessage = func(*session, ws.OpCode, []byte) wsconn.Verdict { return wsconn.Done }
		})
		c, owner := s.pair()
		c.send(numbered(0, 100))
		eventually(t, "throttled", func() bool { return s.Stats().Throttled == 1 })
		owner.CloseAsync(4000, "enough")
		c.wantClose(4000)
		_ = c.Close()
		eventually(t, "forgotten", func() bool { st := s.Stats(); return st.Throttled == 0 && st.Sockets == 0 })
		if n := s.Stats().FramesIn; n > 10 {
			t.Errorf("%d frames were taken", n)
		}

		gone, _ := s.pair()
		gone.send(numbered(0, 100))
		eventually(t, "throttled again", func() bool { return s.Stats().Throttled == 1 })
		// The rest of the test is the server's stop, which waits for all.
	})
}

// A message that is held, and a budget that is overdrawn, are two reasons not to read: the message comes again when both
// are over, and once.
func TestThrottledAndHeld(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		got := make(chan uint32, 100)
		held := false
		s := start(t, wsconn.Options{Portable: portable, Limits: wsconn.Limits{EventRate: 20}}, func(c *session) {
			c.onMessage = func(c *session, _ ws.OpCode, p []byte) wsconn.Verdict {
				if n := binary.BigEndian.Uint32(p); n == 40 && !held { // the one that overdraws
					held = true
					return wsconn.Hold
				}
				got <- binary.BigEndian.Uint32(p)
				return wsconn.Done
			}
		})
		c, owner := s.pair()
		c.send(numbered(0, 50))
		eventually(t, "throttled, and over", func() bool { st := s.Stats(); return st.Throttles == 1 && st.Throttled == 0 })
		if n := len(got); n != 40 {
			t.Fatalf("%d messages before the held one", n)
		}
		owner.Post(owner.Resume)
		for i := range uint32(50) {
			select {
			case n := <-got:
				if n != i {
					t.Fatalf("got %d, want %d", n, i)
				}
			case <-time.After(patience):
				t.Fatalf("%d did not come", i)
			}
		}
	})
}

// Who is idle is forgotten, and who is not limited is never known.
func TestSpendsAreForgotten(t *testing.T) {
	t.Parallel()
	s := start(t, wsconn.Options{Loops: 1, Limits: wsconn.Limits{EventRate: 1, ByteRate: 1 << 20}}, nil)
	var clients []*client
	for range 20 {
		c := s.dial()
		c.text("hello")
		c.wantText("hello")
		clients = append(clients, c)
	}
	if n := s.Spends(); n == 0 {
		t.Error("nobody is known")
	}
	eventually(t, "all forgotten", func() bool { return s.Spends() == 0 })
	clients[0].text("again")
	clients[0].wantText("again")

	unlimited := start(t, wsconn.Options{Loops: 1}, nil)
	c := unlimited.dial()
	c.text("hello")
	c.wantText("hello")
	if n := unlimited.Spends(); n != 0 {
		t.Errorf("%d are known without a limit", n)
	}
}

// Who is not read is not judged dead meanwhile, however long that takes.
func TestThrottledIsNotDead(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		s := start(t, wsconn.Options{
			Portable: portable, MaxMessage: 64 << 10, Limits: wsconn.Limits{ByteRate: 64 << 10},
			PingInterval: 50 * time.Millisecond, IdleTimeout: 150 * time.Millisecond,
		}, func(c *session) {
			c.onMessage = func(c *session, op ws.OpCode, p []byte) wsconn.Verdict {
				if op == ws.OpText {
					c.Send(wsconn.NewText(p))
				}
				return wsconn.Done
			}
		})
		c := s.dial()
		large := masked(true, ws.OpBinary, make([]byte, 64<<10))
		for range 3 { // the third overdraws by a second's worth
			c.send(large)
		}
		c.text("still here")
		begin := time.Now()
		for f := c.read(); f.Header.OpCode != ws.OpText; f = c.read() {
			if f.Header.OpCode != ws.OpPing {
				t.Fatal(show(f))
			}
		}
		if took := time.Since(begin); took < 300*time.Millisecond {
			t.Errorf("answered after %v", took)
		}
		eventually(t, "counted", func() bool { return s.Stats().ThrottledMS >= 300 })
	})
}
