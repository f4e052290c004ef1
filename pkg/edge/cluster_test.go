package edge_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever is published on one node or NATS server arrives on all the others.
func TestFanOutAcrossNodes(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 3, nil)
	backend := c.Backend(t, 2)
	var all []*testkit.Client
	for i := range c.Nodes {
		for range 2 {
			cl := c.Dial(t, i, "/ws?uid=alice")
			cl.Subscribe(`"news"`)
			all = append(all, cl)
		}
	}
	stranger := c.Dial(t, 1, "/ws?uid=bob")
	anonymous := c.Dial(t, 1, "/")

	t.Run("channel, from a client", func(t *testing.T) {
		all[0].Publish(`"news"`, "1")
		for _, cl := range all {
			cl.Expect(testkit.Message(`"news"`, "1", all[0].ConnID))
		}
	})
	t.Run("channel, from a client on another node, to others", func(t *testing.T) {
		all[5].Send(`[:sente-lite/publish {:channel-id "news" :data 2 :exclude-sender? true}]`)
		for _, cl := range all[:5] {
			cl.Expect(testkit.Message(`"news"`, "2", all[5].ConnID))
		}
		all[5].Nothing()
	})
	t.Run("channel, from a backend", func(t *testing.T) {
		must(t, backend.PublishChannel(bus.String("news"), []byte("{:n 3}")))
		for _, cl := range all {
			cl.Expect(testkit.Message(`"news"`, "{:n 3}", ""))
		}
	})
	t.Run("channel, from a backend, without one", func(t *testing.T) {
		must(t, backend.PublishChannel(bus.String("news"), []byte("4"), bus.Exclude(all[2].ConnID)))
		for i, cl := range all {
			if i != 2 {
				cl.Expect(testkit.Message(`"news"`, "4", ""))
			}
		}
		all[2].Nothing()
	})
	t.Run("user", func(t *testing.T) {
		must(t, backend.PublishUser(bus.String("alice"), []byte("[:chat/hi {:n 1}]")))
		for _, cl := range all {
			cl.Expect("[:chat/hi {:n 1}]")
		}
		stranger.Nothing()
	})
	t.Run("user, without one socket", func(t *testing.T) {
		must(t, backend.PublishUser(bus.String("alice"), []byte("[:chat/hi]"), bus.Exclude(all[0].ConnID)))
		for _, cl := range all[1:] {
			cl.Expect("[:chat/hi]")
		}
		all[0].Nothing()
	})
	t.Run("connection", func(t *testing.T) {
		for _, cl := range append(all, anonymous) {
			must(t, backend.PublishConn(cl.ConnID, []byte("[:only/you 1]")))
			cl.Expect("[:only/you 1]")
		}
	})
	t.Run("user without a uid is a connection", func(t *testing.T) {
		must(t, backend.PublishUser(bus.String(anonymous.ConnID), []byte("[:only/you 2]")))
		anonymous.Expect("[:only/you 2]")
	})
	t.Run("everyone", func(t *testing.T) {
		must(t, backend.PublishAll([]byte("[:sys/notice {:text \"hello\"}]")))
		for _, cl := range append(all, stranger, anonymous) {
			cl.Expect("[:sys/notice {:text \"hello\"}]")
		}
	})
	t.Run("everyone but one", func(t *testing.T) {
		must(t, backend.PublishAll([]byte("[:sys/notice]"), bus.Exclude(stranger.ConnID)))
		for _, cl := range append(all, anonymous) {
			cl.Expect("[:sys/notice]")
		}
		stranger.Nothing()
	})
	t.Run("close of a user", func(t *testing.T) {
		must(t, backend.PublishUser(bus.String("alice"), []byte("[:chsk/close]")))
		for _, cl := range all {
			cl.ExpectClose(1000)
		}
		stranger.Nothing()
	})
	t.Run("close of a connection", func(t *testing.T) {
		must(t, backend.PublishConn(stranger.ConnID, []byte("[:chsk/close]")))
		stranger.ExpectClose(1000)
	})
}

// hear takes events and passes them on.
func hear(t *testing.T, b *bus.Client, pattern, group string, fn func(*bus.Event)) <-chan string {
	t.Helper()
	events := make(chan string, 1000)
	_, err := b.Take(t.Context(), pattern, group, func(e *bus.Event) {
		events <- string(e.Event)
		if fn != nil {
			fn(e)
		}
	})
	must(t, err)
	return events
}

func next(t *testing.T, events <-chan string) string {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(testkit.Patience):
		t.Fatal("no event")
		return ""
	}
}

func TestEventsForBackends(t *testing.T) {
	c := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) { o.RequestTimeout = 500 * time.Millisecond })
	backend := c.Backend(t, 1)
	events := hear(t, backend, "shop.>", "shop", func(e *bus.Event) {
		var err error
		switch string(e.ID) {
		case ":shop/buy":
			err = errors.Join(e.Reply([]byte(`{:sold "`+e.Conn+`"}`)), e.Reply([]byte(`"late"`)))
		case ":shop/refuse":
			err = e.ReplyError(":shop/closed")
		}
		if err != nil {
			t.Errorf("reply to %s: %v", e.ID, err)
		}
	})
	cl := c.Dial(t, 0, "/ws?uid=alice")

	t.Run("without a callback", func(t *testing.T) {
		cl.Send("[:shop/look {:at #inst \"2024-01-01T00:00:00.000-00:00\"}]", "[:shop/leave]")
		if got := next(t, events); got != "[:shop/look {:at #inst \"2024-01-01T00:00:00.000-00:00\"}]" {
			t.Errorf("event %s", got)
		}
		if got := next(t, events); got != "[:shop/leave]" {
			t.Errorf("event %s", got)
		}
	})
	t.Run("answered, and only once", func(t *testing.T) {
		cl.Send(`[[:shop/buy 1] "c1"]`)
		cl.Expect(`[{:sold "` + cl.ConnID + `"} "c1"]`)
		next(t, events)
		cl.Nothing()
	})
	t.Run("refused", func(t *testing.T) {
		cl.Send(`[[:shop/refuse 1] "c2"]`)
		cl.Expect(`[:shop/closed "c2"]`)
		next(t, events)
	})
	t.Run("never answered", func(t *testing.T) {
		cl.Send(`[[:shop/think 1] "c3"]`)
		cl.Expect(`[:chsk/timeout "c3"]`)
		next(t, events)
	})
	t.Run("nobody listens, known at once", func(t *testing.T) {
		start := time.Now()
		cl.Send(`[[:nobody/here 1] "c4"]`)
		cl.Expect(`[:chsk/error "c4"]`)
		if d := time.Since(start); d > 400*time.Millisecond {
			t.Errorf("known after %v only", d)
		}
	})
	t.Run("nil is no callback", func(t *testing.T) {
		cl.Send(`[[:shop/look 2] nil]`)
		if got := next(t, events); got != "[:shop/look 2]" {
			t.Errorf("event %s", got)
		}
		cl.Nothing()
	})
	t.Run("callbacks are told apart", func(t *testing.T) {
		for i := range 50 {
			cl.Send(fmt.Sprintf(`[[:shop/buy %d] %d]`, i, i))
		}
		seen := map[string]bool{}
		for range 50 {
			seen[cl.Read()] = true
			next(t, events)
		}
		for i := range 50 {
			if !seen[fmt.Sprintf(`[{:sold "%s"} %d]`, cl.ConnID, i)] {
				t.Errorf("no answer to %d", i)
			}
		}
	})
	t.Run("who sent it", func(t *testing.T) {
		got := make(chan [2]string, 2)
		_, err := backend.Take(t.Context(), "who.>", "who", func(e *bus.Event) { got <- [2]string{e.Conn, string(e.UID)} })
		must(t, err)
		cl.Send("[:who/am-i]")
		if g := <-got; g != [2]string{cl.ConnID, `"alice"`} {
			t.Errorf("heard %v", g)
		}
		anonymous := c.Dial(t, 0, "/")
		anonymous.Send("[:who/am-i]")
		if g := <-got; g[0] != anonymous.ConnID {
			t.Errorf("heard %v", g)
		}
	})
}

func TestLifeOfASocket(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, nil)
	events := hear(t, c.Backend(t, 1), "chsk.>", "life", nil)
	app := hear(t, c.Backend(t, 1), "app.>", "app", nil)
	cl := c.Dial(t, 0, "/ws?uid=alice")
	if got, want := next(t, events), fmt.Sprintf(`[:chsk/conn-open {:conn-id "%s", :uid "alice", :dialect :sente-lite}]`, cl.ConnID); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	cl.Send("[:app/x]")
	next(t, app)
	cl.Write(testkit.AppendFrame(nil, 8, []byte{0x03, 0xe8}))
	if got, want := next(t, events), fmt.Sprintf(`[:chsk/conn-close {:conn-id "%s", :uid "alice", :dialect :sente-lite, :reason "peer", :code 1000}]`, cl.ConnID); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	anonymous := c.Dial(t, 0, "/")
	if got, want := next(t, events), fmt.Sprintf(`[:chsk/conn-open {:conn-id "%s", :uid "%[1]s", :dialect :sente-lite}]`, anonymous.ConnID); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	anonymous.Conn.Close()
	if got := next(t, events); !strings.Contains(got, ":code 1006") {
		t.Errorf("got %s", got)
	}
}

func TestEcho(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, func(i int, o *edge.Options) { o.Echo = i == 1 })
	cl := c.Dial(t, 0, "/")
	cl.Send(`[[:app/x {:a 1}] "cb"]`)
	cl.Expect(`[{:a 1} "cb"]`)
	cl.Send(`[[:app/x] "cb"]`)
	cl.Expect(`[nil "cb"]`)
	cl.Send("[:app/unknown {:x 1}]")
	got := cl.Read()
	if want := `[:sente-lite/echo {:original-event-id :app/unknown, :original-data {:x 1}, :conn-id "` + cl.ConnID + `", :timestamp `; !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s...", got, want)
	}
	cl.Nothing()
}

// One hears :subscribed on one server, and what is published at once on
// another arrives: on 20,000 fresh channels none is lost (6,000 under the race
// detector).
func TestSubscribedMeansOnEveryServer(t *testing.T) {
	const workers = 20
	channels := scaled(20_000, 6_000)
	c := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) {
		o.Channels.MaxSubscriptionsPerConn = channels
		o.BarrierTimeout = testkit.Patience // a server that is only slow is not passed over
	})
	var wg sync.WaitGroup
	for w := range workers {
		a, b := c.Dial(t, 0, "/"), c.Dial(t, 1, "/")
		wg.Go(func() {
			for i := range channels / workers {
				ch := fmt.Sprintf(`"fresh-%d-%d"`, w, i)
				a.Send("[:sente-lite/subscribe {:channel-id " + ch + "}]")
				m, err := a.TryRead(testkit.Patience)
				if err != nil || m != "[:sente-lite/subscribed {:channel-id "+ch+", :success true}]" {
					t.Errorf("subscribe %s: %s, %v", ch, m, err)
					return
				}
				b.Publish(ch, "1")
				m, err = a.TryRead(testkit.Patience)
				if err != nil || m != testkit.Message(ch, "1", b.ConnID) {
					t.Errorf("channel %s: %s, %v", ch, m, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Frames of one connection take effect in order, also those behind a subscribe
// that waits for its interest.
func TestFramesTakeEffectInOrder(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, nil)
	cl := c.Dial(t, 0, "/")
	for i := range 90 {
		a, b := fmt.Sprintf(`"a%d"`, i), fmt.Sprintf(`"b%d"`, i)
		cl.Send(
			"[:sente-lite/subscribe {:channel-id "+a+"}]",
			"[:sente-lite/subscribe {:channel-id "+b+"}]",
			"[:sente-lite/publish {:channel-id "+a+" :data 1}]",
			"[:sente-lite/unsubscribe {:channel-id "+b+"}]",
			"[:sente-lite/publish {:channel-id "+b+" :data 2}]",
			"[:chsk/ws-ping]",
		)
		var got []string
		for range 5 {
			got = append(got, cl.Read())
		}
		yes := func(ch string) string { return "[:sente-lite/subscribed {:channel-id " + ch + ", :success true}]" }
		count := map[string]int{}
		for _, m := range got {
			count[m]++
		}
		if count[yes(a)] != 1 || count[yes(b)] != 2 || count["[:chsk/ws-pong]"] != 1 || count[testkit.Message(a, "1", cl.ConnID)] != 1 {
			t.Fatalf("got %q", got)
		}
		if got[0] == "[:chsk/ws-pong]" || got[1] == "[:chsk/ws-pong]" {
			t.Fatalf("the ping overtook a subscribe: %q", got)
		}
	}
}

// The interest on NATS follows the subscribers, and lingers.
func TestInterestFollowsSubscribers(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.Linger = 300 * time.Millisecond })
	interests := func() int {
		n, err := c.NATS[0].Subscriptions("hoshi.chan.>")
		must(t, err)
		return n
	}
	a, b := c.Dial(t, 0, "/"), c.Dial(t, 0, "/")
	for i := range 50 {
		a.Subscribe(fmt.Sprint(i))
		b.Subscribe(fmt.Sprint(i))
	}
	if n := interests(); n != 50 {
		t.Errorf("%d interests for 50 channels", n)
	}
	a.Conn.Close()
	for i := range 25 {
		b.Send(fmt.Sprintf("[:sente-lite/unsubscribe {:channel-id %d}]", i))
		b.Read()
	}
	testkit.Eventually(t, "half of the interests", func() bool { return interests() == 25 && c.Nodes[0].Stats().Channels == 25 })
	b.Conn.Close()
	testkit.Eventually(t, "no interest", func() bool { return interests() == 0 && c.Nodes[0].Stats().Channels == 0 })
}

// Clients stay while NATS is away, and are told what does not work; after the
// return everything that they had works.
func TestNATSAway(t *testing.T) {
	c := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) { o.ReadyGrace = -1 })
	node := c.Nodes[0]
	cl := c.Dial(t, 0, "/ws?uid=alice")
	for i := range 90 {
		cl.Subscribe(fmt.Sprintf(`"old-%d"`, i))
	}
	// Both: nodes go to any server that they know.
	c.NATS[0].Shutdown()
	c.NATS[1].Shutdown()
	testkit.Eventually(t, "not ready", func() bool { return !node.Ready() && !c.Nodes[1].Ready() })

	for _, host := range []string{node.Addr().String(), node.AdminAddr().String()} {
		if s := status(t, "http://"+host+"/health/ready"); s != 503 {
			t.Errorf("ready answers %d", s)
		}
		if s := status(t, "http://"+host+"/health"); s != 200 {
			t.Errorf("health answers %d", s)
		}
	}
	cl.Send(`[[:app/x 1] "c1"]`)
	cl.Expect(`[:chsk/error "c1"]`)
	cl.Send(`[[:sente-lite/publish {:channel-id "old-1" :data 1}] "c2"]`)
	cl.Expect(`[{:success false, :error :unavailable} "c2"]`)
	cl.Send(`[:sente-lite/subscribe {:channel-id "new"}]`)
	cl.Expect(`[:sente-lite/subscribed {:channel-id "new", :success false, :error :unavailable}]`)
	cl.Send(`[[:sente-lite/subscribe {:channel-id "new"}] "c3"]`)
	cl.Expect(`[{:success false, :error :unavailable} "c3"]`)
	cl.Send(`[:sente-lite/unsubscribe {:channel-id "old-0"}]`)
	cl.Expect(`[:sente-lite/subscribed {:channel-id "old-0", :success true}]`)
	before := node.Stats().RefusedMessages["unavailable"]
	cl.Send("[:app/lost]", `[:sente-lite/publish {:channel-id "old-1" :data "lost"}]`)
	cl.Nothing()
	if n := node.Stats().RefusedMessages["unavailable"] - before; n != 2 {
		t.Errorf("%d of 2 refusals counted", n)
	}
	for _, path := range []string{"/", "/ws?uid=bob"} {
		_, err := testkit.TryDial(t, node.Addr().String(), path)
		if status, ok := errors.AsType[ws.StatusError](err); !ok || status != 503 {
			t.Errorf("upgrade of %s: %v", path, err)
		}
	}

	c.Restart(t, 0)
	c.Restart(t, 1)
	for _, n := range c.Nodes {
		testkit.Eventually(t, "ready again", func() bool { return n.Ready() })
	}
	events := hear(t, c.Backend(t, 1), "app.>", "app", nil)
	testkit.Eventually(t, "servers and nodes know of each other", func() bool {
		a, b := c.Nodes[0].Stats().Bus, c.Nodes[1].Stats().Bus
		return c.NATS[0].Routes() == 1 && c.NATS[1].Routes() == 1 && (a.ServerID == b.ServerID || a.Servers == 2 && b.Servers == 2)
	})
	cl.Subscribe(`"new"`) // its barrier is behind every interest that was restored
	other := c.Dial(t, 1, "/")
	for i := 1; i < 90; i++ {
		other.Publish(fmt.Sprintf(`"old-%d"`, i), "7")
		cl.Expect(testkit.Message(fmt.Sprintf(`"old-%d"`, i), "7", other.ConnID))
	}
	must(t, c.Backend(t, 1).PublishUser(bus.String("alice"), []byte("[:still/here]")))
	cl.Expect("[:still/here]")
	cl.Send("[:app/back]")
	if got := next(t, events); got != "[:app/back]" {
		t.Errorf("event %s", got)
	}
}

// A uid's first socket is accepted when its interest is in force: whoever has
// heard the handshake gets every push from then on, from any server.
func TestHandshakeMeansOnEveryServer(t *testing.T) {
	const users, workers = 1000, 10
	c := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) { o.BarrierTimeout = testkit.Patience })
	backend := c.Backend(t, 1)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range users / workers {
				uid := fmt.Sprintf("u-%d-%d", w, i)
				cl, err := testkit.TryDial(t, c.Nodes[0].Addr().String(), "/ws?uid="+uid)
				if err != nil {
					t.Errorf("dial %s: %v", uid, err)
					return
				}
				if err := backend.PublishUser(bus.String(uid), []byte("[:at/once]")); err != nil {
					t.Errorf("push: %v", err)
				}
				if m, err := cl.TryRead(testkit.Patience); err != nil || m != "[:at/once]" {
					t.Errorf("%s got %s, %v", uid, m, err)
					return
				}
				cl.Conn.Close()
			}
		})
	}
	wg.Wait()
}

func status(t *testing.T, url string) int {
	t.Helper()
	client := http.Client{Timeout: testkit.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	must(t, err)
	resp.Body.Close()
	return resp.StatusCode
}

func TestSizes(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, nil)
	a, b := c.Dial(t, 0, "/"), c.Dial(t, 1, "/")
	b.Subscribe(`"big"`)
	frame := func(total int) (msg, data string) {
		head, tail := `[:sente-lite/publish {:channel-id "big", :data `, "}]"
		data = `"` + strings.Repeat("x", total-len(head)-len(tail)-2) + `"`
		return head + data + tail, data
	}
	msg, data := frame(1 << 20)
	a.Send(msg)
	b.Expect(testkit.Message(`"big"`, data, a.ConnID))
	a.Nothing()
	msg, _ = frame(1<<20 + 1)
	a.Send(msg)
	a.ExpectClose(1009)
	b.Nothing()
}

// A NATS server with a small max_payload lowers the node's limit.
func TestSmallMaxPayload(t *testing.T) {
	nats := testkit.StartNATSWith(t, 64<<10)
	var log logged
	node := testkit.StartNode(t, edge.Options{Bus: bus.Options{InProcess: nats}, Logger: log.logger()})
	if said := log.lines("message limit"); len(said) != 1 || !strings.Contains(said[0], `"max_message_bytes":49152`) {
		t.Errorf("the log says %q", said)
	}
	if got := node.Stats().MaxMessage; got != 48<<10 {
		t.Errorf("limit %d, want %d", got, 48<<10)
	}
	cl := testkit.Dial(t, node.Addr().String(), "/")
	cl.Subscribe("1")
	data := `"` + strings.Repeat("x", 47<<10) + `"`
	cl.Publish("1", data)
	cl.Expect(testkit.Message("1", data, cl.ConnID))
	cl.Publish("1", `"`+strings.Repeat("x", 49<<10)+`"`)
	cl.ExpectClose(1009)
}

// No name, however long or odd, costs the node its NATS connection.
func TestOddNamesCostNothing(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.MaxMessage = 1 << 20 })
	bystander := c.Dial(t, 0, "/")
	bystander.Subscribe(`"b"`)
	cl := c.Dial(t, 0, "/")
	names := []string{
		`"` + strings.Repeat("x", 5000) + `"`, `"` + strings.Repeat(".", 255) + `"`, `">"`, `"*"`, `"a b"`, "\"\r\nPUB x 1\"",
		`"."`, `".."`, `"hoshi.all"`, ":>", ":*/x", `"\u0000"`, "[" + strings.Repeat("1 ", 300) + "]", `"$SYS.>"`, `"é"`, "\\a", "nil", "##NaN", "##Inf",
	}
	for _, name := range names {
		cl.Send("[:sente-lite/subscribe {:channel-id "+name+"}]", "[:sente-lite/publish {:channel-id "+name+" :data 1}]", "[:chsk/ws-ping]")
		for cl.Read() != "[:chsk/ws-pong]" {
		}
	}
	for _, id := range []string{
		":" + strings.Repeat("a", 1020) + "/x", ":" + strings.Repeat("a", 5000) + "/x", ":" + strings.Repeat(".", 900) + "/x",
		":a/" + strings.Repeat("é", 900), ":*/x", ":>/x", ":a/>", ":a/*", ":$SYS.REQ/x",
	} {
		cl.Send("[" + id + " 1]")
	}
	cl.Send("[:sente-lite/publish {:channel-id \"b\" :data :done}]")
	bystander.Expect(testkit.Message(`"b"`, ":done", cl.ConnID))
	if s := c.Nodes[0].Stats().Bus; s.Connects != 1 {
		t.Errorf("%d NATS connections were needed", s.Connects)
	}
}

func TestStopClosesWith1012(t *testing.T) {
	c := testkit.StartCluster(t, 2, nil)
	events := hear(t, c.Backend(t, 1), "chsk.conn-close", "life", nil)
	cl := c.Dial(t, 0, "/")
	start := time.Now()
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
		defer cancel()
		done <- c.Nodes[0].Stop(ctx)
	}()
	cl.ExpectClose(1012)
	cl.Write(testkit.AppendFrame(nil, 8, []byte{0x03, 0xf4}))
	cl.Conn.Close()
	must(t, <-done)
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("stopped after %v", d)
	}
	if got := next(t, events); !strings.Contains(got, cl.ConnID) || !strings.Contains(got, ":code 1012") {
		t.Errorf("heard %s", got)
	}
}
