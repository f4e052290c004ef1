package edge_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// Every request of Ajax is asked about, and the answer is good for those that are
// the same but for their time.
func TestCalloutAjax(t *testing.T) {
	t.Parallel()
	c := guarded(t, 2, func(o *edge.Options) { o.Callouts.Cache = time.Minute })
	d := guard(t, c, 0, "connect", func(q string) string {
		if strings.Contains(q, `"no"`) {
			return `{:allow false}`
		}
		return `{:allow true, :uid "bob", :handshake-data {:n 1}}`
	})
	at := 0
	p := newPoller(t, c, "tab-1", func() int { return at })
	p.query.Set("who", "yes")
	if got := p.Open(); got != `[[:chsk/handshake ["bob" nil {:n 1}]] nil]` {
		t.Errorf("handshake %s", got)
	}
	if got := p.Open(); got != `[[:chsk/handshake ["bob" nil {:n 1}]] nil]` {
		t.Errorf("a second handshake %s", got)
	}
	events := hear(t, c.Backend(t, 0), "my.>", "", nil)
	if got := p.Post("[[:my/event 1] nil]"); got != "[:chsk/dummy-cb-200 nil]" {
		t.Errorf("posted: %s", got)
	}
	next(t, events)
	must(t, c.Backend(t, 1).PublishUser(busString("bob"), []byte("[:a/b]")))
	if got := p.Poll(""); got != "[[[:a/b]] nil]" {
		t.Errorf("polled %s", got)
	}
	if got := d.questions.Load(); got != 1 {
		t.Errorf("asked %d times", got)
	}
	at = 1 // a node that has not asked yet
	must(t, c.Backend(t, 1).PublishUser(busString("bob"), []byte("[:a/c]")))
	if got := p.Poll(""); got != "[[[:a/c]] nil]" {
		t.Errorf("polled %s", got)
	}
	if got := d.questions.Load(); got != 2 {
		t.Errorf("asked %d times", got)
	}
	p.query.Set("who", "no")
	for range 2 {
		if _, err := p.poll(t.Context(), "&handshake%3F=1"); err == nil || err.Error() != "status 401: Unauthorized request" {
			t.Errorf("denied: %v", err)
		}
	}
	if got := d.questions.Load(); got != 3 {
		t.Errorf("asked %d times", got)
	}
	if s := c.Nodes[0].Stats().Callouts.Connect; s["cached"] != 3 {
		t.Errorf("counted %v", s)
	}
}

// The CSRF token is told, wherever it is, and the backend decides.
func TestCalloutAjaxCSRF(t *testing.T) {
	c := guarded(t, 1, func(o *edge.Options) { o.Callouts.Cache = -1 })
	d := guard(t, c, 0, "connect", func(q string) string {
		return fmt.Sprintf("{:allow %v}", strings.Contains(q, `:csrf-token "good"`))
	})
	addr := "http://" + c.Nodes[0].Addr().String() + "/chsk"
	for _, tt := range []struct {
		query, form, header string
		status              int
	}{
		{query: "good", status: 200},
		{header: "good", status: 200},
		{form: "good", query: "bad", status: 200},
		{query: "bad", status: 401},
		{status: 401},
	} {
		form := url.Values{"client-id": {"tab-1"}, "ppstr": {"[[:a/b] nil]"}}
		if tt.form != "" {
			form.Set("csrf-token", tt.form)
		}
		target := addr
		if tt.query != "" && tt.form == "" {
			target += "?csrf-token=" + tt.query
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
		must(t, err)
		if tt.header != "" {
			r.Header.Set("X-Csrf-Token", tt.header)
		}
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != tt.status {
			t.Errorf("%+v: status %d, asked %s", tt, resp.StatusCode, d.last.Load().Data)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// A poll waits for a backend, and is told when there is none.
func TestCalloutAjaxUnavailable(t *testing.T) {
	t.Parallel()
	c := guarded(t, 1, func(o *edge.Options) {
		o.Callouts.Timeout = 1500 * time.Millisecond
		o.HandshakeTimeout = time.Second // which is shorter than the wait
	})
	p := newPoller(t, c, "tab-1", func() int { return 0 })
	unavailable := func() {
		t.Helper()
		if _, err := p.poll(t.Context(), "&handshake%3F=1"); err == nil || !strings.HasPrefix(err.Error(), "status 503: ") {
			t.Errorf("polled: %v", err)
		}
	}
	unavailable() // nobody is there
	waiting := make(chan *nats.Msg, 4)
	guardBy(t, c, 0, "connect", func(m *nats.Msg) { waiting <- m })
	unavailable() // nobody answers
	<-waiting
	// A client that goes away meanwhile leaves nothing.
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := p.poll(ctx, "&handshake%3F=1")
		done <- err
	}()
	m := <-waiting
	cancel()
	if err := <-done; err == nil {
		t.Error("answered, although it was given up")
	}
	respond(t, m, "{:allow true}", "")
	testkit.Eventually(t, "the answer", func() bool { return c.Nodes[0].Stats().Callouts.Waiting == 0 })
	if n := c.Nodes[0].Connections(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// Publishes of Ajax wait for a backend too, one behind the other, at this node and
// through another.
func TestCalloutAjaxPublish(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, at int) {
		c := askingNodes(t, 2, func(o *edge.Options) { o.Callouts.Timeout = 5 * time.Second })
		waiting := make(chan *nats.Msg, 16)
		guardBy(t, c, 0, "publish", func(m *nats.Msg) { waiting <- m })
		nc := foreign(t, c, 1)
		taken, err := nc.SubscribeSync("hoshi.chan.>")
		must(t, err)
		must(t, nc.Flush())
		must(t, c.Backend(t, 1).Barrier(t.Context()))
		where := 0
		p := newPoller(t, c, "tab-1", func() int { return where })
		p.Open()
		where = at
		post := func(msg string) <-chan string {
			ch := make(chan string, 1)
			mine := *p // each has a client of its own
			go func() { ch <- mine.Post(msg) }()
			return ch
		}
		first := post(`[[:sente-lite/publish {:channel-id "ask/a" :data 1}] :ajax]`)
		m := <-waiting
		second := post(`[[:sente-lite/publish {:channel-id "free" :data 2}] :ajax]`)
		testkit.Eventually(t, "the second to wait", func() bool { return edge.Behind(c.Nodes[0]) == 2 })
		third := post(`[[:sente-lite/publish {:channel-id "ask/b" :data 3}] :ajax]`)
		fourth := post(`[[:sente-lite/publish {:channel-id "ask/a" :data 4}] nil]`)
		testkit.Eventually(t, "all to wait", func() bool { return edge.Behind(c.Nodes[0]) == 4 })
		respond(t, m, "{:allow true}", "")
		var wait sync.WaitGroup
		wait.Go(func() {
			for range 2 { // ask/a is known by then, whichever of the two comes first
				select {
				case m := <-waiting:
					respond(t, m, "{:allow false}", "")
				case <-time.After(time.Second):
				}
			}
		})
		for _, tt := range []struct {
			ch   <-chan string
			want string
		}{
			{first, "[{:success true} nil]"},
			{second, "[{:success true} nil]"},
			{third, "[{:success false, :error :forbidden} nil]"},
			{fourth, "[:chsk/dummy-cb-200 nil]"},
		} {
			if got := <-tt.ch; got != tt.want {
				t.Errorf("answered %s, want %s", got, tt.want)
			}
		}
		wait.Wait()
		for _, want := range []string{"1", "2", "4"} {
			m, err := taken.NextMsg(testkit.Patience)
			must(t, err)
			if string(m.Data) != want {
				t.Errorf("heard %s, want %s", m.Data, want)
			}
		}
	})
}
