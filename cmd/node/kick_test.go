package main_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestKickAndRevokeCommands closes real connections by the program.
func TestKickAndRevokeCommands(t *testing.T) {
	url := testkit.StartNATS(t, 1)[0].ClientURL()
	const secret = "HOSHI_TOKEN_SECRET=a-secret-of-at-least-32-bytes-0123"
	node := start(t, []string{"HOSHI_NATS_URL=" + url, "HOSHI_TOKEN_PARAM=token", secret},
		exec.Command(hoshi(t), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"))
	host, _ := addr(t, greeted(t, node).clients)
	signed := func(uid, jti string) string {
		r := runHoshi(t, []string{secret}, "token", "--uid", uid, "--claims", `{"jti": "`+jti+`"}`)
		if r.code != 0 {
			t.Fatalf("token: %s", r.stderr)
		}
		return strings.TrimSpace(r.stdout)
	}
	alice, bob, carol := signed("alice", "a1"), signed("bob", "b1"), signed("carol", "c1")
	for _, tt := range []struct {
		token, path string
		args        []string // %s is the conn-id
		code        int
		done        string
		back        bool
	}{
		{token: alice, path: "/?", args: []string{"kick", "user", "alice"}, code: 4410, done: `kicked user "alice": closed 1`, back: true},
		{token: alice, path: "/?", args: []string{"kick", "conn", "%s", "--code", "1012", "--reason", "moved"}, code: 1012, done: "kicked %s: closed 1", back: true},
		{token: alice, path: "/chsk?client-id=tab-1&", args: []string{"kick", "client", "tab-1", "--code", "4999"}, code: 4999, done: "kicked client tab-1: closed 1", back: true},
		{token: alice, path: "/?", args: []string{"revoke", "token", "a1", "--until", "48h"}, code: 4403, done: "revoked token a1: closed 1"},
		{token: bob, path: "/?", args: []string{"revoke", "user", "bob", "--issued-before", "2026-01-01", "--until", "48h"}, done: `revoked user "bob": closed 0`, back: true},
		{token: bob, path: "/?", args: []string{"revoke", "user", "--edn", `"bob"`}, code: 4403, done: `revoked user "bob": closed 1`},
		{token: carol, path: "/?", args: []string{"revoke", "all"}, code: 4403, done: "revoked everybody: closed 1"},
	} {
		cl := testkit.Dial(t, host, tt.path+"token="+tt.token)
		args := []string{"--nats-url", url}
		for _, a := range tt.args {
			args = append(args, strings.ReplaceAll(a, "%s", cl.ConnID))
		}
		r := runHoshi(t, nil, args...)
		lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
		if r.code != 0 || r.stderr != "" || len(lines) != 2 || !strings.HasPrefix(lines[0], "node ") || lines[1] != strings.ReplaceAll(tt.done, "%s", cl.ConnID) {
			t.Errorf("%q: code %d, stdout %q, stderr %q", tt.args, r.code, r.stdout, r.stderr)
		}
		if tt.code != 0 {
			cl.ExpectClose(tt.code)
		} else {
			cl.Nothing()
			cl.Conn.Close()
		}
		if again, err := testkit.TryDial(t, host, "/?token="+tt.token); (err == nil) != tt.back {
			t.Errorf("%q: again %v, %v", tt.args, again, err)
		} else if again != nil {
			again.Conn.Close()
		}
	}
}

func TestKickAndRevokeFaults(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"kick", "user", ""}, "hoshi: UID is empty"},
		{[]string{"kick", "conn", "x"}, "hoshi: CONN-ID x is none"},
		{[]string{"kick", "client", ""}, "hoshi: CLIENT-ID is empty"},
		{[]string{"kick", "user", "a", "--code", "1001"}, "hoshi: --code: 1001 cannot be: want 1000, 1012, 1013, or 4000 to 4999"},
		{[]string{"kick", "user", "a", "--code", "x"}, "hoshi: --code"},
		{[]string{"kick", "user", "a", "--reason", strings.Repeat("x", 124)}, "hoshi: --reason: has 124 bytes"},
		{[]string{"revoke", "token", ""}, "hoshi: ID is empty"},
		{[]string{"revoke", "token", "eyJhbGciOiJIUzI1NiJ9.e30.x"}, "hoshi: ID is a whole token: want its jti"},
		{[]string{"revoke", "user", "a", "--issued-before", "yesterday"}, "hoshi: --issued-before: yesterday is no time"},
		{[]string{"revoke", "all", "--issued-before", "1795780800"}, "hoshi: --issued-before: 1795780800 looks like seconds"},
		{[]string{"revoke", "all", "--issued-before", "2099-01-01"}, "hoshi: --issued-before: 2099-01-01 is more than a year from now"},
		{[]string{"revoke", "user", "a", "--issued-before", "1999-12-31"}, "hoshi: --issued-before: 1999-12-31 is older than any token"},
		{[]string{"revoke", "user", "a", "--until", "2020-01-01"}, "hoshi: --until: 2020-01-01 is over"},
		{[]string{"revoke", "user", "a", "--until", "9000h"}, "hoshi: --until: 9000h is more than a year from now"},
		{[]string{"revoke", "user", "a", "--until", "soon"}, "hoshi: --until: soon is no time: want one like 2026-11-27T12:00:00Z, or so long from now like 48h"},
		{[]string{"revoke", "user", "a", "--nats-url", "nats://127.0.0.1:1"}, "hoshi: NATS at nats://127.0.0.1:1 cannot be reached"},
	} {
		r := runHoshi(t, nil, tt.args...)
		if r.code != 2 || r.stdout != "" || !strings.HasPrefix(r.stderr, tt.stderr) {
			t.Errorf("%q: code %d, stdout %q, stderr %q, want %q", tt.args, r.code, r.stdout, r.stderr, tt.stderr)
		}
	}
	r := runHoshi(t, nil, "--nats-url", testkit.StartNATS(t, 1)[0].ClientURL(), "kick", "user", "alice")
	if r.code != 2 || r.stdout != "" || r.stderr != "hoshi: no node is there\n" {
		t.Errorf("nobody: code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
}
