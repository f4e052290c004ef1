package main_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestMetrics: a node has metrics on its admin listener, and there alone.
func TestMetrics(t *testing.T) {
	node := start(t, nil, exec.Command(hoshi(t), append([]string{"--log-format", "json"}, freePorts...)...))
	admin := adminAddr(t, node)
	status, text := ask(t, http.MethodGet, "http://"+admin+"/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, text)
	}
	for _, want := range []string{"\nhoshi_build_info{commit=", "\nhoshi_ready 1\n", "\nhoshi_nats_connected 1\n", "\nhoshi_connections 0\n", "\nhoshi_delivery_seconds_count 0\n", "\nprocess_open_fds "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if status, text := ask(t, http.MethodPost, "http://"+admin+"/metrics", ""); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %s", status, text)
	}
	if _, text := ask(t, http.MethodGet, "http://"+admin+"/", ""); !strings.Contains(text, "/metrics\n") {
		t.Errorf("the admin listener says %q", text)
	}
	main := strings.Fields(node.line(t, "clients"))[0]
	if status, text := ask(t, http.MethodGet, strings.Replace(main, "ws://", "http://", 1)+"metrics", ""); status == http.StatusOK || strings.Contains(text, "hoshi_") {
		t.Errorf("the clients' listener has metrics: %d", status)
	}

	// What hoshi pub sends says when it was.
	nats := strings.Fields(node.line(t, "backends"))[0]
	c := testkit.Dial(t, strings.TrimSuffix(strings.TrimPrefix(main, "ws://"), "/"), "/")
	if r := runHoshi(t, nil, "pub", "all", "[:a/b]", "--nats-url", nats); r.code != 0 {
		t.Fatal(r.stderr)
	}
	c.Expect("[:a/b]")
	testkit.Eventually(t, "it is measured", func() bool {
		_, text := ask(t, http.MethodGet, "http://"+admin+"/metrics", "")
		return strings.Contains(text, "\nhoshi_publish_to_write_seconds_count 1\n")
	})
}
