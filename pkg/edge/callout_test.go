package edge_test

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// doorman is a backend that answers call-outs of one kind.
type doorman struct {
	nc        *nats.Conn
	sub       *nats.Subscription
	questions atomic.Int64
	last      atomic.Pointer[nats.Msg]
}

// guard answers with what fn returns, nothing where that is empty.
func guard(t *testing.T, c *testkit.Cluster, server int, kind string, fn func(q string) string) *doorman {
	t.Helper()
	return guardBy(t, c, server, kind, func(m *nats.Msg) {
		if answer := fn(string(m.Data)); answer != "" {
			respond(t, m, answer, "")
		}
	})
}

func guardBy(t *testing.T, c *testkit.Cluster, server int, kind string, fn func(m *nats.Msg)) *doorman {
	t.Helper()
	d := &doorman{nc: foreign(t, c, server)}
	var err error
	d.sub, err = d.nc.QueueSubscribe("hoshi.auth."+kind, "doormen", func(m *nats.Msg) {
		d.questions.Add(1)
		d.last.Store(m)
		fn(m)
	})
	must(t, err)
	must(t, d.nc.Flush())
	must(t, c.Backend(t, server).Barrier(t.Context())) // other servers know of it
	return d
}

func respond(t *testing.T, m *nats.Msg, answer, contentType string) {
	t.Helper()
	r := &nats.Msg{Data: []byte(answer)}
	if contentType != "" {
		r.Header = nats.Header{"Content-Type": {contentType}}
	}
	if err := m.RespondMsg(r); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		t.Error(err)
	}
}

func always(answer string) func(string) string { return func(string) string { return answer } }

// guarded starts nodes that ask.
func guarded(t *testing.T, count int, change func(o *edge.Options)) *testkit.Cluster {
	t.Helper()
	return believing(t, count, func(o *edge.Options) {
		o.Callouts.Connect = true
		o.Sente.SendBufWS, o.Sente.SendBufAjax = -1, -1
		if change != nil {
			change(o)
		}
	})
}

// refusedWith checks that a client is refused.
func refusedWith(t *testing.T, c *testkit.Cluster, i int, path string, want int) {
	t.Helper()
	_, err := testkit.TryDial(t, c.Nodes[i].Addr().String(), path)
	if status, ok := errors.AsType[ws.StatusError](err); !ok || int(status) != want {
		t.Errorf("%s: %v, want status %d", path, err, want)
	}
}

func TestCalloutConnectAnswers(t *testing.T) {
	t.Parallel()
	c := guarded(t, 1, func(o *edge.Options) { o.Callouts.Timeout = 300 * time.Millisecond })
	var answer, contentType atomic.Value
	guardBy(t, c, 0, "connect", func(m *nats.Msg) {
		if a := answer.Load().(string); a == "error" {
			if err := m.RespondMsg(&nats.Msg{Header: nats.Header{"Hoshi-Error": {":my/error"}}}); err != nil {
				t.Error(err)
			}
		} else if a != "" {
			respond(t, m, a, contentType.Load().(string))
		}
	})
	const conn = "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"
	many := ""
	for i := range 101 {
		many += fmt.Sprint(" ", i)
	}
	for _, tt := range []struct {
		name, answer, contentType string
		uid                       string // let in as whom; empty: as who it was
		status                    int
		end                       string
	}{
		{name: "allow", answer: "{:allow true}", end: "allowed"},
		{name: "unknown keys", answer: `{:allow true, :x 1, "y" 2}`, end: "allowed"},
		{name: "nils", answer: `{:allow true :uid nil :channels nil :handshake-data nil :expires-in nil}`, end: "allowed"},
		{name: "a string", answer: `{:allow true, :uid "bob"}`, uid: `"bob"`, end: "allowed"},
		{name: "a keyword", answer: `{:allow true, :uid :team/bob}`, uid: `:team/bob`, end: "allowed"},
		{name: "a number", answer: `{:allow true, :uid 42}`, uid: `42`, end: "allowed"},
		{name: "JSON", answer: `{"allow":true,"uid":"bob"}`, contentType: "application/json", uid: `"bob"`, end: "allowed"},
		{name: "a keyword in JSON", answer: `{"allow":true,"uid":":team/bob"}`, contentType: "application/json", uid: `:team/bob`, end: "allowed"},
		{name: "Transit", answer: `["^ ","~:allow",true,"~:uid","~:team/bob"]`, contentType: "application/transit+json", uid: `:team/bob`, end: "allowed"},
		{name: "MessagePack", answer: "\x82\xc7\x05\x00allow\xc3\xd6\x00uid:\x01", contentType: "application/msgpack", status: 503, end: "timeout"},
		{name: "MessagePack, well", answer: "\x82\xc7\x05\x00allow\xc3\xc7\x03\x00uid\x2a", contentType: "application/msgpack", uid: "42", end: "allowed"},
		{name: "deny", answer: "{:allow false}", status: 401, end: "denied"},
		{name: "deny, and more", answer: `{:allow false, :uid ""}`, status: 401, end: "denied"},
		{name: "deny in JSON", answer: `{"allow":false}`, contentType: "application/json", status: 401, end: "denied"},
		{name: "silence", status: 503, end: "timeout"},
		{name: "no EDN", answer: "{:allow", status: 503, end: "timeout"},
		{name: "JSON that is not declared", answer: `{"allow":true}`, status: 503, end: "malformed"},
		{name: "Hoshi-Error", answer: "error", status: 503, end: "error"},
		{name: "no map", answer: "true", status: 503, end: "malformed"},
		{name: "no answer", answer: "{:uid 1}", status: 503, end: "malformed"},
		{name: "perhaps", answer: "{:allow :true}", status: 503, end: "malformed"},
		{name: "nil", answer: "{:allow nil}", status: 503, end: "malformed"},
		{name: "no uid", answer: `{:allow true, :uid ""}`, status: 503, end: "malformed"},
		{name: "a conn-id", answer: `{:allow true, :uid "` + conn + `"}`, status: 503, end: "malformed"},
		{name: "nobody", answer: `{:allow true, :uid :sente/nil-uid}`, status: 503, end: "malformed"},
		{name: "a long uid", answer: `{:allow true, :uid "` + strings.Repeat("x", 256) + `"}`, status: 503, end: "malformed"},
		{name: "no keyword in JSON", answer: `{"allow":true,"uid":":a b"}`, contentType: "application/json", status: 503, end: "malformed"},
		{name: "channels that are none", answer: `{:allow true, :channels "news"}`, status: 503, end: "malformed"},
		{name: "a channel that is none", answer: `{:allow true, :channels ["news" nil]}`, status: 503, end: "malformed"},
		{name: "many channels", answer: `{:allow true, :channels [` + many + `]}`, status: 503, end: "malformed"},
		{name: "no time", answer: `{:allow true, :expires-in "1h"}`, status: 503, end: "malformed"},
		{name: "time that is over", answer: `{:allow true, :expires-in -1}`, status: 503, end: "malformed"},
		{name: "time without end", answer: `{:allow true, :expires-in ##Inf}`, status: 503, end: "malformed"},
		{name: "much data", answer: `{:allow true, :handshake-data "` + strings.Repeat("x", 16<<10) + `"}`, status: 503, end: "malformed"},
		{name: "huge", answer: `{:allow true, :x "` + strings.Repeat("x", 64<<10) + `"}`, status: 503, end: "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer.Store(tt.answer)
			contentType.Store(tt.contentType)
			before := c.Nodes[0].Stats()
			for _, path := range []string{"/?uid=alice", "/chsk?client-id=tab-1&uid=alice"} {
				cl, err := testkit.TryDial(t, c.Nodes[0].Addr().String(), path)
				status, _ := errors.AsType[ws.StatusError](err)
				if int(status) != tt.status {
					t.Fatalf("%s: %v, want status %d", path, err, tt.status)
				}
				if tt.status != 0 {
					continue
				}
				want := tt.uid
				if want == "" {
					want = `"alice"`
				}
				if cl.UID != want {
					t.Errorf("%s: uid %s, want %s", path, cl.UID, want)
				}
				cl.Nothing()
				must(t, cl.Conn.Close())
			}
			after := c.Nodes[0].Stats()
			if got := after.Callouts.Connect[tt.end] - before.Callouts.Connect[tt.end]; got != 2 {
				t.Errorf("%s counted %d times: %v", tt.end, got, after.Callouts.Connect)
			}
			if tt.status != 0 {
				reason := "callout-" + tt.end
				if after.RefusedUpgrades[reason]-before.RefusedUpgrades[reason] != 2 {
					t.Errorf("refused %v", after.RefusedUpgrades)
				}
			}
		})
	}
	if s := c.Nodes[0].Stats().Callouts; s.Waiting != 0 || s.Cached != 0 {
		t.Errorf("%d wait, %d are kept", s.Waiting, s.Cached)
	}
}

// What a backend is asked, in both formats.
func TestCalloutConnectQuestion(t *testing.T) {
	t.Parallel()
	for _, format := range []codec.Format{codec.EDN, codec.JSON} {
		c := guarded(t, 1, func(o *edge.Options) {
			o.Callouts.Format = format
			o.Callouts.Headers = []string{"Cookie", "User-Agent", "X-Missing"}
		})
		d := guard(t, c, 0, "connect", always("{:allow true}"))
		good := token(t, map[string]any{"sub": "alice", "exp": in(time.Hour)})
		header := http.Header{"Cookie": {"a=b"}, "User-Agent": {`"x"`}, "Authorization": {"Bearer " + good}, "X-Csrf-Token": {"csrf"}}
		cl, err := testkit.TryDialWith(t, c.Nodes[0].Addr().String(), "/chsk?client-id=tab+1&udt=77&b=2&a=1&b=3&format=edn&token="+good, header)
		must(t, err)
		want := `{:conn-id "` + cl.ConnID + `", :uid "alice", :client-id "tab 1", :dialect "sente", :format "edn", :path "/chsk", ` +
			`:query {"a" "1", "b" ["2" "3"]}, :headers {"cookie" "a=b", "user-agent" "\"x\""}, :address "127.0.0.1", :csrf-token "csrf", :authenticated true}`
		stranger := `, :dialect "sente-lite", :format "json", :path "/ws", :query {"key\"" "�"}, :headers {}, :address "127.0.0.1", :authenticated false}`
		if format == codec.JSON {
			want = `{"conn-id":"` + cl.ConnID + `","uid":"alice","client-id":"tab 1","dialect":"sente","format":"edn","path":"/chsk",` +
				`"query":{"a":"1","b":["2","3"]},"headers":{"cookie":"a=b","user-agent":"\"x\""},"address":"127.0.0.1","csrf-token":"csrf","authenticated":true}`
			stranger = `,"dialect":"sente-lite","format":"json","path":"/ws","query":{"key\"":"�"},"headers":{},"address":"127.0.0.1","authenticated":false}`
		}
		m := d.last.Load()
		if got := string(m.Data); got != want {
			t.Errorf("asked %s\n want %s", got, want)
		}
		if ct := m.Header.Get("Content-Type"); (ct == "application/json") != (format == codec.JSON) {
			t.Errorf("content type %q", ct)
		}
		testkit.DialRaw(t, c.Nodes[0].Addr().String(), "/ws?format=json&key%22=%FF")
		if got := string(d.last.Load().Data); !strings.HasSuffix(got, stranger) || strings.Contains(got, "uid") {
			t.Errorf("asked %s\n want %s", got, stranger)
		}
	}
}

// The uid that a backend says counts for rules, is on events, and is whom pushes
// are for; a token's claims count as before.
func TestCalloutUID(t *testing.T) {
	admin := []edge.Who{{Kind: edge.Claim, Name: "role", Value: "admin"}}
	c := guarded(t, 1, func(o *edge.Options) {
		o.Access.Channels = []edge.Rule{
			{Pattern: "inbox/{uid}", Subscribe: []edge.Who{{Kind: edge.User}}},
			{Pattern: "known", Subscribe: []edge.Who{{Kind: edge.Authenticated}}},
			{Pattern: "admin", Subscribe: admin},
		}
	})
	guard(t, c, 0, "connect", func(q string) string {
		if strings.Contains(q, `"stranger"`) {
			return `{:allow true}`
		}
		return `{:allow true, :uid "bob"}`
	})
	good := token(t, map[string]any{"sub": "alice", "exp": in(time.Hour), "role": "admin"})
	for _, tt := range []struct {
		path string
		may  []string
	}{
		{"/", []string{"inbox/bob", "known"}},
		{"/?uid=stranger", nil},
		{"/?token=" + good, []string{"inbox/bob", "known", "admin"}},
		{"/chsk?client-id=t&token=" + good, []string{"inbox/bob", "known", "admin"}},
	} {
		cl := c.Dial(t, 0, tt.path)
		for _, channel := range []string{"inbox/alice", "inbox/bob", "known", "admin"} {
			event := `[:sente-lite/subscribe {:channel-id "` + channel + `"}] "cb"]`
			want := `[{:success false, :error :forbidden} "cb"]`
			for _, may := range tt.may {
				if may == channel {
					want = `[{:success true} "cb"]`
				}
			}
			cl.Send("[" + event)
			if got := cl.Read(); got != want {
				t.Errorf("%s, %s: %s", tt.path, channel, got)
			}
		}
		if tt.may == nil {
			continue
		}
		must(t, c.Backend(t, 0).PublishUser(busString("bob"), []byte("[:a/b]")))
		if got := cl.Read(); !strings.Contains(got, "[:a/b]") {
			t.Errorf("%s: pushed %s", tt.path, got)
		}
		must(t, cl.Conn.Close())
	}
	// A new token is of whom the old one was of, and changes nothing of that.
	cl := c.Dial(t, 0, "/?token="+good)
	cl.Send(
		`[[:hoshi/refresh {:token "`+token(t, map[string]any{"sub": "bob", "exp": in(time.Hour)})+`"}] "r"]`,
		`[[:hoshi/refresh {:token "`+token(t, map[string]any{"sub": "alice", "exp": in(time.Hour)})+`"}] "r"]`,
		`[[:sente-lite/subscribe {:channel-id "inbox/bob"}] "s"]`,
		`[[:sente-lite/subscribe {:channel-id "admin"}] "s"]`,
	)
	cl.Expect(`[{:success false, :error :forbidden} "r"]`, `[{:success true} "r"]`, `[{:success true} "s"]`, `[{:success false, :error :forbidden} "s"]`)
}

func TestCalloutExpires(t *testing.T) {
	t.Parallel()
	c := guarded(t, 1, nil)
	guard(t, c, 0, "connect", always(`{:allow true, :expires-in 0.4}`))
	good := token(t, map[string]any{"sub": "alice", "exp": in(time.Hour)})
	for _, path := range []string{"/", "/?token=" + good, "/chsk?client-id=tab-1"} {
		begun := time.Now()
		c.Dial(t, 0, path).ExpectClose(4401)
		if took := time.Since(begun); took < 350*time.Millisecond {
			t.Errorf("%s: after %v", path, took)
		}
	}
}

// What a backend tells the application is in the handshake, in every format.
func TestCalloutHandshakeData(t *testing.T) {
	c := guarded(t, 1, nil)
	var contentType, answer atomic.Value
	guardBy(t, c, 0, "connect", func(m *nats.Msg) {
		respond(t, m, answer.Load().(string), contentType.Load().(string))
	})
	var convert codec.Converter
	for ct, text := range map[string]string{
		"":                         `{:allow true, :handshake-data {:a/b [1 "x" #{2}]}}`,
		"application/json":         `{"allow":true,"handshake-data":{"a/b":[1,"x",[2]]}}`,
		"application/transit+json": `["^ ","~:allow",true,"~:handshake-data",["^ ","~:a/b",[1,"x",["~#set",[2]]]]]`,
	} {
		answer.Store(text)
		contentType.Store(ct)
		for f := range codec.Format(codec.Formats) {
			data := `{:a/b [1 "x" #{2}]}`
			if ct == "application/json" || f == codec.JSON {
				data = `{:a/b [1 "x" [2]]}`
			}
			for path, want := range map[string]string{
				"/?format=":                 `, :handshake-data ` + data + `} true]]`,
				"/chsk?client-id=t&format=": ` nil ` + data + `]] nil]`,
			} {
				cl := testkit.DialRaw(t, c.Nodes[0].Addr().String(), path+f.String())
				got, err := convert.Append(nil, []byte(cl.Handshake), f, codec.EDN)
				must(t, err)
				if f == codec.JSON {
					want = strings.ReplaceAll(want, `, :handshake`, ` :handshake`)
					got = []byte(strings.ReplaceAll(string(got), `, :handshake`, ` :handshake`))
				}
				if !strings.HasSuffix(string(got), want) {
					t.Errorf("%s from %q: %s, want %s", path+f.String(), ct, got, want)
				}
				must(t, cl.Conn.Close())
			}
		}
	}
	// What a format cannot say lets nobody in half-informed.
	answer.Store(`{:allow true, :handshake-data #inst "9999-12-31T23:59:59-01:00"}`)
	contentType.Store("")
	refusedWith(t, c, 0, "/?format=json", 503)
}

// A client is subscribed to what a backend says, whatever rules say, and hears of
// it as if it had asked.
func TestCalloutChannels(t *testing.T) {
	t.Parallel()
	c := guarded(t, 2, func(o *edge.Options) {
		o.Access.Channels = []edge.Rule{{Pattern: "open", Subscribe: []edge.Who{{Kind: edge.Anyone}}}}
		o.Channels.MaxSubscriptionsPerConn = 3
		o.Callouts.Subscribe = []string{"*"} // which is not asked about what was granted
	})
	guard(t, c, 1, "connect", always(`{:allow true, :channels ["a" :b/c "a" [:doc 7]]}`))
	backend := c.Backend(t, 1)
	lite := c.Dial(t, 0, "/")
	for _, name := range []string{`"a"`, `:b/c`, `[:doc 7]`} {
		lite.Expect("[:sente-lite/subscribed {:channel-id " + name + ", :success true}]")
	}
	lite.Send(`[[:sente-lite/subscribe {:channel-id "open"}] "cb"]`)
	lite.Expect(`[{:success false, :error :max-subscriptions-per-conn} "cb"]`)
	must(t, backend.PublishChannel(busString("a"), []byte("1")))
	lite.Expect(testkit.Message(`"a"`, "1", ""))
	tab := c.Dial(t, 0, "/chsk?client-id=tab-1")
	var heard string
	for range 3 {
		if heard += tab.Read(); strings.Count(heard, ":success true") == 3 {
			break
		}
	}
	if strings.Count(heard, ":sente-lite/subscribed") != 3 {
		t.Errorf("heard %s", heard)
	}
	must(t, backend.PublishChannel(busString("a"), []byte("2")))
	tab.Expect("[[" + testkit.Message(`"a"`, "2", "") + "] nil]")

	p := newPoller(t, c, "tab-2", func() int { return 0 })
	p.Open()
	heard = ""
	for strings.Count(heard, ":sente-lite/subscribed") < 3 {
		heard += p.Poll("")
	}
	must(t, backend.PublishChannel(busString("a"), []byte("3")))
	if got := p.Poll(""); got != "[["+testkit.Message(`"a"`, "3", "")+"] nil]" {
		t.Errorf("polled %s", got)
	}
}

// A thousand clients wait for a backend, without a goroutine for any of them, and
// are let in when it has decided.
func TestCalloutManyConnects(t *testing.T) {
	const clients = 1000
	c := guarded(t, 1, func(o *edge.Options) { o.Callouts.Timeout = 5 * time.Second })
	n := c.Nodes[0]
	waiting := make(chan *nats.Msg, clients)
	guardBy(t, c, 0, "connect", func(m *nats.Msg) { waiting <- m })
	before := runtime.NumGoroutine()
	for i := range clients {
		conn := dialTCP(t, n.Addr().String())
		path := "/"
		if i%2 == 0 {
			path = fmt.Sprintf("/chsk?client-id=tab-%d", i)
		}
		_, err := conn.Write([]byte(upgradeOf(path)))
		must(t, err)
	}
	testkit.Eventually(t, "all to wait", func() bool { return len(waiting) == clients })
	if got := n.Stats().Callouts.Waiting; got != clients {
		t.Errorf("%d wait", got)
	}
	if more := runtime.NumGoroutine() - before; more > 20 {
		t.Errorf("%d goroutines more for %d clients", more, clients)
	}
	for range clients {
		respond(t, <-waiting, "{:allow true}", "")
	}
	testkit.Eventually(t, "all to be let in", func() bool { return n.Connections() == clients })
}

// With a backend that takes 50 ms for each, and answers many at once, a thousand
// take hardly longer.
func TestCalloutSlowBackend(t *testing.T) {
	const clients = 1000
	c := guarded(t, 1, func(o *edge.Options) { o.Callouts.Timeout = 5 * time.Second })
	n := c.Nodes[0]
	guardBy(t, c, 0, "connect", func(m *nats.Msg) {
		time.AfterFunc(50*time.Millisecond, func() { respond(t, m, `{:allow true, :uid "bob"}`, "") })
	})
	begun := time.Now()
	for range clients {
		_, err := dialTCP(t, n.Addr().String()).Write([]byte(upgradeOf("/")))
		must(t, err)
	}
	testkit.Eventually(t, "all to be let in", func() bool { return n.Connections() == clients })
	if took := time.Since(begun); took > 10*time.Second { // one after the other it would be 50 s
		t.Errorf("took %v", took)
	}
}

// Who goes away while a backend thinks harms nobody.
func TestCalloutTooLate(t *testing.T) {
	t.Parallel()
	c := guarded(t, 1, func(o *edge.Options) {
		o.Callouts.Timeout = 2 * time.Second
		o.Callouts.Subscribe, o.Callouts.Publish = []string{"*"}, []string{"*"}
	})
	n := c.Nodes[0]
	waiting := make(chan *nats.Msg, 16)
	guardBy(t, c, 0, "connect", func(m *nats.Msg) { waiting <- m })
	for _, path := range []string{"/", "/?uid=alice", "/chsk?client-id=tab-1"} {
		conn := dialTCP(t, n.Addr().String())
		_, err := conn.Write([]byte(upgradeOf(path)))
		must(t, err)
		m := <-waiting
		must(t, conn.Close())
		respond(t, m, `{:allow true, :channels ["a"]}`, "")
	}
	testkit.Eventually(t, "nobody to be left", func() bool {
		s := n.Stats()
		return n.Connections() == 0 && s.Callouts.Waiting == 0 && s.Channels == 0
	})
	asked := make(chan *nats.Msg, 16)
	for _, kind := range []string{"subscribe", "publish"} {
		guardBy(t, c, 0, kind, func(m *nats.Msg) { asked <- m })
	}
	for _, event := range []string{`[:sente-lite/subscribe {:channel-id "a"}]`, `[:sente-lite/publish {:channel-id "a" :data 1}]`} {
		done := make(chan *testkit.Client, 1)
		go func() { done <- c.Dial(t, 0, "/") }()
		respond(t, <-waiting, `{:allow true}`, "")
		cl := <-done
		cl.Send(event)
		m := <-asked
		must(t, cl.Conn.Close())
		testkit.Eventually(t, "the end", func() bool { return n.Connections() == 0 })
		respond(t, m, "{:allow true}", "")
		testkit.Eventually(t, "the answer", func() bool { return n.Stats().Callouts.Waiting == 0 })
		if s := n.Stats(); s.Channels != 0 {
			t.Errorf("%s: %d channels", event, s.Channels)
		}
	}
}

// Three nodes, and backends that come and go on any server.
func TestCalloutCluster(t *testing.T) {
	t.Parallel()
	c := guarded(t, 3, func(o *edge.Options) { o.Callouts.Timeout = 500 * time.Millisecond })
	for i := range c.Nodes {
		refusedWith(t, c, i, "/", 503) // nobody is there
	}
	everywhere := func(uid string) {
		t.Helper()
		for i := range c.Nodes {
			for _, path := range []string{"/", "/chsk?client-id=" + uid} {
				if cl := c.Dial(t, i, path); cl.UID != `"`+uid+`"` {
					t.Errorf("node %d, %s: uid %s", i, path, cl.UID)
				}
			}
		}
	}
	first := guard(t, c, 2, "connect", always(`{:allow true, :uid "first"}`))
	everywhere("first")
	first.nc.Close()
	for i := range c.Nodes {
		testkit.Eventually(t, "the backend to be gone", func() bool {
			_, err := testkit.TryDial(t, c.Nodes[i].Addr().String(), "/")
			status, _ := errors.AsType[ws.StatusError](err)
			return status == 503 && c.Nodes[i].Stats().Callouts.Connect["no-responders"] > 1
		})
	}
	guard(t, c, 0, "connect", always(`{:allow true, :uid "second"}`))
	everywhere("second")
}

// A question is one map, whatever the names in it end with.
func TestCalloutOddNames(t *testing.T) {
	t.Parallel()
	c := guarded(t, 1, func(o *edge.Options) { o.Callouts.Subscribe = []string{"*"} })
	guard(t, c, 0, "connect", always(`{:allow true, :uid \{}`))
	d := guard(t, c, 0, "subscribe", always(`{:allow true}`))
	cl := c.Dial(t, 0, "/")
	cl.Send(`[[:sente-lite/subscribe {:channel-id \{}] "s"]`)
	cl.Expect(`[{:success true} "s"]`)
	if got, want := string(d.last.Load().Data), `{:conn-id "`+cl.ConnID+`", :uid \{, :channel \{}`; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}
