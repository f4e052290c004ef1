package main_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestFewDescriptors fills a node that may have 256 descriptors: it takes as many
// clients as these allow, tells the others so, says that it is well, and never runs
// out of them, whatever silent sockets come on top.
func TestFewDescriptors(t *testing.T) {
	const want = 256 - 64 - 256/20
	node := start(t, nil, exec.Command("sh", "-c", `ulimit -n 256; exec "$0" "$@"`, hoshi(t),
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"))
	g := greeted(t, node)
	host, _ := addr(t, g.clients)
	get := func(url string, v any) int {
		resp, err := http.Get(url)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		if v != nil {
			if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
				t.Fatal(err)
			}
		}
		return resp.StatusCode
	}
	for i := range want {
		if _, err := testkit.TryDial(t, host, "/"); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	for range 20 {
		if _, err := testkit.TryDial(t, host, "/"); err == nil || !strings.Contains(err.Error(), "503") {
			t.Fatalf("one more: %v", err)
		}
	}
	healthy := func() bool { return get("http://"+host+"/health/ready", nil) == http.StatusOK }
	if !healthy() {
		t.Error("a full node does not say that it is well")
	}
	var silent []net.Conn
	for range 100 {
		c, err := net.DialTimeout("tcp", host, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, c)
	}
	var st edge.Stats
	// An address has half of a quarter.
	testkit.Eventually(t, "all but 32 of the silent ones are shed", func() bool {
		return get(g.admin, &st) == http.StatusOK && st.Sockets.Shed["address-heads"]+st.Sockets.Shed["sockets"] >= 68
	})
	for _, c := range silent {
		c.Close()
	}
	testkit.Eventually(t, "well again", healthy)
	if get(g.admin, &st); st.Sockets.AcceptErrors != 0 || st.Sockets.AcceptShed != 0 || st.Sockets.Refused["full"] != 20 || st.Connections != want {
		t.Errorf("%d accept errors, %d shed for want of descriptors, %d refused, %d connections",
			st.Sockets.AcceptErrors, st.Sockets.AcceptShed, st.Sockets.Refused["full"], st.Connections)
	}
}
