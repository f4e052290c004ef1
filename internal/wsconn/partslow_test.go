package wsconn_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// TestFrozenReaderOfParts: what a peer reads when it wakes and what it is told of add up to what was handed over, under
// every policy. Notices are parts as well.
func TestFrozenReaderOfParts(t *testing.T) {
	const slots = 10
	for _, tt := range []struct {
		name  string
		class func(i int) wsconn.Class
	}{
		{name: "drop-oldest", class: func(int) wsconn.Class { return dropOldest }},
		{name: "drop-newest", class: func(int) wsconn.Class { return dropNewest }},
		{name: "latest-only", class: func(i int) wsconn.Class { return latest(uint32(i%slots + 1)) }},
		{name: "mixed", class: func(i int) wsconn.Class {
			return []wsconn.Class{dropOldest, latest(uint32(i%slots + 1)), dropNewest, dropOldest.Within(time.Millisecond)}[i%4]
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				s := start(t, wsconn.Options{
					Portable: portable, QueueMessages: 100, Join: wsconn.JoinText,
					Notice: func(_ *wsconn.Conn, n int) *wsconn.Frame { return part(disconnect, "dropped %d", n) },
				}, nil)
				c, se := s.pair()
				b := s.NewBatch()
				payload := strings.Repeat("x", 3000)
				handed := 0
				for sum(s.Stats().Dropped) < 1000 {
					f := part(tt.class(handed), "%d %s", handed, payload)
					if handed%3 == 2 { // among whole frames
						f = wsconn.NewDelivery(tt.class(handed), fmt.Appendf(nil, "%d %s", handed, payload))
					}
					if r := b.Enqueue(&se.Conn, f, nil); r != wsconn.OK && r != wsconn.Dropped {
						t.Fatalf("enqueue: %v", r)
					}
					handed++
					b.Flush()
					if n, size := wsconn.QueueLen(&se.Conn); n > 101 || size > 2<<20+100 {
						t.Fatalf("queue holds %d frames, %d bytes", n, size)
					}
				}
				read, told := 0, 0
				last := map[wsconn.Class]int{}
				for read+told < handed {
					for _, text := range partsOf(c.read()) {
						if n, ok := strings.CutPrefix(text, "dropped "); ok {
							lost, _ := strconv.Atoi(n)
							told += lost
							continue
						}
						number, rest, _ := strings.Cut(text, " ")
						n, err := strconv.Atoi(number)
						if err != nil || rest != payload {
							t.Fatalf("damaged: %.80q", text)
						}
						class := tt.class(n)
						if before, ok := last[class]; ok && n <= before {
							t.Fatalf("%d comes behind %d", n, before)
						}
						last[class] = n
						read++
					}
				}
				if dropped := sum(s.Stats().Dropped); dropped != told || read+told != handed {
					t.Errorf("handed over %d, read %d, told of %d, counted %d", handed, read, told, dropped)
				}
				t.Logf("handed over %d, read %d, told of %d", handed, read, told)
				c.text("still here")
				c.wantText("still here")
			})
		})
	}
}

// TestOverflowOfParts: what was read and what was discarded add up as well, each part for itself.
func TestOverflowOfParts(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, QueueMessages: 100, CloseTimeout: patience, Join: wsconn.JoinText}, nil)
		c, se := s.pair()
		payload := strings.Repeat("x", 3000)
		handed := 0
		for r := wsconn.OK; r == wsconn.OK; handed++ {
			r = se.Enqueue(part(disconnect, "%d %s", handed, payload))
			if n, _ := wsconn.QueueLen(&se.Conn); n > 50 {
				se.on(func() {})
			}
		}
		read := 0
		for {
			f := c.read()
			if f.Header.OpCode == ws.OpClose {
				if code, _ := ws.ParseCloseFrameData(f.Payload); code != 1013 {
					t.Errorf("close code %d", code)
				}
				break
			}
			for _, text := range partsOf(f) {
				if want := fmt.Sprintf("%d %s", read, payload); text != want {
					t.Fatalf("got %.80q, want %.80q", text, want)
				}
				read++
			}
		}
		_ = c.Close()
		if info := se.end(); info.Reason != wsconn.CloseOverflow || read+info.Discarded != handed {
			t.Errorf("handed over %d, read %d, %+v", handed, read, info)
		}
	})
}

// TestNothingIsJoinedInVain: while the system takes nothing, parts stay as they are, also when something else has the
// queue looked at.
func TestNothingIsJoinedInVain(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		var joined atomic.Int64
		s := start(t, wsconn.Options{
			Portable: portable, QueueMessages: 10000, QueueBytes: 64 << 20, CloseTimeout: patience,
			Join: func(c *wsconn.Conn, parts []*wsconn.Frame) *wsconn.Frame {
				joined.Add(1)
				return wsconn.JoinText(c, parts)
			},
		}, nil)
		c, se := s.pair()
		payload := strings.Repeat("x", 10000)
		handed := 0
		for n := 0; n < 500; n, _ = wsconn.QueueLen(&se.Conn) {
			se.Enqueue(part(disconnect, "%d %s", handed, payload))
			handed++
			se.on(func() {})
		}
		before := int64(-1)
		eventually(t, "the system takes nothing", func() bool {
			se.on(func() {})
			last := before
			before = joined.Load()
			return before == last
		})
		se.on(func() { se.Close(4000, "") })
		se.on(func() {})
		if n := joined.Load(); n != before {
			t.Errorf("%d frames for nobody", n-before)
		}
		read := 0
		for {
			f := c.read()
			if f.Header.OpCode == ws.OpClose {
				break
			}
			for _, text := range partsOf(f) {
				if want := fmt.Sprintf("%d %s", read, payload); text != want {
					t.Fatalf("got %.80q, want %.80q", text, want)
				}
				read++
			}
		}
		_ = c.Close()
		if info := se.end(); read != handed || info.Discarded != 0 {
			t.Errorf("handed over %d, read %d, %+v", handed, read, info)
		}
	})
}
