package main_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestAskCommand asks real clients by the program, and pushes with --flush.
func TestAskCommand(t *testing.T) {
	url := testkit.StartNATS(t, 1)[0].ClientURL()
	node := start(t, []string{"HOSHI_NATS_URL=" + url, "HOSHI_INSECURE_UID_PARAM=who"}, exec.Command(hoshi(t), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"))
	host, path := addr(t, greeted(t, node).clients)
	alice := testkit.Dial(t, host, path)
	alice.Subscribe("[:doc 7]")
	other := testkit.Dial(t, host, "/")
	other.Subscribe("[:doc 7]")

	for _, tt := range []struct {
		name   string
		args   []string
		quiet  bool // other says nothing
		hear   string
		stdout []string // lines in any order
		stderr string
	}{
		{
			name: "user", args: []string{"user", "alice", "[:my/ask 1]"}, quiet: true, hear: "[[:my/ask 1] ",
			stdout: []string{alice.ConnID + `  "alice"  {:yes "alice"}`, "asked 1, answered 1, missing 0"},
		},
		{
			name: "conn", args: []string{"conn", alice.ConnID, "[:my/ask 1]"}, quiet: true, hear: "[[:my/ask 1] ",
			stdout: []string{alice.ConnID + `  "alice"  {:yes "alice"}`, "asked 1, answered 1, missing 0"},
		},
		{
			name: "channel", args: []string{"chan", "--edn", "[:doc 7]", "2"}, hear: "[[:sente-lite/channel-msg {:channel-id [:doc 7], :data 2}] ",
			stdout: []string{alice.ConnID + `  "alice"  {:yes "alice"}`, other.ConnID + `  {:yes "` + other.ConnID + `"}`, "asked 2, answered 2, missing 0"},
		},
		{
			name: "silence", args: []string{"chan", "--edn", "[:doc 7]", "2", "--timeout", "1s"}, quiet: true, hear: "[[:sente-lite/channel-msg {:channel-id [:doc 7], :data 2}] ",
			stdout: []string{alice.ConnID + `  "alice"  {:yes "alice"}`, "asked 2, answered 1, missing 1"},
		},
		{
			name: "nobody", args: []string{"user", "bob", "[:my/ask 1]"},
			stdout: []string{"asked 0, answered 0, missing 0"}, stderr: "hoshi: nobody is there: user \"bob\"\n",
		},
		{
			name: "no tab", args: []string{"client", "tab-1", "[:my/ask 1]"},
			stdout: []string{"asked 0, answered 0, missing 0"}, stderr: "hoshi: nobody is there: client tab-1\n",
		},
	} {
		ended := make(chan result, 1)
		go func() { ended <- runHoshi(t, nil, append([]string{"--nats-url", url, "ask"}, tt.args...)...) }()
		if tt.hear != "" {
			answer(t, alice, tt.hear)
			if !tt.quiet {
				answer(t, other, tt.hear)
			}
		}
		r := <-ended
		lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
		ok := r.code == 0 && r.stderr == tt.stderr && len(lines) == len(tt.stdout) && lines[len(lines)-1] == tt.stdout[len(tt.stdout)-1]
		for _, want := range tt.stdout {
			ok = ok && strings.Contains(r.stdout, want+"\n")
		}
		if !ok {
			t.Errorf("%s: code %d, stdout %q, stderr %q; want %q", tt.name, r.code, r.stdout, r.stderr, tt.stdout)
		}
	}

	for _, tt := range []struct{ args, stdout, stderr string }{
		{"pub user alice [:a/b] --flush", "sent to user \"alice\"\n", ""},
		{"pub client tab-1 [:a/b]", "sent to client tab-1\n", "hoshi: nobody hears it, says NATS: no node has it\n"},
	} {
		r := runHoshi(t, nil, append([]string{"--nats-url", url}, strings.Fields(tt.args)...)...)
		if r.code != 0 || r.stdout != tt.stdout || r.stderr != tt.stderr {
			t.Errorf("%s: code %d, stdout %q, stderr %q", tt.args, r.code, r.stdout, r.stderr)
		}
	}
	alice.Expect("[:a/b]")
}

// answer reads what asks, and answers with the client's uid.
func answer(t *testing.T, c *testkit.Client, hear string) {
	t.Helper()
	text := c.Read()
	callback, ok := strings.CutPrefix(text, hear)
	if !ok {
		t.Fatalf("got %s, want %s..", text, hear)
	}
	c.Send("[:chsk/reply {:cb-uuid " + strings.TrimSuffix(callback, "]") + " :data {:yes " + c.UID + "}}]")
}

func TestAskFaults(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"conn", "x", "[:a/b]"}, "hoshi: CONN-ID x is none"},
		{[]string{"client", "", "[:a/b]"}, "hoshi: CLIENT-ID is empty"},
		{[]string{"chan", "", "7"}, "hoshi: CHANNEL is empty"},
		{[]string{"user", "a", "7"}, "hoshi: "},
		{[]string{"user", "a", "[:a/b]", "--timeout", "61s"}, "hoshi: --timeout"},
		{[]string{"user", "a", "[:a/b]", "--nats-url", "nats://127.0.0.1:1"}, "hoshi: NATS at nats://127.0.0.1:1 cannot be reached"},
	} {
		r := runHoshi(t, nil, append([]string{"ask"}, tt.args...)...)
		if r.code != 2 || r.stdout != "" || !strings.HasPrefix(r.stderr, tt.stderr) {
			t.Errorf("%q: code %d, stdout %q, stderr %q", tt.args, r.code, r.stdout, r.stderr)
		}
	}
}
