package client_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// Whatever of the application does not return, Stop does.
func TestStopWhileTheApplicationIsStuck(t *testing.T) {
	const patience = 4 * time.Second
	for _, tt := range []struct {
		name string
		set  func(o *client.Options, release <-chan struct{})
	}{
		{"in OnSend", func(o *client.Options, release <-chan struct{}) {
			o.OnSend = func(client.Event) error { <-release; return nil }
		}},
		{"in Token", func(o *client.Options, release <-chan struct{}) {
			o.Token = func(context.Context) (string, error) { <-release; return "", nil }
		}},
		{"in OnConnect", func(o *client.Options, release <-chan struct{}) {
			o.OnConnect = func(*client.Client, client.Session) { <-release }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				o := n.options()
				release := make(chan struct{})
				tt.set(&o, release)
				c := mustNew(t, o)
				c.Enqueue(client.MustEvent("a/b", nil))
				c.Start()
				if o.Token == nil {
					p := n.accept()
					go func() { // reads as a server does
						for _, _, err := p.next(); err == nil; _, _, err = p.next() {
							continue
						}
					}()
				}
				synctest.Wait()
				ctx, cancel := contextIn(t, patience)
				defer cancel()
				began := time.Now()
				c.Stop(ctx)
				if d := time.Since(began); d > patience+2*client.DefaultCloseTimeout {
					t.Errorf("stopped after %v", d)
				}
				close(release)
				<-c.Closed() // and then all of it ends
			})
		})
	}
}

// Every method that a callback may call, called by one. Stop waits for the
// callback, as it says, until its context ends.
func TestCallbacksMayCallEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var j journal
		o := n.options()
		o.QueueMessages = 2
		e := client.MustEvent("a/up", nil)
		c := mustNew(t, o)
		var r *client.Registration
		r = c.On("a/go", func(client.Message) {
			j.add("remove %v", r.Remove())
			c.Once("a/other", time.Minute, func(client.Message, error) {})
			j.add("off %d %d, %d left", c.Off("a/other"), c.OffAll(), c.Handlers())
			c.On("a/next", func(m client.Message) { j.add("next %s", m.Data) })
			j.add("enqueue %v", c.Enqueue(e))
			c.EnqueueAsync(e, 0, func(err error) { j.add("async %v", err) })
			ctx, cancel := contextIn(t, time.Second)
			defer cancel()
			j.add("wait %v", c.EnqueueWait(ctx, e))
			v, err := c.Request(ctx, client.MustEvent("my/ask", nil))
			j.add("request %s %v", v, err)
			j.add("ready %v %v %v", c.Ready(ctx), c.Status().State, c.Err())
			c.Start()
			st := c.Stop(ctx)
			j.add("stop %d sent, %v", st.Send.Sent, errors.Is(c.Err(), client.ErrStopped))
		})
		c.Start()
		p := n.accept()
		p.write("[:a/go]")
		for range 3 {
			p.want(e.String())
		}
		_, id := callback(t, p.read())
		p.write("[:a/next 1]")
		p.write(`[7 "` + id + `"]`)
		p.close(1000, "")
		<-c.Closed()
		time.Sleep(time.Second)
		j.want(t,
			"remove true", "off 1 0, 0 left", "enqueue ok", "wait <nil>", "request 7 <nil>", "ready <nil> connected <nil>",
			"stop 4 sent, true", "async <nil>", "next 1")
	})
}

// OnSend runs on the flusher: a Stop there waits for itself, until it is over.
func TestOnSendStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		var c *client.Client
		o.OnSend = func(client.Event) error {
			ctx, cancel := contextIn(t, time.Second)
			defer cancel()
			c.Stop(ctx)
			return nil
		}
		c = mustNew(t, o)
		c.Enqueue(client.MustEvent("a/b", nil))
		c.Start()
		n.accept()
		<-c.Closed()
		if s := c.Stats().Send; s.Depth != 0 || s.Sent+s.Dropped != 1 {
			t.Errorf("statistics %+v", s)
		}
	})
}

// A panic of the application, or the end of a goroutine that is not its own, is
// one failure and not the end.
func TestTokenPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		var told error
		calls := 0
		o.Token = func(context.Context) (string, error) {
			if calls++; calls == 1 {
				panic("no token")
			}
			return "", nil
		}
		o.OnError = func(_ *client.Client, err error) { told = err }
		c := mustNew(t, o)
		c.Start()
		p := n.accept()
		synctest.Wait()
		if v, ok := p.header["Authorization"]; ok {
			t.Errorf("without a token Authorization is %q", v)
		}
		if _, ok := errors.AsType[*client.PanicError](told); !ok || !strings.Contains(told.Error(), "token: client: panic in a callback: no token") {
			t.Errorf("OnError was told %v", told)
		}
		stopNow(c)
	})
}

func TestTokenEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newNetwork(t).options()
		o.Token = func(context.Context) (string, error) { runtime.Goexit(); return "", nil }
		c := mustNew(t, o)
		c.Start()
		c.Stop(t.Context()) // does not wait for ever
		if err := c.Err(); !errors.Is(err, client.ErrStopped) || !strings.Contains(err.Error(), "Token") {
			t.Errorf("Err: %v", err)
		}
	})
}

func TestOnSendEndsItsGoroutine(t *testing.T) {
	for _, interval := range []time.Duration{0, tick} {
		synctest.Test(t, func(t *testing.T) {
			b := newSendBench(client.SendOptions{Interval: interval, OnSend: func(e client.Event) error {
				if e == numbered(1) {
					runtime.Goexit()
				}
				return nil
			}})
			b.Attach(b.tape)
			fill(t, b.SendQueue, 0, 3)
			time.Sleep(2 * tick)
			s := b.Stop(t.Context())
			equal(t, "stats", s, client.SendStats{Enqueued: 3, Sent: 2, Errors: 1})
			equal(t, "events", b.tape.texts(t), append(numbers(0, 1), numbers(2, 3)...))
			equal(t, "errors", len(b.errors()), 1)
		})
	}
}

// A service that lets a client in only to throw it out again is not asked twice
// a second for ever, and not less often than that at first either: nodes end one
// after the other.
func TestConnectionsThatDoNotLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var windows []time.Duration
		defer client.SetRandom(func(d time.Duration) time.Duration {
			windows = append(windows, d)
			return d
		})()
		c := mustNew(t, n.options())
		c.Start()
		for i := range 9 {
			p := n.accept()
			switch i % 3 {
			case 0:
				p.hangUp()
			case 1:
				p.close(1012, "")
			case 2:
				p.close(4003, "not you")
			}
		}
		p := n.accept()
		time.Sleep(time.Second) // this one lasts
		p.hangUp()
		n.accept().hangUp()
		n.accept()
		synctest.Wait()
		s := time.Second
		want := []time.Duration{s, s, s, 2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s, s, s}
		if !slices.Equal(windows, want) {
			t.Errorf("windows %v, want %v", windows, want)
		}
		stopNow(c)
	})
}

// A clock that can jump, as time does for a process that was not run meanwhile.
type jumpingClock struct{ ahead atomic.Int64 }

func (c *jumpingClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *jumpingClock) AfterFunc(d time.Duration, f func()) client.Timer { return time.AfterFunc(d, f) }

// Nobody is taken for dead who was not asked, or whose answer there was no time
// to read.
func TestHeartbeatAfterStandingStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		o.PingInterval, o.PeerTimeout = 10*time.Second, 25*time.Second
		clock := &jumpingClock{}
		o.Clock = clock
		var ended *client.Disconnect
		o.OnDisconnect = func(_ *client.Client, d *client.Disconnect) { ended = d }
		c := mustNew(t, o)
		c.Start()
		p := n.accept()
		synctest.Wait()
		for _, asked := range []bool{false, true} {
			if asked {
				p.want("[:chsk/ws-ping]") // and no answer yet
			}
			clock.ahead.Add(int64(time.Minute))
			p.want("[:chsk/ws-ping]")
			if ended != nil {
				t.Fatalf("disconnect %v", ended)
			}
			p.write("[:chsk/ws-pong]")
			synctest.Wait()
		}
		// Without an answer it ends all the same.
		for _, _, err := p.next(); err == nil; _, _, err = p.next() {
			continue
		}
		synctest.Wait()
		if ended == nil || ended.Cause != client.CauseSilent {
			t.Errorf("disconnect %v", ended)
		}
		stopNow(c)
	})
}

// The silence while the application keeps the client from reading ends with
// that, not with the next frame.
func TestHeartbeatAfterABusyApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		o.Backlog = 1
		o.PingInterval, o.PeerTimeout = 10*time.Second, 25*time.Second
		began := time.Now()
		var last, ended time.Duration
		o.OnDisconnect = func(*client.Client, *client.Disconnect) { ended = time.Since(began) }
		c := mustNew(t, o)
		c.On("a/b", func(client.Message) {
			last = time.Since(began)
			time.Sleep(9 * time.Second)
		})
		c.Start()
		h := &held{Conn: <-n.conns}
		p := upgrade(t, h)
		p.write(handshake)
		for range 10 {
			p.write("[:a/b]")
		}
		go func() { _, _ = h.Conn.Write(h.Bytes()) }()
		q := &peer{t: t, conn: h.Conn}
		for _, _, err := q.next(); err == nil; _, _, err = q.next() { // and never answers
			continue
		}
		synctest.Wait()
		// Its last message but one was put when the one before began to be handled.
		if least := last - 9*time.Second + o.PeerTimeout; last != 81*time.Second || ended < least || ended > least+o.PingInterval {
			t.Errorf("last message at %v, end at %v, want it at %v or a little later", last, ended, least)
		}
		stopNow(c)
	})
}

// Messages are bounded in bytes too: a thousand of the longest would be
// gigabytes.
func TestBytesAreBounded(t *testing.T) {
	long := client.Message{ID: ":a/b", Data: client.EDN(strings.Repeat("x", 1<<20))}
	huge := client.Message{ID: ":a/b", Data: client.EDN(strings.Repeat("x", 17<<20))}
	for _, tt := range []struct {
		name     string
		requests int
		m        client.Message
		waits    int // messages for the dispatcher, besides the one it has
		keeps    int
	}{
		{"long", 0, long, 16, 15},
		{"long, while a request is out", 1, long, 128, 15},
		{"huge", 0, huge, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newReceiver(t, nil)
				c.Expect(tt.requests)
				gate := make(chan bool)
				c.Post(func() { <-gate })
				const sent = 150
				done := make(chan bool)
				go func() {
					waited := 0
					for range sent {
						if c.Put(tt.m) {
							waited++
						}
					}
					if waited == 0 {
						t.Error("put never waits")
					}
					close(done)
				}()
				synctest.Wait()
				if st := c.ReceiveStats(); st.Backlog != tt.waits {
					t.Errorf("%d wait, want %d", st.Backlog, tt.waits)
				}
				close(gate)
				<-done
				c.Settle(t.Context())
				if st := c.ReceiveStats(); st.Depth != tt.keeps || st.Dropped != uint64(sent-tt.keeps) || st.Unseen != st.Dropped {
					t.Errorf("%+v, want %d kept", st, tt.keeps)
				}
				c.Handle(client.Handler{Take: true, Func: func(client.Message, error) {}})
				c.Settle(t.Context())
				c.Put(tt.m)
				c.Settle(t.Context())
				if st := c.ReceiveStats(); st.Depth != 0 || st.Taken != uint64(tt.keeps+1) {
					t.Errorf("%+v, want all taken", st)
				}
			})
		})
	}
}

// The server's own pings end a silence, and so does half a message.
func TestAnyFrameIsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		o.PeerTimeout = 10 * time.Second // and PingInterval follows
		c := mustNew(t, o)
		c.Start()
		p := n.accept()
		go func() {
			for _, _, err := p.next(); err == nil; _, _, err = p.next() {
				continue
			}
		}()
		for _, f := range []ws.Frame{
			ws.NewPingFrame(nil), ws.NewPongFrame(nil),
			{Header: ws.Header{OpCode: ws.OpText}},
			{Header: ws.Header{OpCode: ws.OpContinuation}},
			ws.NewPingFrame(nil),
		} {
			time.Sleep(9 * time.Second)
			p.frame(f)
		}
		synctest.Wait()
		if s := c.Status(); s.State != client.Connected || s.Session.Number != 1 {
			t.Errorf("status %+v", s)
		}
		stopNow(c)
	})
}
