package edge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// adminLike are admin routes as a program has them: one to look, and others that the metrics listener must not have.
func adminLike(*edge.Node) map[string]http.Handler {
	text := func(s string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
	}
	return map[string]http.Handler{"GET /metrics": text("numbers"), "GET /log-level": text("level"), "PUT /log-level": text("changed")}
}

// TestMetricsListener holds that whoever reaches it can look, and change and read nothing else.
func TestMetricsListener(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.MetricsListen, o.AdminRoutes = "127.0.0.1:0", adminLike })
	n := c.Nodes[0]
	addr := n.MetricsAddr().String()
	for _, tt := range []struct {
		method, path string
		code         int
		text         string
	}{
		{http.MethodGet, "/metrics", 200, "numbers"},
		{http.MethodGet, "/health", 200, `"status": "ok"`},
		{http.MethodGet, "/health/ready", 200, `"ready"`},
		{http.MethodPost, "/metrics", 405, ""},
		{http.MethodPost, "/drain", 404, ""},
		{http.MethodGet, "/log-level", 404, ""},
		{http.MethodPut, "/log-level", 404, ""},
		{http.MethodGet, "/stats", 404, ""},
		{http.MethodGet, "/channels", 404, ""},
		{http.MethodGet, "/debug/pprof/", 404, ""},
		{http.MethodGet, "/debug/pprof/heap", 404, ""},
		{http.MethodGet, "/", 404, ""},
	} {
		if code, text, _ := answer(t, tt.method, addr, tt.path, nil); code != tt.code || !strings.Contains(text, tt.text) {
			t.Errorf("%s %s: %d %q", tt.method, tt.path, code, text)
		}
	}
	if code, text, _ := answer(t, http.MethodPut, n.AdminAddr().String(), "/log-level", nil); code != 200 || text != "changed" {
		t.Errorf("the admin listener lacks what it had: %d %q", code, text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = n.Stop(ctx)
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("it is not closed with the node: %v", err)
	}
	_ = ln.Close()
}

// TestMetricsListenerFails has all addresses be in use: all are told, and none is left open. Without the option there is
// no listener.
func TestMetricsListenerFails(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, nil)
	if a := c.Nodes[0].MetricsAddr(); a != nil {
		t.Errorf("nobody asked for a listener on %v", a)
	}
	taken, admin := c.Nodes[0].AdminAddr().String(), ""
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	admin = ln.Addr().String()
	must(t, ln.Close())
	_, err = edge.Start(t.Context(), edge.Options{Listen: taken, AdminListen: admin, MetricsListen: taken})
	le, ok := errors.AsType[*edge.ListenError](err)
	if !ok || le.Listener != edge.Main || !strings.Contains(err.Error(), "metrics-listen "+taken) {
		t.Errorf("%v", err)
	}
	ln, err = net.Listen("tcp", admin)
	if err != nil {
		t.Fatalf("the other is left open: %v", err)
	}
	must(t, ln.Close())
}
