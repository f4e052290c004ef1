package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// journal notes what callbacks were called with. They run one at a time, so it
// needs no lock within a bubble once synctest.Wait has returned.
type journal []string

func (j *journal) add(format string, args ...any) { *j = append(*j, fmt.Sprintf(format, args...)) }

func (j *journal) want(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(*j, lines) {
		t.Errorf("callbacks:\n  %s\nwant:\n  %s", strings.Join(*j, "\n  "), strings.Join(lines, "\n  "))
	}
	*j = nil
}

func TestHooksInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var j journal
		o := n.options()
		o.OnConnect = func(_ *client.Client, s client.Session) { j.add("connect %s %s %d", s.UID, s.ConnID, s.Number) }
		o.OnReconnect = func(_ *client.Client, s client.Session) { j.add("reconnect %d", s.Number) }
		o.OnChannelReady = func(_ *client.Client, s client.Session) { j.add("ready %d %s %s", s.Number, s.Version, s.URL) }
		o.OnDisconnect = func(_ *client.Client, d *client.Disconnect) { j.add("disconnect %s %d %s", d.Cause, d.Code, d.Text) }
		c := mustNew(t, o)
		c.On("*", func(m client.Message) { j.add("message %s %s", m.ID, m.Data) })
		synctest.Wait()
		j.want(t) // nothing before Start
		c.Start()
		p := n.accept()
		p.write("[:a/b 1]")
		p.write("[:chsk/recv [:a/wrapped {:x 1}]]")
		j.want(t, `connect "alice" conn-1 1`, "ready 1 1.2.3 ws://node-a/ws", "message :a/b 1", "message :a/wrapped {:x 1}")
		p.write("[:a/last]")
		p.close(4001, "go away")
		j.want(t, "message :a/last ", "disconnect server 4001 go away")
		p = n.accept()
		j.want(t, "reconnect 2", "ready 2 1.2.3 ws://node-a/ws")
		p.hangUp()
		j.want(t, "disconnect lost 0 ")
		p = n.accept()
		j.want(t, "reconnect 3", "ready 3 1.2.3 ws://node-a/ws")
		go c.Stop(t.Context())
		if code := p.wantClose(); code != ws.StatusNormalClosure {
			t.Errorf("Stop closes with %d, want 1000", code)
		}
		p.hangUp()
		<-c.Closed()
		j.want(t, "disconnect requested 0 ")
	})
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var windows []time.Duration
		restore := client.SetRandom(func(d time.Duration) time.Duration {
			windows = append(windows, d)
			return d
		})
		defer restore()
		c := mustNew(t, n.options())
		n.setDown(true)
		c.Start()
		time.Sleep(200 * time.Second)
		synctest.Wait()
		var gaps []time.Duration
		dials := n.dials()
		for i := range dials[1:] {
			gaps = append(gaps, dials[i+1].at-dials[i].at)
		}
		s := time.Second
		want := []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s}
		if len(gaps) < len(want) || !slices.Equal(gaps[:len(want)], want) {
			t.Errorf("attempts after %v, want %v", gaps, want)
		}
		// A completed handshake resets it.
		n.setDown(false)
		p := n.accept()
		windows = nil
		p.hangUp()
		n.accept().hangUp()
		p = n.accept()
		synctest.Wait()
		if want := []time.Duration{s, s}; !slices.Equal(windows, want) {
			t.Errorf("windows after handshakes %v, want %v", windows, want)
		}
		// An upgrade without a handshake does not.
		windows = nil
		p.hangUp()
		n.upgrade().hangUp()
		n.upgrade().hangUp()
		n.upgrade()
		if want := []time.Duration{s, 2 * s, 4 * s}; !slices.Equal(windows, want) {
			t.Errorf("windows without handshakes %v, want %v", windows, want)
		}
		stopNow(c)
	})
}

// A server that lets a client in and then sends 1013 has had too much of it.
func TestTryAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		restore := client.SetRandom(func(d time.Duration) time.Duration { return d / 2 })
		defer restore()
		c := mustNew(t, n.options())
		c.Start()
		p := n.accept()
		var waits []time.Duration
		for range 4 {
			began := time.Now()
			p.close(1013, "")
			p = n.accept()
			waits = append(waits, time.Since(began))
		}
		began := time.Now()
		p.close(1012, "")
		n.accept()
		waits = append(waits, time.Since(began))
		s := time.Second
		if want := []time.Duration{s + s/2, s + s, s + 2*s, s + 4*s, s / 2}; !slices.Equal(waits, want) {
			t.Errorf("back after %v, want %v: longer each time after 1013, soon after 1012", waits, want)
		}
		stopNow(c)
	})
}

// Who is kicked does not come back, and says why; other codes of applications are
// no reason to stay away.
func TestKicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		c := mustNew(t, n.options())
		c.Start()
		n.accept().close(4403, "revoked")
		n.accept().close(4410, "enough")
		<-c.Closed()
		err := c.Err()
		if d, ok := errors.AsType[*client.Disconnect](err); !errors.Is(err, client.ErrKicked) || !ok || d.Text != "enough" {
			t.Errorf("Err: %v", err)
		}
		time.Sleep(time.Hour)
		if len(n.dials()) != 2 {
			t.Errorf("%d attempts, want 2", len(n.dials()))
		}
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		restore := client.SetRandom(func(time.Duration) time.Duration { return 0 })
		defer restore()
		var j journal
		o := n.options()
		o.URLs = []string{"ws://node-a/ws?token=secret"}
		o.ConnectTimeout = 3 * time.Second
		o.OnError = func(_ *client.Client, err error) { j.add("%v", err) }
		c := mustNew(t, o)
		c.Start()
		began := time.Now()
		n.refuse("HTTP/1.1 503 Service Unavailable\nRetry-After: 7\nContent-Type: text/plain\nContent-Length: 10\n\nTry again\n")
		p := n.upgrade()
		if d := time.Since(began); d != 7*time.Second {
			t.Errorf("back after %v, want the 7 s of Retry-After", d)
		}
		j.want(t, "connect to ws://node-a/ws: the server answered 503 Service Unavailable: Try again")
		p.write("[:some/thing 1]")
		j.want(t, "connect to ws://node-a/ws: the first message is [:some/thing 1] and no :chsk/handshake: is this a sente-lite service?")
		n.upgrade().frame(ws.NewCloseFrame(ws.NewCloseFrameBody(1008, "no")))
		j.want(t, `connect to ws://node-a/ws: client: connection closed: refused, code 1008, "no"`)
		n.upgrade() // and not a word
		time.Sleep(3 * time.Second)
		j.want(t, "connect to ws://node-a/ws: client: timed out after 3s, waiting for the handshake")
		n.upgrade().write("[:chsk/handshake []]")
		j.want(t, "connect to ws://node-a/ws: the handshake [] has no uid")
		synctest.Wait()
		if stats := stopNow(c); stats.Connects != 0 || stats.Failures != 5 || stats.Attempts != 6 {
			t.Errorf("statistics %+v, want 5 failures and one attempt under way", stats)
		}
	})
}

func TestURLsInTurnAndTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var j journal
		o := n.options()
		o.URLs = []string{"ws://node-a/ws", "ws://node-b:81/ws"}
		o.Header = http.Header{"X-Mine": {"yes"}}
		calls := 0
		o.Token = func(context.Context) (string, error) {
			calls++
			if calls == 3 {
				return "", errors.New("no token today")
			}
			return fmt.Sprintf("t%d", calls), nil
		}
		o.OnError = func(_ *client.Client, err error) { j.add("%v", err) }
		c := mustNew(t, o)
		c.Start()
		for _, want := range []string{"Bearer t1", "Bearer t2", "Bearer t4"} {
			p := n.accept()
			if got := p.header.Get("Authorization"); got != want || p.header.Get("X-Mine") != "yes" {
				t.Errorf("headers %v, want Authorization %q and X-Mine", p.header, want)
			}
			p.hangUp()
		}
		j.want(t, "connect to ws://node-a/ws: token: no token today")
		n.accept()
		var addrs []string
		for _, d := range n.dials() {
			addrs = append(addrs, d.addr)
		}
		if want := []string{"node-a:80", "node-b:81", "node-b:81", "node-a:80"}; !slices.Equal(addrs, want) {
			t.Errorf("dialled %v, want %v", addrs, want)
		}
		if len(o.Header) != 1 {
			t.Errorf("the application's header has become %v", o.Header)
		}
		stopNow(c)
	})
}

func TestMaxAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		o.MaxAttempts = 3
		c := mustNew(t, o)
		n.setDown(true)
		var told error
		c.Handle(client.Handler{Take: true, Once: true, Func: func(_ client.Message, err error) { told = err }})
		if r := c.Enqueue(client.MustEvent("a/b", nil)); r != client.OK {
			t.Errorf("enqueue: %v", r)
		}
		c.Start()
		<-c.Closed()
		synctest.Wait()
		if err := c.Err(); !errors.Is(err, client.ErrAttempts) || !errors.Is(err, errDown) {
			t.Errorf("Err: %v", err)
		}
		if err := c.Ready(t.Context()); !errors.Is(err, client.ErrStopped) || !errors.Is(err, client.ErrAttempts) {
			t.Errorf("Ready: %v", err)
		}
		if !errors.Is(told, client.ErrStopped) {
			t.Errorf("the waiter was told %v", told)
		}
		if r := c.Enqueue(client.MustEvent("a/b", nil)); r != client.Rejected {
			t.Errorf("enqueue after the end: %v", r)
		}
		if len(n.dials()) != 3 {
			t.Errorf("%d attempts, want 3", len(n.dials()))
		}
		stats := c.Stop(t.Context())
		if stats.Send.Dropped != 2 || stats.Send.Depth != 0 {
			t.Errorf("statistics %+v, want the kept and the refused event dropped", stats.Send)
		}
	})
}

// A handshake begins the count of failed attempts anew.
func TestMaxAttemptsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		o.MaxAttempts = 3
		c := mustNew(t, o)
		c.Start()
		for range 3 {
			n.upgrade().hangUp()
			n.upgrade().hangUp()
			n.accept().hangUp()
		}
		if err := c.Err(); err != nil {
			t.Fatalf("Err: %v", err)
		}
		for range 3 {
			n.upgrade().hangUp()
		}
		<-c.Closed()
		if err := c.Err(); !errors.Is(err, client.ErrAttempts) || !strings.Contains(err.Error(), "3 in a row") {
			t.Errorf("Err: %v", err)
		}
	})
}

// What belongs to a connection ends with it: waiters are told why, before
// OnDisconnect, and the buffer begins anew.
func TestWhatEndsWithAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var j journal
		o := n.options()
		o.OnDisconnect = func(_ *client.Client, d *client.Disconnect) { j.add("disconnect %s", d.Cause) }
		c := mustNew(t, o)
		waits := func(name string) {
			c.Handle(client.Handler{ID: "a/wanted", Take: true, Once: true, Func: func(m client.Message, err error) {
				d, _ := errors.AsType[*client.Disconnect](err)
				j.add("%s %s %v", name, m.Data, d)
			}})
		}
		waits("first")
		c.Start()
		p := n.accept()
		p.write("[:a/kept 1]")
		synctest.Wait()
		if depth := c.Stats().Receive.Depth; depth != 1 {
			t.Errorf("%d in the buffer", depth)
		}
		p.close(4000, "x")
		j.want(t, `first  client: connection closed: server, code 4000, "x"`, "disconnect server")
		if s := c.Stats().Receive; s.Depth != 0 || s.Dropped != 1 || s.Closed != 1 {
			t.Errorf("%+v", s)
		}
		waits("second") // meant for the connection to come
		p = n.accept()
		p.write("[:a/wanted 2]")
		j.want(t, "second 2 <nil>")
		stopNow(c)
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		restore := client.SetRandom(func(d time.Duration) time.Duration { return d })
		defer restore()
		c := mustNew(t, n.options())
		var j journal
		done := make(chan struct{})
		go func() {
			defer close(done)
			for s := range c.Watch(t.Context()) {
				j.add("%v %d %v", s.State, s.Attempt, s.Err != nil)
			}
		}()
		j.want(t, "idle 0 false")
		c.Start()
		p := n.upgrade()
		j.want(t, "connecting 1 false")
		p.write(`[:chsk/handshake ["alice" "csrf" {} true]]`)
		j.want(t, "connected 0 false")
		p.hangUp()
		j.want(t, "waiting 0 true")
		if next := time.Until(c.Status().Next); next != time.Second {
			t.Errorf("next attempt in %v", next)
		}
		time.Sleep(time.Second)
		n.upgrade().hangUp()
		j.want(t, "connecting 1 true", "waiting 1 true")
		stopNow(c)
		<-done
		j.want(t, "stopped 1 true")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Ready(ctx); !errors.Is(err, client.ErrStopped) {
			t.Errorf("Ready after Stop: %v", err)
		}
	})
}

func TestReadyNamesTheLastFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.setDown(true)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := client.Connect(ctx, n.options())
		if !errors.Is(err, client.ErrNotReady) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errDown) {
			t.Errorf("Connect: %v", err)
		}
	})
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    client.Options
		want []string
	}{
		{"nothing", client.Options{}, []string{"URLs is empty"}},
		{"http", client.Options{URLs: []string{"ws://a/", "http://a/?secret"}}, []string{`URLs[1]: "http://a/" must be ws://`}},
		{"no host", client.Options{URLs: []string{"ws://:80/"}}, []string{`"ws://:80/" must be ws://`}},
		{"a user", client.Options{URLs: []string{"ws://u:secret@a/"}}, []string{`"ws://a/" has a user before its host: use Token`}},
		{"a fragment", client.Options{URLs: []string{"ws://a/?secret#b"}}, []string{`"ws://a/" has a fragment`}},
		{"malformed", client.Options{URLs: []string{"ws://u:secret@a:port/?secret"}}, []string{`URLs[0]: the url is malformed: invalid port ":port"`}},
		{"control character", client.Options{URLs: []string{"ws://a/?secret\n"}}, []string{`malformed: net/url: invalid control character`}},
		{"headers", client.Options{URLs: []string{"ws://a/"}, Header: http.Header{"host": {"secret"}, "Sec-WebSocket-Protocol": {"x"}}}, []string{
			"must not have Host", "must not have Sec-Websocket-Protocol",
		}},
		{"many", client.Options{
			URLs: []string{"ws://a/"}, QueueMessages: -1, MaxAttempts: -1, ReconnectMin: time.Minute, ReconnectMax: time.Second,
			PingInterval: time.Minute, PeerTimeout: time.Second,
		}, []string{"QueueMessages must be at least 1, not -1", "MaxAttempts must not", "ReconnectMax (1s)", "PeerTimeout (1s)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := client.New(tt.o)
			if !errors.Is(err, client.ErrBadOption) {
				t.Fatalf("error %v", err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%v\nsays what may be secret", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
}
