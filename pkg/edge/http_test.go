package edge_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// Whoever opens the address of a node in a browser reads what to connect with,
// and a frame to type; both work as they stand.
func TestHint(t *testing.T) {
	for _, param := range []string{"", "who"} {
		t.Run("uid param "+param, func(t *testing.T) {
			c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.InsecureUIDParam = param })
			host := c.Nodes[0].Addr().String()
			status, text := get(t, "http://"+host+"/")
			if status != http.StatusUpgradeRequired {
				t.Errorf("status %d", status)
			}
			_, rest, ok := strings.Cut(text, "ws://"+host)
			path, _, _ := strings.Cut(rest, "\n")
			if !ok {
				t.Fatalf("no URL in\n%s", text)
			}
			cl := c.Dial(t, 0, path)
			if isAlice := cl.UID == `"alice"`; isAlice != (param != "") {
				t.Errorf("%s connects as %s", path, cl.UID)
			}
			for line := range strings.Lines(text) {
				if frame := strings.TrimSpace(line); strings.HasPrefix(frame, "[") {
					cl.Send(frame)
				}
			}
			cl.Expect(`[:sente-lite/subscribed {:channel-id "lobby", :success true}]`)
			cl.Expect(testkit.Message(`"lobby"`, `{:text "hello"}`, cl.ConnID))
		})
	}
}

// Of a node for one dialect, or in another format, the hint tells what works
// there.
func TestHintOfDialect(t *testing.T) {
	t.Parallel()
	const lite, sente = "[:sente-lite/subscribe", `"/chsk" nil {:host `
	for _, tt := range []struct {
		name       string
		change     func(*edge.Options)
		has, lacks []string
	}{
		{name: "both", change: func(*edge.Options) {}, has: []string{lite, sente, `:params {:uid "alice"}})`, "/?uid=alice\n"}, lacks: []string{"format="}},
		{name: "nobody believed", change: func(o *edge.Options) { o.InsecureUIDParam = "" }, has: []string{lite, sente}, lacks: []string{"alice", ":params"}},
		{name: "Sente", change: func(o *edge.Options) { o.Dialect = "sente" }, has: []string{sente}, lacks: []string{lite}},
		{name: "sente-lite", change: func(o *edge.Options) { o.Dialect = "sente-lite" }, has: []string{lite}, lacks: []string{sente}},
		{name: "JSON", change: func(o *edge.Options) { o.Format = codec.JSON }, has: []string{"/?uid=alice&format=edn\n", `:params {:uid "alice" :format "edn"}})`}},
		{name: "gzip", change: func(o *edge.Options) { o.Gzip = true }, has: []string{"/?uid=alice&format=edn\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { tt.change(o) })
			_, text := get(t, "http://"+c.Nodes[0].Addr().String()+"/")
			for _, s := range tt.has {
				if !strings.Contains(text, s) {
					t.Errorf("no %q in\n%s", s, text)
				}
			}
			for _, s := range tt.lacks {
				if strings.Contains(text, s) {
					t.Errorf("%q in\n%s", s, text)
				}
			}
		})
	}
}

// What an operator asks is on the admin listener; what a load balancer asks is
// on both.
func TestWhoAnswersWhat(t *testing.T) {
	c := testkit.StartCluster(t, 1, nil)
	clients, admin := c.Nodes[0].Addr().String(), c.Nodes[0].AdminAddr().String()
	for _, tt := range []struct {
		path             string
		onClients, onAdm int
	}{
		{path: "/health", onClients: 200, onAdm: 200},
		{path: "/health/ready", onClients: 200, onAdm: 200},
		{path: "/stats", onClients: 404, onAdm: 200},
		{path: "/channels", onClients: 404, onAdm: 200},
		{path: "/debug/pprof/", onClients: 404, onAdm: 200},
		{path: "/", onClients: 426, onAdm: 200},
		{path: "/none", onClients: 404, onAdm: 404},
	} {
		for host, want := range map[string]int{clients: tt.onClients, admin: tt.onAdm} {
			if got, text := get(t, "http://"+host+tt.path); got != want {
				t.Errorf("%s on %s: %d, want %d: %s", tt.path, host, got, want, text)
			}
		}
	}
	for _, path := range []string{"/stats", "/channels", "/health", "/health/ready", "/debug/pprof/"} {
		if _, text := get(t, "http://"+admin+"/"); !strings.Contains(text, path+"\n") {
			t.Errorf("the admin listener does not name %s", path)
		}
	}
	// Keys have one spelling.
	if _, text := get(t, "http://"+admin+"/stats"); !strings.Contains(text, `"write_calls"`) {
		t.Error("no write_calls in /stats")
	}
}

func get(t *testing.T, url string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(fmt.Errorf("get %s: %w", url, err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
