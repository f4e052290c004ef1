package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/client"
)

// unreliable takes connections until its listener ends, and breaks each at a
// random moment: before the handshake, between frames, in the middle of one.
func (s *socket) unreliable(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		if random.IntN(8) == 0 {
			conn.Close()
			continue
		}
		life, code := time.Duration(random.IntN(20))*time.Millisecond, random.IntN(3)
		serving.Go(func() { serveFor(conn, life, code) })
	}
}

func serveFor(conn net.Conn, life time.Duration, how int) {
	defer conn.Close()
	if _, err := (ws.Upgrader{}).Upgrade(conn); err != nil {
		return
	}
	var mu sync.Mutex
	write := func(texts ...string) {
		var b []byte
		for _, text := range texts {
			b = append(b, ws.MustCompileFrame(ws.NewTextFrame([]byte(text)))...)
		}
		mu.Lock()
		defer mu.Unlock()
		_, _ = conn.Write(b) // an end is what the test is about
	}
	write(handshake)
	over := make(chan struct{})
	time.AfterFunc(life, func() {
		close(over)
		switch how {
		case 0:
			conn.Close()
		case 1:
			mu.Lock()
			_, _ = conn.Write(ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1012, ""))))
			mu.Unlock()
			conn.Close()
		case 2:
			mu.Lock()
			_, _ = conn.Write([]byte{0x81, 100, '['}) // and no more of it
			mu.Unlock()
			conn.Close()
		}
	})
	var answering sync.WaitGroup
	defer answering.Wait()
	answering.Go(func() {
		r := bufio.NewReader(conn)
		for {
			f, _, err := readFrame(r)
			if err != nil {
				return
			}
			if i := strings.LastIndex(f.text, ` "rq-`); i > 0 {
				write("[7" + f.text[i:])
			}
		}
	})
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		default:
			write(fmt.Sprintf("[:t/m%d %d]", n%3, n), "nonsense", "[:t/last 1]")
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// TestStatisticsAddUp: whatever breaks, each event and each message is counted
// once.
func TestStatisticsAddUp(t *testing.T) {
	const each = 300
	s := listen(t, nil)
	var serving sync.WaitGroup
	serving.Go(func() { s.unreliable(1) })
	var errs, hooks, ended atomic.Uint64
	c := mustNew(t, client.Options{
		URLs: []string{s.url}, QueueMessages: 8, FlushInterval: 100 * time.Microsecond, ReceiveBuffer: 8, Backlog: 8,
		ReconnectMin: time.Millisecond, ReconnectMax: 5 * time.Millisecond, CloseTimeout: 100 * time.Millisecond, MaxSend: 1000,
		OnSend: func(e client.Event) error {
			if strings.HasPrefix(e.String(), "[:t/refused") {
				return errors.New("refused")
			}
			return nil
		},
		OnError:        func(*client.Client, error) { errs.Add(1) },
		OnChannelReady: func(*client.Client, client.Session) { hooks.Add(1) },
		OnDisconnect:   func(*client.Client, *client.Disconnect) { ended.Add(1) },
	})
	var handled, taken, told atomic.Uint64
	c.On("t/m0", func(client.Message) { handled.Add(1) })
	c.Start()

	events := []client.Event{
		client.MustEvent("t/n", 1), client.MustEvent("t/refused", 1), client.MustEvent("t/long", strings.Repeat("x", 1000)),
		{},
		client.MustEvent("t/n", strings.Repeat("y", 500)),
	}
	var calls, unqueued, waiters atomic.Uint64
	var working sync.WaitGroup
	work := func(f func(i int, e client.Event)) {
		working.Go(func() {
			for i := range each {
				f(i, events[i%len(events)])
			}
		})
	}
	briefly := func(f func(ctx context.Context)) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(3))*time.Millisecond)
		defer cancel()
		f(ctx)
	}
	work(func(i int, e client.Event) {
		for range 5 {
			calls.Add(1)
			c.Enqueue(e)
		}
		time.Sleep(time.Duration(i%3) * 100 * time.Microsecond)
	})
	work(func(_ int, e client.Event) {
		calls.Add(1)
		briefly(func(ctx context.Context) { _ = c.EnqueueWait(ctx, e) })
	})
	var asynced sync.WaitGroup
	work(func(_ int, e client.Event) {
		calls.Add(1)
		asynced.Add(1)
		c.EnqueueAsync(e, 2*time.Millisecond, func(error) { asynced.Done() })
		time.Sleep(200 * time.Microsecond)
	})
	work(func(_ int, e client.Event) {
		calls.Add(1)
		briefly(func(ctx context.Context) {
			if _, err := c.Request(ctx, e); errors.Is(err, client.ErrNotReady) {
				unqueued.Add(1)
			}
		})
	})
	work(func(i int, _ client.Event) {
		waiters.Add(1)
		c.Handle(client.Handler{ID: fmt.Sprintf("t/m%d", i%4), Take: true, Once: true, Timeout: 2 * time.Millisecond, Func: func(_ client.Message, err error) {
			told.Add(1)
			if err == nil {
				taken.Add(1)
			}
		}})
		time.Sleep(200 * time.Microsecond)
	})
	working.Wait()
	testkit.Eventually(t, "some connections", func() bool { return c.Stats().Disconnects >= 5 })
	ctx, cancel := contextIn(t, testkit.Patience)
	defer cancel()
	st := c.Stop(ctx)
	asynced.Wait()
	s.l.Close()
	serving.Wait()

	out, in := st.Send, st.Receive
	if n := out.Sent + out.Dropped + out.GaveUp + out.Errors - out.WriteErrors; n != calls.Load()-unqueued.Load() || out.Depth != 0 || out.Waiting != 0 {
		t.Errorf("%d events counted, %d given: %+v", n, calls.Load()-unqueued.Load(), out)
	}
	if out.Sent == 0 || out.GaveUp == 0 || out.Dropped == 0 || out.Sent > out.Enqueued {
		t.Errorf("%+v", out)
	}
	if in.Received != in.Taken+in.Dropped || in.Depth != 0 || in.Backlog != 0 || in.Waiters != 0 || in.Handlers != 0 {
		t.Errorf("%+v does not add up", in)
	}
	if in.Handled != handled.Load() || in.Taken != taken.Load() || told.Load() != waiters.Load() || in.Taken+in.Timeouts+in.Closed != waiters.Load() {
		t.Errorf("%+v: %d handled, %d taken, %d of %d waiters told", in, handled.Load(), taken.Load(), told.Load(), waiters.Load())
	}
	if in.Handled == 0 || in.Taken == 0 || in.Unseen > in.Dropped {
		t.Errorf("%+v", in)
	}
	if st.Connects != st.Disconnects || st.Connects != hooks.Load() || st.Connects != ended.Load() {
		t.Errorf("%d connects, %d disconnects, hooks told of %d and %d", st.Connects, st.Disconnects, hooks.Load(), ended.Load())
	}
	if begun := st.Connects + st.Failures; st.Attempts != begun && st.Attempts != begun+1 { // one may be cut short by Stop
		t.Errorf("%d attempts, %d connects, %d failures", st.Attempts, st.Connects, st.Failures)
	}
	// What went wrong: attempts, bad messages, and of the events those whose caller
	// is not told, which is Enqueue's and OnSend's.
	if n := errs.Load() + st.Unreported; n < st.Failures+st.BadMessages || n > st.Failures+st.BadMessages+out.Errors {
		t.Errorf("%d errors told or not told, %d failures, %d bad messages, %d of events", n, st.Failures, st.BadMessages, out.Errors)
	}
	t.Logf("%+v", st)
}
