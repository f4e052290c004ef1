package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// ask sends a request and returns status and body.
func ask(t *testing.T, method, url, body string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// adminAddr is where the admin listener of a node is.
func adminAddr(t *testing.T, r *running) string {
	t.Helper()
	url, _, _ := strings.Cut(r.line(t, "admin"), "/stats")
	return strings.TrimPrefix(url, "http://")
}

// TestHealth holds what a container's health check gets from a node that is well,
// one that has lost NATS, and one that is not there.
func TestHealth(t *testing.T) {
	nats := testkit.StartNATS(t, 1)[0]
	node := start(t, nil, exec.Command(hoshi(t), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--nats-url", nats.ClientURL(), "--ready-grace", "0s"))
	admin := adminAddr(t, node)
	// The variables of the node are all there is, and some are for the node alone.
	env := []string{"HOSHI_ADMIN_LISTEN=" + strings.Replace(admin, "127.0.0.1", "0.0.0.0", 1), "HOSHI_NATS_URL=nats://wombat", "HOSHI_LOG_LEVEL=nonsense", "HOSHI_WOMBAT=1", "HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1"}
	expect := func(code int, stdout, stderr string, args ...string) {
		t.Helper()
		r := runHoshi(t, env, append([]string{"health"}, args...)...)
		if r.code != code || !strings.HasPrefix(r.stdout, stdout) || (r.stdout == "") != (stdout == "") || r.stderr != stderr {
			t.Errorf("health %v: code %d, stdout %q, stderr %q, want %d, %q, %q", args, r.code, r.stdout, r.stderr, code, stdout, stderr)
		}
	}
	expect(0, "ready\n", "")
	expect(0, "ok, node ", "", "--live")
	expect(2, "", "hoshi: --timeout: \"2\" is no duration: want a number with a unit, like 30s or 500ms\n", "--timeout", "2")

	nats.Shutdown()
	testkit.Eventually(t, "the node has seen that NATS is away", func() bool {
		status, _ := ask(t, http.MethodGet, "http://"+admin+"/health/ready", "")
		return status == http.StatusServiceUnavailable
	})
	expect(1, "not ready: nats is not available\n", "")
	expect(0, "ok, node ", "", "--live")

	node.signal(t, os.Interrupt)
	node.ended(t)
	expect(1, "", "hoshi: nobody listens on "+admin+": is a node running here? --admin-listen, or HOSHI_ADMIN_LISTEN, says where\n")
}

// TestLocalFaults holds that whoever asks where no node is hears what is wrong
// and what to do, in time.
func TestLocalFaults(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
			fmt.Fprint(w, "<html>\x1b[31mhello")
		default:
			http.Redirect(w, r, "/health", http.StatusFound)
		}
	}))
	t.Cleanup(web.Close)
	none := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(none.Close)
	mute := listen(t).Addr().String()
	rude := listen(t)
	go func() { // ends with rude
		for {
			conn, err := rude.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "INFO {"+strings.Repeat("a", 1000)+"}\r\n") //nolint:errcheck // the peer may be gone
			conn.Close()
		}
	}()
	at := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	broken := filepath.Join(t.TempDir(), "broken.edn")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	const where = "--admin-listen, or HOSHI_ADMIN_LISTEN, says where"
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{name: "no port", args: []string{"--admin-listen", "127.0.0.1:0"}, code: 1, want: "--admin-listen 127.0.0.1:0 says no port to ask: give the one that the node printed when it started"},
		{name: "another program", args: []string{"--live", "--admin-listen", at(web)}, code: 1, want: "what listens on " + at(web) + ` is no node: it answers 200 <html>\x1b[31mhello`},
		{name: "another program that redirects", args: []string{"--admin-listen", at(web)}, code: 1, want: "what listens on " + at(web) + ` is no node: it answers 302 <a href="/health">Found</a>.`},
		{name: "no such path", args: []string{"--admin-listen", at(none)}, code: 1, want: "what listens on " + at(none) + " knows no GET /health/ready: is it another program, another port of the node, or an older one? --admin-listen says where to ask"},
		{name: "no answer", args: []string{"--admin-listen", mute, "--timeout", "50ms"}, code: 1, want: "the node at " + mute + " has not answered within 50ms"},
		{name: "no HTTP", args: []string{"--admin-listen", rude.Addr().String()}, code: 1, want: "what listens on " + rude.Addr().String() + " does not answer as a node does (malformed HTTP status code \"{" + strings.Repeat("a", 31) + "...): " + where},
		{name: "no host", args: []string{"--admin-listen", "nowhere.invalid:1"}, code: 1, want: "nowhere.invalid:1 cannot be reached (no such host): " + where},
		{name: "no address", args: []string{"--admin-listen", "8081"}, code: 2, want: `--admin-listen: "8081" is no address: want host:port, like 127.0.0.1:8080`},
		{name: "a broken file", args: []string{"--config", broken}, code: 2, want: "--config: " + broken + ": is not EDN: it ends inside the value that begins at line 1, column 1"},
		{name: "an option of the node", args: []string{"--listen", ":1"}, code: 2, want: "--listen is an option of hoshi, not of hoshi health"},
		{name: "an argument", args: []string{"me"}, code: 2, want: `hoshi health does not take a further argument me`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			r := runHoshi(t, nil, append([]string{"health"}, tt.args...)...)
			if r.code != tt.code || r.stdout != "" || r.stderr != "hoshi: "+tt.want+"\n" {
				t.Errorf("code %d, stdout %q, stderr\n%swant\n%s", r.code, r.stdout, r.stderr, tt.want)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestHealthEmptyHost holds that a listener on every interface is asked on this
// machine.
func TestHealthEmptyHost(t *testing.T) {
	node := start(t, nil, exec.Command(hoshi(t), "--listen", "127.0.0.1:0", "--admin-listen", ":0", "--nats-listen", "127.0.0.1:0"))
	_, port, err := net.SplitHostPort(adminAddr(t, node))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"", "0.0.0.0", "[::]", "localhost"} {
		if r := runHoshi(t, nil, "health", "--admin-listen", host+":"+port); r.code != 0 || r.stdout != "ready\n" {
			t.Errorf("%s: code %d, stdout %q, stderr %q", host, r.code, r.stdout, r.stderr)
		}
	}
}
