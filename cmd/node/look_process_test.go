package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestLookCommands looks at two real nodes by the program.
func TestLookCommands(t *testing.T) {
	t.Parallel()
	url := testkit.StartNATS(t, 1)[0].ClientURL()
	env := []string{"HOSHI_NATS_URL=" + url, "HOSHI_INSECURE_UID_PARAM=uid", "HOSHI_DRAIN_TIME=0s"}
	var (
		nodes [2]*running
		hosts [2]string
	)
	for i := range nodes {
		nodes[i] = start(t, env, exec.Command(hoshi(t), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"))
		hosts[i], _ = addr(t, greeted(t, nodes[i]).clients)
	}
	run := func(args ...string) result { return runHoshi(t, []string{"HOSHI_NATS_URL=" + url}, args...) }
	alice, tab, bob := testkit.Dial(t, hosts[0], "/?uid=alice"), testkit.Dial(t, hosts[1], "/chsk?uid=alice&client-id=tab-1"), testkit.Dial(t, hosts[1], "/?uid=bob")
	alice.Subscribe(`"lobby"`)
	bob.Subscribe(`"lobby"`)
	bob.Subscribe(":chat/room")
	nodeOf := func(cl *testkit.Client) string { return cl.ConnID[len(cl.ConnID)-12:] }

	r := run("top", "--once")
	lines := strings.Split(r.stdout, "\n")
	if r.code != 0 || r.stderr != "" || len(lines) != 7 || !strings.HasPrefix(lines[0], "hoshi top  "+url+"   nodes: 2, connections: 3") ||
		!regexp.MustCompile(`^NODE +HOST +STATE +VERSION .* RSS`).MatchString(lines[2]) || !regexp.MustCompile(`^[0-9a-f]{12} +\S+ +ready `).MatchString(lines[3]) ||
		!regexp.MustCompile(`^all +3 `).MatchString(lines[5]) || strings.Contains(r.stdout, "\x1b") {
		t.Errorf("top: code %d, stderr %q\n%s", r.code, r.stderr, r.stdout)
	}
	r = run("top", "--json", "--every", "200ms")
	var top struct {
		Nodes []struct {
			Node, State string
			Connections int
			Rates       struct{ Known bool } `json:"per_second"`
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &top); err != nil || r.code != 0 || len(top.Nodes) != 2 || top.Nodes[0].Connections+top.Nodes[1].Connections != 3 || !top.Nodes[1].Rates.Known || top.Nodes[0].State != "ready" {
		t.Errorf("top --json: code %d, %v, %s", r.code, err, r.stdout)
	}

	r = run("who", "user", "alice")
	for _, want := range []string{
		alice.ConnID + "  open  node " + nodeOf(alice) + "\n  sente-lite/edn over websocket from 127.0.0.1, ",
		tab.ConnID + "  open  node " + nodeOf(tab) + "\n  sente/edn over websocket from 127.0.0.1, ",
		"  uid \"alice\"\n  1 channel: \"lobby\"\n", "  uid \"alice\", client tab-1\n", "\nuser \"alice\": 2 connections\n",
	} {
		if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, want) {
			t.Errorf("who: code %d, stderr %q, no %q in\n%s", r.code, r.stderr, want, r.stdout)
		}
	}
	if r = run("who", "conn", bob.ConnID, "--json"); r.code != 0 || !strings.Contains(r.stdout, `"uid": "\"bob\""`) || strings.Count(r.stdout, `"total": `) != 2 {
		t.Errorf("who --json: code %d, stderr %q, %s", r.code, r.stderr, r.stdout)
	}
	if r = run("who", "client", "nobody"); r.code != 0 || r.stdout != "client nobody: no connection\n" {
		t.Errorf("who is not here: code %d, stderr %q, %s", r.code, r.stderr, r.stdout)
	}
	want := "subscribers  nodes  channel\n          2      2  \"lobby\"\nand 1 more\n2 channels, 3 subscriptions, 2 nodes\n"
	if r = run("channels", "--limit", "1"); r.code != 0 || r.stdout != want {
		t.Errorf("channels: code %d, stderr %q\n%s", r.code, r.stderr, r.stdout)
	}
	if r = run("channels", "--match", ":chat/*", "--json"); r.code != 0 || !strings.Contains(r.stdout, `"channel": ":chat/room"`) || !strings.Contains(r.stdout, `"total": 1`) {
		t.Errorf("channels --json: code %d, stderr %q\n%s", r.code, r.stderr, r.stdout)
	}

	// A trace tells what passes until Ctrl-C.
	tap := start(t, []string{"HOSHI_NATS_URL=" + url}, exec.Command(hoshi(t), "trace", "user", "alice"))
	tap.lineWith(t, `tracing user "alice" on 2 nodes for 1m0s, Ctrl-C ends it`)
	for _, n := range nodes { // the first of them has begun
		n.lineWith(t, `"event":"traced","reason":"asked"`)
	}
	alice.Send(`[:shop/buy {:card "secret"}]`)
	if line := tap.lineWith(t, "in "); !regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} ` + nodeOf(alice) + ` in +:shop/buy 28 B edn ` + alice.ConnID + `$`).MatchString(line) {
		t.Errorf("traced %q", line)
	}
	tap.signal(t, os.Interrupt)
	tap.lineWith(t, `traced user "alice": 1 line from 2 nodes`)
	if code := tap.ended(t); code != 0 {
		t.Errorf("trace: Ctrl-C gives exit code %d", code)
	}
	if r = run("trace", "chan", "lobby", "--time", "50ms", "--json"); r.code != 0 || r.stdout != "" || r.stderr != "tracing channel \"lobby\" on 2 nodes for 50ms, Ctrl-C ends it\ntraced channel \"lobby\": 0 lines from 2 nodes\n" {
		t.Errorf("trace of nothing: code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}

	// One node logs otherwise, the other does not.
	if r = run("log-level", "debug", nodeOf(alice), "--for", "1h"); r.code != 0 || r.stdout != "node "+nodeOf(alice)+" logs at debug for 1h0m0s\n" {
		t.Errorf("log-level: code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	nodes[0].lineWith(t, "log level is set")
	if r = run("log-level", "loud", nodeOf(alice)); r.code != 2 || r.stderr != "hoshi: log-level: :level must be debug, info, warn or error\n" {
		t.Errorf("log-level: code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	if r = run("log-level", "warn", "000000000000"); r.code != 2 || r.stderr != "hoshi: no node 000000000000 is there, see hoshi top\n" {
		t.Errorf("log-level: code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}

	for _, n := range nodes {
		n.signal(t, syscall.SIGTERM)
		if code := n.ended(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}

func TestLookFaults(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"top", "--every", "1ms"}, "hoshi: --every: 1ms cannot be: want 200ms to 1m0s"},
		{[]string{"top", "--nats-url", "nats://127.0.0.1:1"}, "hoshi: NATS at nats://127.0.0.1:1 cannot be reached"},
		{[]string{"who", "user", ""}, "hoshi: UID is empty"},
		{[]string{"who", "conn", "x"}, "hoshi: CONN-ID x is none"},
		{[]string{"who", "client", ""}, "hoshi: CLIENT-ID is empty"},
		{[]string{"who", "user", "a", "--limit", "0"}, "hoshi: --limit: 0 cannot be: want 1 to 1000"},
		{[]string{"channels", "--limit", "10001"}, "hoshi: --limit: 10001 cannot be: want 1 to 10000"},
		{[]string{"channels", "--match", strings.Repeat("x", 1025)}, "hoshi: --match: has more than 1024 bytes"},
		{[]string{"trace", "user", "a", "--time", "2h", "--rate", "0"}, "hoshi: --time: 2h0m0s cannot be: want 1ms to 1h0m0s\nhoshi: --rate: 0 cannot be: want 1 to 1000"},
		{[]string{"trace", "chan", ""}, "hoshi: CHANNEL is empty"},
	} {
		r := runHoshi(t, nil, tt.args...)
		if r.code != 2 || r.stdout != "" || !strings.HasPrefix(r.stderr, tt.stderr) {
			t.Errorf("%q: code %d, stdout %q, stderr %q, want %q", tt.args, r.code, r.stdout, r.stderr, tt.stderr)
		}
	}
	url := testkit.StartNATS(t, 1)[0].ClientURL()
	for _, args := range [][]string{{"top"}, {"who", "user", "alice"}, {"channels"}, {"trace", "user", "alice"}} {
		if r := runHoshi(t, []string{"HOSHI_NATS_URL=" + url}, args...); r.code != 2 || r.stdout != "" || r.stderr != "hoshi: no node is there\n" {
			t.Errorf("%q of nobody: code %d, stdout %q, stderr %q", args, r.code, r.stdout, r.stderr)
		}
	}
}
