package main_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestLogLevel holds that an operator can have a running node log more for a while,
// the loggers that its parts made at the start and nats-server included.
func TestLogLevel(t *testing.T) {
	node := start(t, nil, exec.Command(hoshi(t), append([]string{"--log-level", "warn", "--log-format", "json"}, freePorts...)...))
	admin := adminAddr(t, node)
	nats := strings.Fields(node.line(t, "backends"))[0]
	env := []string{"HOSHI_ADMIN_LISTEN=" + admin}
	say := func(code int, stdout, stderr string, args ...string) {
		t.Helper()
		r := runHoshi(t, env, append([]string{"log-level"}, args...)...)
		if r.code != code || r.stdout != stdout || r.stderr != stderr {
			t.Errorf("log-level %v: code %d, stdout %q, stderr %q, want %d, %q, %q", args, r.code, r.stdout, r.stderr, code, stdout, stderr)
		}
	}
	connects := func() bool { // what a new client of NATS brings
		before, _ := node.output()
		r := runHoshi(t, nil, "pub", "all", "[:a/b]", "--nats-url", nats)
		after, _ := node.output()
		if r.code != 0 {
			t.Fatal(r.stderr)
		}
		return strings.Contains(strings.TrimPrefix(after, before), "Client connection created")
	}
	say(0, "warn\n", "")
	if connects() {
		t.Error("nats-server writes debug lines at level warn")
	}
	say(0, "debug, in 1h0m0s warn again\n", "", "debug", "--for", "1h")
	node.lineWith(t, `"log_level":"debug","for":"1h0m0s"`)
	testkit.Eventually(t, "nats-server writes debug lines", connects)
	say(0, "error\n", "", "error")
	node.lineWith(t, `{"level":"info","log_level":"error"`) // though that is below it
	if connects() {
		t.Error("nats-server writes debug lines at level error")
	}
	say(0, "info, in 1s error again\n", "", "info", "--for", "1s")
	testkit.Eventually(t, "the level is error again", func() bool { return runHoshi(t, env, "log-level").stdout == "error\n" })

	say(2, "", "hoshi: LEVEL loud: wrong log level: want one of debug, info, warn, error\n", "loud")
	say(2, "", "hoshi: --for: which LEVEL?\n", "--for", "1s")
	say(2, "", "hoshi: which LEVEL for node 0b6f1c2a9d3e? Its machine alone says what it is\n", "0b6f1c2a9d3e")
	say(2, "", "hoshi: NODE-ID edge-01 is none: want one like 0b6f1c2a9d3e, hoshi top shows them\n", "debug", "edge-01")
	say(2, "", "hoshi: --for: \"25h\" is too large, the most is 24h\n", "debug", "--for", "25h")
	for query, want := range map[string]string{
		"?for=soon": "for=soon is no time, like 10m\n", "?for=0s": "for=0s is no time, like 10m\n",
		"?for=-1s": "wrong log level: the time must be more than 0 and at most 24h0m0s\n",
	} {
		if status, text := ask(t, http.MethodPut, "http://"+admin+"/log-level"+query, "debug"); status != http.StatusBadRequest || text != want {
			t.Errorf("%s: %d %q", query, status, text)
		}
	}
	if status, text := ask(t, http.MethodPut, "http://"+admin+"/log-level", strings.Repeat("x", 65)); status != http.StatusBadRequest {
		t.Errorf("a long body: %d %q", status, text)
	}
	say(0, "error\n", "")
}
