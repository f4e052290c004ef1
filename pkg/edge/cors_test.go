package edge_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// A page of another origin may poll and send, as a browser asks for it.
func TestOtherOrigin(t *testing.T) {
	c := senteNode(t, 1, func(o *edge.Options) { o.Access.Origins = []string{"*"} })
	base := "http://" + c.Nodes[0].Addr().String() + "/chsk"
	tr := &http.Transport{DisableKeepAlives: true}
	cl := &http.Client{Transport: tr, Timeout: testkit.Patience}
	for _, tt := range []struct {
		method, target, body string
		status               int
		header               map[string]string
	}{
		{method: http.MethodOptions, target: base, status: 204, header: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, POST",
			"Access-Control-Allow-Headers": "X-CSRF-Token, X-Requested-With, Content-Type, Authorization",
		}},
		{method: http.MethodGet, target: base + "?client-id=tab-1&handshake%3F=1", status: 200, header: map[string]string{"Access-Control-Allow-Origin": "*"}},
		{method: http.MethodGet, target: base, status: 400, header: map[string]string{"Access-Control-Allow-Origin": "*"}},
		{method: http.MethodPost, target: base, body: "client-id=tab-1&ppstr=" + url.QueryEscape("[[:a/b] nil]"), status: 200, header: map[string]string{"Access-Control-Allow-Origin": "*"}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, tt.target, strings.NewReader(tt.body))
		must(t, err)
		r.Header.Set("Origin", "https://elsewhere.example")
		resp, err := cl.Do(r)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != tt.status {
			t.Errorf("%s %s: status %d, want %d", tt.method, tt.target, resp.StatusCode, tt.status)
		}
		for name, want := range tt.header {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q, want %q", tt.method, tt.target, name, got, want)
			}
		}
	}
}

// Clients from 1.21 on say nothing but their client-id in a POST: where the uid
// comes from the query, what they send is their user's all the same, at every
// node.
func TestPostWithoutParameters(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, func(o *edge.Options) { o.Echo = true })
	nc := foreign(t, c, 0)
	sub, err := nc.SubscribeSync("hoshi.event.a.b")
	must(t, err)
	must(t, nc.Flush())
	at := 0
	p := newPoller(t, c, "tab-1", func() int { return at })
	p.query.Set("uid", "alice")
	p.Open()
	p.query.Del("uid")
	for at = range 2 {
		if got := p.Post("[[:a/b 1] nil]"); got != "[:chsk/dummy-cb-200 nil]" {
			t.Errorf("answer %s", got)
		}
		m, err := sub.NextMsg(testkit.Patience)
		must(t, err)
		if uid := m.Header.Get("Hoshi-Uid"); uid != "alice" {
			t.Errorf("node %d: uid %q", at, uid)
		}
		if got := p.Post(`[[:sente-lite/subscribe {:channel-id "lobby"}] :ajax]`); got != "[{:success true} nil]" {
			t.Errorf("answer %s", got)
		}
	}
}

// What a POST says is in the format of its tab, which it does not name either.
func TestPostInTheFormatOfItsTab(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, func(o *edge.Options) { o.Echo = true })
	at := 0
	p := newPoller(t, c, "tab-1", func() int { return at })
	p.query.Set("format", "transit")
	if got := p.Poll("&handshake%3F=1"); !strings.HasPrefix(got, `[["~:chsk/handshake",["~:sente/nil-uid",null,`) {
		t.Fatalf("handshake %s", got)
	}
	p.query.Del("format")
	for at = range 2 {
		if got := p.Post(`[["~:a/b",["^ ","~:n",1]],"~:ajax"]`); got != `[["^ ","~:n",1],null]` {
			t.Errorf("node %d: answer %s", at, got)
		}
	}
}
