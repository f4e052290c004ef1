package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// answer is what a request came to.
type answer struct {
	value client.EDN
	err   error
}

// ask makes a request in a goroutine of its own.
func ask(ctx context.Context, c *client.Client, e client.Event) <-chan answer {
	ch := make(chan answer, 1)
	go func() {
		v, err := c.Request(ctx, e)
		ch <- answer{v, err}
	}()
	return ch
}

func TestRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		c := mustNew(t, n.options())
		c.Start()
		p := n.accept()
		for _, tt := range []struct {
			name, reply string // %s is the callback id
			value       client.EDN
			keyword     string
		}{
			{"a value", `[{:ok true} "%s"]`, "{:ok true}", ""},
			{"nil", `[nil "%s"]`, "nil", ""},
			{"an event as value", `[[:a/b 1] "%s"]`, "[:a/b 1]", ""},
			{"a keyword of the application", `[:app/no "%s"]`, ":app/no", ""},
			{"blanks and a comment", ` [ 7 , "%s" ] ; done`, "7", ""},
			{"error", `[:chsk/error "%s"]`, "", ":chsk/error"},
			{"timeout", `[:chsk/timeout "%s"]`, "", ":chsk/timeout"},
		} {
			began := time.Now()
			got := ask(t.Context(), c, client.MustEvent("my/ask", tt.name))
			event, id := callback(t, p.read())
			if want := client.MustEvent("my/ask", tt.name).String(); event != want || time.Since(began) != 0 {
				t.Errorf("%s: sent %s after %v, want %s at once", tt.name, event, time.Since(began), want)
			}
			p.write(strings.ReplaceAll(tt.reply, "%s", id))
			a := <-got
			if a.value != tt.value {
				t.Errorf("%s: value %s, want %s", tt.name, a.value, tt.value)
			}
			if (a.err != nil) != (tt.keyword != "") || a.err != nil && !errors.Is(a.err, &client.ReplyError{Keyword: tt.keyword}) {
				t.Errorf("%s: error %v, want %s", tt.name, a.err, tt.keyword)
			}
		}
		stopNow(c)
	})
}

func TestRequestsLeaveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		c := mustNew(t, n.options())
		c.Start()
		p := n.accept()
		synctest.Wait()
		for i := range 3 {
			c.Enqueue(client.MustEvent("a/n", i))
		}
		first := ask(t.Context(), c, client.MustEvent("my/ask", 1))
		for i := range 3 {
			p.want(client.MustEvent("a/n", i).String())
		}
		_, id1 := callback(t, p.read())
		second := ask(t.Context(), c, client.MustEvent("my/ask", 2))
		_, id2 := callback(t, p.read())
		// Answers in any order; an event that looks like an answer is none.
		p.write(`[2 "` + id2 + `"]`)
		p.write(`[:a/b "no id of ours"]`)
		p.write(`[1 "` + id1 + `"]`)
		if a, b := <-first, <-second; a.value != "1" || b.value != "2" {
			t.Errorf("answers %v and %v", a, b)
		}
		m, err := c.Take(t.Context(), nil)
		if err != nil || m.ID != ":a/b" {
			t.Errorf("took %v, %v", m, err)
		}
		// A second answer finds nobody.
		p.write(`[:a/late "` + id1 + `"]`)
		p.write("[:a/end]")
		synctest.Wait()
		stopNow(c)
	})
}

func TestRequestWaitsForTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		c := mustNew(t, n.options())
		got := ask(t.Context(), c, client.MustEvent("my/ask", nil))
		short, cancel := contextIn(t, time.Second)
		defer cancel()
		late := ask(short, c, client.MustEvent("my/late", nil))
		time.Sleep(2 * time.Second)
		if a := <-late; !errors.Is(a.err, client.ErrNotReady) || !errors.Is(a.err, context.DeadlineExceeded) {
			t.Errorf("without a connection: %v", a.err)
		}
		c.Start()
		p := n.accept()
		_, id := callback(t, p.read()) // and my/late was not sent
		p.write(`["yes" "` + id + `"]`)
		if a := <-got; a.value != `"yes"` || a.err != nil {
			t.Errorf("answer %v", a)
		}
		stopNow(c)
	})
}

func TestRequestsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		o.QueueMessages = 2
		o.MaxSend = 1000
		c := mustNew(t, o)
		c.Start()
		p := n.accept()

		sent := ask(t.Context(), c, client.MustEvent("my/sent", nil))
		_, oldID := callback(t, p.read())

		// The peer reads no more: one request is in a write, one in the queue, one
		// waits for room, and the last is given up in the queue.
		writing := ask(t.Context(), c, client.MustEvent("my/writing", nil))
		synctest.Wait()
		short, cancel := contextIn(t, time.Second)
		defer cancel()
		given := ask(short, c, client.MustEvent("my/given-up", nil))
		synctest.Wait()
		room := ask(t.Context(), c, client.MustEvent("my/room", nil))
		if a := <-given; !errors.Is(a.err, context.DeadlineExceeded) || !strings.Contains(a.err.Error(), "my/given-up") {
			t.Errorf("given up: %v", a.err)
		}
		p.hangUp()
		for _, got := range []<-chan answer{sent, writing} {
			a := <-got
			d, ok := errors.AsType[*client.Disconnect](a.err)
			if !errors.Is(a.err, client.ErrClosed) || !ok || d.Cause != client.CauseLost {
				t.Errorf("after it was sent: %v", a.err)
			}
		}
		// What had not been sent leaves on the next connection; the rest does not.
		p = n.accept()
		event, id := callback(t, p.read())
		if event != "[:my/room]" {
			t.Errorf("sent %s again, want [:my/room]", event)
		}
		p.write(`[0 "` + oldID + `"]`) // an answer of another life
		p.write(`[1 "` + id + `"]`)
		if a := <-room; a.value != "1" || a.err != nil {
			t.Errorf("answer %v", a)
		}
		for _, tt := range []struct {
			e    client.Event
			want error
		}{
			{client.Event{}, client.ErrBadEvent},
			{client.MustEvent("a/b", strings.Repeat("x", 1000)), client.ErrTooLarge},
		} {
			if _, err := c.Request(t.Context(), tt.e); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		}
		last := ask(t.Context(), c, client.MustEvent("my/last", nil))
		callback(t, p.read())
		go func() { p.wantClose(); p.hangUp() }()
		c.Stop(t.Context())
		if a := <-last; !errors.Is(a.err, client.ErrStopped) && !errors.Is(a.err, client.ErrClosed) {
			t.Errorf("at the end: %v", a.err)
		}
		if _, err := c.Request(t.Context(), client.MustEvent("a/b", nil)); !errors.Is(err, client.ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// A callback may make requests: the answer does not need another callback to
// return.
func TestRequestInACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		var subscribed []error
		o.OnChannelReady = func(c *client.Client, _ client.Session) {
			subscribed = append(subscribed, c.Subscribe(context.Background(), "room"))
		}
		c := mustNew(t, o)
		var got []client.EDN
		if _, err := c.OnChannel("room", func(m client.ChannelMessage) { got = append(got, m.Data) }); err != nil {
			t.Fatal(err)
		}
		c.Start()
		for i := range 2 {
			p := n.accept()
			event, id := callback(t, p.read())
			if want := `[:sente-lite/subscribe {:channel-id "room"}]`; event != want {
				t.Errorf("sent %q, want %q", event, want)
			}
			p.write(`[:sente-lite/channel-msg {:channel-id "room" :data 1}]`)
			if i == 0 {
				p.write(`[{:success true} "` + id + `"]`)
			} else {
				p.write(`[{:success false, :error :max-subscriptions-per-conn} "` + id + `"]`)
			}
			p.write(`[:sente-lite/channel-msg {:channel-id "room" :data {:n 2} :from "conn-2"}]`)
			p.write(`[:sente-lite/channel-msg {:channel-id "other" :data 3}]`)
			synctest.Wait()
			p.hangUp()
		}
		if len(subscribed) != 2 || subscribed[0] != nil || !errors.Is(subscribed[1], &client.ReplyError{Keyword: ":max-subscriptions-per-conn"}) {
			t.Errorf("subscribes: %v", subscribed)
		}
		if len(got) != 4 || got[1] != "{:n 2}" {
			t.Errorf("messages: %v", got)
		}
		stopNow(c)
	})
}

func TestEvents(t *testing.T) {
	type point struct{ X, Y int }
	for _, tt := range []struct {
		name string
		id   string
		data any
		want string // "": refused
	}{
		{"no data", "a/b", nil, "[:a/b]"},
		{"colon", ":a/b", nil, "[:a/b]"},
		{"string", "a/b", `say "hi"`, `[:a/b "say \"hi\""]`},
		{"number", "a/b", 7, "[:a/b 7]"},
		{"keyword", "a/b", client.Keyword("x/y"), "[:a/b :x/y]"},
		{"struct", "a/b", point{1, 2}, "[:a/b{:x 1 :y 2}]"},
		{"text", "a/b", client.EDN("#:n{:a [1 2N \\a]}"), "[:a/b #:n{:a [1 2N \\a]}]"},
		{"text with a comment", "a/b", client.EDN("1 ; one"), "[:a/b 1 ; one\n]"},
		{"no namespace", "b", nil, ""},
		{"no id", "", nil, ""},
		{"id with more in it", "a/b 1", nil, ""},
		{"half a text", "a/b", client.EDN("{:a"), ""},
		{"two values", "a/b", client.EDN("1 2"), ""},
		{"no value", "a/b", client.EDN(""), ""},
		{"bad keyword", "a/b", client.Keyword("x y"), ""},
		{"a function", "a/b", func() {}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := client.NewEvent(tt.id, tt.data)
			if tt.want == "" {
				if !errors.Is(err, client.ErrBadEvent) {
					t.Errorf("%v, %v, want it refused", e, err)
				}
				return
			}
			if got := strings.ReplaceAll(e.String(), "[:a/b {", "[:a/b{"); err != nil || got != tt.want {
				t.Errorf("%q, %v, want %q", got, err, tt.want)
			}
		})
	}
	for _, bad := range []string{"", "[]", "[[:a/b 1] \"cb\"]", "[:a/b 1 2]", "{:a 1}"} {
		if e, err := client.ParseEvent(bad); !errors.Is(err, client.ErrBadEvent) {
			t.Errorf("ParseEvent(%q) = %v, %v", bad, e, err)
		}
	}
}

func TestPublishEvents(t *testing.T) {
	for _, tt := range []struct {
		channel, data any
		options       []client.PublishOption
		want          string
	}{
		{"room", nil, nil, `[:sente-lite/publish {:channel-id "room" :data nil}]`},
		{client.Keyword("chat/room"), 1, nil, "[:sente-lite/publish {:channel-id :chat/room :data 1}]"},
		{
			client.EDN("[:doc 7]"), client.EDN("{:a 1}"),
			[]client.PublishOption{client.ExcludeSender()},
			"[:sente-lite/publish {:channel-id [:doc 7] :data {:a 1} :exclude-sender? true}]",
		},
		{nil, 1, nil, ""},
		{"room", client.EDN("]"), nil, ""},
	} {
		e, err := client.NewPublish(tt.channel, tt.data, tt.options...)
		if e.String() != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("NewPublish(%v, %v) = %q, %v, want %q", tt.channel, tt.data, e, err, tt.want)
		}
	}
}
