package wsconn_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

func part(c wsconn.Class, format string, a ...any) *wsconn.Frame {
	return wsconn.NewPart(c, fmt.Appendf(nil, format, a...))
}

// partsOf returns the messages of a frame: JoinText's parts, or the one of a whole frame.
func partsOf(f ws.Frame) []string {
	text := string(f.Payload)
	if inner, ok := strings.CutPrefix(text, "["); ok {
		return strings.Split(strings.TrimSuffix(inner, "]"), "|")
	}
	return []string{text}
}

// settled returns the counters when the loops have counted what they did so far.
func (s *server) settled(se *session) wsconn.Stats {
	s.t.Helper()
	se.on(func() {})
	se.on(func() {}) // the turn of the first has ended
	return s.Stats()
}

// TestPartsAreJoined: what waits leaves in one call, each run of parts as one frame, in order.
func TestPartsAreJoined(t *testing.T) {
	big := strings.Repeat("x", 6000)
	for _, tt := range []struct {
		name string
		send []string // those with a bar in front are whole frames
		want []string
	}{
		{name: "one", send: []string{"a"}, want: []string{"[a]"}},
		{name: "a run", send: []string{"a", "b", "c"}, want: []string{"[a|b|c]"}},
		{name: "between frames", send: []string{"/1", "a", "b", "/2", "/3", "c", "/4"}, want: []string{"/1", "[a|b]", "/2", "/3", "[c]", "/4"}},
		{
			name: "sixteen at most", send: strings.Fields(strings.Repeat("a ", 35)),
			want: []string{"[" + strings.Repeat("a|", 15) + "a]", "[" + strings.Repeat("a|", 15) + "a]", "[a|a|a]"},
		},
		{
			name: "16 KiB at most, or one", send: []string{big, big, big, "a", big + big + big, "b", "c"},
			want: []string{"[" + big + "|" + big + "]", "[" + big + "|a]", "[" + big + big + big + "]", "[b|c]"},
		},
		{name: "empty", send: []string{"", ""}, want: []string{"[|]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				s := start(t, wsconn.Options{Portable: portable, Join: wsconn.JoinText}, nil)
				c, se := s.pair()
				before := s.settled(se)
				se.on(func() {
					for _, text := range tt.send {
						f := part(disconnect, "%s", text)
						if strings.HasPrefix(text, "/") {
							f = wsconn.NewText([]byte(text))
						}
						if r := se.Send(f); r != wsconn.OK {
							t.Errorf("send: %v", r)
						}
					}
				})
				for _, want := range tt.want {
					c.wantText(want)
				}
				after := s.settled(se)
				if n := after.WriteCalls - before.WriteCalls; n != 1 {
					t.Errorf("%d calls", n)
				}
				if n := after.FramesOut - before.FramesOut; n != uint64(len(tt.want)) {
					t.Errorf("%d frames", n)
				}
			})
		})
	}
}

// TestJoinSeesTheSameRuns: connections that get the same parts are asked for the same runs, so that an owner makes each
// frame once.
func TestJoinSeesTheSameRuns(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		type key [16]*wsconn.Frame
		var mu sync.Mutex
		calls, made := 0, map[key]*wsconn.Frame{}
		s := start(t, wsconn.Options{Portable: portable, Join: func(c *wsconn.Conn, parts []*wsconn.Frame) *wsconn.Frame {
			mu.Lock()
			defer mu.Unlock()
			calls++
			var k key
			copy(k[:], parts)
			f := made[k]
			if f == nil {
				f = wsconn.JoinText(c, parts)
				made[k] = f
			}
			return f
		}}, nil)
		const conns = 50
		var cs []*client
		var ses []*session
		for range conns {
			c, se := s.pair()
			cs, ses = append(cs, c), append(ses, se)
		}
		for _, se := range ses {
			se.on(func() {}) // the loop has done with the answer to the handshake, which the client has already
		}
		b := s.NewBatch()
		for i := range 20 {
			f := part(disconnect, "%d", i)
			for _, se := range ses {
				b.Enqueue(&se.Conn, f, nil)
			}
		}
		b.Flush()
		for _, c := range cs {
			c.wantText("[0|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15]")
			c.wantText("[16|17|18|19]")
		}
		mu.Lock()
		defer mu.Unlock()
		if calls != 2*conns || len(made) != 2 {
			t.Errorf("asked %d times for %d frames", calls, len(made))
		}
	})
}

// TestGatesOfParts: no part of a gate comes before the answer that opened it, or behind the one that shut it, also when
// the answers are parts.
func TestGatesOfParts(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Join: wsconn.JoinText}, nil)
		c, se := s.pair()
		const rounds = 200
		var gate bool // guarded by the connection's lock
		var stop atomic.Bool
		var wg sync.WaitGroup
		for w := range 2 {
			wg.Go(func() {
				b := s.NewBatch()
				for i := 0; !stop.Load(); i++ {
					class := disconnect
					if i%3 == 0 {
						class = latest(uint32(w + 1)).Within(time.Millisecond)
					}
					f := part(class, "m")
					if i%2 == 0 {
						f = wsconn.NewDelivery(class, []byte("m"))
					}
					b.Enqueue(&se.Conn, f, &gate)
					b.Flush()
					if n, _ := wsconn.QueueLen(&se.Conn); n > 100 {
						time.Sleep(100 * time.Microsecond)
					}
				}
			})
		}
		wg.Go(func() {
			defer stop.Store(true)
			for i := range rounds {
				f := part(disconnect, "open %d", i)
				if i%3 == 0 {
					f = wsconn.NewText(fmt.Appendf(nil, "open %d", i))
				}
				if r := se.Open(&gate, f); r != wsconn.OK {
					t.Errorf("open: %v", r)
				}
				time.Sleep(200 * time.Microsecond)
				if r := se.Shut(&gate, part(disconnect, "shut %d", i)); r != wsconn.OK {
					t.Errorf("shut: %v", r)
				}
			}
		})
		open, round, messages := false, 0, 0
		for round < rounds {
			for _, text := range partsOf(c.read()) {
				switch {
				case text == "m" && open:
					messages++
				case text == fmt.Sprintf("open %d", round) && !open:
					open = true
				case text == fmt.Sprintf("shut %d", round) && open:
					open = false
					round++
				default:
					t.Fatalf("round %d, open %v: %q", round, open, text)
				}
			}
		}
		wg.Wait()
		if messages == 0 {
			t.Error("nothing came through")
		}
	})
}

// TestJoinThatFails costs the connection whose parts they are, and no other.
func TestJoinThatFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		join func(*wsconn.Conn, []*wsconn.Frame) *wsconn.Frame
	}{
		{name: "panic", join: func(*wsconn.Conn, []*wsconn.Frame) *wsconn.Frame { panic("boom") }},
		{name: "nil", join: func(*wsconn.Conn, []*wsconn.Frame) *wsconn.Frame { return nil }},
		{name: "a part", join: func(_ *wsconn.Conn, parts []*wsconn.Frame) *wsconn.Frame { return parts[0] }},
		{name: "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				o := wsconn.Options{Portable: portable, Loops: 1}
				if tt.join != nil {
					o.Join = func(c *wsconn.Conn, parts []*wsconn.Frame) *wsconn.Frame {
						if string(parts[len(parts)-1].Payload()) == "bad" {
							return tt.join(c, parts)
						}
						return wsconn.JoinText(c, parts)
					}
				}
				s := start(t, o, nil)
				c, se := s.pair()
				bystander, other := s.pair()
				se.on(func() {
					se.Send(wsconn.NewText([]byte("in vain")))
					se.Send(part(disconnect, "good"))
					se.Send(part(disconnect, "bad"))
					se.Send(wsconn.NewText([]byte("behind")))
					if tt.join != nil {
						other.Send(part(disconnect, "mine"))
					}
				})
				c.wantClose(1011)
				_ = c.Close()
				if info := se.end(); info.Reason != wsconn.ClosePanic || info.Code != 1011 || info.Discarded != 4 {
					t.Errorf("%+v", info)
				}
				if tt.join != nil {
					bystander.wantText("[mine]")
				}
				bystander.text("still here")
				bystander.wantText("still here")
				if st := s.settled(other); st.Panics != 1 || st.Closed["panic"] != 1 || st.Discarded != 4 {
					t.Errorf("%d panics, closed %v, %d discarded", st.Panics, st.Closed, st.Discarded)
				}
			})
		})
	}
}

// TestNoticeAsAPart is joined with what it comes before.
func TestNoticeAsAPart(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		said := true
		s := start(t, wsconn.Options{
			Portable: portable, Join: wsconn.JoinText,
			Notice: func(_ *wsconn.Conn, n int) *wsconn.Frame {
				if !said {
					return nil
				}
				return part(dropOldest, "dropped %d", n)
			},
		}, nil)
		c, se := s.pair()
		lose := func() {
			se.on(func() {
				se.Send(part(latest(1), "lost"))
				se.Send(part(latest(1), "kept"))
			})
		}
		se.on(func() { said = false })
		lose()
		c.wantText("[kept]") // nil tells nothing, and it is not told later either
		se.on(func() { said = true })
		lose()
		c.wantText("[dropped 1|kept]")
	})
}

// TestOrderOfEverything: parts and frames of all delays, by three goroutines, while the peer reads in fits and starts.
func TestOrderOfEverything(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		const each = 4000
		s := start(t, wsconn.Options{Portable: portable, QueueMessages: 4000, Join: wsconn.JoinText}, nil)
		c, se := s.pair()
		for w := range 3 {
			go func() { // ends with its last message, which is awaited
				rnd := rand.New(rand.NewPCG(uint64(w), 3))
				b := s.NewBatch()
				for i := range each {
					class := disconnect.Within(time.Duration([]int{0, 1, 2, 5}[rnd.IntN(4)]) * time.Millisecond)
					text := fmt.Sprintf("%d/%d %s", w, i, strings.Repeat("x", rnd.IntN(1000)))
					f := wsconn.NewPart(class, []byte(text))
					if rnd.IntN(3) == 0 {
						f = wsconn.NewDelivery(class, []byte(text))
					}
					var r wsconn.Result
					if rnd.IntN(4) == 0 {
						b.Flush() // what was handed over before comes before
						r = se.Enqueue(f)
					} else {
						r = b.Enqueue(&se.Conn, f, nil)
					}
					if r != wsconn.OK {
						t.Errorf("enqueue: %v", r)
						return
					}
					if rnd.IntN(5) == 0 {
						b.Flush()
					}
					for n, _ := wsconn.QueueLen(&se.Conn); n > 1000; n, _ = wsconn.QueueLen(&se.Conn) {
						b.Flush()
						time.Sleep(100 * time.Microsecond)
					}
				}
				b.Flush()
			}()
		}
		next := [3]int{}
		for n, frames := 0, 0; n < 3*each; frames++ {
			if frames%300 == 0 {
				time.Sleep(10 * time.Millisecond) // the fits
			}
			for _, text := range partsOf(c.read()) {
				var w, i int
				if _, err := fmt.Sscanf(text, "%d/%d", &w, &i); err != nil || i != next[w] {
					t.Fatalf("%d messages in: %.80q, want %d", n, text, next[w])
				}
				next[w]++
				n++
			}
		}
	})
}
