package wsconn_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/histogram"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// below returns how many values a histogram has that are at most bound.
func below(s histogram.Snapshot, bound float64) (n uint64) {
	for i, b := range s.Bounds() {
		if b <= bound {
			n += s.Counts[i]
		}
	}
	return n
}

// TestMeasures delivers messages whose age is known, as frames and as parts, plain and compressed.
func TestMeasures(t *testing.T) {
	class := wsconn.NewClass(wsconn.Disconnect, 0)
	for _, tt := range []struct {
		name string
		make func(p []byte) *wsconn.Frame
	}{
		{"frames", func(p []byte) *wsconn.Frame { return wsconn.NewDelivery(class, p) }},
		{"parts", func(p []byte) *wsconn.Frame { return wsconn.NewPart(class, p) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				s := start(t, wsconn.Options{Portable: portable, Loops: 1, Join: wsconn.JoinText}, nil)
				c, se := s.pair()
				before := s.settled(se)
				se.on(func() {
					now := s.Clock()
					for i := range 8 {
						f := tt.make(fmt.Appendf(nil, "%d", i))
						switch i {
						case 0:
							f.Stamp(now-int64(3*time.Second), -1) // nobody knows when it was published
						case 5:
							f.Stamp(now, int64(7*time.Second))
						case 6:
							f.Stamp(now, 0)
						default:
							f.Stamp(now, -1)
						}
						if r := se.Send(f); r != wsconn.OK {
							t.Errorf("send: %v", r)
						}
					}
				})
				if tt.name == "parts" {
					c.wantText("[0|1|2|3|4|5|6|7]")
				} else {
					for i := range 8 {
						c.wantText(fmt.Sprint(i))
					}
				}
				st := s.settled(se)
				if d := st.DeliverySeconds; d.Count != 1 || below(d, 2.5) != 0 || below(d, 10) != 1 {
					t.Errorf("delivery: %d, %v", d.Count, d.Counts)
				}
				if p := st.PublishedSeconds; p.Count != 2 || below(p, 5) != 1 || below(p, 30) != 2 {
					t.Errorf("published: %d, %v", p.Count, p.Counts)
				}
				for name, got := range map[string]float64{
					"messages of a write": st.WriteMessages.Sum - before.WriteMessages.Sum,
					"messages of a queue": st.QueueMessages.Sum - before.QueueMessages.Sum,
				} {
					if got != 8 {
						t.Errorf("%s: %v", name, got)
					}
				}
				if bytes := st.QueueBytes.Sum - before.QueueBytes.Sum; bytes < 8 || bytes > 100 {
					t.Errorf("%v bytes queued", bytes)
				}
				if st.TurnSeconds.Count == 0 || st.TurnSeconds.Sum <= 0 {
					t.Errorf("turns: %+v", st.TurnSeconds)
				}
			})
		})
	}
}

// TestMeasuresOfSlowReaders holds that what leaves in pieces is measured once, and by when all of it has left.
func TestMeasuresOfSlowReaders(t *testing.T) {
	t.Parallel()
	class := wsconn.NewClass(wsconn.Disconnect, 0)
	for name, make := range map[string]func(p []byte) *wsconn.Frame{
		"frames": func(p []byte) *wsconn.Frame { return wsconn.NewDelivery(class, p) },
		"parts":  func(p []byte) *wsconn.Frame { return wsconn.NewPart(class, p) },
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				s := start(t, wsconn.Options{Portable: portable, Join: wsconn.JoinText, QueueBytes: 64 << 20}, nil)
				c, se := s.pair()
				const size, count = 1 << 20, 12
				body := []byte(strings.Repeat("x", size))
				for range count {
					f := make(body)
					f.Stamp(s.Clock(), int64(time.Millisecond))
					se.Enqueue(f)
				}
				eventually(t, "the system takes no more", func() bool {
					n, _ := wsconn.QueueLen(&se.Conn)
					before := s.Stats().BytesOut
					time.Sleep(5 * time.Millisecond)
					return n > 0 && before > 0 && s.Stats().BytesOut == before
				})
				for read := 0; read < count; {
					if f := c.read(); f.Header.OpCode == ws.OpText {
						read++
					}
				}
				eventually(t, "all is counted", func() bool { return s.Stats().PublishedSeconds.Count >= count })
				st := s.settled(se)
				if st.PublishedSeconds.Count != count {
					t.Errorf("%d of %d published ones", st.PublishedSeconds.Count, count)
				}
				if d := st.DeliverySeconds.Count; d == 0 || d > count {
					t.Errorf("%d write calls that delivered %d", d, count)
				}
			})
		})
	}
}

// TestMeasuresWhileParsing holds that a flush that makes room between two messages knows what time it is. It took that of
// the turn before, and what had come since was of no age.
func TestMeasuresWhileParsing(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		const age = 50 * time.Millisecond
		class := wsconn.NewClass(wsconn.Disconnect, 0)
		var made atomic.Int64 // by Server.Clock
		s := start(t, wsconn.Options{Portable: portable, Loops: 1, QueueMessages: 8}, func(c *session) {
			c.onMessage = func(c *session, _ ws.OpCode, p []byte) wsconn.Verdict {
				f := wsconn.NewDelivery(class, p)
				f.Stamp(made.Load(), -1)
				c.Send(f)
				for range 4 { // more than half of the queue
					c.Send(wsconn.NewText([]byte("filling")))
				}
				return wsconn.Done
			}
		})
		c, se := s.pair()
		s.settled(se) // no turn of it is to come by itself
		made.Store(s.Clock())
		eventually(t, "it is old", func() bool { return s.Clock()-made.Load() > int64(age) })
		c.text("message")
		c.wantText("message")
		if d := s.settled(se).DeliverySeconds; d.Count != 1 || below(d, age.Seconds()) != 0 {
			t.Errorf("%d deliveries, %d of them younger than %v", d.Count, below(d, age.Seconds()), age)
		}
	})
}

// TestCloseCodes holds that peers cannot make names for counters.
func TestCloseCodes(t *testing.T) {
	s := start(t, wsconn.Options{}, nil)
	codes := []int{1000, 1001, 1003, 1007, 1011, 1013, 3000, 3999, 4000, 4401, 4403, 4410, 4999}
	for _, code := range codes {
		c, se := s.pair()
		c.send(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), "")))))
		<-se.closed
		_ = c.Close()
	}
	c, se := s.pair()
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
	<-se.closed
	eventually(t, "all are counted", func() bool { return sum(s.Stats().Closed) == len(codes)+1 })
	got := s.Stats().ClosedCodes
	for code, want := range map[string]uint64{"1000": 1, "1001": 1, "1013": 1, "4401": 1, "4403": 1, "4410": 1, "1006": 1, "other": 4} {
		if got[code] != want {
			t.Errorf("%s: %d, want %d, in %v", code, got[code], want, got)
		}
	}
	if all := wsconn.CloseCodes(); len(got) > len(all) || sum(got) != len(codes)+1 || !slices.Contains(all, "other") {
		t.Errorf("got %v of %v", got, all)
	}
	for i := range 1 << 16 {
		name := wsconn.CloseCodeName(uint16(i))
		if want := fmt.Sprint(i); name != want && name != "other" {
			t.Fatalf("code %d is counted as %s", i, name)
		}
	}
}
