package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestOpenToEverybody holds that a node which keeps nobody from anything says so
// where others reach it, and nowhere else.
func TestOpenToEverybody(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a-secret-of-at-least-32-bytes-0123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"HOSHI_TOKEN_SECRET_FILE=" + secret}
	ca := certtest.New(t, "ca")
	cert, key := ca.Issue(t, "node", nil).Write(t, t.TempDir(), "node")
	withCertificates := []string{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", certtest.Write(t, t.TempDir(), "ca.pem", ca.PEM)}
	for _, tt := range []struct {
		name  string
		args  []string
		warns bool
	}{
		{name: "everywhere", args: []string{"--listen", "0.0.0.0:0"}, warns: true},
		{name: "loopback", args: []string{"--listen", "127.0.0.1:0"}},
		{name: "tokens", args: []string{"--listen", "0.0.0.0:0", "--token-required"}},
		{name: "certificates", args: append([]string{"--listen", "0.0.0.0:0"}, withCertificates...)},
		{name: "certificates, if they like", args: append([]string{"--listen", "0.0.0.0:0", "--tls-client-auth", "optional"}, withCertificates...), warns: true},
		{name: "rules", args: []string{"--listen", "0.0.0.0:0", `--event-rules=[{:events "*" :send :authenticated}]`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			node := start(t, env, exec.Command(hoshi(t), append(tt.args, "--admin-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--log-format", "json")...))
			node.lineWith(t, "node is started") // behind all that is said at the start
			out, _ := node.output()
			if strings.Contains(out, "anybody from the network may connect") != tt.warns {
				t.Errorf("it says:\n%s", out)
			}
			if strings.Contains(out, "a-secret-of") {
				t.Error("it says the secret")
			}
		})
	}
}

// TestToken makes a token as a person does, and comes with it.
func TestToken(t *testing.T) {
	env := []string{"HOSHI_TOKEN_SECRET=a-secret-of-at-least-32-bytes-0123"}
	node := start(t, env, exec.Command(hoshi(t), "--token-param", "token", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"))
	host, _ := addr(t, greeted(t, node).clients)
	made := runHoshi(t, env, "token", "--uid", "alice", "--claims", `{"role": "admin"}`)
	if made.code != 0 || made.stderr != "" {
		t.Fatalf("code %d, stderr %q", made.code, made.stderr)
	}
	alice := testkit.Dial(t, host, "/?token="+strings.TrimSuffix(made.stdout, "\n"))
	if alice.UID != `"alice"` {
		t.Errorf("came as %s", alice.UID)
	}
	if r := runHoshi(t, nil, "token", "--uid", "alice"); r.code != 2 || r.stderr != "hoshi: --token-secret: needs the secret of a node\n" {
		t.Errorf("code %d, stderr %q", r.code, r.stderr)
	}
}
