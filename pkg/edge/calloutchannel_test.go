package edge_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

func busString(s string) bus.Name { return bus.String(s) }

// asking starts nodes that ask about channels below ask/.
func askingNodes(t *testing.T, count int, change func(o *edge.Options)) *testkit.Cluster {
	t.Helper()
	return believing(t, count, func(o *edge.Options) {
		o.Callouts.Subscribe, o.Callouts.Publish = []string{"ask/*", ":ask/*", "user/{uid}"}, []string{"ask/*"}
		o.Callouts.Timeout = 500 * time.Millisecond
		o.Sente.SendBufWS, o.Sente.SendBufAjax = -1, -1
		if change != nil {
			change(o)
		}
	})
}

// byChannel answers by what the channel's name ends with.
func byChannel(q string) string {
	switch {
	case strings.Contains(q, "/yes"):
		return "{:allow true}"
	case strings.Contains(q, "/no"):
		return "{:allow false}"
	case strings.Contains(q, "/odd"):
		return "{:allow 1}"
	}
	return "" // silence
}

func TestCalloutSubscribe(t *testing.T) {
	t.Parallel()
	c := askingNodes(t, 1, func(o *edge.Options) {
		anyone := []edge.Who{{Kind: edge.Anyone}}
		o.Access.Channels = []edge.Rule{{Pattern: "ask/rule/*"}, {Pattern: "*", Subscribe: anyone, Publish: anyone}}
	})
	d := guard(t, c, 0, "subscribe", byChannel)
	lite, tab := c.Dial(t, 0, "/?uid=alice"), c.Dial(t, 0, "/chsk?client-id=tab-1&uid=bob")
	for _, tt := range []struct {
		channel, want string
		asked         bool
	}{
		{`"free"`, "", false},
		{`"ask/yes"`, "", true},
		{`:ask/yes`, "", true},
		{`"user/yes"`, "", true},
		{`"user/no"`, ":forbidden", true},
		{`"ask/no"`, ":forbidden", true},
		{`"ask/odd"`, ":unavailable", true},
		{`"ask/silence"`, ":unavailable", true},
		{`"ask/rule/yes"`, ":forbidden", false},
		{`"ask/yes"`, "", false}, // one membership
	} {
		before := d.questions.Load()
		event := `[:sente-lite/subscribe {:channel-id ` + tt.channel + `}]`
		told := "[:sente-lite/subscribed {:channel-id " + tt.channel + ", :success true}]"
		result := `[{:success true} "cb"]`
		if tt.want != "" {
			told = "[:sente-lite/subscribed {:channel-id " + tt.channel + ", :success false, :error " + tt.want + "}]"
			result = `[{:success false, :error ` + tt.want + `} "cb"]`
		}
		lite.Send(event)
		lite.Expect(told)
		if asked := d.questions.Load() > before; asked != tt.asked {
			t.Errorf("%s: asked %v", tt.channel, asked)
		}
		tab.Send("[" + event + ` "cb"]`)
		tab.Expect(result)
	}
	if got := string(d.last.Load().Data); !strings.HasPrefix(got, `{:conn-id "`) || !strings.HasSuffix(got, `, :uid "bob", :client-id "tab-1", :channel "ask/silence"}`) {
		t.Errorf("asked %s", got)
	}
	s := c.Nodes[0].Stats().Callouts.Subscribe
	if s["allowed"] != 6 || s["denied"] != 4 || s["malformed"] != 2 || s["timeout"] != 2 {
		t.Errorf("counted %v", s)
	}
	d.nc.Close()
	testkit.Eventually(t, "nobody to answer", func() bool {
		lite.Send(`[[:sente-lite/subscribe {:channel-id "ask/later"}] "cb"]`)
		lite.Expect(`[{:success false, :error :unavailable} "cb"]`)
		return c.Nodes[0].Stats().Callouts.Subscribe["no-responders"] > 0
	})
}

// Answers come in the order of the questions, whenever a backend decides, and
// what is behind a subscribe waits for it.
func TestCalloutSubscribeOrder(t *testing.T) {
	c := askingNodes(t, 1, func(o *edge.Options) { o.Callouts.Timeout = 5 * time.Second })
	waiting := make(chan *nats.Msg, 4)
	guardBy(t, c, 0, "subscribe", func(m *nats.Msg) { waiting <- m })
	cl := c.Dial(t, 0, "/")
	cl.Send(
		`[[:sente-lite/subscribe {:channel-id "ask/1"}] "1"]`,
		`[[:sente-lite/subscribe {:channel-id "free"}] "2"]`,
		`[[:sente-lite/subscribe {:channel-id "ask/3"}] "3"]`,
		`[[:sente-lite/subscribe {:channel-id "ask/1"}] "4"]`,
		`[[:sente-lite/unsubscribe {:channel-id "ask/1"}] "5"]`,
		`[[:chsk/ws-ping] "6"]`,
	)
	first, second, third := <-waiting, <-waiting, <-waiting
	respond(t, second, "{:allow false}", "")
	respond(t, third, "{:allow true}", "")
	testkit.Eventually(t, "two answers", func() bool { return c.Nodes[0].Stats().Callouts.Waiting == 1 })
	respond(t, first, "{:allow true}", "")
	cl.Expect(
		`[{:success true} "1"]`, `[{:success true} "2"]`, `[{:success false, :error :forbidden} "3"]`, `[{:success true} "4"]`,
		`[{:success true} "5"]`, `[:chsk/ws-pong]`,
	)
}

func TestCalloutPublish(t *testing.T) {
	t.Parallel()
	c := askingNodes(t, 2, func(o *edge.Options) { o.Callouts.Cache = -1 })
	d := guard(t, c, 1, "publish", byChannel)
	reader := c.Dial(t, 1, "/")
	nc := foreign(t, c, 0)
	denied, err := nc.SubscribeSync("hoshi.chan.ask/no*")
	must(t, err)
	must(t, nc.Flush())
	guard(t, c, 0, "subscribe", always("{:allow true}"))
	for _, channel := range []string{`"ask/yes"`, `"ask/no"`, `"ask/odd"`, `"ask/silence"`, `"free"`} {
		reader.Subscribe(channel)
	}
	for i, path := range []string{"/?uid=alice", "/chsk?client-id=tab-1&uid=alice"} {
		cl := c.Dial(t, 0, path)
		for channel, want := range map[string]string{"free": "", "ask/yes": "", "ask/no": ":forbidden", "ask/odd": ":unavailable", "ask/silence": ":unavailable"} {
			event := fmt.Sprintf(`[:sente-lite/publish {:channel-id "%s" :data %d}]`, channel, i)
			result := `[{:success true} "cb"]`
			if want != "" {
				result = `[{:success false, :error ` + want + `} "cb"]`
			}
			cl.Send("[" + event + ` "cb"]`)
			cl.Expect(result)
			if want == "" {
				reader.Expect(testkit.Message(`"`+channel+`"`, fmt.Sprint(i), cl.ConnID))
			}
			if cl.Sente {
				event = "[" + event + " nil]"
			}
			cl.Send(event) // is told nothing
			if want == "" {
				reader.Expect(testkit.Message(`"`+channel+`"`, fmt.Sprint(i), cl.ConnID))
			}
		}
		cl.Nothing()
	}
	reader.Nothing()
	if m, err := denied.NextMsg(time.Millisecond); err == nil {
		t.Errorf("denied, and on %s all the same", m.Subject)
	}
	if s := c.Nodes[0].Stats(); s.Callouts.Publish["allowed"] != 4 || s.Callouts.Publish["denied"] != 4 || s.Callouts.Publish["malformed"] != 4 ||
		s.Callouts.Publish["timeout"] != 4 || s.RefusedMessages["publish-refused"] != 12 || d.questions.Load() != 16 {
		t.Errorf("counted %v, refused %v, asked %d", s.Callouts.Publish, s.RefusedMessages, d.questions.Load())
	}
}

// Messages behind a publish that waits wait too, so all arrive in the order in
// which they were sent.
func TestCalloutPublishOrder(t *testing.T) {
	t.Parallel()
	c := askingNodes(t, 1, func(o *edge.Options) { o.Callouts.Timeout = 5 * time.Second })
	var asked atomic.Int64
	guardBy(t, c, 0, "publish", func(m *nats.Msg) {
		answer := "{:allow true}"
		if strings.Contains(string(m.Data), "/no") {
			answer = "{:allow false}"
		}
		delay := time.Duration(asked.Add(1)%3) * 10 * time.Millisecond
		time.AfterFunc(delay, func() { respond(t, m, answer, "") })
	})
	var events []string
	taken := make(chan string, 1000)
	nc := foreign(t, c, 0)
	_, err := nc.Subscribe("hoshi.>", func(m *nats.Msg) { // one, to see the order
		if strings.HasPrefix(m.Subject, "hoshi.chan.") || strings.HasPrefix(m.Subject, "hoshi.event.my.") {
			taken <- string(m.Data)
		}
	})
	must(t, err)
	must(t, nc.Flush())
	for name, path := range map[string]string{"lite": "/", "tab": "/chsk?client-id=tab-1"} {
		cl := c.Dial(t, 0, path)
		events = events[:0]
		var want []string
		for i := range 60 {
			switch i % 4 {
			case 0:
				events = append(events, fmt.Sprintf(`[:sente-lite/publish {:channel-id "ask/%d" :data %d}]`, i, i))
				want = append(want, fmt.Sprint(i))
			case 1:
				events = append(events, fmt.Sprintf(`[:sente-lite/publish {:channel-id "free" :data %d}]`, i))
				want = append(want, fmt.Sprint(i))
			case 2:
				events = append(events, fmt.Sprintf(`[:my/event %d]`, i))
				want = append(want, fmt.Sprintf(`[:my/event %d]`, i))
			case 3:
				events = append(events, fmt.Sprintf(`[:sente-lite/publish {:channel-id "ask/no%d" :data %d}]`, i, i))
			}
		}
		if cl.Sente {
			for i := range events {
				events[i] = "[" + events[i] + " nil]"
			}
		}
		cl.Send(events...)
		cl.Nothing()
		for i, w := range want {
			if got := next(t, taken); got != w {
				t.Fatalf("%s, %d: %s, want %s", name, i, got, w)
			}
		}
	}
}

// An answer is good for a while for the same user and channel.
func TestCalloutCache(t *testing.T) {
	t.Parallel()
	c := askingNodes(t, 1, func(o *edge.Options) { o.Callouts.Cache = time.Minute })
	d := guard(t, c, 0, "publish", byChannel)
	publish := func(cl *testkit.Client, channel string, want string) {
		t.Helper()
		cl.Send(`[[:sente-lite/publish {:channel-id "ask/` + channel + `" :data 1}] "cb"]`)
		cl.Expect(want)
	}
	done, denied := `[{:success true} "cb"]`, `[{:success false, :error :forbidden} "cb"]`
	ask := func(what string, more int64, do func()) {
		t.Helper()
		before := d.questions.Load()
		do()
		if got := d.questions.Load() - before; got != more {
			t.Errorf("%s: asked %d times, want %d", what, got, more)
		}
	}
	alice, again, bob := c.Dial(t, 0, "/?uid=alice"), c.Dial(t, 0, "/?uid=alice"), c.Dial(t, 0, "/?uid=bob")
	stranger, other := c.Dial(t, 0, "/"), c.Dial(t, 0, "/")
	tab1, tab2 := c.Dial(t, 0, "/chsk?client-id=1"), c.Dial(t, 0, "/chsk?client-id=2")
	for _, cl := range []*testkit.Client{alice, bob, stranger, other, tab1, tab2} {
		ask("each", 1, func() { publish(cl, "yes", done) })
		ask("a second time", 0, func() { publish(cl, "yes", done) })
	}
	ask("the same user", 0, func() { publish(again, "yes", done) })
	ask("another channel", 1, func() { publish(alice, "yes/2", done) })
	ask("denied", 1, func() { publish(alice, "no", denied); publish(again, "no", denied) })
	ask("silence", 2, func() {
		for range 2 {
			publish(alice, "silence", `[{:success false, :error :unavailable} "cb"]`)
		}
	})
	if s := c.Nodes[0].Stats().Callouts; s.Publish["cached"] != 8 || s.Cached != 8 {
		t.Errorf("counted %v, %d kept", s.Publish, s.Cached)
	}
}

func TestCalloutCacheEnds(t *testing.T) {
	c := askingNodes(t, 1, func(o *edge.Options) { o.Callouts.Cache = 50 * time.Millisecond })
	d := guard(t, c, 0, "publish", always("{:allow true}"))
	cl := c.Dial(t, 0, "/")
	testkit.Eventually(t, "to be asked again", func() bool {
		cl.Send(`[[:sente-lite/publish {:channel-id "ask/a" :data 1}] "cb"]`)
		cl.Expect(`[{:success true} "cb"]`)
		return d.questions.Load() > 2
	})
	if s := c.Nodes[0].Stats().Callouts; s.Publish["cached"] == 0 || s.Cached != 1 {
		t.Errorf("counted %v, %d kept", s.Publish, s.Cached)
	}
}

// NATS goes away while a backend thinks, and stays away.
func TestCalloutNATSAway(t *testing.T) {
	c := askingNodes(t, 1, func(o *edge.Options) { o.Callouts.Timeout = 5 * time.Second })
	asked := make(chan struct{}, 4)
	for _, kind := range []string{"publish", "subscribe"} {
		guardBy(t, c, 0, kind, func(*nats.Msg) { asked <- struct{}{} })
	}
	publishing, subscribing := c.Dial(t, 0, "/"), c.Dial(t, 0, "/")
	publishing.Send(`[[:sente-lite/publish {:channel-id "ask/a" :data 1}] "p"]`)
	subscribing.Send(`[[:sente-lite/subscribe {:channel-id "ask/a"}] "s"]`)
	<-asked
	<-asked
	c.NATS[0].Shutdown()
	publishing.Expect(`[{:success false, :error :unavailable} "p"]`)
	subscribing.Expect(`[{:success false, :error :unavailable} "s"]`)
	publishing.Send(`[[:sente-lite/publish {:channel-id "ask/b" :data 1}] "p"]`)
	publishing.Expect(`[{:success false, :error :unavailable} "p"]`)
}

// In JSON a backend is asked with names as clients of JSON write them.
func TestCalloutChannelInJSON(t *testing.T) {
	c := askingNodes(t, 1, func(o *edge.Options) { o.Callouts.Format = codec.JSON })
	d := guardBy(t, c, 0, "subscribe", func(m *nats.Msg) { respond(t, m, `{"allow":true}`, "application/json") })
	cl := c.Dial(t, 0, "/?uid=alice")
	cl.Subscribe(":ask/a")
	if got, want := string(d.last.Load().Data), `{"conn-id":"`+cl.ConnID+`","uid":"alice","channel":":ask/a"}`; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

// What goes on for another reason is held back all the same, and asks once.
func TestCalloutPublishResumed(t *testing.T) {
	c := askingNodes(t, 1, func(o *edge.Options) { o.Callouts.Timeout = 5 * time.Second })
	waiting := make(chan *nats.Msg, 4)
	d := guardBy(t, c, 0, "publish", func(m *nats.Msg) { waiting <- m })
	cl := c.Dial(t, 0, "/")
	cl.Send(`[[:sente-lite/publish {:channel-id "ask/a" :data 1}] "1"]`, `[[:sente-lite/publish {:channel-id "free" :data 2}] "2"]`)
	m := <-waiting
	for range 3 {
		edge.ResumeAll(c.Nodes[0])
	}
	must(t, d.nc.Flush())
	respond(t, m, "{:allow true}", "")
	cl.Expect(`[{:success true} "1"]`, `[{:success true} "2"]`)
	if got := d.questions.Load(); got != 1 {
		t.Errorf("asked %d times", got)
	}
}
