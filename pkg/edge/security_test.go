package edge_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// securityLines is the log of a node, and its security log.
type securityLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *securityLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *securityLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// lines are those of the security log about one kind of event.
func (l *securityLines) lines(t *testing.T, event string) (lines []map[string]any) {
	t.Helper()
	for text := range strings.Lines(l.String()) {
		var line map[string]any
		must(t, json.Unmarshal([]byte(text), &line))
		if line["component"] == "security" && (event == "" || line["event"] == event) {
			lines = append(lines, line)
		}
	}
	return lines
}

// logging starts a node that believes the tests' issuer, and keeps its log.
func logging(t *testing.T, change func(o *edge.Options)) (*testkit.Cluster, *securityLines) {
	l := &securityLines{}
	log := zerolog.New(l)
	return revoking(t, 1, func(o *edge.Options) {
		o.Logger = &log
		if change != nil {
			change(o)
		}
	}), l
}

// TestSecurityLog provokes one line of each kind, with secrets wherever there can
// be any, and finds none of them in the whole log.
func TestSecurityLog(t *testing.T) {
	const secret = "hunter2"
	c, log := logging(t, func(o *edge.Options) {
		o.Access.TokenCookie = "session"
		o.Access.CSRFSecret, o.Access.CSRFCookie = []byte("csrf "+secret+" of at least 32 bytes of text"), "sid"
		o.Access.Channels = []edge.Rule{{Pattern: "open", Subscribe: []edge.Who{{Kind: edge.Anyone}}, Publish: []edge.Who{{Kind: edge.Anyone}}}}
		o.Access.Events = []edge.Rule{{Pattern: "open/*", Publish: []edge.Who{{Kind: edge.Anyone}}}}
		o.Channels.MaxSubscriptionsPerConn = 1
		o.Callouts.Connect, o.Callouts.Cache = true, -1
		o.Callouts.Headers = []string{"x-secret"}
		o.OnDrain, o.OnLogLevel = func() {}, func(string, time.Duration) error { return nil }
	})
	nc := rawBackend(t, c, 0)
	_, err := nc.QueueSubscribe("hoshi.auth.connect", "q", func(m *nats.Msg) {
		if err := m.Respond([]byte(`{:allow ` + map[bool]string{true: "false", false: "true"}[strings.Contains(string(m.Data), "denied")] + ` :secret "` + secret + `"}`)); err != nil {
			t.Error(err)
		}
	})
	must(t, err)
	must(t, nc.Flush())
	addr := c.Nodes[0].Addr().String()
	dial := func(path string, header http.Header) *testkit.Client {
		cl, err := testkit.TryDialWith(t, addr, path, header)
		if err != nil {
			return nil
		}
		return cl
	}
	header := func(kv ...string) http.Header {
		h := http.Header{"X-Secret": {secret}}
		for i := 0; i < len(kv); i += 2 {
			h[kv[i]] = append(h[kv[i]], kv[i+1])
		}
		return h
	}
	here := "http://" + addr

	dial("/?format="+secret, header())
	dial("/?token="+secret, header("Authorization", "Bearer "+secret, "Cookie", "session="+secret))
	dial("/", header("Sec-Websocket-Protocol", "hoshi.token."+base64.RawURLEncoding.EncodeToString([]byte(secret))))
	dial("/?x="+secret, header("Origin", "https://user:"+secret+"@evil.example.com/"+secret+"?"+secret))
	dial("/chsk?client-id=t&csrf-token="+secret, header("Cookie", "sid="+secret, "Origin", here))
	dial("/?why=denied&secret="+secret, header())
	sum := hmac.New(sha256.New, []byte("csrf "+secret+" of at least 32 bytes of text"))
	sum.Write([]byte(secret))
	mac := "&csrf-token=" + base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
	tab := dial("/chsk?client-id=t"+mac+"&token="+issued(t, "alice", secret+"-1", time.Minute), header("Cookie", "sid="+secret))
	if tab == nil {
		t.Fatal("nobody is let in")
	}
	tab.Send(`[[:sente-lite/subscribe {:channel-id "`+secret+`"}] "cb"]`, `[[:sente-lite/publish {:channel-id "`+secret+`" :data "`+secret+`"}] "cb"]`, `[[:my/`+secret+` "`+secret+`"] "cb"]`)
	for range 3 {
		if got := tab.Read(); !strings.Contains(got, ":forbidden") {
			t.Errorf("heard %s", got)
		}
	}
	tab.Send(`[[:hoshi/refresh {:token "`+secret+`"}] "cb"]`, `[[:sente-lite/subscribe {:channel-id "open"}] "cb"]`, `[[:sente-lite/subscribe {:channel-id "open2"}] "cb"]`)
	for range 3 {
		tab.Read()
	}
	backend := c.Backend(t, 0)
	if _, err := nc.Request("hoshi.api.revoke", []byte(`{:uid "`+secret+`" :secret "`+secret+`"}`), testkit.Patience); err != nil {
		t.Error(err)
	}
	_, err = backend.Kick(t.Context(), bus.Kick{UID: bus.String("alice"), Reason: secret})
	must(t, err)
	must(t, backend.Trace(t.Context(), bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}, Time: time.Millisecond}, func(bus.TraceBatch) {}))
	_, err = backend.LogLevel(t.Context(), c.Nodes[0].ID().String(), bus.LevelQuery{Level: "warn"})
	must(t, err)
	must(t, backend.DrainNode(t.Context(), c.Nodes[0].ID().String()))
	_, err = backend.Revoke(t.Context(), bus.Revocation{UID: bus.String("alice")})
	must(t, err)

	want := map[string]struct{ reason, level string }{
		"handshake-refused": {"format", "warn"}, "token-refused": {"token-malformed", "warn"}, "origin-refused": {"origin", "warn"},
		"csrf-refused": {"csrf", "warn"}, "callout-denied": {"callout-denied", "warn"}, "limit-reached": {"max-subscriptions", "warn"},
		"subscribe-forbidden": {"rule", "warn"}, "publish-forbidden": {"rule", "warn"}, "event-forbidden": {"rule", "warn"},
		"refresh-refused": {"invalid-token", "warn"}, "request-refused": {"bad-request", "warn"},
		"revoked": {"asked", "info"}, "kicked": {"asked", "info"}, "traced": {"asked", "info"}, "drained": {"asked", "info"}, "log-level-set": {"asked", "info"},
	}
	for _, event := range edge.SecurityEvents() {
		lines := log.lines(t, event)
		w, known := want[event]
		if len(lines) == 0 || !known || lines[0]["reason"] != w.reason || lines[0]["level"] != w.level {
			t.Errorf("%s: %v, want %v", event, lines, w)
			continue
		}
		line := lines[0]
		switch event {
		case "handshake-refused", "token-refused", "origin-refused", "csrf-refused", "callout-denied":
			if line["address"] != "127.0.0.1" || line["path"] == nil {
				t.Errorf("%s: %v", event, line)
			}
		case "subscribe-forbidden", "publish-forbidden", "event-forbidden", "refresh-refused", "limit-reached":
			if line["address"] != "127.0.0.1" || line["conn"] != tab.ConnID || line["uid"] != `"alice"` {
				t.Errorf("%s: %v", event, line)
			}
		case "traced":
			if line["uid"] != `"alice"` || line["time_ms"] != 1.0 || line["rate"] != 100.0 || lines[1]["reason"] != "over" || lines[1]["lines"] != 0.0 {
				t.Errorf("%s: %v", event, lines)
			}
		case "revoked", "kicked":
			if line["uid"] != `"alice"` || line["closed"] == nil {
				t.Errorf("%s: %v", event, line)
			}
		}
	}
	if got := log.lines(t, "origin-refused")[0]["origin"]; got != "evil.example.com" {
		t.Errorf("origin %v", got)
	}
	if got := log.lines(t, "kicked")[0]["closed"]; got != 1.0 {
		t.Errorf("kicked %v", got)
	}
	if text := log.String(); strings.Contains(text, secret) || strings.Contains(text, base64.RawURLEncoding.EncodeToString([]byte(secret))) {
		for line := range strings.Lines(text) {
			if strings.Contains(line, secret) {
				t.Errorf("a secret is in the log: %s", line)
			}
		}
	}
}

// TestAuditTrail: what administrators do is written whatever the level is that they
// have the node log at, and a change of it before it counts.
func TestAuditTrail(t *testing.T) {
	t.Parallel()
	log := &securityLines{}
	quiet := zerolog.New(log).Level(zerolog.ErrorLevel)
	before := 0
	c := revoking(t, 1, func(o *edge.Options) {
		o.Logger = &quiet
		o.OnDrain = func() {}
		o.OnLogLevel = func(string, time.Duration) error {
			before = len(log.lines(t, "log-level-set"))
			return nil
		}
	})
	node, admin, ctx := c.Nodes[0].ID().String(), c.Backend(t, 0), t.Context()
	alice := bus.Target{UID: bus.String("alice")}
	must(t, admin.Trace(ctx, bus.TraceQuery{Target: alice, Time: time.Millisecond}, func(bus.TraceBatch) {}))
	_, err := admin.LogLevel(ctx, node, bus.LevelQuery{Level: "error", For: time.Minute})
	must(t, err)
	_, err = admin.Kick(ctx, bus.Kick{UID: alice.UID})
	must(t, err)
	_, err = admin.Revoke(ctx, bus.Revocation{UID: alice.UID})
	must(t, err)
	must(t, admin.DrainNode(ctx, node))
	if _, err := rawBackend(t, c, 0).Request("hoshi.api.revoke", []byte(`{}`), testkit.Patience); err != nil {
		t.Error(err)
	}
	for event, level := range map[string]string{
		"traced": "info", "log-level-set": "info", "kicked": "info", "revoked": "info", "drained": "info", "request-refused": "warn",
	} {
		if lines := log.lines(t, event); len(lines) == 0 || lines[0]["level"] != level {
			t.Errorf("%s: %v", event, lines)
		}
	}
	if before != 1 {
		t.Errorf("%d lines when the level is set", before)
	}
	if _, err := testkit.TryDial(t, c.Nodes[0].Addr().String(), "/?token=x"); err == nil {
		t.Error("let in")
	}
	if lines := log.lines(t, "token-refused"); lines != nil {
		t.Errorf("not of administrators: %v", lines)
	}
}

// TestSecurityLogIsBounded: of many lines of a kind a few are written, and the next
// one says how many were not; other kinds are not touched by that.
func TestSecurityLogIsBounded(t *testing.T) {
	c, log := logging(t, nil)
	const flood = 10_000
	edge.SecurityLog(c.Nodes[0], flood)
	if n := len(log.lines(t, "")); n < 5 || n > 10 { // one a second beyond the burst
		t.Errorf("%d lines of %d", n, flood)
	}
	if _, err := testkit.TryDial(t, c.Nodes[0].Addr().String(), "/?token=x"); err == nil {
		t.Error("let in")
	}
	if n := len(log.lines(t, "token-refused")); n != 1 {
		t.Errorf("%d lines of another kind", n)
	}
	testkit.Eventually(t, "the next line", func() bool {
		edge.SecurityLog(c.Nodes[0], 1)
		sum, lines := 0.0, log.lines(t, "origin-refused")
		for _, line := range lines {
			if n, is := line["suppressed"].(float64); is {
				sum += n
			}
		}
		return sum+float64(len(lines)) >= flood
	})
}

// TestSecurityLogDocument: docs/access.md names every kind, and no other.
func TestSecurityLogDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/access.md")
	must(t, err)
	_, section, _ := strings.Cut(string(text), "\n## Security log\n")
	section, _, _ = strings.Cut(section, "\n## ")
	named := map[string]bool{}
	for line := range strings.Lines(section) {
		if rest, is := strings.CutPrefix(line, "| `"); is {
			name, _, _ := strings.Cut(rest, "`")
			named[name] = true
		}
	}
	for _, event := range edge.SecurityEvents() {
		if !named[event] {
			t.Errorf("docs/access.md says nothing of %s", event)
		}
		delete(named, event)
	}
	for name := range named {
		t.Errorf("docs/access.md names %s, which there is not", name)
	}
}

// BenchmarkSecurityLog is what a line costs that is left out.
func BenchmarkSecurityLog(b *testing.B) {
	l := &securityLines{}
	log := zerolog.New(l)
	n := testkit.StartNode(b, edge.Options{Logger: &log, Bus: bus.Options{URLs: []string{testkit.StartNATS(b, 1)[0].ClientURL()}}})
	b.ReportAllocs()
	for b.Loop() {
		edge.SecurityLog(n, 1)
	}
}

// TestForgedHere: what a backend says where nodes tell who holds a tab moves none,
// whichever connection it names: one of another tab, of another user, or of no node.
func TestForgedHere(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, nil)
	tab := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	parked := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-2")
	parked.Conn.Close()
	away(t, c.Nodes[0], 1)
	// All of these are newer.
	other := c.Dial(t, 1, "/chsk?uid=alice&client-id=tab-3")
	mallory := c.Dial(t, 1, "/chsk?uid=mallory&client-id=tab-1")
	lite := c.Dial(t, 1, "/?uid=alice")
	nc := rawBackend(t, c, 1)
	backend := c.Backend(t, 1)
	for _, client := range []string{"tab-1", "tab-2"} {
		for _, from := range []string{other.ConnID, mallory.ConnID, lite.ConnID, "conn-7fffffff-7c1e-7abc-8def-5b1e6f00a2c4"} {
			must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.client." + client, Header: nats.Header{"Hoshi-Tab": {"here alice"}, "Hoshi-From": {from}}}))
		}
	}
	// On the connection's subject nobody is believed either.
	must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.conn." + tab.ConnID[29:] + "." + tab.ConnID, Header: nats.Header{"Hoshi-Tab": {"mine alice"}, "Hoshi-From": {other.ConnID}}}))
	must(t, nc.Flush())
	must(t, backend.Barrier(t.Context()))
	for range 3 { // what was forged, a question, its answer
		for _, n := range c.Nodes {
			must(t, edge.Settle(t.Context(), n))
		}
	}
	must(t, backend.PublishClient("tab-1", []byte("[:a/b 1]")))
	must(t, backend.PublishClient("tab-2", []byte("[:a/b 2]")))
	tab.Expect("[[[:a/b 1]] nil]")
	other.Nothing()
	if s := c.Nodes[0].Stats().Sente; s.Replaced != 0 || s.Away != 1 {
		t.Errorf("%+v", s)
	}
	c.Dial(t, 1, "/chsk?uid=alice&client-id=tab-2").Expect("[[[:a/b 2]] nil]")
}
