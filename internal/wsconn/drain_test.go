package wsconn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// What Pace says, followed by a caller who is on time and by one who is late, ends at the end and is even.
func TestPace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		left  int
		time  time.Duration
		late  time.Duration // of each step
		calls int           // at most
	}{
		{"one", 1, 30 * time.Second, 0, 1},
		{"few", 10, 30 * time.Second, 0, 10},
		{"many", 100_000, 30 * time.Second, 0, 3001},
		{"more than a tick can hold apart", 1_000_000, time.Second, 0, 101},
		{"late", 1000, 2 * time.Second, 7 * time.Millisecond, 200},
		{"hardly any time", 500, time.Millisecond, 0, 1},
		{"no time", 500, 0, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			left, now, calls := tt.left, time.Duration(0), 0
			for left > 0 {
				n, next := wsconn.Pace(left, tt.time-now)
				if n < 1 || n > left {
					t.Fatalf("%d of %d after %v", n, left, now)
				}
				even := float64(left) / max(float64(tt.time-now), 1)
				if allowed := even*float64(next) + 1; float64(n) > allowed && tt.time-now > 10*time.Millisecond {
					t.Fatalf("%d in %v, %.1f would be even", n, next, allowed)
				}
				left -= n
				calls++
				if left == 0 {
					break
				}
				now += next + tt.late
				if now > tt.time+10*time.Millisecond+tt.late {
					t.Fatalf("%d left after %v", left, now)
				}
			}
			if calls > tt.calls {
				t.Errorf("%d calls", calls)
			}
		})
	}
}

// listening reads a client to its end, and notes when its close frame came.
type listening struct {
	code   ws.StatusCode
	texts  []string
	closed time.Time
	err    error
}

func (c *client) listen() (l listening) {
	for {
		f, err := c.tryRead()
		if err != nil {
			l.err = err
			return l
		}
		switch f.Header.OpCode {
		case ws.OpText:
			l.texts = append(l.texts, string(f.Payload))
		case ws.OpClose:
			l.closed = time.Now()
			l.code, _ = ws.ParseCloseFrameData(f.Payload)
			_, _ = c.Write(closeFrame(l.code, ""))
		default:
		}
	}
}

// Connections are closed evenly, all with the code, none after the time, and none of those that have gone before counts.
func TestDrainIsEven(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		const (
			clients = 200
			span    = 2 * time.Second
			slot    = 100 * time.Millisecond
		)
		s := start(t, wsconn.Options{Portable: portable}, nil)
		heard := make([]listening, clients)
		var wait sync.WaitGroup
		for i := range heard {
			c := s.dial()
			wait.Go(func() { heard[i] = c.listen() })
		}
		began := time.Now()
		must(t, s.Drain(t.Context(), wsconn.DrainOptions{Code: 1012, Time: span}))
		took := time.Since(began)
		wait.Wait()
		if took > span+slot || took < span-2*slot {
			t.Errorf("took %v", took)
		}
		if n := s.Drained(); n != clients {
			t.Errorf("%d drained", n)
		}
		slots := make([]int, span/slot+3)
		for _, h := range heard {
			if h.code != 1012 || !errors.Is(h.err, io.EOF) {
				t.Fatalf("closed with %d, %v", h.code, h.err)
			}
			slots[min(int(h.closed.Sub(began)/slot), len(slots)-1)]++
		}
		if slots[len(slots)-1] > 0 {
			t.Errorf("some came late: %v", slots)
		}
		const even = clients * int(slot) / int(span)
		for i, n := range slots {
			if n > 2*even+2 {
				t.Errorf("%d in slot %d: %v", n, i, slots)
			}
		}
	})
}

// refuses waits until nobody can connect any more.
func (s *server) refuses() {
	s.t.Helper()
	eventually(s.t, "nobody can connect", func() bool {
		c, err := net.Dial("tcp", s.Addr().String())
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Those that close by themselves leave their time to the others.
func TestDrainReplans(t *testing.T) {
	t.Parallel()
	s := start(t, wsconn.Options{Loops: 1}, nil)
	const clients, stay = 100, 4
	var wait sync.WaitGroup
	heard := make([]listening, stay)
	var others []*client
	for i := range clients {
		c := s.dial()
		if i < stay {
			wait.Go(func() { heard[i] = c.listen() })
		} else {
			others = append(others, c)
		}
	}
	const span = 2 * time.Second
	began := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- s.Drain(t.Context(), wsconn.DrainOptions{Code: 1012, Time: span}) }() // ends with the test
	for _, c := range others {
		_ = c.Close()
	}
	must(t, <-ended)
	wait.Wait()
	if took := time.Since(began); took > span+200*time.Millisecond {
		t.Errorf("took %v", took)
	}
	var last time.Time
	for _, h := range heard {
		if h.code != 1012 {
			t.Errorf("closed with %d, %v", h.code, h.err)
		}
		if h.closed.After(last) {
			last = h.closed
		}
	}
	// A hundred would have been 20 ms apart, four are half a second; the last comes a gap before the end at most.
	if after := last.Sub(began); after < span/4 {
		t.Errorf("all were closed within %v of %v", after, span)
	}
	if n := s.Drained(); n > clients/2 {
		t.Errorf("%d drained", n)
	}
}

// What is queued when a connection's turn comes leaves before the close, also what waits for others or is large.
func TestDrainSendsWhatIsQueued(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Loops: 1}, nil)
		c, h := s.pair()
		big := strings.Repeat("x", 700_000) // more than the system takes at once
		var heard listening
		var wait sync.WaitGroup
		h.on(func() {
			h.Send(wsconn.NewText([]byte(big)))
			h.Send(wsconn.NewText([]byte("then")))
			h.Send(wsconn.NewDelivery(wsconn.NewClass(wsconn.Disconnect, 0).Within(time.Minute), []byte("last")))
		})
		wait.Go(func() { heard = c.listen() })
		must(t, s.Drain(t.Context(), wsconn.DrainOptions{Code: 1012}))
		wait.Wait()
		if len(heard.texts) != 3 || heard.texts[0] != big || heard.texts[1] != "then" || heard.texts[2] != "last" || heard.code != 1012 {
			t.Errorf("%d texts, code %d, %v", len(heard.texts), heard.code, heard.err)
		}
		if info := h.end(); info.Discarded != 0 || info.Code != 1012 || info.Reason != wsconn.CloseServer {
			t.Errorf("%+v", info)
		}
	})
}

// Connections hear what is sent until their turn, and new ones are not accepted.
func TestDrainGoesOn(t *testing.T) {
	t.Parallel()
	s := start(t, wsconn.Options{Loops: 1}, nil)
	c, _ := s.pair()
	late := s.dialRaw() // its request comes during the drain
	var other listening
	var wait sync.WaitGroup
	second := s.dial()
	wait.Go(func() { other = second.listen() })
	ended := make(chan error, 1)
	go func() { ended <- s.Drain(t.Context(), wsconn.DrainOptions{Code: 1012, Time: 2 * time.Second}) }() // ends with the test
	s.refuses()
	late.send([]byte(requestHead))
	late.upgraded()
	if f := late.read(); f.Header.OpCode != ws.OpClose {
		t.Errorf("got %s", show(f))
	}
	for i := 0; ; i++ {
		if _, err := c.Write(masked(true, ws.OpText, fmt.Append(nil, i))); err != nil {
			break
		}
		f, err := c.tryRead()
		if err != nil || f.Header.OpCode == ws.OpClose {
			break
		}
		if string(f.Payload) != fmt.Sprint(i) {
			t.Fatalf("got %s, want echo %d", show(f), i)
		}
	}
	must(t, <-ended)
	wait.Wait()
	if other.code != 1012 {
		t.Errorf("closed with %d", other.code)
	}
}

// A busy connection is waited for, a second at most, while the others go.
func TestDrainWaitsForTheBusy(t *testing.T) {
	t.Parallel()
	s := start(t, wsconn.Options{Loops: 1}, nil)
	answered, answeredHandler := s.pair()
	never, neverHandler := s.pair()
	var owed atomic.Bool
	owed.Store(true)
	busy := func(h wsconn.Handler) bool { return h == answeredHandler && owed.Load() || h == neverHandler }
	began := time.Now()
	ended := make(chan error, 1)
	go func() { // ends with the test
		ended <- s.Drain(t.Context(), wsconn.DrainOptions{Code: 1012, Time: 10 * time.Second, Busy: busy})
	}()
	s.refuses()
	answeredHandler.on(func() {
		owed.Store(false)
		answeredHandler.Send(wsconn.NewText([]byte("answer")))
	})
	answered.wantText("answer")
	answered.wantClose(1012)
	never.wantClose(1012)
	must(t, <-ended)
	if took := time.Since(began); took < time.Second || took > 9*time.Second {
		t.Errorf("took %v", took)
	}
	neverHandler.end()
}

// Who takes nothing holds the end no longer than CloseTimeout.
func TestDrainOfFrozenReaders(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		const timeout = 500 * time.Millisecond
		s := start(t, wsconn.Options{
			Portable: portable, Loops: 1, CloseTimeout: timeout,
			QueueBytes: 1 << 30, PingInterval: time.Hour, IdleTimeout: 2 * time.Hour, StallTimeout: time.Hour,
		}, nil)
		var handlers []*session
		for range 4 {
			_, h := s.slowPair()
			handlers = append(handlers, h)
			large := wsconn.NewText(make([]byte, 60_000))
			for range 200 { // more than the system takes
				if r := h.Enqueue(large); r != wsconn.OK {
					t.Fatal(r)
				}
			}
		}
		began := time.Now()
		must(t, s.Drain(t.Context(), wsconn.DrainOptions{Code: 1012, Time: time.Second}))
		drained := time.Since(began)
		must(t, s.Stop(context.Background(), 1012, ""))
		if drained > 1200*time.Millisecond || time.Since(began) > time.Second+2*timeout+500*time.Millisecond {
			t.Errorf("drained after %v, ended after %v", drained, time.Since(began))
		}
		for _, h := range handlers {
			if info := h.end(); info.Discarded == 0 {
				t.Errorf("nothing was discarded: %+v", info)
			}
		}
	})
}

// A drain ends with its context, with a Stop, and leaves no goroutine and no descriptor.
func TestDrainEnds(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		goroutines, descriptors := runtime.NumGoroutine(), fdCount(t)
		for _, by := range []string{"context", "stop", "itself"} {
			t.Run(by, func(t *testing.T) {
				s := start(t, wsconn.Options{Portable: portable}, nil)
				for range 10 {
					s.dial()
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				span := time.Minute
				switch by {
				case "context":
					cancel(errTest)
				case "itself":
					span = 0
				}
				ended := make(chan error, 1)
				go func() { ended <- s.Drain(ctx, wsconn.DrainOptions{Code: 1012, Time: span}) }() // ends with the test
				var want error
				switch by {
				case "context":
					want = errTest
				case "stop":
					eventually(t, "a connection is closed", func() bool { return s.Drained() > 0 })
					must(t, s.Stop(t.Context(), 1012, ""))
				}
				if err := <-ended; !errors.Is(err, want) {
					t.Errorf("ended with %v", err)
				}
				if err := s.Drain(t.Context(), wsconn.DrainOptions{}); !errors.Is(err, want) {
					t.Errorf("a second call: %v", err)
				}
			})
		}
		eventually(t, "nothing is left", func() bool {
			return runtime.NumGoroutine() <= goroutines && fdCount(t) <= descriptors
		})
	})
}

var errTest = errors.New("enough")

// Whoever is left when the context ends stays, beyond the time of the drain; so does who comes by an upgrade that was
// under way. Without a word to the loops they went on, and closed all.
func TestDrainThatIsCutLeavesTheRest(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		const clients, span = 20, time.Second
		s := start(t, wsconn.Options{Portable: portable}, nil)
		late := s.dialRaw()
		for range clients { // behind it in the listener's queue
			s.dial()
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		began := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- s.Drain(ctx, wsconn.DrainOptions{Code: 1012, Time: span}) }() // ends with ctx
		eventually(t, "a connection is closed", func() bool { return s.Drained() > 0 })
		cancel(errTest)
		if err := <-ended; !errors.Is(err, errTest) {
			t.Errorf("ended with %v", err)
		}
		late.send([]byte(requestHead))
		late.upgraded()
		for i := 0; time.Since(began) < span+200*time.Millisecond; i++ {
			late.text(fmt.Sprint(i))
			late.wantText(fmt.Sprint(i))
		}
		if n := s.Drained(); n >= clients/2 {
			t.Errorf("%d of %d are closed", n, clients)
		}
	})
}

// A call that comes behind the first waits for it, or for its own context, and none says that all have gone who have not.
func TestDrainIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := start(t, wsconn.Options{}, nil)
	for range 10 {
		s.dial()
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ended := make(chan error, 2)
	drain := func() { ended <- s.Drain(ctx, wsconn.DrainOptions{Code: 1012, Time: time.Minute}) }
	go drain() // ends with ctx
	s.refuses()
	other, cancelOther := context.WithCancelCause(t.Context())
	cancelOther(io.ErrClosedPipe)
	if err := s.Drain(other, wsconn.DrainOptions{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a call of its own context: %v", err)
	}
	go drain() // the same
	cancel(errTest)
	for range 2 {
		if err := <-ended; !errors.Is(err, errTest) {
			t.Errorf("ended with %v", err)
		}
	}

	fresh, err := wsconn.New(wsconn.Options{NewConn: func() (wsconn.Handler, *wsconn.Conn) { return nil, nil }})
	must(t, err)
	if err := fresh.Drain(t.Context(), wsconn.DrainOptions{}); !errors.Is(err, wsconn.ErrNotStarted) {
		t.Errorf("before the start: %v", err)
	}
	must(t, fresh.Stop(t.Context(), 1001, ""))
	must(t, fresh.Drain(t.Context(), wsconn.DrainOptions{}))
}

// A panic in Busy closes that connection, and the others are let go all the same. Those that were late behind it were
// forgotten, and Drain said that all had gone.
func TestDrainSurvivesBusy(t *testing.T) {
	t.Parallel()
	const clients = 20
	for _, tt := range []struct {
		name string
		at   int // asked so often about that one, it panics
	}{{"at its turn", 1}, {"when it is late", 2}} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, wsconn.Options{Loops: 1}, nil)
			heard := make([]listening, clients)
			var wait sync.WaitGroup
			for i := range heard {
				c := s.dial()
				wait.Go(func() { heard[i] = c.listen() })
			}
			var worst wsconn.Handler
			asked := 0
			busy := func(h wsconn.Handler) bool {
				if worst == nil {
					worst = h
				}
				if h == worst {
					if asked++; asked == tt.at {
						panic("as a test wants it")
					}
				}
				return true
			}
			must(t, s.Drain(t.Context(), wsconn.DrainOptions{Code: 1012, Time: 300 * time.Millisecond, Busy: busy}))
			wait.Wait()
			codes := map[ws.StatusCode]int{}
			for _, h := range heard {
				codes[h.code]++
			}
			if codes[1012] != clients-1 || codes[1011] != 1 || s.Drained() != clients-1 {
				t.Errorf("closed with %v, %d drained", codes, s.Drained())
			}
			if n := s.Stats().Panics; n != 1 {
				t.Errorf("%d panics", n)
			}
		})
	}
}
