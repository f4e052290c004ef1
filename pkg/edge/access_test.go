package edge_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

const tokenSecret = "a secret of at least thirty-two bytes"

// token makes one of the tests' issuer (RFC 7515, HS256).
func token(t testing.TB, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString(body)
	mac := hmac.New(sha256.New, []byte(tokenSecret))
	mac.Write([]byte(text))
	return text + "." + enc.EncodeToString(mac.Sum(nil))
}

func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// believing starts a node that believes the tests' issuer.
func believing(t *testing.T, count int, change func(o *edge.Options)) *testkit.Cluster {
	t.Helper()
	return testkit.StartCluster(t, count, func(_ int, o *edge.Options) {
		o.Access.Issuers = []edge.Issuer{{Keys: []edge.KeySource{{Secret: []byte(tokenSecret)}}}}
		o.Access.TokenParam = "token"
		o.Access.Leeway = -1
		if change != nil {
			change(o)
		}
	})
}

func TestTokens(t *testing.T) {
	c := believing(t, 1, func(o *edge.Options) { o.Access.TokenCookie = "session" })
	addr := c.Nodes[0].Addr().String()
	good := token(t, map[string]any{"sub": "alice", "exp": in(time.Hour)})
	for _, tt := range []struct {
		name   string
		path   string
		header http.Header
		status int // 0: let in
		uid    string
	}{
		{name: "query", path: "/?token=" + good, uid: `"alice"`},
		{name: "authorization", path: "/", header: http.Header{"Authorization": {"Bearer " + good}}, uid: `"alice"`},
		{name: "cookie", path: "/", header: http.Header{"Cookie": {"a=b; session=" + good}}, uid: `"alice"`},
		{name: "subprotocol", path: "/", header: http.Header{"Sec-WebSocket-Protocol": {"hoshi.token." + base64.RawURLEncoding.EncodeToString([]byte(good))}}, uid: `"alice"`},
		{name: "sente", path: "/chsk?client-id=tab-1&token=" + good, uid: `"alice"`},
		{name: "nobody", path: "/"},
		{name: "expired", path: "/?token=" + token(t, map[string]any{"sub": "alice", "exp": in(-time.Minute)}), status: 401},
		{name: "of nobody", path: "/?token=" + token(t, map[string]any{"exp": in(time.Hour)}), status: 401},
		{name: "forged", path: "/?token=" + good[:len(good)-2] + "AA", status: 401},
		{name: "no token", path: "/?token=alice", status: 401},
		{name: "two", path: "/?token=" + good, header: http.Header{"Authorization": {"Bearer x" + good}}, status: 401},
		{name: "a conn-id", path: "/?token=" + token(t, map[string]any{"sub": "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4", "exp": in(time.Hour)}), status: 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cl, err := testkit.TryDialWith(t, addr, tt.path, tt.header)
			if tt.status != 0 {
				if status, ok := errors.AsType[ws.StatusError](err); !ok || int(status) != tt.status {
					t.Errorf("got %v, want status %d", err, tt.status)
				}
				return
			}
			must(t, err)
			if tt.uid != "" && cl.UID != tt.uid || tt.uid == "" && cl.UID != `"`+cl.ConnID+`"` {
				t.Errorf("uid %s", cl.UID)
			}
			if cl.Protocol != "" {
				t.Errorf("the token is sent back: %s", cl.Protocol)
			}
		})
	}
	if r := c.Nodes[0].Stats().RefusedUpgrades; r["token-expired"] == 0 || r["token-signature"] == 0 {
		t.Errorf("refused %v", r)
	}
}

func TestTokenRequired(t *testing.T) {
	c := believing(t, 1, func(o *edge.Options) { o.Access.TokenRequired = true })
	addr := c.Nodes[0].Addr().String()
	for _, path := range []string{"/", "/chsk?client-id=tab-1"} {
		_, err := testkit.TryDial(t, addr, path)
		if status, ok := errors.AsType[ws.StatusError](err); !ok || status != 401 {
			t.Errorf("%s: %v", path, err)
		}
	}
	resp, err := http.Get("http://" + addr + "/chsk?client-id=tab-1&handshake%3F=1")
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("status %d, %v", resp.StatusCode, resp.Header)
	}
}

// A connection ends with its token, unless it is given a new one of the same
// user.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	c := believing(t, 1, nil)
	short := token(t, map[string]any{"sub": "alice", "exp": in(2 * time.Second)})
	lapsing := c.Dial(t, 0, "/?token="+short)
	tab := c.Dial(t, 0, "/chsk?client-id=tab-1&token="+short)
	renewed := c.Dial(t, 0, "/?token="+short)
	long := token(t, map[string]any{"sub": "alice", "exp": in(time.Hour)})
	for _, step := range []struct{ token, want string }{
		{token(t, map[string]any{"sub": "bob", "exp": in(time.Hour)}), `[{:success false, :error :forbidden} "r"]`},
		{"nonsense", `[{:success false, :error :invalid-token} "r"]`},
		{long, `[{:success true} "r"]`},
	} {
		renewed.Send(`[[:hoshi/refresh {:token "` + step.token + `"}] "r"]`)
		renewed.Expect(step.want)
	}
	lapsing.ExpectClose(4401)
	tab.ExpectClose(4401)
	renewed.Nothing()
}

func TestRules(t *testing.T) {
	c := believing(t, 1, func(o *edge.Options) {
		anyone, known := []edge.Who{{Kind: edge.Anyone}}, []edge.Who{{Kind: edge.Authenticated}}
		admin := []edge.Who{{Kind: edge.Claim, Name: "role", Value: "admin"}}
		o.Access.Channels = []edge.Rule{
			{Pattern: "news", Subscribe: anyone, Publish: admin},
			{Pattern: "inbox/{uid}", Subscribe: []edge.Who{{Kind: edge.User}}, Publish: known},
			{Pattern: "chat/*", Subscribe: known, Publish: known},
		}
		o.Access.Events = []edge.Rule{{Pattern: "public/*", Publish: anyone}, {Pattern: "*", Publish: known}}
	})
	nc := foreign(t, c, 0)
	sub, err := nc.SubscribeSync("hoshi.>")
	must(t, err)
	must(t, nc.Flush())
	who := func(claims map[string]any) *testkit.Client {
		claims["exp"] = in(time.Hour)
		return c.Dial(t, 0, "/?token="+token(t, claims))
	}
	clients := map[string]*testkit.Client{
		"nobody": c.Dial(t, 0, "/"),
		"alice":  who(map[string]any{"sub": "alice"}),
		"root":   who(map[string]any{"sub": "root", "role": "admin"}),
	}
	const yes, no = `[{:success true} "c"]`, `[{:success false, :error :forbidden} "c"]`
	for _, tt := range []struct{ who, say, want string }{
		{"nobody", `[:sente-lite/subscribe {:channel-id "news"}]`, yes},
		{"nobody", `[:sente-lite/subscribe {:channel-id "chat/a"}]`, no},
		{"nobody", `[:sente-lite/publish {:channel-id "news" :data 1}]`, no},
		{"nobody", `[:sente-lite/subscribe {:channel-id "other"}]`, no},
		{"nobody", `[:private/event 1]`, no},
		{"alice", `[:sente-lite/publish {:channel-id "news" :data 1}]`, no},
		{"alice", `[:sente-lite/subscribe {:channel-id "inbox/alice"}]`, yes},
		{"alice", `[:sente-lite/subscribe {:channel-id "inbox/root"}]`, no},
		{"alice", `[:sente-lite/publish {:channel-id "inbox/root" :data 1}]`, yes},
		{"root", `[:sente-lite/publish {:channel-id "news" :data 1}]`, yes},
	} {
		cl := clients[tt.who]
		cl.Send(`[` + tt.say + ` "c"]`)
		if tt.want == yes && strings.Contains(tt.say, "publish {:channel-id \"news\"") {
			clients["nobody"].Expect(testkit.Message(`"news"`, "1", cl.ConnID))
		}
		if got := cl.Read(); got != tt.want {
			t.Errorf("%s %s: %s", tt.who, tt.say, got)
		}
	}
	clients["nobody"].Send(`[:sente-lite/subscribe {:channel-id "chat/a"}]`)
	clients["nobody"].Expect(`[:sente-lite/subscribed {:channel-id "chat/a", :success false, :error :forbidden}]`)
	must(t, nc.Publish("hoshi.end", nil))
	for {
		m, err := sub.NextMsg(testkit.Patience)
		must(t, err)
		if m.Subject == "hoshi.end" {
			break
		}
		if strings.HasPrefix(m.Subject, "hoshi.event.private") || m.Subject == "hoshi.chan.news" && m.Header.Get("Hoshi-From") != clients["root"].ConnID {
			t.Errorf("denied, and on %s all the same", m.Subject)
		}
	}
}

func TestOrigins(t *testing.T) {
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
		o.Access.Origins = []string{"same-origin", "https://*.example.com"}
	})
	addr := c.Nodes[0].Addr().String()
	for _, tt := range []struct {
		origin string
		ok     bool
	}{
		{"", true},
		{"http://" + addr, true},
		{"https://app.example.com", true},
		{"https://example.com", false},
		{"https://example.org", false},
		{"null", false},
	} {
		header := http.Header{}
		if tt.origin != "" {
			header.Set("Origin", tt.origin)
		}
		for _, path := range []string{"/", "/chsk?client-id=tab-1"} {
			_, err := testkit.TryDialWith(t, addr, path, header)
			status, _ := errors.AsType[ws.StatusError](err)
			if tt.ok != (err == nil) || !tt.ok && status != 403 {
				t.Errorf("origin %q at %s: %v", tt.origin, path, err)
			}
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/chsk?client-id=tab-2&handshake%3F=1", nil)
		must(t, err)
		r.Header = header
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		must(t, resp.Body.Close())
		if tt.ok != (resp.StatusCode == 200) || tt.ok && resp.Header.Get("Access-Control-Allow-Origin") != tt.origin {
			t.Errorf("origin %q: status %d, %v", tt.origin, resp.StatusCode, resp.Header)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestCSRF(t *testing.T) {
	const secret = "another secret of more than 32 bytes"
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
		o.Access.CSRFSecret, o.Access.CSRFCookie = []byte(secret), "sid"
	})
	addr := c.Nodes[0].Addr().String()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("visitor"))
	good := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	cookie := http.Header{"Cookie": {"sid=visitor"}}
	for _, tt := range []struct {
		name   string
		query  string
		header http.Header
		ok     bool
	}{
		{"parameter", "&csrf-token=" + good, cookie, true},
		{"header", "", http.Header{"Cookie": {"sid=visitor"}, "X-Csrf-Token": {good}}, true},
		{"another's", "&csrf-token=" + good, http.Header{"Cookie": {"sid=other"}}, false},
		{"no session", "&csrf-token=" + good, nil, false},
		{"none", "", cookie, false},
		{"wrong", "&csrf-token=" + good[1:] + "A", cookie, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := testkit.TryDialWith(t, addr, "/chsk?client-id=tab-1"+tt.query, tt.header)
			if status, _ := errors.AsType[ws.StatusError](err); tt.ok != (err == nil) || !tt.ok && status != 403 {
				t.Errorf("socket: %v", err)
			}
			form := url.Values{"client-id": {"tab-2"}, "ppstr": {"[[:a/b] nil]"}, "csrf-token": {strings.TrimPrefix(tt.query, "&csrf-token=")}}
			for _, r := range []struct{ method, target, body string }{
				{http.MethodGet, "/chsk?client-id=tab-2&handshake%3F=1" + tt.query, ""},
				{http.MethodPost, "/chsk", form.Encode()},
			} {
				req, err := http.NewRequestWithContext(t.Context(), r.method, "http://"+addr+r.target, strings.NewReader(r.body))
				must(t, err)
				if tt.header != nil {
					req.Header = tt.header.Clone()
				}
				resp, err := http.DefaultClient.Do(req)
				must(t, err)
				must(t, resp.Body.Close())
				if tt.ok != (resp.StatusCode == 200) || !tt.ok && resp.StatusCode != 403 {
					t.Errorf("%s: status %d", r.method, resp.StatusCode)
				}
			}
		})
	}
	// Clients of sente-lite know no such token.
	c.Dial(t, 0, "/").Nothing()
	http.DefaultClient.CloseIdleConnections()
	must(t, c.Backend(t, 0).PublishAll([]byte("[:a/b]"), bus.Flush()))
}
