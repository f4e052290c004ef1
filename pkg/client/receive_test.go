package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// A callback that does not return: what is read waits, up to the backlog, then
// reading stops. Nothing is lost.
func TestFrozenCallback(t *testing.T) {
	type tt struct {
		name     string
		backlog  int
		requests int
		waits    int // messages for the dispatcher, besides the one it has
	}
	const sent = 500
	for _, tt := range []tt{
		{name: "one", backlog: 1, waits: 1},
		{name: "ten", backlog: 10, waits: 10},
		{name: "while a request is out", backlog: 10, requests: 1, waits: 80},
		{name: "while two are out", backlog: 10, requests: 2, waits: 80},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newReceiver(t, func(o *client.Options) { o.Backlog = tt.backlog })
				gate := make(chan bool)
				var got []string
				c.On("t/m", func(m client.Message) {
					<-gate
					got = append(got, string(m.Data))
				})
				c.Expect(tt.requests)
				var put atomic.Int64
				next := func() {
					c.Put(client.Message{ID: ":t/m", Data: client.EDN(fmt.Sprint(put.Load()))})
					put.Add(1)
				}
				next()
				synctest.Wait() // the dispatcher has it
				done := make(chan bool)
				go func() {
					for put.Load() < sent {
						next()
					}
					close(done)
				}()
				synctest.Wait()
				if st := c.ReceiveStats(); st.Backlog != tt.waits || st.Received != uint64(tt.waits+1) || put.Load() != int64(tt.waits+1) {
					t.Errorf("%d put, %+v, want %d to wait", put.Load(), st, tt.waits)
				}
				close(gate)
				<-done
				c.Settle(t.Context())
				if len(got) != sent {
					t.Fatalf("%d of %d came", len(got), sent)
				}
				for i, m := range got {
					if m != fmt.Sprint(i) {
						t.Fatalf("message %d is %s", i, m)
					}
				}
				if st := c.ReceiveStats(); st.Handled != sent || st.Backlog != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// A request that begins while reading has stopped lets it go on, one that ends
// does not.
func TestRequestWhileReadingHasStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newReceiver(t, func(o *client.Options) { o.Backlog = 2 })
		gate := make(chan bool)
		c.Post(func() { <-gate })
		go func() {
			for range 100 {
				c.Put(client.Message{ID: ":t/m"})
			}
		}()
		for i, step := range []struct{ expect, want int }{{0, 2}, {1, 16}, {-1, 16}, {1, 16}, {-1, 16}} {
			c.Expect(step.expect)
			synctest.Wait()
			if st := c.ReceiveStats(); st.Backlog != step.want {
				t.Errorf("step %d: %d wait, want %d", i, st.Backlog, step.want)
			}
		}
		close(gate)
		synctest.Wait()
		if st := c.ReceiveStats(); st.Received != 100 || st.Backlog != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestStopWhileReadingHasStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newReceiver(t, func(o *client.Options) { o.Backlog = 1 })
		gate := make(chan bool)
		c.Post(func() { <-gate })
		done := make(chan bool)
		go func() {
			for range 3 {
				c.Put(client.Message{ID: ":t/m"})
			}
			close(done)
		}()
		synctest.Wait()
		c.StopReceiving(client.ErrStopped)
		<-done // although the callback has not returned
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.Settle(ctx)
		if ctx.Err() == nil {
			t.Error("settled while a callback runs")
		}
		close(gate)
		c.Settle(t.Context())
		if st := c.ReceiveStats(); st.Received != 1 || st.Dropped != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// Whatever ends a waiter: it is told once, or it has been removed.
func TestOneOutcome(t *testing.T) {
	const rounds = 200
	type tt struct {
		name string
		once client.Handler
	}
	for _, tt := range []tt{
		{name: "waiter", once: client.Handler{Take: true, Once: true, Timeout: time.Second}},
		{name: "once-handler", once: client.Handler{Once: true, Timeout: time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for round := range rounds {
				bubble(t, func(t *testing.T) {
					c := newReceiver(t, nil)
					var told, messages, removed atomic.Int64
					h := tt.once
					h.Func = func(_ client.Message, err error) {
						told.Add(1)
						if err == nil {
							messages.Add(1)
						}
					}
					// All of it at the same moment, which is also that of the timeout.
					at := func(f func()) { time.AfterFunc(time.Second, f) }
					var r *client.Registration
					begin := []func(){
						func() { at(func() { c.Put(client.Message{ID: ":t/m"}) }) },
						func() { at(func() { c.Renew(lost) }) },
						func() {
							for range 2 {
								at(func() {
									if r.Remove() {
										removed.Add(1)
									}
								})
							}
						},
						func() { at(func() { removed.Add(int64(c.OffAll())) }) },
						func() { at(func() { c.StopReceiving(client.ErrStopped) }) },
					}
					r = c.Handle(h)
					for i := range begin {
						begin[(i+round)%len(begin)]()
					}
					time.Sleep(2 * time.Second)
					synctest.Wait()
					if told.Load()+removed.Load() != 1 {
						t.Fatalf("round %d: told %d times, removed %d times", round, told.Load(), removed.Load())
					}
					st := c.ReceiveStats()
					if n := st.Timeouts + st.Closed + uint64(messages.Load()+removed.Load()); n != 1 || c.Handlers() != 0 {
						t.Fatalf("round %d: %+v, %d messages, %d removed", round, st, messages.Load(), removed.Load())
					}
					if st.Received != st.Taken+st.Dropped+uint64(st.Depth) {
						t.Fatalf("round %d: %+v does not add up", round, st)
					}
				})
			}
		})
	}
}

func TestTake(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newScene(t, nil)
		s.put("1", "2")
		for _, want := range []string{"2", "1"} {
			if m, err := s.Take(t.Context(), has(want)); err != nil || string(m.Data) != want {
				t.Errorf("Take from the buffer: %v %v", m, err)
			}
		}
		cause := errors.New("the cause")
		type tt struct {
			name string
			then func(cancel context.CancelCauseFunc)
			want error
			data string
		}
		for _, tt := range []tt{
			{name: "message", then: func(context.CancelCauseFunc) { s.put("3") }, data: "3"},
			{name: "context", then: func(cancel context.CancelCauseFunc) { cancel(cause) }, want: cause},
			{name: "connection", then: func(context.CancelCauseFunc) { s.Renew(lost) }, want: lost},
			{name: "off", then: func(cancel context.CancelCauseFunc) {
				if n := s.Off("*") + s.OffAll(); n != 0 {
					t.Errorf("%d calls of Take removed", n)
				}
				cancel(cause)
			}, want: cause},
			{name: "stop", then: func(context.CancelCauseFunc) { s.StopReceiving(client.ErrStopped) }, want: client.ErrStopped},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			var m client.Message
			var err error
			done := make(chan bool)
			go func() {
				m, err = s.Take(ctx, nil)
				close(done)
			}()
			synctest.Wait()
			tt.then(cancel)
			<-done
			cancel(nil)
			if !errors.Is(err, tt.want) || string(m.Data) != tt.data {
				t.Errorf("%s: %v %v", tt.name, m, err)
			}
			if n := s.Handlers(); n != 0 {
				t.Errorf("%s: %d registrations are left", tt.name, n)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if _, err := s.Take(ctx, nil); !errors.Is(err, cause) {
			t.Errorf("with a context that has ended: %v", err)
		}
	})
}

// A message that Take gives up on at that very moment is not lost.
func TestTakeGivesUp(t *testing.T) {
	for range 200 {
		bubble(t, func(t *testing.T) {
			c := newReceiver(t, nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			time.AfterFunc(time.Second, func() { c.Put(client.Message{ID: ":t/m"}) })
			_, err := c.Take(ctx, nil)
			synctest.Wait()
			st := c.ReceiveStats()
			if lost := err != nil && st.Depth == 0; lost || st.Received != st.Taken+uint64(st.Depth) {
				t.Fatalf("%v, %+v", err, st)
			}
		})
	}
}

func TestTakeChan(t *testing.T) {
	type tt struct {
		name string
		then func(s *scene, r *client.Registration)
		want string
	}
	for _, tt := range []tt{
		{name: "message", then: func(s *scene, _ *client.Registration) { s.put("1", "2") }, want: "1"},
		{name: "timeout", then: func(s *scene, _ *client.Registration) { s.advance(time.Second) }, want: "timeout"},
		{name: "connection", then: func(s *scene, _ *client.Registration) { s.Renew(lost) }, want: "closed:lost"},
		{name: "stop", then: func(s *scene, _ *client.Registration) { s.StopReceiving(client.ErrStopped) }, want: "stopped"},
		{name: "remove", then: func(_ *scene, r *client.Registration) { r.Remove() }, want: "nothing"},
		{name: "off", then: func(s *scene, _ *client.Registration) { s.Off("") }, want: "nothing"},
		{name: "remove and message", then: func(s *scene, r *client.Registration) {
			s.put("1")
			r.Remove()
		}, want: "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newScene(t, nil)
				taken, r := s.TakeChan(nil, time.Second)
				tt.then(s, r)
				synctest.Wait()
				got := "nothing"
				if first, ok := <-taken; ok {
					got = outcome(first.Message, first.Err)
					if second, ok := <-taken; ok {
						t.Errorf("a second outcome: %v", second)
					}
				}
				if got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if n := s.Handlers(); n != 0 {
					t.Errorf("%d registrations are left", n)
				}
			})
		})
	}
}

func TestHandleWithoutFunc(t *testing.T) {
	c := newReceiver(t, nil)
	for name, f := range map[string]func(){
		"Handle":    func() { c.Handle(client.Handler{ID: "a"}) },
		"On":        func() { c.On("a", nil) },
		"OnChannel": func() { _, _ = c.OnChannel("a", nil) },
		"Once":      func() { c.Once("a", 0, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s without a function: no panic", name)
				}
			}()
			f()
		}()
	}
	if n := c.Handlers(); n != 0 {
		t.Errorf("%d registered", n)
	}
}

// Many goroutines register, remove and wait while messages come: callbacks never
// overlap, every message is accounted for, nothing is left.
func TestConcurrentUse(t *testing.T) {
	const (
		goroutines = 8
		rounds     = 300
	)
	c := newReceiver(t, func(o *client.Options) { o.Backlog, o.ReceiveBuffer = 16, 32 })
	var inside, calls atomic.Int64
	callback := func(client.Message, error) {
		if inside.Add(1) != 1 {
			t.Error("two callbacks at the same time")
		}
		calls.Add(1)
		inside.Add(-1)
	}
	stop := make(chan bool)
	var feeding, using sync.WaitGroup
	feeding.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				c.Put(client.Message{ID: fmt.Sprintf(":t/m%d", i%5), Data: "1"})
				if i%100 == 99 {
					c.Renew(lost)
				}
			}
		}
	})
	for g := range goroutines {
		using.Go(func() {
			for i := range rounds {
				id := fmt.Sprintf("t/m%d", (g+i)%6)
				regs := []*client.Registration{
					c.Handle(client.Handler{ID: id, Func: callback}),
					c.Handle(client.Handler{ID: id, Once: true, Timeout: time.Millisecond, Func: callback}),
					c.Handle(client.Handler{Match: has("1"), Take: true, Once: i%2 == 0, Func: callback}),
				}
				c.Post(func() { callback(client.Message{}, nil) })
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				_, _ = c.Take(ctx, client.MatchID(id))
				cancel()
				for _, r := range regs {
					r.Remove()
				}
				c.ReceiveStats()
			}
		})
	}
	using.Wait()
	close(stop)
	feeding.Wait()
	c.Settle(t.Context())
	st := c.ReceiveStats()
	if st.Received != st.Taken+st.Dropped+uint64(st.Depth) || st.Backlog != 0 {
		t.Errorf("%+v does not add up", st)
	}
	if st.Handlers != 0 || st.Waiters != 0 || c.Handlers() != 0 {
		t.Errorf("%+v: something is left", st)
	}
	if calls.Load() == 0 || st.Panics != 0 {
		t.Errorf("%d calls, %+v", calls.Load(), st)
	}
}

// A clock of one's own is the one that is asked.
func TestOwnClock(t *testing.T) {
	clock := &manualClock{}
	c := newReceiver(t, func(o *client.Options) { o.Clock = clock })
	var got []string
	c.Once("t/m", time.Minute, func(m client.Message, err error) { got = append(got, outcome(m, err)) })
	r := c.Once("t/m", time.Hour, func(m client.Message, err error) { got = append(got, outcome(m, err)) })
	clock.advance(59 * time.Second)
	c.Settle(t.Context())
	if len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
	clock.advance(time.Second)
	c.Settle(t.Context())
	if strings.Join(got, " ") != "timeout" {
		t.Errorf("told %v", got)
	}
	r.Remove()
	if n := clock.pending(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

// manualClock stands still until it is advanced.
type manualClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*manualTimer]bool
}

type manualTimer struct {
	clock *manualClock
	at    time.Time
	f     func()
}

func (c *manualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *manualClock) AfterFunc(d time.Duration, f func()) client.Timer {
	t := &manualTimer{clock: c, f: f}
	t.Reset(d)
	return t
}

func (c *manualClock) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// advance runs what is due, and waits for it.
func (c *manualClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []func()
	for t := range c.timers {
		if !t.at.After(c.now) {
			delete(c.timers, t)
			due = append(due, t.f)
		}
	}
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
}

func (t *manualTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	was := t.clock.timers[t]
	delete(t.clock.timers, t)
	return was
}

func (t *manualTimer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if t.clock.timers == nil {
		t.clock.timers = map[*manualTimer]bool{}
	}
	was := t.clock.timers[t]
	t.at = t.clock.now.Add(d)
	t.clock.timers[t] = true
	return was
}

// A channel is found however the server writes it.
func TestMatchChannel(t *testing.T) {
	for _, tt := range []struct {
		channel any
		data    client.EDN
		want    bool
	}{
		{"room", `{:channel-id "room" :data 1}`, true},
		{"room", `{:channel-id "r\u006fom" :data 1}`, true},
		{"room", `{:channel-id "other" :data "room"}`, false},
		{"room", `{:channel-id "other" :data "\\\"room\""}`, false},
		{"a \"b\"", `{:channel-id "a \"b\""}`, true},
		{client.EDN("[1 :a]"), `{:channel-id [ 1, :a ]}`, true},
		{client.EDN("#{1 2}"), `{:channel-id #{2 1}}`, true},
		{client.Keyword("room"), `{:channel-id "room"}`, false},
		{"room", `"room"`, false},
		{"room", ``, false},
	} {
		match, err := client.MatchChannel(tt.channel)
		if err != nil {
			t.Fatal(err)
		}
		if got := match(client.Message{ID: client.ChannelMessageID, Data: tt.data}); got != tt.want {
			t.Errorf("%v in %s: %v", tt.channel, tt.data, got)
		}
		if match(client.Message{ID: ":a/b", Data: tt.data}) {
			t.Errorf("%v matches another event", tt.channel)
		}
	}
}

// Nothing is left of what has ended, however it did: a client that waits for
// answers all day grows no list.
func TestNothingPilesUp(t *testing.T) {
	type tt struct {
		name string
		end  func(c *client.Client, r *client.Registration)
	}
	for _, tt := range []tt{
		{name: "message", end: func(c *client.Client, _ *client.Registration) { c.Put(client.Message{ID: ":t/m"}) }},
		{name: "remove", end: func(_ *client.Client, r *client.Registration) { r.Remove() }},
		{name: "timeout", end: func(*client.Client, *client.Registration) { time.Sleep(2 * time.Second) }},
		{name: "connection", end: func(c *client.Client, _ *client.Registration) { c.Renew(lost) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newReceiver(t, func(o *client.Options) { o.ReceiveBuffer = -1 })
				c.On("t/stays", func(client.Message) {})
				ignore := func(client.Message, error) {}
				for i := range 300 {
					h := client.Handler{ID: "t/m", Take: i%2 == 0, Once: true, Timeout: time.Second, Func: ignore}
					if i%3 == 0 {
						h.Match = func(m client.Message) bool { return m.ID == ":t/m" }
					}
					tt.end(c, c.Handle(h))
				}
				c.Settle(t.Context())
				if n := c.Listed(); n != 1 || c.Handlers() != 1 {
					t.Errorf("%d are listed, %d registered, want the one that stays", n, c.Handlers())
				}
			})
		})
	}
}
