package main_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

var freePorts = []string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}

// greeting is what a node prints at its start.
type greeting struct{ clients, backends, admin, paste string }

func greeted(t *testing.T, r *running) greeting {
	t.Helper()
	g := greeting{
		clients:  r.line(t, "clients"),
		backends: r.line(t, "backends"),
		admin:    r.line(t, "admin"),
	}
	out, _ := r.output()
	for line := range strings.Lines(out) {
		if strings.Contains(line, " pub ") && strings.HasSuffix(line, "\n") {
			g.paste = strings.TrimSpace(line)
		}
	}
	if g.paste == "" {
		t.Fatal("nothing to paste was printed")
	}
	return g
}

// addr takes host and port, and path with query, out of a ws URL.
func addr(t *testing.T, clients string) (hostport, path string) {
	t.Helper()
	url, _, _ := strings.Cut(clients, " ")
	rest, ok := strings.CutPrefix(url, "ws://")
	if !ok {
		t.Fatalf("no ws URL in %q", clients)
	}
	hostport, path, _ = strings.Cut(rest, "/")
	return hostport, "/" + path
}

// shell pastes a line.
func shell(t *testing.T, env []string, dir, line string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir = dir
	return finish(t, env, cmd)
}

// TestDev does what a newcomer does: start, connect, paste, Ctrl-C.
func TestDev(t *testing.T) {
	node := start(t, nil, exec.Command(hoshi(t), append([]string{"--dev"}, freePorts...)...))
	g := greeted(t, node)
	host, path := addr(t, g.clients)
	alice := testkit.Dial(t, host, path)
	if alice.UID != `"alice"` {
		t.Errorf("the URL that was printed connects as %s", alice.UID)
	}
	r := shell(t, nil, "", g.paste)
	if r.code != 0 || r.stderr != "" || r.stdout != "sent to user \"alice\"\n" {
		t.Errorf("pasting %s: code %d, stdout %q, stderr %q", g.paste, r.code, r.stdout, r.stderr)
	}
	alice.Expect("[:chat/hi {:n 1}]")

	alice.Send(`[[:my/question 7] "cb"]`) // --dev echoes
	alice.Expect(`[7 "cb"]`)

	if out, _ := node.output(); !strings.Contains(out, "anybody can be anybody") {
		t.Error("no warning about the user id in the query")
	}
	resp, err := http.Get(strings.Fields(g.admin)[0])
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || len(body) == 0 {
		t.Errorf("the admin address answers %d, %v", resp.StatusCode, err)
	}

	node.signal(t, os.Interrupt)
	alice.ExpectClose(1012)
	alice.Conn.Close()
	if code := node.ended(t); code != 0 {
		t.Errorf("Ctrl-C gives exit code %d", code)
	}
}

// TestGreetingOfDialect holds that what is printed connects, whatever the node's
// dialect is.
func TestGreetingOfDialect(t *testing.T) {
	for _, tt := range []struct {
		dialect, path string
		sente         bool
		first         string
	}{
		{dialect: "auto", path: "/?uid=alice", sente: true, first: `[:chsk/handshake ["alice" `},
		{dialect: "sente", path: "/chsk?client-id=tab-1&uid=alice", sente: true, first: `[[:chsk/handshake ["alice" `},
		{dialect: "sente-lite", path: "/?uid=alice", first: `[:chsk/handshake ["alice" `},
	} {
		t.Run(tt.dialect, func(t *testing.T) {
			node := start(t, nil, exec.Command(hoshi(t), append([]string{"--dev", "--dialect", tt.dialect}, freePorts...)...))
			g := greeted(t, node)
			host, path := addr(t, g.clients)
			if path != tt.path {
				t.Errorf("it says %s", path)
			}
			alice := testkit.DialRaw(t, host, path)
			if got := alice.Handshake; !strings.HasPrefix(got, tt.first) {
				t.Errorf("the first message is %s", got)
			}
			out, _ := node.output()
			want := "  Sente     http://" + host + `/chsk, as user alice with :params {:uid "alice"}` + "\n"
			if strings.Contains(out, want) != tt.sente {
				t.Errorf("%q in\n%s", want, out)
			}
		})
	}
}

// TestCommands holds what pub and tap do, against a node without --dev on an
// external NATS.
func TestCommands(t *testing.T) {
	url := testkit.StartNATS(t, 1)[0].ClientURL()
	node := start(t, []string{"HOSHI_NATS_URL=" + url, "HOSHI_INSECURE_UID_PARAM=who", "HOSHI_DRAIN_TIME=0s"}, exec.Command(hoshi(t), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"))
	g := greeted(t, node)
	if g.backends != url {
		t.Errorf("backends %q, want %q", g.backends, url)
	}
	host, path := addr(t, g.clients)
	// The log alone says where it listens.
	if line := node.lineWith(t, "node is started"); !strings.Contains(line, `"listen":"`+host+`"`) || !strings.Contains(line, `"nats_url":"`+url+`"`) {
		t.Errorf("the log has %s", line)
	}
	alice := testkit.Dial(t, host, path)
	alice.Subscribe(":chat/room")
	alice.Subscribe("[:doc 7]")

	tap := start(t, []string{"HOSHI_NATS_URL=" + url}, exec.Command(hoshi(t), "tap", "hoshi.chan.>"))
	tap.line(t, "tapping")

	for _, tt := range []struct {
		name         string
		args         []string
		stdout, hear string
		nobody       string
	}{
		{name: "user", args: []string{"user", "alice", "[:chat/hi {:n 1}]"}, stdout: `user "alice"`, hear: "[:chat/hi {:n 1}]"},
		{name: "user as edn", args: []string{"user", "--edn", `"alice"`, "[:chat/hi 2]"}, stdout: `user "alice"`, hear: "[:chat/hi 2]"},
		{name: "conn", args: []string{"conn", alice.ConnID, "[:chat/hi 3]"}, stdout: alice.ConnID, hear: "[:chat/hi 3]"},
		{name: "all", args: []string{"all", "[:chat/hi ##NaN]"}, stdout: "everyone", hear: "[:chat/hi ##NaN]"},
		{name: "keyword channel", args: []string{"chan", ":chat/room", "{:n 1}"}, stdout: "channel :chat/room", hear: `[:sente-lite/channel-msg {:channel-id :chat/room, :data {:n 1}`},
		{name: "edn channel", args: []string{"chan", "--edn", "[:doc, 7]", "5/2"}, stdout: "channel [:doc, 7]", hear: `[:sente-lite/channel-msg {:channel-id [:doc 7], :data 5/2`},
		{name: "a dash", args: []string{"chan", ":chat/room", "--", "-5"}, stdout: "channel :chat/room", hear: `[:sente-lite/channel-msg {:channel-id :chat/room, :data -5`},
		{name: "nobody", args: []string{"user", ":bob", "[:chat/hi 4]"}, stdout: "user :bob", nobody: "it has no socket on any node"},
		{name: "no such conn", args: []string{"conn", "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4", "[:chat/hi 5]"}, stdout: "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4", nobody: "its node is gone"},
	} {
		r := runHoshi(t, nil, append([]string{"--nats-url", url, "pub"}, tt.args...)...)
		stderr := ""
		if tt.nobody != "" {
			stderr = "hoshi: nobody hears it, says NATS: " + tt.nobody + "\n"
		}
		if r.code != 0 || r.stdout != "sent to "+tt.stdout+"\n" || r.stderr != stderr {
			t.Errorf("%s: code %d, stdout %q, stderr %q", tt.name, r.code, r.stdout, r.stderr)
		}
		if tt.hear == "" {
			continue
		}
		if got := alice.Read(); !strings.HasPrefix(got, tt.hear) {
			t.Errorf("%s: alice hears %s, want %s", tt.name, got, tt.hear)
		}
	}

	// The tap shows what passed, a bad pattern is refused, and both end well.
	if line := tap.lineWith(t, "chan [:doc 7]"); !strings.HasSuffix(line, "  5/2") || !strings.Contains(line, "  chan [:doc 7]  Hoshi-Time: ") {
		t.Errorf("tap shows %q", line)
	}
	tap.signal(t, os.Interrupt)
	if code := tap.ended(t); code != 0 {
		t.Errorf("tap: Ctrl-C gives exit code %d", code)
	}
	r := runHoshi(t, nil, "tap", "a..b", "--nats-url", url)
	if r.code != 2 || !strings.HasPrefix(r.stderr, "hoshi: SUBJECT-PATTERN a..b is none") {
		t.Errorf("tap: code %d, stderr %q", r.code, r.stderr)
	}
	node.signal(t, syscall.SIGTERM)
	alice.ExpectClose(1012)
	alice.Conn.Close()
	if code := node.ended(t); code != 0 {
		t.Errorf("SIGTERM gives exit code %d", code)
	}
}

// TestPasteWithoutDev holds that the line is a push to all then, and that port
// 4222 needs no --nats-url in it.
func TestPasteWithoutDev(t *testing.T) {
	node := start(t, nil, exec.Command(hoshi(t), freePorts...))
	g := greeted(t, node)
	if !strings.HasPrefix(g.paste, hoshi(t)+" pub all '") || !strings.Contains(g.paste, "--nats-url nats://127.0.0.1:") {
		t.Errorf("paste %q", g.paste)
	}
	host, path := addr(t, g.clients)
	someone := testkit.Dial(t, host, path)
	if r := shell(t, nil, "", g.paste); r.code != 0 || r.stderr != "" {
		t.Errorf("code %d, stderr %q", r.code, r.stderr)
	}
	someone.Expect("[:chat/hi {:n 1}]")

	// This client does not answer the close, so it is waited for, but not long.
	began := time.Now()
	node.signal(t, os.Interrupt)
	if code := node.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
	someone.ExpectClose(1012)
}

// TestCredentials holds that the embedded NATS asks for what it was given, that
// the line to paste works where they are, and that no secret is shown.
func TestCredentials(t *testing.T) {
	const secret = "hunter2-swordfish"
	env := []string{"HOSHI_NATS_USER=ann", "HOSHI_NATS_PASSWORD=" + secret, "HOSHI_LOG_LEVEL=debug", "HOSHI_NATS_CLUSTER_LISTEN=127.0.0.1:0", "HOSHI_NATS_CLUSTER_USER=c", "HOSHI_NATS_CLUSTER_PASSWORD=" + secret}
	node := start(t, env, exec.Command(hoshi(t), append([]string{"--dev"}, freePorts...)...))
	g := greeted(t, node)
	// Port 0 everywhere, and the ones that were chosen are printed.
	for _, said := range []string{g.clients, g.backends, g.admin, node.line(t, "routes")} {
		if !strings.Contains(said, "127.0.0.1:") || strings.Contains(said, "127.0.0.1:0") {
			t.Errorf("no port in %q", said)
		}
	}
	host, path := addr(t, g.clients)
	alice := testkit.Dial(t, host, path)

	if r := shell(t, []string{"HOSHI_NATS_PASSWORD=" + secret}, "", g.paste); r.code != 0 {
		t.Errorf("pasted: code %d, stderr %q", r.code, r.stderr)
	}
	alice.Expect("[:chat/hi {:n 1}]")

	url := strings.Fields(g.backends)[0]
	for _, tt := range []struct{ name, url, user, hint string }{
		{name: "nothing", url: url, hint: "give --nats-creds, --nats-user and --nats-password, --nats-token or --nats-nkey"},
		{name: "a wrong password", url: url, user: "ann", hint: "check --nats-user ann and its --nats-password"},
		{name: "a wrong password in the URL", url: strings.Replace(url, "//", "//ann:wrong@", 1), hint: "check user and password in --nats-url"},
	} {
		args := []string{"pub", "all", "[:a/b]", "--nats-url", tt.url}
		if tt.user != "" {
			args = append(args, "--nats-user", tt.user, "--nats-password", "wrong")
		}
		want := "hoshi: NATS at " + url + " refuses us: " + tt.hint + "\n"
		if r := runHoshi(t, nil, args...); r.code != 2 || r.stderr != want {
			t.Errorf("with %s: code %d, stderr %q, want %q", tt.name, r.code, r.stderr, want)
		}
	}
	alice.Conn.Close()
	node.signal(t, os.Interrupt)
	if code := node.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out, _ := node.output(); strings.Contains(out, secret) {
		t.Error("a secret is in the output")
	}
}

// TestGoRun holds that the first command of the README prints a line that works
// from where it was typed.
func TestGoRun(t *testing.T) {
	const root = "../.."
	cmd := exec.Command("go", append([]string{"run", "./cmd/node", "--dev"}, freePorts...)...)
	cmd.Dir = root
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	node := start(t, nil, cmd)
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	g := greeted(t, node)
	if !strings.HasPrefix(g.paste, "go run ./cmd/node pub user alice ") {
		t.Fatalf("paste %q", g.paste)
	}
	host, path := addr(t, g.clients)
	alice := testkit.Dial(t, host, path)
	if r := shell(t, nil, root, g.paste); r.code != 0 {
		t.Errorf("pasted: code %d, stderr %q", r.code, r.stderr)
	}
	alice.Expect("[:chat/hi {:n 1}]")
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil { // as a terminal does
		t.Fatal(err)
	}
	alice.ExpectClose(1012)
	alice.Conn.Close()
	node.ended(t) // go run's own exit code
}

// TestReadmeCommands holds that what the README has a reader type against the
// node of its first line works, and that alice gets it.
func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	node := start(t, nil, exec.Command(hoshi(t), append([]string{"--dev"}, freePorts...)...))
	g := greeted(t, node)
	host, path := addr(t, g.clients)
	alice := testkit.Dial(t, host, path)
	url := strings.Fields(g.backends)[0]
	typed := 0
	for line := range strings.Lines(string(readme)) {
		command, ok := strings.CutPrefix(line, "    go run ./cmd/node ")
		if !ok || strings.HasPrefix(command, "--dev") {
			continue
		}
		typed++
		words := strings.Fields(command)
		if words[0] == "ask" { // nobody answers here
			command = strings.TrimSpace(command) + " --timeout 50ms"
		}
		r := shell(t, []string{"HOSHI_NATS_URL=" + url}, "", hoshi(t)+" "+command)
		if r.code != 0 || r.stderr != "" {
			t.Errorf("%s: code %d, stderr %q", command, r.code, r.stderr)
		}
		if event := strings.Trim(words[3], "'[]"); !strings.Contains(alice.Read(), event) {
			t.Errorf("%s: alice hears something else", command)
		}
	}
	if typed < 2 {
		t.Errorf("%d commands", typed)
	}
}

// TestSecretInFile holds that the line to paste names the file that has the
// secret, so that it works without one being typed or shown.
func TestSecretInFile(t *testing.T) {
	const secret = "hunter2-swordfish"
	file := filepath.Join(t.TempDir(), "my hoshi.edn")
	text := `{:nats-token "` + secret + `" :listen "127.0.0.1:0" :admin-listen "127.0.0.1:0" :nats-listen "127.0.0.1:0" :dev true}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	node := start(t, nil, exec.Command(hoshi(t), "--config", file))
	g := greeted(t, node)
	host, path := addr(t, g.clients)
	alice := testkit.Dial(t, host, path)
	if r := shell(t, nil, "", g.paste); r.code != 0 || strings.Contains(g.paste, secret) {
		t.Errorf("pasted %s: code %d, stderr %q", g.paste, r.code, r.stderr)
	}
	alice.Expect("[:chat/hi {:n 1}]")
}

// TestInterruptedStart holds that Ctrl-C is no fault while NATS is waited for.
func TestInterruptedStart(t *testing.T) {
	mute := listen(t)
	node := start(t, nil, exec.Command(hoshi(t), "--nats-url", "nats://"+mute.Addr().String(), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"))
	conn, err := mute.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	node.signal(t, os.Interrupt)
	if code := node.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out, _ := node.output(); strings.Count(out, "\n") != 1 || !strings.Contains(out, "node is told to end before it has started") {
		t.Errorf("it says %q", out)
	}
}

// TestGreetingOfAccounts: what is printed to paste does not pretend that a node's user
// may push.
func TestGreetingOfAccounts(t *testing.T) {
	url := testkit.StartNATS(t, 1)[0].ClientURL()
	for _, tt := range []struct{ name, user, want string }{
		{"no user", "", "from another shell:"},
		{"the user of nodes", "node", "from another shell, as a user of NATS who may:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := []string{"HOSHI_NATS_URL=" + url}
			if tt.user != "" {
				env = append(env, "HOSHI_NATS_USER="+tt.user, "HOSHI_NATS_PASSWORD=x")
			}
			node := start(t, env, exec.Command(hoshi(t), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"))
			node.lineWith(t, tt.want)
			node.signal(t, os.Interrupt)
			node.ended(t)
		})
	}
}
