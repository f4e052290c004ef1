package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// nodeWith starts a node with a NATS that is elsewhere.
func nodeWith(t *testing.T, url string, args ...string) *running {
	t.Helper()
	args = append([]string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json", "--nats-url", url}, args...)
	return start(t, nil, exec.Command(hoshi(t), args...))
}

// waits returns where a node that waits for NATS listens.
func waits(t *testing.T, node *running) (clients, admin string) {
	t.Helper()
	var said struct {
		Listen string `json:"listen"`
		Admin  string `json:"admin_listen"`
	}
	if err := json.Unmarshal([]byte(node.lineWith(t, "node waits for nats")), &said); err != nil {
		t.Fatal(err)
	}
	return said.Listen, said.Admin
}

func natsOn(t *testing.T, addr, token string) {
	t.Helper()
	s, err := natsd.Start(t.Context(), natsd.Options{Listen: addr, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
}

// TestAwaitNATS: a node that is started before NATS says that it lives and is not
// ready, to probes and to people, and takes clients by itself when NATS has come.
func TestAwaitNATS(t *testing.T) {
	nats := freeAddr(t)
	node := nodeWith(t, "nats://ann:hunter2@"+nats, "--insecure-uid-param", "who", "--ready-grace", "1h")
	clients, admin := waits(t, node)
	for args, want := range map[string]result{
		"":       {1, "not ready: nats is not available\n", ""},
		"--live": {0, "ok, node ", ""},
	} {
		r := runHoshi(t, []string{"HOSHI_ADMIN_LISTEN=" + admin}, append([]string{"health"}, strings.Fields(args)...)...)
		if r.code != want.code || !strings.HasPrefix(r.stdout, want.stdout) || r.stderr != "" {
			t.Errorf("health %s: %+v", args, r)
		}
	}
	for _, addr := range []string{clients, admin} {
		if code, text := ask(t, http.MethodGet, "http://"+addr+"/health/ready", ""); code != 503 || !strings.Contains(text, "nats") {
			t.Errorf("ready on %s: %d %s", addr, code, text)
		}
	}
	var health struct{ Node string }
	if code, text := ask(t, http.MethodGet, "http://"+admin+"/health", ""); code != 200 || json.Unmarshal([]byte(text), &health) != nil {
		t.Errorf("health: %d %s", code, text)
	}
	if code, text := ask(t, http.MethodGet, "http://"+admin+"/metrics", ""); code != 200 || !strings.Contains(text, "\nhoshi_ready 0\n") || !strings.Contains(text, `,node="`+health.Node+`",`) {
		t.Errorf("metrics: %d %s", code, text)
	}
	if _, err := testkit.TryDial(t, clients, "/?who=alice"); err == nil {
		t.Error("a client is taken")
	}
	out, _ := node.output()
	if strings.Contains(out, "hunter2") || strings.Count(out, `"message":"no nats yet`) != 1 || strings.Contains(out, "backends") {
		t.Errorf("it says\n%s", out)
	}

	natsOn(t, nats, "")
	g := greeted(t, node)
	host, _ := addr(t, g.clients)
	if host != clients {
		t.Errorf("clients are at %s, and were at %s", host, clients)
	}
	if code, text := ask(t, http.MethodGet, "http://"+admin+"/health/ready", ""); code != 200 {
		t.Errorf("ready: %d %s", code, text)
	}
	alice := testkit.Dial(t, host, "/?who=alice")
	if r := runHoshi(t, nil, "pub", "user", "alice", "[:a/b 1]", "--nats-url", "nats://"+nats); r.code != 0 {
		t.Errorf("%+v", r)
	}
	alice.Expect("[:a/b 1]")
	node.signal(t, os.Interrupt)
	alice.ExpectClose(1012)
	alice.Conn.Close()
	if code := node.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestAwaitNATSTold: whoever tells a node that waits to end has it end at once, and
// that is no fault.
func TestAwaitNATSTold(t *testing.T) {
	frozen := listen(t)                  // takes connections, and says nothing
	t.Cleanup(func() { frozen.Close() }) // behind what is parallel
	dead := freeAddr(t)
	for _, tt := range []struct {
		name, nats string
		tell       func(t *testing.T, node *running, admin string)
	}{
		{name: "Ctrl-C", nats: dead, tell: func(t *testing.T, node *running, _ string) { node.signal(t, os.Interrupt) }},
		{name: "SIGTERM", nats: dead, tell: func(t *testing.T, node *running, _ string) { node.signal(t, syscall.SIGTERM) }},
		{name: "SIGTERM, frozen", nats: frozen.Addr().String(), tell: func(t *testing.T, node *running, _ string) { node.signal(t, syscall.SIGTERM) }},
		{name: "drain", nats: dead, tell: func(t *testing.T, _ *running, admin string) {
			if r := runHoshi(t, nil, "drain", "--admin-listen", admin); r.code != 0 {
				t.Errorf("%+v", r)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			node := nodeWith(t, "nats://"+tt.nats)
			_, admin := waits(t, node)
			began := time.Now()
			tt.tell(t, node, admin)
			if code := node.ended(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			if out, _ := node.output(); strings.Contains(out, "hoshi: ") {
				t.Errorf("it says\n%s", out)
			}
		})
	}
}

// TestNATSWait: a wait has an end, where that is wanted, and ends where it would be in
// vain. What is said last is the same as of a command, and the log is short.
func TestNATSWait(t *testing.T) {
	frozen := listen(t)
	t.Cleanup(func() { frozen.Close() }) // behind what is parallel
	dead, locked, late := freeAddr(t), freeAddr(t), freeAddr(t)
	natsOn(t, locked, "right")
	for _, tt := range []struct {
		name, nats, want string
		args             []string
		warnings         int
		begin            bool // NATS, once it is waited for
	}{
		{name: "nobody there", nats: dead, args: []string{"--nats-wait", "2s"}, warnings: 1, want: "cannot be reached (connection refused): is it up? --nats-url names another"},
		{name: "frozen", nats: frozen.Addr().String(), args: []string{"--nats-wait", "1s"}, want: "cannot be reached (no answer within 1s): is it up? --nats-url names another"},
		{name: "a wrong token", nats: locked, args: []string{"--nats-token", "wrong"}, want: "refuses us: check --nats-token"},
		{name: "no token", nats: locked, want: "refuses us: give --nats-creds, --nats-user and --nats-password, --nats-token or --nats-nkey"},
		{name: "a wrong token when it comes", nats: late, args: []string{"--nats-token", "wrong"}, begin: true, warnings: 1, want: "refuses us: check --nats-token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			node := nodeWith(t, "nats://"+tt.nats, tt.args...)
			if tt.begin {
				waits(t, node)
				natsOn(t, tt.nats, "right")
			}
			if code := node.ended(t); code != 2 {
				t.Errorf("exit code %d", code)
			}
			out, _ := node.output()
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "hoshi: ") || !strings.HasSuffix(last, tt.want) {
				t.Errorf("the last line is %q, want %q", last, tt.want)
			}
			if n := strings.Count(out, `"message":"no nats yet`); n != tt.warnings {
				t.Errorf("%d warnings, want %d:\n%s", n, tt.warnings, out)
			}
		})
	}
}

// TestOneServerOfTwo: a cluster of which one server is there is not waited for.
func TestOneServerOfTwo(t *testing.T) {
	node := nodeWith(t, "nats://"+freeAddr(t)+","+testkit.StartNATS(t, 1)[0].ClientURL())
	greeted(t, node)
	if out, _ := node.output(); strings.Contains(out, "no nats yet") {
		t.Errorf("it has waited:\n%s", out)
	}
	node.signal(t, os.Interrupt)
	if code := node.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
