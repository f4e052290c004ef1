package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/client"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// url is where node i of the cluster is.
func url(c *testkit.Cluster, i int, query string) string {
	return "ws://" + c.Nodes[i].Addr().String() + "/ws" + query
}

// patience is a context for what must not take long.
func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	return ctx
}

// connect connects a client, and stops it with the test.
func connect(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Connect(patience(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(c) })
	return c
}

func publish(t *testing.T, c *client.Client, channel, data any) {
	t.Helper()
	if r, err := c.Publish(channel, data); r != client.OK || err != nil {
		t.Errorf("publish: %v, %v", r, err)
	}
}

func TestNode(t *testing.T) {
	cluster := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) { o.Channels.MaxSubscriptionsPerConn = 2 })
	ctx := patience(t)
	alice := connect(t, client.Options{URLs: []string{url(cluster, 0, "?uid=alice")}})
	bob := connect(t, client.Options{URLs: []string{url(cluster, 1, "?uid=bob")}, FlushInterval: client.Immediately})
	if s := alice.Status().Session; s.UID != `"alice"` || s.ConnID == "" || s.Version == "" || s.Number != 1 {
		t.Errorf("session %+v", s)
	}

	// Channels, across nodes.
	room := client.EDN("[:doc 7]")
	if err := alice.Subscribe(ctx, room); err != nil {
		t.Fatal(err)
	}
	ofRoom, err := client.MatchChannel(client.EDN("[ :doc, 7 ]")) // the same value
	if err != nil {
		t.Fatal(err)
	}
	if r, err := bob.Publish(room, client.EDN("{:n 1}")); r != client.OK || err != nil {
		t.Fatal(r, err)
	}
	m, err := alice.Take(ctx, ofRoom)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := m.Channel(); !ok || c.Channel != "[:doc 7]" || c.Data != "{:n 1}" || c.From != bob.Status().Session.ConnID {
		t.Errorf("message %+v", c)
	}
	published, err := client.NewPublish(room, 2, client.ExcludeSender())
	if err != nil {
		t.Fatal(err)
	}
	if err := alice.Confirm(ctx, published); err != nil {
		t.Error(err)
	}
	if err := bob.Subscribe(ctx, room); err != nil {
		t.Fatal(err)
	}
	publish(t, bob, room, 3)
	m, err = alice.Take(ctx, ofRoom)
	if c, _ := m.Channel(); err != nil || c.Data != "3" {
		t.Errorf("took %v, %v: alice must not see what she published without herself", m, err)
	}

	// Refusals are typed.
	if err := alice.Subscribe(ctx, "two"); err != nil {
		t.Error(err)
	}
	if err := alice.Subscribe(ctx, "three"); !errors.Is(err, &client.ReplyError{Keyword: ":max-subscriptions-per-conn"}) {
		t.Errorf("a third channel: %v", err)
	}
	if err := alice.Unsubscribe(ctx, "two"); err != nil {
		t.Error(err)
	}
	if err := alice.Unsubscribe(ctx, "two"); !errors.Is(err, &client.ReplyError{Keyword: ":not-subscribed"}) {
		t.Errorf("unsubscribe twice: %v", err)
	}

	// A backend answers, fails, and pushes.
	backend := cluster.Backend(t, 1)
	_, err = backend.Take(ctx, "shop.>", "shop", func(e *bus.Event) {
		var err error
		if string(e.ID) == ":shop/fail" {
			err = e.ReplyError(":chsk/error")
		} else {
			err = e.Reply(fmt.Appendf(nil, "[%s %s]", e.UID, e.Data))
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	value, err := alice.Request(ctx, client.MustEvent("shop/order", map[string]int{"n": 1}))
	if err != nil || value != `["alice" {"n"1}]` && value != `["alice" {"n" 1}]` {
		t.Errorf("answer %s, %v", value, err)
	}
	if _, err := alice.Request(ctx, client.MustEvent("shop/fail", nil)); !errors.Is(err, &client.ReplyError{Keyword: ":chsk/error"}) {
		t.Errorf("failed request: %v", err)
	}
	if _, err := alice.Request(ctx, client.MustEvent("nobody/home", nil)); err == nil {
		t.Error("nobody answered, and no error")
	}
	for i := range 2 {
		if err := backend.PublishUser(bus.String("alice"), fmt.Appendf(nil, "[:shop/shipped %d]", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		m, err := alice.Take(ctx, client.MatchID("shop/shipped"))
		var n int
		if err == nil {
			err = m.Data.Decode(&n)
		}
		if err != nil || n != i {
			t.Errorf("push %d: %v, %v", i, m, err)
		}
	}
}

// A node ends; its clients go on at another one, with what they had enqueued
// meanwhile, and with the subscriptions that the application makes again.
func TestNodeEnds(t *testing.T) {
	cluster := testkit.StartCluster(t, 2, nil)
	ctx := patience(t)
	ended := make(chan *client.Disconnect, 10)
	ready := make(chan client.Session, 10)
	got := make(chan client.EDN, 10)
	c, err := client.New(client.Options{
		URLs:         []string{url(cluster, 0, ""), url(cluster, 1, "")},
		ReconnectMin: 10 * time.Millisecond,
		OnDisconnect: func(_ *client.Client, d *client.Disconnect) { ended <- d },
		OnChannelReady: func(c *client.Client, s client.Session) {
			if err := c.Subscribe(ctx, "room"); err != nil {
				t.Errorf("subscribe: %v", err)
			}
			ready <- s
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stopNow(c)
	if _, err := c.OnChannel("room", func(m client.ChannelMessage) { got <- m.Data }); err != nil {
		t.Fatal(err)
	}
	c.Start()
	<-ready
	if err := cluster.Nodes[0].Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if d := <-ended; d.Cause != client.CauseServer || d.Code != 1012 {
		t.Errorf("disconnect %v, want the server's 1012", d)
	}
	publish(t, c, "room", 1) // kept, or sent already: OnChannelReady has not subscribed yet
	if s := <-ready; s.URL != url(cluster, 1, "") || s.Number != 2 {
		t.Errorf("session %+v", s)
	}
	publish(t, c, "room", 2)
	for v := range got {
		if v == "2" {
			break
		}
	}
}

// Three nodes, and clients that count every message: each publisher's numbers
// must come to every subscriber one after the other, without a gap, without a
// double, from :subscribed on and until :unsubscribed.
func TestCheckerOfClients(t *testing.T) {
	const (
		channels   = 4
		publishers = 6
		steady     = 24
		restless   = 6
		messages   = 400 // of each publisher
	)
	cluster := testkit.StartCluster(t, 3, nil)
	ctx := patience(t)
	channel := func(i int) string { return fmt.Sprintf("room %d", i%channels) }
	at := func(i int) client.Options { return client.Options{URLs: []string{url(cluster, i%3, "")}} }

	var pubs []*client.Client
	names := map[string]int{} // by conn-id
	for i := range publishers {
		c := connect(t, at(i))
		names[c.Status().Session.ConnID] = i
		pubs = append(pubs, c)
	}

	// Steady subscribers: some watch with a handler, some take with a waiter.
	var subs []*ledger
	for i := range steady {
		l := &ledger{channel: channel(i), names: names}
		o := at(i + 1)
		o.OnDisconnect = func(_ *client.Client, d *client.Disconnect) {
			if d.Cause != client.CauseRequested {
				t.Errorf("disconnected: %v", d)
			}
		}
		c, err := client.Connect(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { stopNow(c) }()
		l.client = c
		match, err := client.MatchChannel(l.channel)
		if err != nil {
			t.Fatal(err)
		}
		c.Handle(client.Handler{Match: match, Take: i%2 == 0, Func: func(m client.Message, err error) {
			if err == nil {
				l.note(t, m)
			}
		}})
		if err := c.Subscribe(ctx, l.channel); err != nil {
			t.Fatal(err)
		}
		subs = append(subs, l)
	}

	var (
		work    sync.WaitGroup
		sending atomic.Bool
	)
	sending.Store(true)
	var visits atomic.Int64
	for i := range restless {
		c := connect(t, at(i+2))
		work.Go(func() {
			for sending.Load() {
				l := &ledger{channel: channel(i), names: names, first: true}
				r, err := c.OnChannel(l.channel, func(m client.ChannelMessage) { l.count(t, m) })
				if err != nil {
					t.Error(err)
					return
				}
				if err := c.Subscribe(ctx, l.channel); err != nil {
					t.Error(err)
					return
				}
				if err := c.Unsubscribe(ctx, l.channel); err != nil {
					t.Error(err)
					return
				}
				// What came before the answer may still wait for its turn.
				dispatched := make(chan struct{})
				c.Post(func() { close(dispatched) })
				<-dispatched
				r.Remove()
				visits.Add(1)
			}
		})
	}
	var publishing sync.WaitGroup
	for i, c := range pubs {
		publishing.Go(func() {
			for n := range messages {
				e, err := client.NewPublish(channel(i), n)
				if err == nil {
					err = c.EnqueueWait(ctx, e)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	publishing.Wait()
	sending.Store(false)
	work.Wait()
	for i, l := range subs {
		want := int64(0)
		for p := range publishers {
			if channel(p) == l.channel {
				want += messages
			}
		}
		testkit.Eventually(t, fmt.Sprintf("all %d messages at subscriber %d (it has %d)", want, i, l.total.Load()),
			func() bool { return l.total.Load() == want })
		stats := l.client.Stats().Receive
		if stats.Received < uint64(want) || i%2 == 0 && stats.Taken != uint64(want) || i%2 == 1 && stats.Handled != uint64(want) {
			t.Errorf("subscriber %d: %d messages, and statistics %+v", i, want, stats)
		}
	}
	for i, c := range pubs {
		stopped := c.Stop(ctx).Send
		if stopped.Sent != messages || stopped.Dropped != 0 || stopped.Errors != 0 {
			t.Errorf("publisher %d: %+v", i, stopped)
		}
	}
	if visits.Load() < restless {
		t.Errorf("only %d visits of those who come and go", visits.Load())
	}
	t.Logf("%d messages, %d visits", publishers*messages, visits.Load())
}

// ledger is what one subscriber has got.
type ledger struct {
	channel string
	names   map[string]int
	first   bool // any number may be the first
	client  *client.Client
	total   atomic.Int64

	next []int // by publisher; owned by the client's dispatcher
}

func (l *ledger) note(t *testing.T, m client.Message) {
	c, ok := m.Channel()
	if !ok {
		t.Errorf("no message of a channel: %v", m)
		return
	}
	l.count(t, c)
}

func (l *ledger) count(t *testing.T, m client.ChannelMessage) {
	p, known := l.names[m.From]
	var n int
	if err := m.Data.Decode(&n); err != nil || !known {
		t.Errorf("%s: message %v: %v", l.channel, m, err)
		return
	}
	if l.next == nil {
		l.next = slices.Repeat([]int{-1}, len(l.names))
	}
	switch {
	case l.next[p] < 0 && (l.first || n == 0):
	case l.next[p] != n:
		t.Errorf("%s: publisher %d: number %d came, %d was due", l.channel, p, n, l.next[p])
	}
	l.next[p] = n + 1
	l.total.Add(1)
}

// What a backend says when it lets a client connect is in the session.
func TestHandshakeData(t *testing.T) {
	cluster := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.Callouts.Connect = true })
	_, err := cluster.Backend(t, 0).TakeCallouts(patience(t), bus.CalloutConnect, "gate", func(q *bus.Callout) {
		if err := q.AllowAs(bus.Admission{UID: bus.String("carol"), HandshakeData: []byte(`{:plan "free"}`)}); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, client.Options{URLs: []string{url(cluster, 0, "")}})
	if s := c.Status().Session; s.UID != `"carol"` || s.Data != `{:plan "free"}` || s.ConnID == "" {
		t.Errorf("session %+v", s)
	}
}
