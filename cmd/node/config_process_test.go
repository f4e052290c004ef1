package main_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
)

// TestConfigCheck holds that it says all that the start would, and nothing else
// happens.
func TestConfigCheck(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	busy := listen(t).Addr().String()
	one, two := certtest.New(t, "one"), certtest.New(t, "two")
	cert, _ := one.Issue(t, "node", nil).Write(t, dir, "node")
	_, other := two.Issue(t, "other", nil).Write(t, dir, "other")
	empty := write("empty.pem", "none")
	bad := write("bad.edn", `{:listen 7 :wombat 1 :token-keys "`+empty+`" :channel-rules [{:channels "a{uid" :subscribe :anyone}]
 :log-file "/does/not/exist/a.log" :nats-creds "/does/not/exist" :nats-tls-ca "`+empty+`" :nats-tls-cert "`+cert+`" :nats-tls-key "`+other+`"
 :tls-cert "`+cert+`" :tls-key "`+other+`"}`)
	seed := "SU" + strings.Repeat("A", 56)
	for _, tt := range []struct {
		name   string
		env    []string
		args   []string
		code   int
		stdout string
		stderr []string // patterns, one for each line
	}{
		{name: "defaults", stdout: "ok\n"},
		{name: "a busy port is the start's matter", args: []string{"--listen", busy}, stdout: "ok\n"},
		{name: "nobody is asked", args: []string{"--nats-url", "nats://nowhere.invalid", "--nats-nkey", write("seed", seed), "--token-jwks", "https://nowhere.invalid/k"}, stdout: "ok\n"},
		{
			name: "warnings", args: []string{"--dev", "--insecure-anywhere", "--listen", ":1", "--admin-listen", "0.0.0.0:2", "--nats-listen", ":3"}, stdout: "ok\n", stderr: []string{
				"hoshi: warning: --insecure-uid-param uid: user ids are taken from the query, anybody can be anybody",
				"hoshi: warning: --listen :1: anybody from the network may connect, .*",
				"hoshi: warning: --nats-listen :3: nats takes anybody from the network, .*",
				"hoshi: warning: --admin-listen 0.0.0.0:2: statistics, profiling and control are open to the network",
			},
		},
		{
			name: "all faults at once", env: []string{"HOSHI_WOMBAT=1", "HOSHI_NATS_URL=nats://a", "HOSHI_TOKEN_LEEWAY=soon"}, args: []string{"--config", bad, "--idle-timeout", "1s", "--event-rules", "{"}, code: 2, stderr: []string{
				`hoshi: --event-rules: .*`,
				`hoshi: --idle-timeout: 1s is not more than --ping-interval 30s, .*`,
				`hoshi: HOSHI_WOMBAT: unknown variable`,
				`hoshi: HOSHI_TOKEN_LEEWAY: "soon" is no duration: .*`,
				`hoshi: \S+ :wombat: unknown key`,
				`hoshi: \S+ :listen: 7 is no address: .*`,
				`hoshi: \S+ :nats-creds: /does/not/exist: no such file or directory`,
				`hoshi: \S+ :nats-tls-ca: \S+ holds no certificates in PEM`,
				`hoshi: \S+ :nats-tls-cert: \S+ and \S+ are no certificate and its key: .*`,
				`hoshi: \S+ :token-keys: .*`,
				`hoshi: \S+ :channel-rules: .*`,
				`hoshi: \S+ :tls-key: .*`,
				`hoshi: \S+ :log-file: /does/not/exist/a.log: the folder /does/not/exist does not exist`,
			},
		},
		{name: "credentials without a seed", args: []string{"--nats-url", "nats://a", "--nats-creds", empty}, code: 2, stderr: []string{"hoshi: --nats-creds: " + empty + " holds no credentials"}},
		{name: "unknown option", args: []string{"--lisen", ":1"}, code: 2, stderr: []string{"hoshi: unknown option --lisen, did you mean --listen\\?"}},
		{name: "a file as an argument", args: []string{"hoshi.edn"}, code: 2, stderr: []string{"hoshi: hoshi config check does not take a further argument hoshi.edn"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := runHoshi(t, tt.env, append([]string{"config", "check"}, tt.args...)...)
			pattern := "^"
			for _, line := range tt.stderr {
				pattern += line + "\n"
			}
			if r.code != tt.code || r.stdout != tt.stdout || !regexp.MustCompile(pattern+"$").MatchString(r.stderr) {
				t.Errorf("code %d, stdout %q, stderr\n%swant\n%s", r.code, r.stdout, r.stderr, pattern)
			}
			if tt.code == 0 {
				return
			}
			// The start says the same.
			if s := runHoshi(t, tt.env, tt.args...); s.code != r.code || s.stderr != r.stderr && tt.name != "a file as an argument" {
				t.Errorf("the start says\n%s and not\n%s", s.stderr, r.stderr)
			}
		})
	}
}

// TestConfigPrint holds that a node that is started with what was printed is the
// same node, and that no secret is shown.
func TestConfigPrint(t *testing.T) {
	const secret = "hunter2-swordfish"
	env := []string{"HOSHI_NATS_USER=ann", "HOSHI_NATS_PASSWORD=" + secret}
	args := append([]string{"--dev", "--dialect", "sente", "--log-format", "json"}, freePorts...)
	r := runHoshi(t, env, append([]string{"config", "print", "--changed"}, args...)...)
	want := `{
 ;; Development
 :dev true                                      ; --dev
 :echo true                                     ; --dev
 :insecure-uid-param "uid"                      ; --dev

 ;; Listeners
 :listen "127.0.0.1:0"                          ; --listen
 :admin-listen "127.0.0.1:0"                    ; --admin-listen
 :nats-listen "127.0.0.1:0"                     ; --nats-listen

 ;; NATS
 :nats-user "ann"                               ; HOSHI_NATS_USER
 ;; :nats-password "..."                        ; HOSHI_NATS_PASSWORD, with a secret that is not shown

 ;; Access
 :origins ["*"]                                 ; --dev

 ;; Connections
 :dialect :sente                                ; --dialect

 ;; General
 :log-format :json                              ; --log-format
 }
`
	if r.code != 0 || r.stderr != "" || r.stdout != want {
		t.Fatalf("code %d, stderr %q, stdout\n%s", r.code, r.stderr, r.stdout)
	}
	file := filepath.Join(t.TempDir(), "hoshi.edn")
	if err := os.WriteFile(file, []byte(r.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	node := start(t, env, exec.Command(hoshi(t), "--config", file))
	if g := greeted(t, node); !strings.Contains(g.clients, "/chsk?client-id=tab-1&uid=alice") {
		t.Errorf("it greets with %+v", g)
	}
	whole := runHoshi(t, env, append([]string{"config", "print"}, args...)...)
	if strings.Contains(whole.stdout, secret) || !strings.Contains(whole.stdout, " :idle-timeout \"1m\"") {
		t.Errorf("it prints\n%s", whole.stdout)
	}
	if r := runHoshi(t, []string{"HOSHI_LISTEN=1"}, "config", "print"); r.code != 2 || r.stdout != "" {
		t.Errorf("of what cannot be it prints, with code %d, %s", r.code, r.stdout)
	}
}

// TestConfigExample holds that a node starts with what is printed, all of it in
// force, and that nothing of the surroundings keeps it from being printed.
func TestConfigExample(t *testing.T) {
	r := runHoshi(t, []string{"HOSHI_WOMBAT=1", "HOSHI_CONFIG=/does/not/exist"}, "config", "example")
	checkedIn, err := os.ReadFile("../../docs/hoshi.example.edn")
	if err != nil {
		t.Fatal(err)
	}
	if r.code != 0 || r.stderr != "" || r.stdout != string(checkedIn) {
		t.Fatalf("code %d, stderr %q", r.code, r.stderr)
	}
	file := filepath.Join(t.TempDir(), "hoshi.edn")
	text := regexp.MustCompile(`(?m)^ ;:`).ReplaceAllString(r.stdout, " :")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	node := start(t, nil, exec.Command(hoshi(t), append([]string{"--config", file}, freePorts...)...))
	if status, _ := ask(t, http.MethodGet, "http://"+adminAddr(t, node)+"/health/ready", ""); status != http.StatusOK {
		t.Errorf("the node answers %d", status)
	}
}
