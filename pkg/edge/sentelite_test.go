package edge_test

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

func one(t *testing.T, change func(o *edge.Options)) *testkit.Cluster {
	t.Helper()
	return testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
		if change != nil {
			change(o)
		}
	})
}

func TestHandshake(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.Version = "1.2.3" })
	tests := []struct {
		name, path, uid string // uid empty: the conn-id
	}{
		{name: "root", path: "/"},
		{name: "ws", path: "/ws"},
		{name: "format named", path: "/ws?format=edn"},
		{name: "uid", path: "/ws?uid=alice", uid: `"alice"`},
		{name: "uid escaped", path: "/?uid=a%20%22b%22", uid: `"a \"b\""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cl := c.Dial(t, 0, tt.path)
			want := tt.uid
			if want == "" {
				want = `"` + cl.ConnID + `"`
			}
			if cl.UID != want {
				t.Errorf("uid %s, want %s", cl.UID, want)
			}
			if ok, _ := regexp.MatchString(`^conn-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-`+c.Nodes[0].ID().String()+`$`, cl.ConnID); !ok {
				t.Errorf("conn-id %s", cl.ConnID)
			}
		})
	}
}

func TestUpgradeRefused(t *testing.T) {
	c := one(t, nil)
	conn := c.Dial(t, 0, "/").ConnID
	tests := []struct {
		name, path string
		status     int
	}{
		{name: "other path", path: "/nowhere", status: 404},
		{name: "sente without client", path: "/chsk", status: 400},
		{name: "other format", path: "/ws?format=yaml", status: 400},
		{name: "two formats", path: "/ws?format=json&format=edn", status: 400},
		{name: "empty uid", path: "/ws?uid=", status: 400},
		{name: "two uids", path: "/ws?uid=a&uid=b", status: 400},
		{name: "uid is a conn-id", path: "/ws?uid=" + conn, status: 400},
		{name: "uid too long", path: "/ws?uid=" + strings.Repeat("a", 256), status: 400},
		{name: "malformed query", path: "/ws?uid=%zz", status: 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := testkit.TryDial(t, c.Nodes[0].Addr().String(), tt.path)
			if status, ok := errors.AsType[ws.StatusError](err); !ok || int(status) != tt.status {
				t.Errorf("got %v, want status %d", err, tt.status)
			}
		})
	}
}

func TestPing(t *testing.T) {
	c := one(t, nil)
	cl := c.Dial(t, 0, "/")
	cl.Send("[:chsk/ws-ping]", `[[:chsk/ws-ping] "cb"]`, "[:chsk/ws-pong]", "[:chsk/ws-ping]")
	cl.Expect("[:chsk/ws-pong]", "[:chsk/ws-pong]", "[:chsk/ws-pong]")
}

func TestChannelOperations(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.Channels.MaxSubscriptionsPerConn = 3 })
	sub := func(ch string) string { return "[:sente-lite/subscribe {:channel-id " + ch + "}]" }
	unsub := func(ch string) string { return "[:sente-lite/unsubscribe {:channel-id " + ch + "}]" }
	yes := func(ch string) string { return "[:sente-lite/subscribed {:channel-id " + ch + ", :success true}]" }
	no := func(ch, kw string) string {
		return "[:sente-lite/subscribed {:channel-id " + ch + ", :success false, :error " + kw + "}]"
	}
	tests := []struct {
		name string
		send []string
		want []string
	}{
		{name: "subscribe", send: []string{sub(`"a"`)}, want: []string{yes(`"a"`)}},
		{name: "twice is one membership", send: []string{sub(`"a"`), sub(`"a"`), unsub(`"a"`), unsub(`"a"`)}, want: []string{
			yes(`"a"`), yes(`"a"`), yes(`"a"`),
			`[:sente-lite/subscribed {:channel-id "a", :success nil, :error :not-subscribed}]`,
		}},
		{name: "with a callback, no event as well", send: []string{`[` + sub(`"a"`) + ` "c1"]`, "[:chsk/ws-ping]"}, want: []string{
			`[{:success true} "c1"]`, "[:chsk/ws-pong]",
		}},
		{name: "unsubscribe with a callback", send: []string{`[` + unsub(`"a"`) + ` "c1"]`}, want: []string{
			`[{:success false, :error :not-subscribed} "c1"]`,
		}},
		{name: "limit", send: []string{sub("1"), sub("2"), sub("3"), sub("4"), unsub("2"), sub("4")}, want: []string{
			yes("1"), yes("2"), yes("3"), no("4", ":max-subscriptions-per-conn"), yes("2"), yes("4"),
		}},
		{name: "limit with a callback", send: []string{sub("1"), sub("2"), sub("3"), `[` + sub("4") + ` "c"]`}, want: []string{
			yes("1"), yes("2"), yes("3"), `[{:success false, :error :max-subscriptions-per-conn} "c"]`,
		}},
		{name: "no channel", send: []string{"[:sente-lite/subscribe {}]"}, want: []string{no("nil", ":bad-request")}},
		{name: "no map", send: []string{"[:sente-lite/subscribe]"}, want: []string{no("nil", ":bad-request")}},
		{name: "nil", send: []string{sub("nil")}, want: []string{no("nil", ":bad-request")}},
		{name: "empty string", send: []string{sub(`""`)}, want: []string{no(`""`, ":bad-request")}},
		{name: "not a number", send: []string{sub("##NaN")}, want: []string{no("##NaN", ":bad-request")}},
		{name: "too long", send: []string{sub(`"` + strings.Repeat("x", 256) + `"`)}, want: []string{
			no(`"`+strings.Repeat("x", 256)+`"`, ":bad-request"),
		}},
		{name: "publish with a callback", send: []string{`[[:sente-lite/publish {:channel-id "z" :data 1}] "p"]`}, want: []string{
			`[{:success true} "p"]`,
		}},
		{name: "bad publish with a callback", send: []string{`[[:sente-lite/publish {:data 1}] "p"]`}, want: []string{
			`[{:success false, :error :bad-request} "p"]`,
		}},
		{name: "bad publish without one", send: []string{"[:sente-lite/publish nil]", "[:chsk/ws-ping]"}, want: []string{"[:chsk/ws-pong]"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cl := c.Dial(t, 0, "/")
			cl.Send(tt.send...)
			cl.Expect(tt.want...)
			cl.Nothing()
		})
	}
}

func TestChannelRules(t *testing.T) {
	c := one(t, func(o *edge.Options) {
		o.Channels.MustExist = true
		o.Channels.Patterns = []string{"room-*", ":game/*", "lobby"}
		o.Channels.MaxSubscribers = 2
	})
	cl := c.Dial(t, 0, "/")
	cl.Subscribe(`"room-1"`)
	cl.Subscribe(`:game/chess`)
	cl.Subscribe(`"lobby"`)
	cl.Send(`[:sente-lite/subscribe {:channel-id "cellar"}]`)
	cl.Expect(`[:sente-lite/subscribed {:channel-id "cellar", :success false, :error :channel-not-found}]`)
	c.Dial(t, 0, "/").Subscribe(`"lobby"`)
	third := c.Dial(t, 0, "/")
	third.Send(`[:sente-lite/subscribe {:channel-id "lobby"}]`)
	third.Expect(`[:sente-lite/subscribed {:channel-id "lobby", :success false, :error :max-subscribers-reached}]`)
	third.Send(`[[:sente-lite/subscribe {:channel-id "lobby"}] "cb"]`, `[[:sente-lite/subscribe {:channel-id "cellar"}] "cb"]`)
	third.Expect(`[{:success false, :error :max-subscribers-reached} "cb"]`, `[{:success false, :error :channel-not-found} "cb"]`)
	cl.Send(`[:sente-lite/unsubscribe {:channel-id "lobby"}]`) // makes room
	cl.Expect(`[:sente-lite/subscribed {:channel-id "lobby", :success true}]`)
	third.Subscribe(`"lobby"`)
}

// Unless configured: 100 subscriptions for a connection, and as many
// connections in a channel as come.
func TestDefaultLimits(t *testing.T) {
	c := one(t, nil)
	cl := c.Dial(t, 0, "/")
	for i := range 100 {
		cl.Subscribe(fmt.Sprint(i))
	}
	cl.Send("[:sente-lite/subscribe {:channel-id 100}]")
	cl.Expect("[:sente-lite/subscribed {:channel-id 100, :success false, :error :max-subscriptions-per-conn}]")
	for range 1001 { // the reference takes 1,000
		c.Dial(t, 0, "/").Subscribe("0")
	}
}

// A channel id comes back equal to what was sent: in canonical text, and
// distinct values are distinct channels.
func TestChannelIDsOfAnyType(t *testing.T) {
	c := one(t, nil)
	tests := []struct{ name, sent, canonical, other string }{
		{name: "string", sent: `"a.b *>"`, canonical: `"a.b *>"`, other: `:a.b`},
		{name: "keyword", sent: ":a/b", canonical: ":a/b", other: `":a/b"`},
		{name: "integer", sent: "0x10", canonical: "16", other: "16.0"},
		{name: "vector and list", sent: "(:doc  7)", canonical: "[:doc 7]", other: "[:doc 8]"},
		{name: "map", sent: "{:b 1, :a 2}", canonical: "{:a 2 :b 1}", other: "{:a 1 :b 2}"},
		{name: "set", sent: "#{2 1}", canonical: "#{1 2}", other: "[1 2]"},
		{name: "namespaced map", sent: "#:x{:a 1}", canonical: "{:x/a 1}", other: "{:a 1}"},
		{name: "uuid", sent: `#uuid "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"`, canonical: `#uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"`, other: `"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"`},
		{name: "unicode", sent: `"星"`, canonical: `"星"`, other: `"星 "`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := c.Dial(t, 0, "/"), c.Dial(t, 0, "/")
			a.Send("[:sente-lite/subscribe {:channel-id " + tt.sent + "}]")
			a.Expect("[:sente-lite/subscribed {:channel-id " + tt.canonical + ", :success true}]")
			b.Publish(tt.other, `"for others"`)
			b.Publish(tt.sent, `"for a"`)
			a.Expect(testkit.Message(tt.canonical, `"for a"`, b.ConnID))
		})
	}
}

func TestPublish(t *testing.T) {
	c := one(t, nil)
	a, b := c.Dial(t, 0, "/"), c.Dial(t, 0, "/")
	a.Subscribe(`"news"`)
	b.Subscribe(`"news"`)
	data := "{:msg \"hi\", :user/id 1, :set #{1}, :l (1 2), :inst #inst \"2024-01-01T00:00:00.000-00:00\", :nan ##NaN, :s \"a/b\\\"\u0001é😀\"}"
	a.Send(`[:sente-lite/publish {:channel-id "news", :data ` + data + `, :exclude-sender? false}]`)
	a.Expect(testkit.Message(`"news"`, data, a.ConnID))
	b.Expect(testkit.Message(`"news"`, data, a.ConnID))

	t.Run("exclude-sender", func(t *testing.T) {
		a.Send(`[:sente-lite/publish {:channel-id "news", :data "not me", :exclude-sender? true}]`)
		b.Expect(testkit.Message(`"news"`, `"not me"`, a.ConnID))
		a.Publish(`"news"`, `"me too"`)
		a.Expect(testkit.Message(`"news"`, `"me too"`, a.ConnID))
		b.Expect(testkit.Message(`"news"`, `"me too"`, a.ConnID))
	})
	t.Run("nil and missing data keep the key", func(t *testing.T) {
		a.Publish(`"news"`, "nil")
		a.Send(`[:sente-lite/publish {:channel-id "news"}]`)
		b.Expect(testkit.Message(`"news"`, "nil", a.ConnID), testkit.Message(`"news"`, "nil", a.ConnID))
	})
	t.Run("publisher need not be subscribed", func(t *testing.T) {
		p := c.Dial(t, 0, "/")
		p.Publish(`"news"`, "1")
		b.Expect(testkit.Message(`"news"`, "1", p.ConnID))
		p.Nothing()
	})
}

// Nothing of a channel comes after the answer to unsubscribe, however much is
// under way.
func TestNothingAfterUnsubscribe(t *testing.T) {
	t.Parallel()
	c := one(t, nil)
	pub := c.Dial(t, 0, "/")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				pub.Publish(`"busy"`, fmt.Sprint(i))
				if i%10 == 0 {
					pub.Nothing() // not faster than the node takes it
				}
			}
		}
	}()
	// Many others before it in the channel, so that deliveries are under way
	// while it leaves.
	var crowd sync.WaitGroup
	var others []*testkit.Client
	for range 40 {
		other := c.Dial(t, 0, "/")
		other.Subscribe(`"busy"`)
		others = append(others, other)
		crowd.Go(func() { io.Copy(io.Discard, other.Conn) }) //nolint:errcheck // ends when it is closed
	}
	cl := c.Dial(t, 0, "/")
	for range 150 {
		cl.Subscribe(`"busy"`)
		cl.Read()
		cl.Send(`[:sente-lite/unsubscribe {:channel-id "busy"}]`)
		for {
			m := cl.Read()
			if strings.HasPrefix(m, "[:sente-lite/subscribed") {
				break
			}
		}
		cl.Nothing()
	}
	close(stop)
	<-done
	for _, other := range others {
		other.Conn.Close()
	}
	crowd.Wait()
}

func TestWrapRecv(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.WrapRecv = true; o.Echo = true })
	cl := c.Dial(t, 0, "/")
	cl.Send(`[:sente-lite/subscribe {:channel-id 1}]`, "[:chsk/ws-ping]")
	cl.Expect("[:chsk/recv [:sente-lite/subscribed {:channel-id 1, :success true}]]", "[:chsk/ws-pong]")
	cl.Publish("1", "2")
	cl.Expect("[:chsk/recv " + testkit.Message("1", "2", cl.ConnID) + "]")
	cl.Send(`[[:a/b 1] "cb"]`)
	cl.Expect(`[1 "cb"]`)
}

// The habits of the real client.

func TestAnyFrameCountsAsLife(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.PingInterval, o.IdleTimeout = 300*time.Millisecond, 900*time.Millisecond })
	frames := []struct {
		name  string
		bytes []byte
	}{
		{name: "an event", bytes: testkit.AppendFrame(nil, ws.OpText, []byte("[:app/x]"))},
		{name: "a pong event", bytes: testkit.AppendFrame(nil, ws.OpText, []byte("[:chsk/ws-pong]"))},
		{name: "a message that is refused", bytes: testkit.AppendFrame(nil, ws.OpText, []byte("{:type :legacy}"))},
		{name: "an RFC 6455 ping", bytes: testkit.AppendFrame(nil, ws.OpPing, nil)},
		{name: "an RFC 6455 pong", bytes: testkit.AppendFrame(nil, ws.OpPong, nil)},
	}
	for _, f := range frames {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			cl := c.Dial(t, 0, "/")
			tick := time.NewTicker(250 * time.Millisecond)
			defer tick.Stop()
			for range 8 {
				<-tick.C
				cl.Write(f.bytes)
			}
			cl.Send("[:sente-lite/subscribe {:channel-id 1}]")
			cl.Expect("[:sente-lite/subscribed {:channel-id 1, :success true}]")
		})
	}
	t.Run("silence", func(t *testing.T) {
		t.Parallel()
		cl := c.Dial(t, 0, "/")
		start := time.Now()
		if m, err := cl.TryRead(testkit.Patience); err == nil {
			t.Fatalf("got %s", m)
		}
		if d := time.Since(start); d < 800*time.Millisecond || d > 5*time.Second {
			t.Errorf("cut after %v", d)
		}
	})
}

// It flushes its queue and closes at once: what came before the close frame is
// handled, and nothing is sent after one.
func TestEverythingBeforeACloseIsHandled(t *testing.T) {
	c := one(t, nil)
	other := c.Dial(t, 0, "/")
	other.Subscribe(`"bye"`)
	cl := c.Dial(t, 0, "/")
	var out []byte
	for i := range 100 {
		out = testkit.AppendFrame(out, ws.OpText, fmt.Appendf(nil, `[:sente-lite/publish {:channel-id "bye", :data %d}]`, i))
	}
	out = testkit.AppendFrame(out, ws.OpClose, []byte{0x03, 0xe8})
	out = testkit.AppendFrame(out, ws.OpText, []byte(`[:sente-lite/publish {:channel-id "bye", :data "after"}]`))
	cl.Write(out)
	for i := range 100 {
		other.Expect(testkit.Message(`"bye"`, fmt.Sprint(i), cl.ConnID))
	}
	cl.ExpectClose(1000)
	other.Nothing()
}

// Whatever is on its way to a client that closes, nothing follows the answer to
// its close frame.
func TestNothingAfterAClose(t *testing.T) {
	c := one(t, nil)
	pub := c.Dial(t, 0, "/")
	for i := range 50 {
		cl := c.Dial(t, 0, "/")
		cl.Subscribe(`"busy"`)
		for n := range 20 {
			pub.Publish(`"busy"`, fmt.Sprint(n))
		}
		cl.Write(testkit.AppendFrame(nil, ws.OpClose, []byte{0x03, 0xe8}))
		for n := range 20 {
			pub.Publish(`"busy"`, fmt.Sprint(n))
		}
		_, err := "", error(nil)
		for err == nil { // messages, in any number, then the close frame
			_, err = cl.TryRead(testkit.Patience)
		}
		if closed, ok := errors.AsType[*testkit.Closed](err); !ok || closed.Code != 1000 {
			t.Fatalf("socket %d: %v", i, err)
		}
		text, err := cl.TryRead(testkit.Patience)
		if closed, ok := errors.AsType[*testkit.Closed](err); !ok || !errors.Is(closed.Err, io.EOF) {
			t.Fatalf("socket %d, behind the close frame: %q, %v", i, text, err)
		}
	}
}

// Subscriptions die with the connection; the client subscribes again.
func TestSubscriptionsDieWithTheConnection(t *testing.T) {
	c := one(t, nil)
	cl := c.Dial(t, 0, "/ws?uid=alice")
	cl.Subscribe(`"news"`)
	cl.Conn.Close()
	testkit.Eventually(t, "channel is gone", func() bool { return c.Nodes[0].Stats().Channels == 0 })
	witness := c.Dial(t, 0, "/") // what it has heard has been delivered to everybody
	witness.Subscribe(`"news"`)
	again := c.Dial(t, 0, "/ws?uid=alice")
	again.Publish(`"news"`, "1")
	witness.Expect(testkit.Message(`"news"`, "1", again.ConnID))
	again.Nothing()
	again.Subscribe(`"news"`)
	again.Publish(`"news"`, "2")
	again.Expect(testkit.Message(`"news"`, "2", again.ConnID))
}

// After a reconnect it answers pings on the dead old socket, so the pong never
// comes: a socket that is read from but never answers a ping is not cut while
// RFC 6455 frames come. Shown above; here, that the server's pings go out.
func TestServerPings(t *testing.T) {
	t.Parallel()
	c := one(t, func(o *edge.Options) { o.PingInterval, o.IdleTimeout = 100*time.Millisecond, time.Minute })
	cl := c.Dial(t, 0, "/")
	cl.SeePings = true
	cl.Expect("[:chsk/ws-ping]", "[:chsk/ws-ping]", "[:chsk/ws-ping]")
}

// Old servers' and broken frames are counted and dropped, the connection
// stays, nothing of them is relayed.
func TestBadInputWithABystander(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.Echo = true })
	bystander := c.Dial(t, 0, "/")
	bystander.Subscribe(`"b"`)
	tests := []struct{ name, msg, reason string }{
		{"text", `"text"`, "not-vector"},
		{"old map-style frame", "{:type :legacy}", "not-vector"},
		{"empty vector", "[]", "empty-vector"},
		{"no namespace", "[:no-namespace 1]", "invalid-event-id"},
		{"unreadable tag", "[:app/odd #object[Function]]", "unknown-tag"},
		{"duplicate key in the data", `[:sente-lite/publish {:channel-id "b" :data {:a 1 :a 2}}]`, "duplicate-key"},
		{"duplicate element", `[:sente-lite/publish {:channel-id "b" :data #{1 1}}]`, "duplicate-key"},
		{"odd map", `[:sente-lite/publish {:channel-id "b" :data {:a}}]`, "odd-map"},
		{"bad inst", `[:sente-lite/publish {:channel-id "b" :data #inst "2024-13-01"}]`, "invalid-inst"},
		{"bad uuid", `[:sente-lite/publish {:channel-id "b" :data #uuid "x"}]`, "invalid-uuid"},
		{"tag without a namespace", `[:sente-lite/publish {:channel-id "b" :data #js {}}]`, "unknown-tag"},
		{"unbalanced", `[:sente-lite/publish {:channel-id "b" :data [1}]`, "unmatched-delimiter"},
		{"cut off", `[:sente-lite/publish {:channel-id "b" :data [1`, "unexpected-end"},
		{"too deep", `[:sente-lite/publish {:channel-id "b" :data ` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}]`, "too-deep"},
		{"reserved", `[:chsk/conn-open {:conn-id "x"}]`, "reserved-event-id"},
		{"reserved below", `[:chsk.x/y 1]`, "reserved-event-id"},
		{"subject too long", "[:" + strings.Repeat("a.", 600) + "a/x 1]", "event-subject"},
	}
	bad := c.Dial(t, 0, "/")
	bad.Subscribe(`"b"`)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := c.Nodes[0].Stats().RefusedMessages[tt.reason]
			bad.Send(tt.msg)
			bad.Publish(`"b"`, fmt.Sprint(i))
			bad.Expect(testkit.Message(`"b"`, fmt.Sprint(i), bad.ConnID))
			bystander.Expect(testkit.Message(`"b"`, fmt.Sprint(i), bad.ConnID))
			if after := c.Nodes[0].Stats().RefusedMessages; after[tt.reason] != before+1 {
				t.Errorf("not counted as %s: %v", tt.reason, after)
			}
		})
	}
	t.Run("binary message", func(t *testing.T) {
		before := c.Nodes[0].Stats().RefusedMessages["binary-message"]
		bad.Write(testkit.AppendFrame(nil, ws.OpBinary, []byte(`[:sente-lite/publish {:channel-id "b" :data 1}]`)))
		bad.Publish(`"b"`, ":good")
		bad.Expect(testkit.Message(`"b"`, ":good", bad.ConnID))
		bystander.Expect(testkit.Message(`"b"`, ":good", bad.ConnID))
		if got := c.Nodes[0].Stats().RefusedMessages["binary-message"]; got != before+1 {
			t.Errorf("counted %d times", got-before)
		}
	})
	t.Run("reserved, with a callback", func(t *testing.T) {
		bad.Send(`[[:chsk/uidport-open {}] "cb"]`)
		bad.Expect(`[:chsk/error "cb"]`)
		bystander.Nothing()
	})
}
