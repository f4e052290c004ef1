package main_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestFaults holds that whatever a person can mend is a line for each fault and
// exit code 2.
func TestFaults(t *testing.T) {
	config := filepath.Join(t.TempDir(), "hoshi.edn")
	if err := os.WriteFile(config, []byte(`{:lisen "127.0.0.1:0" :queue-bytes "much"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.edn")
	if err := os.WriteFile(broken, []byte(";; mine\n{:listen \"127.0.0.1:0\"\n :nats-routes [\"a\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dead, live := "nats://"+freeAddr(t), testkit.StartNATS(t, 1)[0].ClientURL()
	for _, tt := range []struct {
		name string
		env  []string
		args []string
		want []string // lines
	}{
		{name: "unknown option", args: []string{"--lisen", "x"}, want: []string{"hoshi: unknown option --lisen, did you mean --listen?"}},
		{name: "unknown variable", env: []string{"HOSHI_LISEN=x"}, want: []string{"hoshi: HOSHI_LISEN: unknown variable, did you mean HOSHI_LISTEN?"}},
		{
			name: "file", args: []string{"--config", config}, want: []string{
				"hoshi: " + config + " :lisen: unknown key, did you mean :listen?",
				"hoshi: " + config + ` :queue-bytes: "much" is no size: want a size, like 512KiB or 2MiB`,
			},
		},
		{name: "wrong value", args: []string{"--listen", "8080"}, want: []string{`hoshi: --listen: "8080" is no address: want host:port, like 127.0.0.1:8080`}},
		{name: "address of another machine", args: []string{"--listen", "192.0.2.1:80", "--admin-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}, want: []string{"hoshi: cannot listen on 192.0.2.1:80: cannot assign requested address (--listen moves it)"}},
		{name: "open cluster", args: []string{"--nats-cluster-listen", ":0"}, want: []string{"hoshi: --nats-cluster-listen: :0 reaches beyond this machine: give --nats-cluster-user and --nats-cluster-password, the same on every node"}},
		{name: "nats is away for pub", args: []string{"pub", "all", "[:a/b]", "--nats-url", dead}, want: []string{"hoshi: NATS at " + dead + " cannot be reached (connection refused): is it up? --nats-url names another"}},
		{name: "nats is away for tap", args: []string{"tap", ">", "--nats-url", strings.Replace(dead, "//", "//ann:hunter2@", 1)}, want: []string{"hoshi: NATS at " + dead + " cannot be reached (connection refused): is it up? --nats-url names another"}},
		{name: "no credentials file", args: []string{"pub", "all", "[:a/b]", "--nats-creds", "/does/not/exist"}, want: []string{"hoshi: --nats-creds: /does/not/exist: no such file or directory"}},
		{name: "no credentials in the file", args: []string{"pub", "all", "[:a/b]", "--nats-creds", config, "--nats-url", live}, want: []string{"hoshi: --nats-creds: " + config + " holds no credentials (nkeys: no nkey seed found)"}},
		{name: "no certificate in the file", args: []string{"pub", "all", "[:a/b]", "--nats-tls-ca", config, "--nats-url", dead}, want: []string{"hoshi: --nats-tls-ca: " + config + " holds no certificates in PEM (nats: failed to parse root certificate from \"" + config + "\")"}},
		{name: "file that ends early", args: []string{"--config", broken}, want: []string{"hoshi: --config: " + broken + ": is not EDN: it ends inside the value that begins at line 2, column 1"}},
		{
			name: "bad edn", args: []string{"pub", "user", "alice", "[:chat/hi {:n }]"}, want: []string{
				"hoshi: EVENT is not EDN: a map with a key but no value at line 1, column 11",
				"  [:chat/hi {:n }]",
				"            ^",
			},
		},
		{
			name: "bad edn on the second line", args: []string{"pub", "chan", "lobby", "{:a 1\n :b )}"}, want: []string{
				"hoshi: DATA is not EDN: a closing delimiter that matches none that is open at line 2, column 5",
				"   :b )}",
				"      ^",
			},
		},
		{name: "no event", args: []string{"pub", "all", "{:n 1}"}, want: []string{"hoshi: EVENT is no event: want [:namespace/name data], not {:n 1}"}},
		{name: "an event without a namespace", args: []string{"pub", "all", "[:hi]"}, want: []string{"hoshi: EVENT is no event: want [:namespace/name data], not [:hi]"}},
		{name: "with a callback", args: []string{"pub", "all", `[[:a/b 1] "cb"]`}, want: []string{`hoshi: EVENT is no event: want [:namespace/name data], not [[:a/b 1] "cb"]`}},
		{name: "of the protocol", args: []string{"pub", "all", `[:chsk/state 1]`}, want: []string{"hoshi: EVENT :chsk/state is in a namespace of the protocol, which nodes do not take from backends"}},
		{name: "no conn-id", args: []string{"pub", "conn", "alice", "[:a/b]"}, want: []string{"hoshi: CONN-ID alice is none: want one like conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"}},
		{name: "empty event", args: []string{"pub", "all", " "}, want: []string{"hoshi: EVENT is empty"}},
		{name: "empty uid", args: []string{"pub", "user", "", "[:a/b]"}, want: []string{"hoshi: UID is empty"}},
		{name: "bad keyword", args: []string{"pub", "user", ":a b", "[:a/b]"}, want: []string{"hoshi: UID :a b begins with a colon and is no legal keyword; as a string it is --edn '\":a b\"'"}},
		{
			name: "bad edn as a name", args: []string{"pub", "chan", "--edn", "[:doc 7", "1"}, want: []string{
				"hoshi: CHANNEL is not EDN: it ends inside the value that begins at line 1, column 1",
				"  [:doc 7",
				"  ^",
			},
		},
		{name: "nil as a name", args: []string{"pub", "chan", "--edn", "nil", "1"}, want: []string{"hoshi: CHANNEL is nil, which names nothing"}},
		{name: "long name", args: []string{"pub", "user", strings.Repeat("ab.", 100), "[:a/b]"}, want: []string{"hoshi: UID is too long: 255 bytes at most, and what a subject cannot hold counts three times"}},
		{name: "name and event", args: []string{"pub", "conn", "alice", "{}"}, want: []string{"hoshi: CONN-ID alice is none: want one like conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4", "hoshi: EVENT is no event: want [:namespace/name data], not {}"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := runHoshi(t, tt.env, tt.args...)
			if want := strings.Join(tt.want, "\n") + "\n"; r.stderr != want || r.stdout != "" || r.code != 2 {
				t.Errorf("code %d, stdout %q, stderr\n%swant\n%s", r.code, r.stdout, r.stderr, want)
			}
		})
	}
}

// freeAddr is an address where nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l := listen(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestBusyPorts(t *testing.T) {
	nats := testkit.StartNATS(t, 1)[0].Addr().String()
	one, two := listen(t).Addr().String(), listen(t).Addr().String()
	const free = "127.0.0.1:0"
	for _, tt := range []struct {
		name                    string
		main, admin, nats, more string
		metrics, want           string
	}{
		{name: "main", main: one, admin: free, nats: free, want: one + " is in use: --listen moves it, port 0 takes a free one"},
		{name: "admin", main: free, admin: one, nats: free, want: one + " is in use: --admin-listen moves it, port 0 takes a free one"},
		{name: "nats by something else", main: free, admin: free, nats: one, want: one + " is in use: --nats-listen moves it, port 0 takes a free one"},
		{name: "nats by nats", main: free, admin: free, nats: nats, want: nats + " is in use by a NATS server: use that one with --nats-url nats://" + nats + ", or move ours with --nats-listen"},
		{name: "cluster", main: free, admin: free, nats: free, more: one, want: one + " is in use: --nats-cluster-listen moves it, port 0 takes a free one"},
		{name: "metrics", main: free, admin: free, nats: free, metrics: one, want: one + " is in use: --metrics-listen moves it, port 0 takes a free one"},
		{
			name: "all", main: one, admin: two, nats: nats,
			want: "3 ports are in use, these options move them (port 0 takes a free one): " + one + " (--listen), " + two + " (--admin-listen), " +
				nats + " (--nats-listen, or --nats-url nats://" + nats + " since NATS answers there)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"--listen", tt.main, "--admin-listen", tt.admin, "--nats-listen", tt.nats}
			if tt.more != "" {
				args = append(args, "--nats-cluster-listen", tt.more)
			}
			if tt.metrics != "" {
				args = append(args, "--metrics-listen", tt.metrics)
			}
			r := runHoshi(t, nil, args...)
			if want := "hoshi: " + tt.want + "\n"; r.stderr != want || r.stdout != "" || r.code != 2 {
				t.Errorf("code %d, stdout %q, stderr\n%swant\n%s", r.code, r.stdout, r.stderr, want)
			}
		})
	}
}

func TestVersionAndHelp(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{name: "version", args: []string{"version"}, want: "hoshi "},
		{name: "help", args: []string{"--help"}, want: "Hoshi "},
		{name: "help of a command", args: []string{"pub", "chan", "-h"}, want: "Usage: hoshi pub chan CHANNEL DATA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := runHoshi(t, []string{"HOSHI_WOMBAT=1"}, tt.args...)
			if r.code != 0 || r.stderr != "" || !strings.HasPrefix(r.stdout, tt.want) {
				t.Errorf("code %d, stderr %q, stdout %q", r.code, r.stderr, r.stdout)
			}
		})
	}
}
