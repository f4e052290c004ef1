package edge_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// What the program around a node adds is served and named, and no page of a
// browser can change anything.
func TestAdminRoutes(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
		o.AdminRoutes = func(n *edge.Node) map[string]http.Handler {
			say := func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, r.Method, " ", n.ID(), " ", n.Connections())
			}
			return map[string]http.Handler{"GET /knob": http.HandlerFunc(say), "PUT /knob": http.HandlerFunc(say), "POST /act": http.HandlerFunc(say)}
		}
	})
	host := c.Nodes[0].AdminAddr().String()
	if _, text := get(t, "http://"+host+"/"); !strings.HasSuffix(text, "/debug/pprof/\n/knob\nPOST /act\nPUT /knob\n") {
		t.Errorf("the index is\n%s", text)
	}
	for _, tt := range []struct {
		name, method, path string
		header             http.Header
		want               int
	}{
		{name: "get", method: http.MethodGet, path: "/knob", want: 200},
		{name: "get from a page", method: http.MethodGet, path: "/knob", header: http.Header{"Origin": {"https://evil.example"}}, want: 200},
		{name: "put", method: http.MethodPut, path: "/knob", want: 200},
		{name: "post", method: http.MethodPost, path: "/act", want: 200},
		{name: "post from a page", method: http.MethodPost, path: "/act", header: http.Header{"Origin": {"https://evil.example"}}, want: 403},
		{name: "put from a page", method: http.MethodPut, path: "/knob", header: http.Header{"Origin": {"https://evil.example"}}, want: 403},
		{name: "put from a page that a name leads here", method: http.MethodPut, path: "/knob", header: http.Header{"Origin": {"http://" + host}, "Sec-Fetch-Site": {"same-origin"}}, want: 403},
		{name: "put of a browser without an origin", method: http.MethodPut, path: "/knob", header: http.Header{"Sec-Fetch-Site": {"cross-site"}}, want: 403},
		{name: "another method", method: http.MethodDelete, path: "/knob", want: 405},
		{name: "our own", method: http.MethodPost, path: "/stats", want: 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+host+tt.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(req.Header, tt.header)
			tr := &http.Transport{DisableKeepAlives: true}
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tt.want {
				t.Errorf("%d, want %d: %s %v", resp.StatusCode, tt.want, body, err)
			}
			if want := fmt.Sprintf("%s %s 0", tt.method, c.Nodes[0].ID()); resp.StatusCode == 200 && string(body) != want {
				t.Errorf("got %q, want %q", body, want)
			}
		})
	}
}

// A route that cannot be is an error of the start, and leaves no port open.
func TestBadAdminRoutes(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"GET /stats", "/knob", "GET knob", "GET /{", "GET ", ""} {
		_, err := edge.Start(t.Context(), edge.Options{
			Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0",
			AdminRoutes: func(*edge.Node) map[string]http.Handler {
				return map[string]http.Handler{pattern: http.NotFoundHandler()}
			},
		})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the admin route %q", pattern)) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
