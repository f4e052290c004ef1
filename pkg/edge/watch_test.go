package edge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// tracing is a trace under way.
type tracing struct {
	t    *testing.T
	end  context.CancelFunc
	done chan error

	mu         sync.Mutex
	began      int
	over       []string
	lines      []bus.TraceLine
	suppressed int
}

// startTrace begins a trace, and waits until so many nodes have.
func startTrace(t *testing.T, c *bus.Client, q bus.TraceQuery, nodes int) *tracing {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	tr := &tracing{t: t, end: cancel, done: make(chan error, 1)}
	t.Cleanup(cancel)
	go func() {
		tr.done <- c.Trace(ctx, q, func(b bus.TraceBatch) {
			tr.mu.Lock()
			defer tr.mu.Unlock()
			if b.Began {
				tr.began++
			}
			if b.Over != "" {
				tr.over = append(tr.over, b.Over)
			}
			tr.lines = append(tr.lines, b.Lines...)
			tr.suppressed += b.Suppressed
		})
	}()
	testkit.Eventually(t, "the trace has begun", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.began == nodes
	})
	return tr
}

// until waits for a number of lines, and returns them as text, without what differs
// from run to run.
func (tr *tracing) until(count int) []string {
	tr.t.Helper()
	var lines []string
	testkit.Eventually(tr.t, fmt.Sprintf("%d lines", count), func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		lines = nil
		for _, l := range tr.lines {
			text := l.Kind
			for _, s := range []string{l.Event, l.Channel, l.Reason, l.Format} {
				if s != "" {
					text += " " + s
				}
			}
			if l.Code != 0 {
				text += fmt.Sprint(" ", l.Code)
			}
			if l.Count != 0 {
				text += fmt.Sprint(" x", l.Count)
			}
			lines = append(lines, text)
		}
		return len(lines) >= count
	})
	return lines
}

func (tr *tracing) expect(want ...string) {
	tr.t.Helper()
	if got := tr.until(len(want)); !slices.Equal(got, want) {
		tr.t.Errorf("traced\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTraceUser(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) { o.RequestTimeout = 200 * time.Millisecond })
	admin, ctx := surveyor(t, c, 0)
	taken := make(chan *bus.Event, 4)
	_, err := admin.Take(ctx, "shop.>", "shop", func(e *bus.Event) {
		var err error
		switch text := string(e.Event); {
		case strings.Contains(text, ":shop/ask"):
			err = e.Reply([]byte(`"secret answer"`))
		case strings.Contains(text, ":shop/refuse"):
			err = e.ReplyError(":shop/closed")
		}
		if err != nil {
			t.Error(err)
		}
		taken <- e
	})
	must(t, err)

	other := c.Dial(t, 1, "/?uid=bob")
	other.Subscribe(`"lobby"`)
	old := c.Dial(t, 1, "/?uid=alice")
	tr := startTrace(t, admin, bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}}, 2)

	// A connection that was there, each step behind the last one.
	old.Send(`[:shop/seen "secret event"]`)
	await(t, taken)
	want := []string{"in :shop/seen edn"}
	tr.expect(want...)
	old.Send(`[[:shop/ask 1] "cb"]`)
	old.Expect(`["secret answer" "cb"]`)
	await(t, taken)
	want = append(want, "in :shop/ask edn", "reply :shop/ask edn")
	tr.expect(want...)
	old.Send(`[[:shop/late 1] "cb"]`)
	old.Expect(`[:chsk/timeout "cb"]`)
	want = append(want, "in :shop/late edn", "reply :shop/late timeout")
	tr.expect(want...)
	old.Send(`[[:shop/refuse 1] "cb"]`)
	old.Expect(`[:shop/closed "cb"]`)
	await(t, taken)
	want = append(want, "in :shop/refuse edn", "reply :shop/refuse :shop/closed")
	tr.expect(want...)
	old.Send(`[[:nobody/there 1] "cb"]`)
	old.Expect(`[:chsk/error "cb"]`)
	want = append(want, "in :nobody/there edn", "reply :nobody/there no-responders")
	tr.expect(want...)
	old.Subscribe(`"lobby"`)
	want = append(want, `in :sente-lite/subscribe "lobby" edn`, `subscribed "lobby"`)
	tr.expect(want...)
	other.Publish(`"lobby"`, `"secret message"`)
	old.Expect(testkit.Message(`"lobby"`, `"secret message"`, other.ConnID))
	want = append(want, `message "lobby" edn`)
	tr.expect(want...)
	must(t, admin.PublishUser(bus.String("alice"), []byte(`[:a/push "secret push"]`)))
	old.Expect(`[:a/push "secret push"]`)
	want = append(want, "push :a/push edn")
	tr.expect(want...)
	must(t, admin.PublishAll([]byte("[:a/all]")))
	old.Expect("[:a/all]")
	want = append(want, "all :a/all edn")
	tr.expect(want...)
	old.Send("[:chsk/state 1]")
	want = append(want, "refused reserved-event-id")
	tr.expect(want...)
	old.Send(`[:sente-lite/unsubscribe {:channel-id "lobby"}]`)
	old.Expect(`[:sente-lite/subscribed {:channel-id "lobby", :success true}]`)
	want = append(want, `in :sente-lite/unsubscribe "lobby" edn`, `unsubscribed "lobby"`)
	tr.expect(want...)

	// One that comes meanwhile, on the other node; a tab that is away.
	tab := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	want = append(want, "open sente/edn")
	tr.expect(want...)
	tab.Conn.Close()
	want = append(want, "close eof 1006")
	tr.expect(want...)
	must(t, admin.PublishClient("tab-1", []byte("[:a/waits]")))
	want = append(want, "kept :a/waits edn")
	tr.expect(want...)
	done, err := admin.Kick(ctx, bus.Kick{ConnID: old.ConnID})
	if err != nil || done.Closed() != 1 {
		t.Errorf("kicked %+v, %v", done, err)
	}
	want = append(want, "close server 4410")
	tr.expect(want...)

	// Who has gone is not held on to, although the trace goes on.
	for i, n := range c.Nodes {
		testkit.Eventually(t, fmt.Sprintf("node %d watches nobody", i), func() bool {
			watches, sessions := edge.Traces(n)
			return watches == 1 && sessions == 0
		})
	}

	// Nothing of what was said, and nothing of others.
	tr.mu.Lock()
	for _, l := range tr.lines {
		if strings.Contains(fmt.Sprintf("%+v", l), "secret") || l.Conn == other.ConnID || l.At.IsZero() {
			t.Errorf("told %+v", l)
		}
	}
	tr.mu.Unlock()
	tr.end()
	must(t, await(t, tr.done))
	unwatched(t, c.Nodes...)
}

// unwatched waits until nobody watches anybody.
func unwatched(t *testing.T, nodes ...*edge.Node) {
	t.Helper()
	for i, n := range nodes {
		testkit.Eventually(t, fmt.Sprintf("node %d is not watched", i), func() bool {
			watches, sessions := edge.Traces(n)
			return watches == 0 && sessions == 0
		})
	}
}

func TestTraceOthers(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, nil)
	admin, _ := surveyor(t, c, 1)
	a, b := c.Dial(t, 0, "/?uid=alice"), c.Dial(t, 1, "/?uid=alice")
	conn := startTrace(t, admin, bus.TraceQuery{Target: bus.Target{ConnID: a.ConnID}}, 2)
	channel := startTrace(t, admin, bus.TraceQuery{Target: bus.Target{Channel: bus.Keyword("chat/room")}}, 2)
	client := startTrace(t, admin, bus.TraceQuery{Target: bus.Target{ClientID: "tab-9"}}, 2)
	must(t, admin.PublishUser(bus.String("alice"), []byte("[:a/b]")))
	a.Expect("[:a/b]")
	b.Expect("[:a/b]")
	conn.expect("push :a/b edn")
	b.Subscribe(":chat/room")
	channel.expect("subscribed :chat/room")
	must(t, admin.PublishChannel(bus.Keyword("chat/room"), []byte("1")))
	b.Expect(testkit.Message(":chat/room", "1", ""))
	channel.expect("subscribed :chat/room", "message :chat/room edn x1")

	// A client that polls.
	p := newPoller(t, c, "tab-9", func() int { return 1 })
	p.Open()
	client.expect("open sente/edn")
	must(t, admin.PublishClient("tab-9", []byte("[:a/poll]")))
	if got := p.Poll(""); got != "[[[:a/poll]] nil]" {
		t.Errorf("polled %s", got)
	}
	client.expect("open sente/edn", "kept :a/poll edn")
	for _, tr := range []*tracing{conn, channel, client} {
		tr.end()
		must(t, await(t, tr.done))
	}
	unwatched(t, c.Nodes...)
}

func TestTraceBounds(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, nil)
	admin, ctx := surveyor(t, c, 0)
	a := c.Dial(t, 0, "/?uid=alice")

	// The rate: the burst is told, the rest counted, and nothing is lost count of.
	tr := startTrace(t, admin, bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}, Rate: 5, Time: 2 * time.Second}, 1)
	const pushes = 200
	for range pushes {
		must(t, admin.PublishUser(bus.String("alice"), []byte("[:a/b]")))
	}
	for range pushes {
		a.Expect("[:a/b]")
	}
	testkit.Eventually(t, "all are told or counted", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return len(tr.lines)+tr.suppressed == pushes
	})
	// The time: it ends by itself.
	must(t, await(t, tr.done))
	if n := len(tr.lines); n < 5 || n > 5+5*3 || !slices.Equal(tr.over, []string{"time"}) {
		t.Errorf("%d lines told, %d not, over %q", n, tr.suppressed, tr.over)
	}
	unwatched(t, c.Nodes[0])

	// The number: one more is refused.
	var all []*tracing
	for range 16 {
		all = append(all, startTrace(t, admin, bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}}, 1))
	}
	err := admin.Trace(ctx, bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}}, func(bus.TraceBatch) {})
	if remote, ok := errors.AsType[*bus.RemoteError](err); !ok || remote.Keyword != ":too-many-traces" {
		t.Errorf("one more: %v", err)
	}
	for _, tr := range all {
		tr.end()
		must(t, await(t, tr.done))
	}
	unwatched(t, c.Nodes[0])

	// An asker that does not say that he listens, and one who has gone.
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	for _, listens := range []bool{true, false} {
		inbox := nats.NewInbox()
		sub, err := nc.SubscribeSync(inbox)
		must(t, err)
		must(t, nc.PublishRequest("hoshi.api.trace."+c.Nodes[0].ID().String(), inbox, []byte(`{"uid": "alice"}`)))
		m, err := sub.NextMsg(testkit.Patience)
		must(t, err)
		if !strings.Contains(string(m.Data), `"began":true`) {
			t.Errorf("began with %s", m.Data)
		}
		if !listens {
			must(t, sub.Unsubscribe())
			must(t, nc.Flush())
		}
		begun := time.Now()
		unwatched(t, c.Nodes[0])
		if took := time.Since(begun); listens != (took > 4*time.Second) {
			t.Errorf("listening %v: ended after %v", listens, took)
		}
	}

	// A node that loses NATS ends its traces.
	tr = startTrace(t, admin, bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}}, 1)
	c.NATS[0].Shutdown()
	unwatched(t, c.Nodes[0])
	if err := await(t, tr.done); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("without NATS: %v", err)
	}
	c.Restart(t, 0)
}

func await[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(testkit.Patience):
		t.Fatalf("nothing within %v", testkit.Patience)
	}
	return v
}
