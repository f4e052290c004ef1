package edge_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
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
