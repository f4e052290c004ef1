package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A client polls at one node while another, which has its session, is killed:
// soon it has a new session.
func TestKilledHomeOfPolls(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.args = []string{"--insecure-uid-param", "uid"}
	c.startEmbedded(t, 2)
	poll := func(k int, extra string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.listen[k]+"/chsk?uid=alice&client-id=tab-1&udt=1"+extra, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if got := poll(0, "&handshake%3F=1"); !strings.HasPrefix(got, "[[:chsk/handshake ") {
		t.Fatal(got)
	}
	killed := make(chan time.Time, 1)
	timer := time.AfterFunc(time.Second, func() { // by then the poll waits
		killed <- time.Now()
		_ = c.nodes[0].cmd.Process.Kill()
	})
	defer timer.Stop()
	if got := poll(1, ""); !strings.HasPrefix(got, "[[:chsk/handshake ") {
		t.Fatal(got)
	}
	if took := time.Since(<-killed); took > 8*time.Second {
		t.Errorf("a new session after %v", took)
	} else {
		t.Logf("a new session after %v", took)
	}
}
