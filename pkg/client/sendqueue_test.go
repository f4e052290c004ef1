package client_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

func TestBadEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{MaxSend: 20})
		long := repeat("x", 20)
		for _, tt := range []struct {
			name  string
			event client.Event
			want  error
		}{
			{"none", client.Event{}, client.ErrBadEvent},
			{"too large", long, client.ErrTooLarge},
		} {
			before := b.Stats().Errors
			equal(t, tt.name, b.Enqueue(tt.event), client.Rejected)
			errs := b.errors()
			if err := errs[len(errs)-1]; !errors.Is(err, tt.want) {
				t.Errorf("%s: OnError was told %v", tt.name, err)
			}
			if err := b.Wait(t.Context(), tt.event); !errors.Is(err, tt.want) {
				t.Errorf("%s: wait says %v", tt.name, err)
			}
			told := 0
			b.Async(tt.event, time.Second, func(err error) {
				if told++; !errors.Is(err, tt.want) {
					t.Errorf("%s: async says %v", tt.name, err)
				}
			})
			settled()
			equal(t, "told", told, 1)
			equal(t, "counted", b.Stats().Errors-before, 3)
		}
		if s := b.errors()[1].Error(); !strings.Contains(s, ":t/long") || strings.Contains(s, "xxx") {
			t.Errorf("the error must name the event and not show its data: %s", s)
		}
	})
}

func TestKeptWhileDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Messages: 1000, Interval: tick})
		fill(t, b.SendQueue, 0, 1000)
		equal(t, "one too many", b.Enqueue(numbered(1000)), client.Rejected)
		time.Sleep(time.Hour)
		settled()
		equal(t, "stats", b.Stats(), client.SendStats{Depth: 1000, Enqueued: 1000, Dropped: 1})
		start := time.Now()
		b.Attach(b.tape)
		settled()
		equal(t, "writes", b.tape.count(), 1)
		equal(t, "time of the write", b.tape.when(0, start), 0)
		equal(t, "events", b.tape.texts(t), numbers(0, 1000))
	})
}

// TestFrozenReader: a server that takes nothing costs one goroutine and what the
// queue may hold, whatever producers do; then nothing is lost.
func TestFrozenReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Messages: 100, Interval: tick})
		b.Attach(b.tape)
		b.tape.freeze()
		before := runtime.NumGoroutine()
		accepted, rejected := 0, 0
		for range 10_000 {
			if b.Enqueue(numbered(accepted)) == client.OK {
				accepted++
			} else {
				rejected++
			}
			time.Sleep(time.Millisecond)
		}
		settled()
		equal(t, "accepted", accepted, 100)
		equal(t, "stats", b.Stats(), client.SendStats{Depth: 100, Enqueued: 100, Dropped: uint64(rejected)})
		if n := runtime.NumGoroutine() - before; n > 1 {
			t.Errorf("%d goroutines more than before", n)
		}
		b.tape.thaw()
		s := b.Stop(t.Context())
		equal(t, "events", b.tape.texts(t), numbers(0, 100))
		equal(t, "sent", s.Sent, 100)
		equal(t, "most writes at a time", b.tape.most, 1)
	})
}

func TestWaitersAreFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Messages: 4, Interval: tick})
		fill(t, b.SendQueue, 0, 4)
		var mu sync.Mutex
		var told []int
		note := func(i int, err error) {
			if err != nil {
				t.Errorf("waiter %d: %v", i, err)
			}
			mu.Lock()
			defer mu.Unlock()
			told = append(told, i)
		}
		for i := 4; i < 20; i++ {
			if i%2 == 0 {
				b.Async(numbered(i), time.Minute, func(err error) { note(i, err) })
				continue
			}
			go func() { note(i, b.Wait(t.Context(), numbered(i))) }()
			settled()
		}
		equal(t, "an enqueue overtakes nobody", b.Enqueue(numbered(99)), client.Rejected)
		equal(t, "waiting", b.Stats().Waiting, 16)
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(told)
		}
		b.Attach(b.tape)
		settled()
		equal(t, "told once there is room for four", count(), 4)
		for range 10 {
			time.Sleep(tick)
			settled()
		}
		equal(t, "events", b.tape.texts(t), numbers(0, 20))
		equal(t, "told", count(), 16)
		equal(t, "stats", b.Stats(), client.SendStats{Enqueued: 20, Sent: 20, Dropped: 1})
		time.Sleep(time.Hour) // their timers are gone
		settled()
		equal(t, "told", count(), 16)
	})
}

func TestWaitersLeaveTheLine(t *testing.T) {
	cause := errors.New("had enough")
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Messages: 1})
		fill(t, b.SendQueue, 0, 1)
		told := map[int]error{}
		var mu sync.Mutex
		note := func(i int, err error) {
			mu.Lock()
			defer mu.Unlock()
			if old, ok := told[i]; ok {
				t.Errorf("waiter %d: told %v and then %v", i, old, err)
			}
			told[i] = err
		}
		soFar := func() map[int]error {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(told)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		for i := 1; i < 9; i++ {
			switch i % 3 {
			case 0:
				b.Async(numbered(i), time.Second, func(err error) { note(i, err) })
			case 1:
				go func() { note(i, b.Wait(ctx, numbered(i))) }()
			case 2:
				b.Async(numbered(i), 0, func(err error) { note(i, err) })
			}
			settled()
		}
		cancel(cause)
		settled()
		equal(t, "after the cancel", soFar(), map[int]error{1: cause, 4: cause, 7: cause})
		time.Sleep(time.Second)
		settled()
		equal(t, "after the timeout", soFar(), map[int]error{
			1: cause, 4: cause, 7: cause, 3: client.ErrTimeout, 6: client.ErrTimeout,
		})
		b.Attach(b.tape)
		settled()
		equal(t, "events", b.tape.texts(t), []string{
			numbered(0).String(), numbered(2).String(), numbered(5).String(), numbered(8).String(),
		})
		equal(t, "told", len(soFar()), 8)
		if err := b.Wait(ctx, numbered(1)); !errors.Is(err, cause) {
			t.Errorf("with a context that is over: %v", err)
		}
		equal(t, "stats", b.Stats(), client.SendStats{Enqueued: 4, Sent: 4, GaveUp: 6})
	})
}

// TestTimeUpAgainstRoom lets the end of waiting and the room come at the same
// moment, on several goroutines: each is told once, and told the truth.
func TestTimeUpAgainstRoom(t *testing.T) {
	outcomes := map[string]int{}
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			b := newSendBench(client.SendOptions{Messages: 1})
			fill(t, b.SendQueue, 0, 1)
			told := make(chan error, 2)
			b.Async(numbered(1), time.Second, func(err error) { told <- err })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			waited := make(chan error, 1)
			go func() { waited <- b.Wait(ctx, numbered(2)) }()
			time.AfterFunc(time.Second, func() { b.Attach(b.tape) })
			settled()
			time.Sleep(time.Second)
			settled()
			want := numbers(0, 1)
			async, wait := <-told, <-waited
			switch {
			case async == nil:
				want = append(want, numbers(1, 2)...)
			case !errors.Is(async, client.ErrTimeout):
				t.Fatalf("async was told %v", async)
			}
			switch {
			case wait == nil:
				want = append(want, numbers(2, 3)...)
			case !errors.Is(wait, context.DeadlineExceeded):
				t.Fatalf("wait said %v", wait)
			}
			outcomes[fmt.Sprint(async == nil, wait == nil)]++
			equal(t, "events", b.tape.texts(t), want)
			if len(told) > 0 {
				t.Error("told twice")
			}
			in := uint64(len(want))
			equal(t, "stats", b.Stats(), client.SendStats{Enqueued: in, Sent: in, GaveUp: 3 - in})
		})
	}
	t.Log("in the queue (async, wait):", outcomes)
}

func TestSendQueueStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Messages: 2, Interval: time.Hour})
		b.Attach(b.tape)
		fill(t, b.SendQueue, 0, 2)
		var told []error
		b.Async(numbered(2), time.Minute, func(err error) { told = append(told, err) })
		var waited error
		go func() { waited = b.Wait(t.Context(), numbered(3)) }()
		settled()
		start := time.Now()
		s := b.Stop(t.Context())
		settled()
		equal(t, "time it took", time.Since(start), 0)
		equal(t, "stats", s, client.SendStats{Enqueued: 2, Sent: 2, GaveUp: 2})
		equal(t, "events", b.tape.texts(t), numbers(0, 2))
		equal(t, "async", told, []error{client.ErrStopped})
		equal(t, "wait", waited, client.ErrStopped)

		equal(t, "again", b.Stop(ended()), s)
		equal(t, "enqueue", b.Enqueue(numbered(4)), client.Rejected)
		equal(t, "wait", b.Wait(t.Context(), numbered(4)), client.ErrStopped)
		b.Async(numbered(4), time.Minute, func(err error) { told = append(told, err) })
		settled()
		equal(t, "async", told, []error{client.ErrStopped, client.ErrStopped})
		equal(t, "stats", b.Stats(), client.SendStats{Enqueued: 2, Sent: 2, Dropped: 3, GaveUp: 2})
	})
}

func TestStopWhileDetached(t *testing.T) {
	for _, tt := range []struct {
		name   string
		attach time.Duration // 0: never
		want   client.SendStats
	}{
		{"a connection comes in time", 2 * time.Second, client.SendStats{Enqueued: 5, Sent: 5}},
		{"none comes", 0, client.SendStats{Enqueued: 5, Dropped: 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSendBench(client.SendOptions{Interval: tick})
				fill(t, b.SendQueue, 0, 5)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if tt.attach > 0 {
					time.AfterFunc(tt.attach, func() { b.Attach(b.tape) })
				}
				start := time.Now()
				equal(t, "stats", b.Stop(ctx), tt.want)
				want := 3 * time.Second
				if tt.attach > 0 {
					want = tt.attach
				}
				equal(t, "time it took", time.Since(start), want)
				if b.Holds() {
					t.Error("a stopped queue keeps memory for entries")
				}
				b.Detach()
				late := newTape()
				b.Attach(late)
				settled()
				equal(t, "writes after the end", late.count(), 0)
			})
		})
	}
}

// TestStopGivesUpAWrite: when the context ends in the middle of a write, the
// rest is dropped; what the write has got out after all is not.
func TestStopGivesUpAWrite(t *testing.T) {
	for _, room := range []int{-1, 0, 30} {
		t.Run(fmt.Sprint("room=", room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSendBench(client.SendOptions{})
				b.Attach(b.tape)
				b.tape.freeze()
				b.tape.room = room
				fill(t, b.SendQueue, 0, 3)
				settled()
				fill(t, b.SendQueue, 3, 5)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				equal(t, "stats", b.Stop(ctx), client.SendStats{Enqueued: 5, Dropped: 5})
				b.tape.thaw()
				settled()
				b.Detach()
				s, came := b.Stats(), uint64(len(b.tape.texts(t)))
				if s.Sent != came || s.Sent+s.Dropped != 5 || s.Depth != 0 {
					t.Errorf("%d events came, %+v", came, s)
				}
				if b.Holds() {
					t.Error("a stopped queue keeps memory for entries")
				}
			})
		})
	}
}

// TestFakeClock: all that has to do with time asks the clock.
func TestFakeClock(t *testing.T) {
	clock := new(handClock)
	b := newSendBench(client.SendOptions{Messages: 1, Interval: time.Hour, Clock: clock})
	b.Attach(b.tape)
	fill(t, b.SendQueue, 0, 1)
	told := make(chan error, 1)
	b.Async(numbered(1), time.Minute, func(err error) { told <- err })
	clock.fire(t, time.Minute)
	if err := <-told; !errors.Is(err, client.ErrTimeout) {
		t.Errorf("told %v", err)
	}
	equal(t, "writes", b.tape.count(), 0)
	clock.fire(t, time.Hour)
	equal(t, "events", b.tape.texts(t), numbers(0, 1))
}

// handClock starts timers that end by hand.
type handClock struct {
	mu     sync.Mutex
	timers []*handTimer
}

type handTimer struct {
	d time.Duration
	f func()
}

func (c *handClock) Now() time.Time { return time.Time{} }

func (c *handClock) AfterFunc(d time.Duration, f func()) client.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timers = append(c.timers, &handTimer{d, f})
	return c.timers[len(c.timers)-1]
}

func (*handTimer) Stop() bool                 { return true }
func (t *handTimer) Reset(time.Duration) bool { return true }

// fire lets the timers of d end.
func (c *handClock) fire(t *testing.T, d time.Duration) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, timer := range c.timers {
		if timer.d == d {
			timer.f()
			return
		}
	}
	t.Fatalf("no timer of %v", d)
}

// TestClientEnqueues: what the queue does is said by the client's methods too.
func TestClientEnqueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := client.New(client.Options{URLs: []string{"ws://127.0.0.1/ws"}, QueueMessages: 2})
		if err != nil {
			t.Fatal(err)
		}
		var told []error
		tell := func(err error) { told = append(told, err) }
		equal(t, "enqueue", c.Enqueue(numbered(0)), client.OK)
		c.EnqueueAsync(numbered(1), time.Second, tell)
		equal(t, "enqueue when full", fmt.Sprint(c.Enqueue(numbered(2))), "rejected")
		c.EnqueueAsync(numbered(3), time.Second, tell)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := c.EnqueueWait(ctx, numbered(4)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait says %v", err)
		}
		s := c.Stop(ended())
		c.EnqueueAsync(numbered(5), time.Second, tell)
		settled()
		equal(t, "told", told, []error{nil, client.ErrTimeout, client.ErrStopped})
		equal(t, "stats", s.Send, client.SendStats{Enqueued: 2, Dropped: 3, GaveUp: 2})

		defer func() {
			if recover() == nil {
				t.Error("no panic without a callback")
			}
		}()
		c.EnqueueAsync(numbered(0), 0, nil)
	})
}
