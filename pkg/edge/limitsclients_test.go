package edge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// refusedDial dials where it is to be refused, and returns the answer.
func refusedDial(t *testing.T, n *edge.Node, path string) (status int, body string, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.Addr().String()+path, nil)
	must(t, err)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols {
		t.Fatalf("%s was let in", path)
	}
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer.StatusCode, string(text), answer.Header
}

// A user has so many connections to a node, sockets and polls together. Nobody
// else is hurt, who has no uid is not counted, and what ends may be had again.
func TestConnectionsOfAUser(t *testing.T) {
	c := senteNode(t, 1, func(o *edge.Options) {
		o.Limits.MaxConnectionsPerUser = 2
		o.Sente.ReconnectAjax = 200 * time.Millisecond
	})
	n := c.Nodes[0]
	first, second := c.Dial(t, 0, "/?uid=alice"), c.Dial(t, 0, "/chsk?client-id=tab-1&uid=alice")
	for _, path := range []string{"/?uid=alice", "/chsk?client-id=tab-2&uid=alice"} {
		status, body, header := refusedDial(t, n, path)
		if status != 429 || header.Get("Retry-After") != "5" || !strings.Contains(body, "This user has") {
			t.Errorf("%s: %d %q %v", path, status, body, header)
		}
	}
	p := newPoller(t, c, "tab-3", func() int { return 0 })
	p.query.Set("uid", "alice")
	answer, err := http.Get(p.url("&handshake%3F=1"))
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != 429 || answer.Header.Get("Retry-After") != "5" {
		t.Errorf("a poll: %d %v", answer.StatusCode, answer.Header)
	}
	if st := n.Stats(); st.RefusedUpgrades["user-connections"] != 3 || st.Limits.Users != 1 {
		t.Errorf("counted %d, %d users", st.RefusedUpgrades["user-connections"], st.Limits.Users)
	}
	// The same tab takes its own place.
	third := c.Dial(t, 0, "/chsk?client-id=tab-1&uid=alice")
	second.ExpectClose(1000)
	for range 5 {
		c.Dial(t, 0, "/")
		c.Dial(t, 0, fmt.Sprintf("/chsk?client-id=other-%d", time.Now().UnixNano()))
	}
	c.Dial(t, 0, "/?uid=bob")
	must(t, first.Conn.Close())
	must(t, third.Conn.Close())
	testkit.Eventually(t, "alice is gone", func() bool { return n.Stats().Limits.Users == 1 })
	p.Open()
	c.Dial(t, 0, "/?uid=alice")
	if status, _, _ := refusedDial(t, n, "/?uid=alice"); status != 429 {
		t.Errorf("beside a poll and a socket: %d", status)
	}
	testkit.Eventually(t, "the poll's session has ended", func() bool { return n.Stats().Sente.Sessions == 0 })
	c.Dial(t, 0, "/?uid=alice")
}

// A full node still says that it is well, and polls count as sockets do.
func TestFullNode(t *testing.T) {
	c := senteNode(t, 1, func(o *edge.Options) {
		o.Limits.MaxConnections = 2
		o.Sente.ReconnectAjax = 200 * time.Millisecond
	})
	n := c.Nodes[0]
	socket := c.Dial(t, 0, "/?uid=alice")
	p := newPoller(t, c, "tab-1", func() int { return 0 })
	p.Open()
	if status, body, header := refusedDial(t, n, "/?uid=bob"); status != 503 || header.Get("Retry-After") == "" || body == "" {
		t.Errorf("a third: %d %q %v", status, body, header)
	}
	other := newPoller(t, c, "tab-2", func() int { return 0 })
	answer, err := http.Get(other.url("&handshake%3F=1"))
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" {
		t.Errorf("a third that polls: %d %v", answer.StatusCode, answer.Header)
	}
	for _, path := range []string{"/health", "/health/ready"} {
		if got := status(t, "http://"+n.Addr().String()+path); got != 200 {
			t.Errorf("%s: %d", path, got)
		}
	}
	if st := n.Stats(); st.Sockets.Refused["full"] != 2 || st.Sockets.Conns != 2 {
		t.Errorf("counted %d, %d connections", st.Sockets.Refused["full"], st.Sockets.Conns)
	}
	socket.Send(`[[:x/y 1] "cb"]`)
	socket.Read()
	testkit.Eventually(t, "the poll's session has ended", func() bool { return n.Stats().Sockets.Conns == 1 })
	c.Dial(t, 0, "/?uid=bob")
}

// What a client that polls sends has the rates of a socket, whichever node it
// comes to.
func TestRateOfPosts(t *testing.T) {
	everyWay(t, func(t *testing.T, node int) {
		c, p, at := ajaxNodes(t, 2, func(o *edge.Options) { o.Limits.MaxEventRate = 2 })
		p.Open()
		*at = node
		post := func() (status int, again string) {
			form := url.Values{"ppstr": {"[[:my/event 1] nil]"}, "client-id": {"tab-1"}, "uid": {"alice"}}
			r, err := http.PostForm("http://"+c.Nodes[*at].Addr().String()+"/chsk", form)
			must(t, err)
			defer r.Body.Close()
			return r.StatusCode, r.Header.Get("Retry-After")
		}
		for i := range 4 {
			if status, _ := post(); status != 200 {
				t.Fatalf("post %d: %d", i, status)
			}
		}
		if status, again := post(); status != 429 || again != "1" {
			t.Errorf("beyond the burst: %d, again after %q", status, again)
		}
		if got := c.Nodes[0].Stats().Limits.AjaxRate; got == 0 {
			t.Error("not counted")
		}
		testkit.Eventually(t, "it goes on", func() bool { status, _ := post(); return status == 200 })
	})
}

// A client that floods is slowed down, and loses nothing: all it has sent comes,
// in its order, and the node says so.
func TestFloodIsThrottled(t *testing.T) {
	var log syncBuffer
	logger := zerolog.New(&log)
	c := one(t, func(o *edge.Options) { o.Limits.MaxEventRate, o.Logger = 200, &logger })
	listener, flooder := c.Dial(t, 0, "/"), c.Dial(t, 0, "/")
	listener.Subscribe(`"flood"`)
	const count = 600
	var texts []string
	for i := range count {
		texts = append(texts, fmt.Sprintf(`[:sente-lite/publish {:channel-id "flood" :data %d}]`, i))
	}
	begin := time.Now()
	flooder.Send(texts...)
	for i := range count {
		listener.Expect(testkit.Message(`"flood"`, fmt.Sprint(i), flooder.ConnID))
	}
	if took := time.Since(begin); took < 900*time.Millisecond {
		t.Errorf("took %v: 400 at once, and 200 more at 200 a second", took)
	}
	testkit.Eventually(t, "counted", func() bool {
		st := c.Nodes[0].Stats().Sockets
		return st.Throttles > 0 && st.Throttled == 0 && st.ThrottledMS > 500
	})
	if line := log.line("limit-reached"); line["reason"] != "event-rate" || line["address"] != "127.0.0.1" {
		t.Errorf("the log has %v", line)
	}
}

// syncBuffer is a log.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// line returns the first line of the security log about an event, nil if there is none.
func (b *syncBuffer) line(event string) map[string]any {
	return b.find(func(m map[string]any) bool { return m["event"] == event })
}

func (b *syncBuffer) find(is func(map[string]any) bool) map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.buf.String()) {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) == nil && is(m) {
			return m
		}
	}
	return nil
}

// So many callbacks of a connection may wait; those behind them wait in the
// client's socket, and are asked when one has ended.
func TestMaxCallbacks(t *testing.T) {
	t.Parallel()
	c := one(t, func(o *edge.Options) { o.Limits.MaxCallbacks = 2; o.RequestTimeout = 300 * time.Millisecond })
	asked := hear(t, c.Backend(t, 0), "my.>", "silent", func(*bus.Event) {})
	cl := c.Dial(t, 0, "/")
	cl.Send(`[[:my/ask 1] "a"]`, `[[:my/ask 2] "b"]`, `[[:my/ask 3] "c"]`)
	next(t, asked)
	next(t, asked)
	testkit.Eventually(t, "the third is held", func() bool { return c.Nodes[0].Stats().Limits.CallbacksHeld == 1 })
	cl.Expect(`[:chsk/timeout "a"]`, `[:chsk/timeout "b"]`, `[:chsk/timeout "c"]`)
	for _, wrong := range []int{-1, 501} {
		if _, err := edge.Start(t.Context(), edge.Options{Limits: edge.LimitOptions{MaxCallbacks: wrong}}); err == nil || !strings.Contains(err.Error(), "MaxCallbacks") {
			t.Errorf("%d: %v", wrong, err)
		}
	}
}

// Values that nest too deep are refused, and cost nobody anything else.
func TestNesting(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, format := range []string{"edn", "json"} {
		t.Run(format, func(t *testing.T) {
			c := one(t, func(o *edge.Options) { o.Echo = true })
			cl := c.Dial(t, 0, "/?format="+format)
			send := `[[:my/event %s] "cb"]`
			if format == "json" {
				send = `[["my/event",%s],"cb"]`
			}
			cl.Send(fmt.Sprintf(send, deep(500)))
			if got := cl.Read(); strings.Contains(got, "error") {
				t.Errorf("500 levels: %.100s", got)
			}
			cl.Send(fmt.Sprintf(send, deep(513)))
			testkit.Eventually(t, "counted", func() bool { return c.Nodes[0].Stats().RefusedMessages["too-deep"] == 1 })
			cl.Send(fmt.Sprintf(send, "1"))
			for got := cl.Read(); !strings.Contains(got, "1"); got = cl.Read() {
			}
		})
	}
}

// The bounds of nesting and of fragments are options.
func TestNestingAndFragmentsAsSet(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.Limits.MaxNesting, o.Limits.MaxFragments, o.Echo = 8, 3, true })
	n := c.Nodes[0]
	for _, path := range []string{"/", "/?format=json", "/chsk?client-id=tab-1"} {
		before := n.Stats().RefusedMessages["too-deep"]
		cl := c.Dial(t, 0, path)
		deep := `[["my/event",` + strings.Repeat("[", 7) + strings.Repeat("]", 7) + `],"cb"]`
		if path != "/?format=json" {
			deep = strings.NewReplacer(`"my/event",`, ":my/event ", `],"cb"`, `] "cb"`).Replace(deep)
		}
		cl.Send(deep)
		testkit.Eventually(t, "counted", func() bool { return n.Stats().RefusedMessages["too-deep"] == before+1 })
	}
	cl := c.Dial(t, 0, "/")
	for i := range 4 {
		op := ws.OpContinuation
		if i == 0 {
			op = ws.OpText
		}
		frame := testkit.AppendFrame(nil, op, []byte("x"))
		frame[0] &^= 0x80
		cl.Write(frame)
	}
	cl.ExpectClose(1009)
	testkit.Eventually(t, "the close counted", func() bool { return n.Stats().Sockets.Closed["fragments"] == 1 })
	for _, wrong := range []edge.LimitOptions{{MaxNesting: 7}, {MaxNesting: 513}, {MaxFragments: -1}} {
		if _, err := edge.Start(t.Context(), edge.Options{Limits: wrong}); err == nil {
			t.Errorf("taken: %+v", wrong)
		}
	}
}

// Each bound of channels, and of a message's size, is told, and counted.
func TestCountedLimits(t *testing.T) {
	c := one(t, func(o *edge.Options) {
		o.Channels.MaxSubscriptionsPerConn, o.Channels.MaxSubscribers, o.MaxMessage = 1, 1, 1024
	})
	n := c.Nodes[0]
	cl, other := c.Dial(t, 0, "/"), c.Dial(t, 0, "/")
	cl.Subscribe(`"a"`)
	cl.Send(`[[:sente-lite/subscribe {:channel-id "b"}] "cb"]`)
	if got := cl.Read(); !strings.Contains(got, ":max-subscriptions") {
		t.Errorf("beyond its subscriptions: %s", got)
	}
	other.Send(`[[:sente-lite/subscribe {:channel-id "a"}] "cb"]`)
	if got := other.Read(); !strings.Contains(got, ":max-subscribers") {
		t.Errorf("beyond the channel's subscribers: %s", got)
	}
	if st := n.Stats().Limits; st.MaxSubscriptions != 1 || st.MaxSubscribers != 1 {
		t.Errorf("counted %+v", st)
	}
	other.Send(`[:my/event "` + strings.Repeat("x", 1024) + `"]`)
	other.ExpectClose(1009)
	testkit.Eventually(t, "counted", func() bool { return n.Stats().Sockets.Closed["too-big"] == 1 })
}

// A panic costs the one it came of: a socket is closed with 1011, a client that
// polls is told to begin anew. It is counted, and logged with the conn-id.
func TestPanicsCostOne(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	logger := zerolog.New(&log)
	c, p, _ := ajaxNodes(t, 1, func(o *edge.Options) { o.Logger = &logger })
	n := c.Nodes[0]
	neighbour := c.Dial(t, 0, "/")
	socket := c.Dial(t, 0, "/")
	edge.Panic(n, socket.ConnID)
	socket.ExpectClose(1011)
	if line := log.find(func(m map[string]any) bool { return m["conn"] == socket.ConnID && m["stack"] != nil }); line == nil {
		t.Error("the log does not say whose it was")
	}

	handshake := p.Open()
	_, rest, _ := strings.Cut(handshake, `:conn-id "`)
	connID, _, _ := strings.Cut(rest, `"`)
	edge.Panic(n, connID)
	if got := p.Poll(""); !strings.HasPrefix(got, "[[:chsk/handshake [") {
		t.Errorf("the next poll: %s", got)
	}
	if line := log.find(func(m map[string]any) bool { return m["conn"] == connID && m["stack"] != nil }); line == nil {
		t.Error("the log does not say whose session it was")
	}

	asking := c.Dial(t, 0, "/")
	edge.PanicInReply(n, asking.ConnID)
	asking.ExpectClose(1011)

	testkit.Eventually(t, "counted", func() bool { st := n.Stats(); return st.Sockets.Panics == 1 && st.Panics == 1 })
	neighbour.Nothing()
}
