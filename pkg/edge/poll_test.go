package edge_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// answered is how a poll in the background ended.
type answered struct {
	body string
	err  error
}

// background polls in the background until ctx ends it, and returns when the
// poll waits at node home.
func (p *poller) background(ctx context.Context, home *edge.Node) <-chan answered {
	p.t.Helper()
	before := edge.Waiting(home)
	ch := make(chan answered, 1)
	url := p.url("")
	go func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			ch <- answered{err: err}
			return
		}
		body, err := p.do(r)
		ch <- answered{body, err}
	}()
	testkit.Eventually(p.t, "the poll waits", func() bool { return edge.Waiting(home) > before })
	return ch
}

// ajaxNodes starts nodes and a client that polls, its session at node 0 and its
// requests at node at.
func ajaxNodes(t *testing.T, count int, change func(o *edge.Options)) (c *testkit.Cluster, p *poller, at *int) {
	t.Helper()
	c = senteNode(t, count, func(o *edge.Options) {
		o.Sente.SendBufAjax = 5 * time.Millisecond
		if change != nil {
			change(o)
		}
	})
	at = new(int)
	p = newPoller(t, c, "tab-1", func() int { return *at })
	p.query.Set("uid", "alice")
	return c, p, at
}

// everyWay runs a test with the session's own node and through another one.
func everyWay(t *testing.T, test func(t *testing.T, at int)) {
	for at, name := range []string{"its node", "another node"} {
		t.Run(name, func(t *testing.T) { test(t, at) })
	}
}

// A client that goes away in the middle of a poll loses nothing, whatever is
// pushed meanwhile.
func TestAbortedPollsLoseNothing(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, node int) {
		c, p, at := ajaxNodes(t, 2, func(o *edge.Options) { edge.Patient(o, testkit.Patience) })
		p.Open()
		*at = node
		backend := c.Backend(t, 0)
		for i := range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			ch := p.background(ctx, c.Nodes[0])
			cancel()
			if a := <-ch; a.err == nil {
				t.Fatalf("answered %s", a.body)
			}
			testkit.Eventually(t, "cancelled", func() bool { return edge.Waiting(c.Nodes[0]) == 0 })
			must(t, backend.PublishUser(bus.String("alice"), fmt.Appendf(nil, "[:a/b %d]", i)))
			if got := p.Poll(""); got != fmt.Sprintf("[[[:a/b %d]] nil]", i) {
				t.Fatalf("got %s", got)
			}
		}
	})
}

// A poll that a newer one has replaced is never answered: its connection ends,
// and it counts no more. The newer one is answered.
func TestReplacedPoll(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, node int) {
		c, p, at := ajaxNodes(t, 2, func(o *edge.Options) { o.Sente.LPTimeout = 2 * testkit.Patience })
		p.Open()
		older := p.background(t.Context(), c.Nodes[0])
		*at = node
		const replaced = 5
		for i := range replaced {
			url := p.url("")
			newer := make(chan answered, 1)
			go func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
				if err != nil {
					newer <- answered{err: err}
					return
				}
				body, err := p.do(r)
				newer <- answered{body, err}
			}()
			select {
			case a := <-older:
				if a.err == nil {
					t.Errorf("number %d got %q", i, a.body)
				}
			case <-time.After(testkit.Patience):
				t.Fatalf("number %d still waits", i)
			}
			older = newer
		}
		testkit.Eventually(t, "one counts", func() bool {
			return c.Nodes[0].Stats().Sente.Polling+c.Nodes[1].Stats().Sente.Polling == 1
		})
		must(t, c.Backend(t, 0).PublishUser(bus.String("alice"), []byte("[:a/b 1]")))
		if a := <-older; a.body != "[[[:a/b 1]] nil]" {
			t.Errorf("the newest one got %q, %v", a.body, a.err)
		}
	})
}

// The session ends some time after the last poll, with its channels and what
// waits, and the next poll is answered with a new handshake.
func TestPollSessionEnds(t *testing.T) {
	t.Parallel()
	c, p, _ := ajaxNodes(t, 2, func(o *edge.Options) {
		o.Sente.ReconnectAjax = 2 * time.Second
		o.Linger = time.Millisecond
	})
	closings := make(chan string, 10)
	_, err := c.Backend(t, 1).Take(t.Context(), "chsk.>", "test", func(e *bus.Event) { closings <- string(e.ID) + " " + e.Client })
	must(t, err)
	p.Open()
	if got := p.Post(`[[:sente-lite/subscribe {:channel-id "lobby"}] :ajax]`); got != "[{:success true} nil]" {
		t.Errorf("subscribe %s", got)
	}
	node := c.Nodes[0]
	if s := node.Stats(); s.Sente.Sessions != 1 || s.Channels != 1 || s.Connections != 1 {
		t.Errorf("stats %+v", s.Sente)
	}
	must(t, c.Backend(t, 0).PublishUser(bus.String("alice"), []byte("[:a/b 1]")))
	away(t, node, 0)
	if s := node.Stats(); s.Sente.Sessions != 0 || s.Channels != 0 || s.Users != 0 || s.Sente.Expired != 1 || len(s.Voices) != 0 {
		t.Errorf("stats %+v, %d channels, %d users, voices %v", s.Sente, s.Channels, s.Users, s.Voices)
	}
	for _, want := range []string{":chsk/conn-open tab-1", ":chsk/conn-close tab-1"} {
		select {
		case got := <-closings:
			if got != want {
				t.Errorf("event %s, want %s", got, want)
			}
		case <-time.After(testkit.Patience):
			t.Fatalf("no %s", want)
		}
	}
	if got := p.Poll(""); !strings.HasPrefix(got, "[[:chsk/handshake ") {
		t.Errorf("got %s", got)
	}
}

// A tab that changes from WebSocket to Ajax and back loses nothing.
func TestFromSocketToPollsAndBack(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, node int) {
		c, p, at := ajaxNodes(t, 2, nil)
		*at = node
		backend := c.Backend(t, 1)
		push := func(i int) { must(t, backend.PublishUser(bus.String("alice"), fmt.Appendf(nil, "[:a/b %d]", i))) }
		kept := func(n *edge.Node, want uint64) {
			t.Helper()
			testkit.Eventually(t, "kept", func() bool { return n.Stats().Sente.Kept >= want })
		}
		cl := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
		cl.Conn.Close()
		away(t, c.Nodes[0], 1)
		push(1)
		kept(c.Nodes[0], 1)
		p.Open()
		push(2)
		if got := p.Poll(""); got != "[[[:a/b 1]] nil]" && got != "[[[:a/b 1] [:a/b 2]] nil]" {
			t.Errorf("got %s", got)
		} else if !strings.Contains(got, "2") {
			if got = p.Poll(""); got != "[[[:a/b 2]] nil]" {
				t.Errorf("then %s", got)
			}
		}
		before := c.Nodes[node].Stats().Sente.Kept
		push(3)
		kept(c.Nodes[node], before+1)
		cl = c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
		cl.Expect("[[[:a/b 3]] nil]")
		push(4)
		cl.Expect("[[[:a/b 4]] nil]")
		cl.Nothing()
	})
}

// A POST of a client that has not polled reaches backends, and is answered.
func TestPostBeforePoll(t *testing.T) {
	_, p, _ := ajaxNodes(t, 1, func(o *edge.Options) { o.Echo = true })
	if got := p.Post("[[:test/echo 1] :ajax]"); got != "[1 nil]" {
		t.Errorf("got %s", got)
	}
	if got := p.Post(`[[:sente-lite/subscribe {:channel-id "lobby"}] :ajax]`); got != "[{:success false, :error :unavailable} nil]" {
		t.Errorf("got %s", got)
	}
	if got := p.Post("[[:test/nocb 1] nil]"); got != "[:chsk/dummy-cb-200 nil]" {
		t.Errorf("got %s", got)
	}
}

// Asks are answered by POST, bad events and closes by backends work.
func TestPollersAreAskedAndClosed(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, node int) {
		c, p, at := ajaxNodes(t, 2, nil)
		p.Open()
		*at = node
		backend := c.Backend(t, 1)
		ch := asking(func() (bus.Answers, error) {
			return backend.AskClient(t.Context(), "tab-1", []byte("[:are/you 1]"), bus.AskTime(testkit.Patience))
		})
		got := p.Poll("")
		_, id, _ := strings.Cut(got, `:cb-uuid "`)
		id, _, _ = strings.Cut(id, `"`)
		if !strings.HasPrefix(got, "[[[:hoshi/ask {") {
			t.Fatalf("asked with %s", got)
		}
		if got := p.Post(`[[:chsk/reply {:cb-uuid "` + id + `" :data :yes}] :ajax]`); got != "[{:success true} nil]" {
			t.Errorf("answer to the answer %s", got)
		}
		if o := ended(t, ch); o.err != nil || len(o.All) != 1 {
			t.Errorf("answers %+v, %v", o.Answers, o.err)
		}

		_, err := backend.Take(t.Context(), "chsk.bad-event", "test", func(e *bus.Event) {
			if err := e.Reply([]byte(":bad")); err != nil {
				t.Errorf("reply: %v", err)
			}
		})
		must(t, err)
		if got := p.Post("[[:no-namespace] :ajax]"); got != "[:bad nil]" {
			t.Errorf("reply to a bad event %s", got)
		}

		waits := p.background(t.Context(), c.Nodes[0])
		must(t, backend.PublishClient("tab-1", []byte("[:chsk/close]")))
		if a := <-waits; !strings.HasPrefix(a.body, "[[:chsk/handshake ") {
			t.Errorf("after the close %q, %v", a.body, a.err)
		}
	})
}

// The node that holds a session dies: the next poll is answered with a handshake.
func TestNodeOfPollsStops(t *testing.T) {
	c, p, at := ajaxNodes(t, 2, nil)
	p.Open()
	*at = 1
	waits := p.background(t.Context(), c.Nodes[0])
	stop := func(n *edge.Node) time.Duration {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
		defer cancel()
		must(t, n.Stop(ctx))
		return time.Since(begin)
	}
	if took := stop(c.Nodes[0]); took > 5*time.Second {
		t.Errorf("stopped in %v", took)
	}
	if a := <-waits; a.err == nil && !strings.HasPrefix(a.body, "[[:chsk/handshake ") {
		t.Errorf("the poll got %q", a.body)
	}
	begin := time.Now()
	if got := p.Poll(""); !strings.HasPrefix(got, "[[:chsk/handshake ") && got != "[:chsk/timeout nil]" {
		t.Errorf("got %s", got)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("answered after %v", took)
	}
}

// A node through which others poll stops at once too.
func TestNodeOfRelaysStops(t *testing.T) {
	c, p, at := ajaxNodes(t, 2, nil)
	p.Open()
	*at = 1
	waits := p.background(t.Context(), c.Nodes[0])
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	must(t, c.Nodes[1].Stop(ctx))
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("stopped in %v", took)
	}
	if a := <-waits; a.err == nil {
		t.Errorf("the poll got %q", a.body)
	}
	*at = 0
	must(t, c.Backend(t, 0).PublishUser(bus.String("alice"), []byte("[:a/b 1]")))
	if got := p.Poll(""); got != "[[[:a/b 1]] nil]" {
		t.Errorf("then %s", got)
	}
}

func TestAjaxRefusals(t *testing.T) {
	c, p, _ := ajaxNodes(t, 1, func(o *edge.Options) { o.Sente.MaxPolls = 1; o.MaxMessage = 64 << 10 })
	base := "http://" + c.Nodes[0].Addr().String() + "/chsk"
	field := func(s string) string { return url.Values{"ppstr": {s}}.Encode() }
	for _, tt := range []struct {
		name, method, query, body string
		chunked                   bool
		want                      int
	}{
		{"no client-id", "GET", "", "", false, 400},
		{"blank client-id", "GET", "?client-id=%20", "", false, 400},
		{"two client-ids", "GET", "?client-id=a&client-id=b", "", false, 400},
		{"unknown format", "GET", "?client-id=a&format=xml", "", false, 400},
		{"post without client-id", "POST", "", field("[[:a/b] nil]"), false, 400},
		{"no ppstr", "POST", "?client-id=a", "x=1", false, 400},
		{"ppstr twice", "POST", "?client-id=a", "ppstr=1&ppstr=2", false, 400},
		{"malformed form", "POST", "?client-id=a", "ppstr=%zz", false, 400},
		{"no message", "POST", "?client-id=a", field("[[:a/b"), false, 400},
		{"chunked", "POST", "?client-id=a", field("[[:a/b] nil]"), true, 413},
		{"too large", "POST", "?client-id=a", field("[[:a/b \"" + strings.Repeat("x", 64<<10) + "\"] nil]"), false, 413},
		{"far too large", "POST", "?client-id=a", strings.Repeat("x", 240<<10), false, 413},
		{"good", "POST", "?client-id=a", field("[[:a/b] nil]"), false, 200},
		{"255 odd bytes", "GET", "?handshake%3F=1&client-id=" + url.QueryEscape(strings.Repeat("*", 85)), "", false, 200},
		{"beyond what a token holds", "GET", "?client-id=" + url.QueryEscape(strings.Repeat("*", 86)), "", false, 400},
		{"no utf-8", "GET", "?client-id=%ff", "", false, 400},
		{"other method", "PUT", "?client-id=a", "", false, 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := io.Reader(strings.NewReader(tt.body))
			if tt.chunked {
				body = io.MultiReader(body) // of no known length
			}
			r, err := http.NewRequestWithContext(t.Context(), tt.method, base+tt.query, body)
			must(t, err)
			resp, err := p.http.Do(r)
			must(t, err)
			defer resp.Body.Close()
			if resp.StatusCode != tt.want {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.want)
			}
		})
	}
	t.Run("too many polls", func(t *testing.T) {
		idle := func() bool { return c.Nodes[0].Stats().Sente.Polling == 0 } // a handler ends after its answer
		testkit.Eventually(t, "no poll", idle)
		p.Open()
		testkit.Eventually(t, "no poll", idle)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		waits := p.background(ctx, c.Nodes[0])
		if got, err := p.poll(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("got %q, %v", got, err)
		}
		cancel()
		<-waits
	})
	t.Run("nats is away", func(t *testing.T) {
		c.NATS[0].Shutdown()
		testkit.Eventually(t, "not ready", func() bool { return !c.Nodes[0].Ready() })
		if got, err := p.poll(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// With binary?=true the body is the message itself.
func TestBinaryPosts(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, node int) {
		c, p, at := ajaxNodes(t, 2, func(o *edge.Options) { o.Echo = true })
		p.query.Set("format", "msgpack")
		if got := convert(t, codec.MessagePack, codec.EDN, p.Poll("&handshake%3F=1")); !strings.HasPrefix(got, "[[:chsk/handshake ") {
			t.Fatalf("handshake %s", got)
		}
		*at = node
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url("&binary%3F=true"), strings.NewReader(convert(t, codec.EDN, codec.MessagePack, "[[:test/echo {:a 1}] :ajax]")))
		must(t, err)
		r.Header.Set("Content-Type", "application/octet-stream")
		got, err := p.do(r)
		must(t, err)
		if got = convert(t, codec.MessagePack, codec.EDN, got); got != "[{:a 1} nil]" {
			t.Errorf("reply %s", got)
		}
		must(t, c.Backend(t, 0).PublishUser(bus.String("alice"), []byte("[:a/b 1]")))
		if got := convert(t, codec.MessagePack, codec.EDN, p.Poll("")); got != "[[[:a/b 1]] nil]" {
			t.Errorf("push %s", got)
		}
	})
}

// Polls that are aborted leave nothing, and as many plain requests as before have
// room.
func TestAbortedPollsLeaveNothing(t *testing.T) {
	everyWay(t, func(t *testing.T, node int) {
		c, p, at := ajaxNodes(t, 2, nil)
		p.Open()
		*at = node
		runtime.GC()
		goroutines, descriptors := runtime.NumGoroutine(), testkit.Descriptors()
		for range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			ch := p.background(ctx, c.Nodes[0])
			cancel()
			<-ch
			testkit.Eventually(t, "cancelled", func() bool { return edge.Waiting(c.Nodes[0]) == 0 })
		}
		testkit.Eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
		testkit.Eventually(t, "descriptors are closed", func() bool { return testkit.Descriptors() <= descriptors+2 })
		for _, n := range c.Nodes {
			testkit.Eventually(t, "no plain request is left", func() bool { return edge.Plain(n) == 0 })
			if s := n.Stats().Sente; s.Polling != 0 {
				t.Errorf("%d polls left", s.Polling)
			}
		}
	})
}
