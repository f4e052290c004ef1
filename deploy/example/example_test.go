package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

const secret = "a secret of at least thirty-two bytes"

func TestMain(m *testing.M) { testkit.Main(m) }

func TestServer(t *testing.T) {
	healthy := true
	h := handler([]byte(secret), func() bool { return healthy }, time.Now)
	ask := func(method, path, body string, header ...string) (int, string, http.Header) {
		r := httptest.NewRequestWithContext(t.Context(), method, "http://example.test"+path, strings.NewReader(body))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		text, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.Code, string(text), w.Header()
	}
	for _, tt := range []struct {
		name, method, path, body string
		header                   []string
		code                     int
		has                      string
	}{
		{name: "page", method: "GET", path: "/", code: 200, has: "app.js"},
		{name: "script", method: "GET", path: "/app.js", code: 200, has: "chsk/handshake"},
		{name: "nothing", method: "GET", path: "/other", code: 404},
		{name: "health", method: "GET", path: "/health", code: 200, has: "ok"},
		{name: "token", method: "POST", path: "/token", body: `{"name": " ada "}`, code: 200, has: `"name":"ada"`},
		{name: "by GET", method: "GET", path: "/token", code: 404},
		{name: "of another page", method: "POST", path: "/token", body: `{"name": "ada"}`, header: []string{"Origin", "http://elsewhere.test"}, code: 403},
		{name: "no JSON", method: "POST", path: "/token", body: `ada`, code: 400, has: "want"},
		{name: "no name", method: "POST", path: "/token", body: `{"name": " "}`, code: 400, has: "1 to 40"},
		{name: "long", method: "POST", path: "/token", body: `{"name": "` + strings.Repeat("é", 41) + `"}`, code: 400},
		{name: "a line break", method: "POST", path: "/token", body: `{"name": "a\nb"}`, code: 400},
		{name: "a connection", method: "POST", path: "/token", body: `{"name": "conn-0192f3a4"}`, code: 400},
		{name: "too large", method: "POST", path: "/token", body: `{"name": "` + strings.Repeat(" ", 2000) + `ada"}`, code: 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, text, header := ask(tt.method, tt.path, tt.body, tt.header...)
			if code != tt.code || !strings.Contains(text, tt.has) {
				t.Errorf("%d %q, want %d and %q", code, text, tt.code, tt.has)
			}
			if strings.HasPrefix(header.Get("Content-Type"), "text/html") && !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("a page without a policy: %v", header)
			}
		})
	}
	healthy = false
	if code, _, _ := ask("GET", "/health", ""); code != http.StatusServiceUnavailable {
		t.Errorf("without NATS health is %d", code)
	}
}

// believing starts nodes with the same secret.
func believing(t *testing.T, count int) *testkit.Cluster {
	return testkit.StartCluster(t, count, func(_ int, o *edge.Options) {
		o.Access.Issuers = []edge.Issuer{{Keys: []edge.KeySource{{Secret: []byte(secret)}}}}
		o.Access.TokenParam, o.Access.TokenRequired, o.Access.Leeway = "token", true, -1
	})
}

// path is where somebody connects who was given a token so long ago.
func path(uid string, age time.Duration) string {
	return "/ws?format=json&token=" + sign([]byte(secret), uid, time.Now().Add(-age))
}

// TestToken holds that nodes believe the tokens, for as long as they are meant to be
// good.
func TestToken(t *testing.T) {
	addr := believing(t, 1).Nodes[0].Addr().String()
	for _, tt := range []struct {
		name string
		age  time.Duration
		ok   bool
	}{
		{"new", 0, true},
		{"before its end", tokenTime - time.Minute, true},
		{"after it", tokenTime + time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := testkit.TryDial(t, addr, path("ada", tt.age))
			if (err == nil) != tt.ok {
				t.Fatalf("%v", err)
			}
			if err == nil && c.UID != `"ada"` {
				t.Errorf("it is of %s", c.UID)
			}
		})
	}
}

func TestBackend(t *testing.T) {
	c := believing(t, 2)
	b := &backend{bus: c.Backend(t, 0), log: zerolog.Nop()}
	if err := b.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ada, bob := c.Dial(t, 0, path("ada", 0)), c.Dial(t, 1, path("bob", 0))
	for _, p := range []*testkit.Client{ada, bob} {
		p.Expect(`["example/welcome",{"conn":"` + p.ConnID + `"}]`)
	}
	ada.Send(`["sente-lite/subscribe", {"channel-id": "counter"}]`)
	ada.Expect(`["sente-lite/subscribed",{"channel-id":"counter","success":true}]`)
	bob.Send(`["example/add"]`)
	if got := ada.Read(); !strings.Contains(got, `"n":1,"by":"bob"`) {
		t.Error(got)
	}
	for _, tt := range []struct{ send, want string }{
		{`["example/count"]`, `{"n":1}`},
		{`["example/whisper", {"to": "ada", "text": "psst"}]`, `{"heard":true}`},
		{`["example/whisper", {"to": "nobody", "text": "psst"}]`, `{"heard":false}`},
		{`["example/whisper", {"to": "ada", "text": ""}]`, `"bad-request"`},
		{`["example/whisper", "ada"]`, `"bad-request"`},
		{`["example/whisper", {"to": "ada", "text": "` + strings.Repeat("x", maxText+1) + `"}]`, `"bad-request"`},
		{`["example/other"]`, `"chsk/error"`},
	} {
		bob.Send(`[` + tt.send + `, "cb"]`)
		bob.Expect(`[` + tt.want + `,"cb"]`)
	}
	ada.Expect(`["example/whisper",{"from":"bob","text":"psst"}]`)
}

// TestRun: what a person can mend is said, and the exit code is 2.
func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name, secret, want string
		args               []string
		code               int
	}{
		{name: "no secret", want: "HOSHI_TOKEN_SECRET", code: 2},
		{name: "a short one", secret: "short", want: "32 bytes", code: 2},
		{name: "another command", args: []string{"help"}, want: "unknown command", code: 2},
		{name: "no option", args: []string{"-wombat"}, want: "wombat", code: 2},
		{name: "no NATS", secret: secret, args: []string{"-nats-url", "nats://127.0.0.1:1"}, want: "connect to NATS", code: 1},
		{name: "nobody is healthy", args: []string{"-listen", "127.0.0.1:1", "health"}, want: "refused", code: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs strings.Builder
			env := func(name string) string { return map[string]string{"HOSHI_TOKEN_SECRET": tt.secret}[name] }
			if code := run(tt.args, env, &out, &errs); code != tt.code || !strings.Contains(errs.String(), tt.want) {
				t.Errorf("%d %q, want %d and %q", code, errs.String(), tt.code, tt.want)
			}
		})
	}
}
