package e2e

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// Tests whose clients are programs that mostly wait are parallel; those that
// measure, or have all clients in one process, are not.
func TestMain(m *testing.M) {
	testkit.Parallel(3)
	testkit.Main(m, func() {
		if buildDir != "" {
			_ = os.RemoveAll(buildDir)
		}
	})
}

// scenario is a script of clj/ and the checks that it must print, no more and
// no fewer.
type scenario struct {
	name   string
	checks []string
	// start starts what is no script of clj/; nil for one.
	start func(*testing.T, *cluster) *process
	// signal does what the script asks for with a line `# word`.
	signal map[string]func(*testing.T, *cluster)
}

// scenarios run in this order in TestRealInput.
var scenarios = []scenario{
	{
		name: "chat",
		checks: []string{
			"handshake-shape", "uid-is-conn-id", "conn-id-shape", "nodes-differ",
			"subscribed", "channel-ids-b", "channel-ids-c", "nothing-else",
			"order-a", "order-b", "own-order",
			"exclude-sender-own", "exclude-sender-others", "nil-data",
			"subscribe-twice", "one-membership",
			"callback-answers", "callback-publish-heard", "no-second-answer",
			"unsubscribe-answer", "others-go-on", "subscribe-again", "nothing-while-away",
			"not-subscribed", "bad-channel-ids",
			"bad-input-dropped", "bad-input-connection-stays", "pong",
		},
	},
	{
		name: "values",
		checks: []string{
			"values-b", "values-c", "nan", "texts-verbatim", "megabyte",
			"values-through-backend", "nan-through-backend",
		},
	},
	{
		name: "users",
		checks: []string{
			"uids", "push-npm-client", "push-bare-socket", "push-hoshi-pub",
			"hoshi-pub-refuses-bad-edn", "hoshi-pub-says-nobody-hears", "escaped-uids",
			"push-conn", "push-all", "push-all-exclude", "push-channel",
			"bad-pushes-dropped", "push-close", "nothing-else",
		},
	},
	{
		name: "callbacks",
		checks: []string{
			"npm-client-answers", "bare-socket-answers", "uid-as-token", "in-flight",
			"error-replies", "first-reply-counts", "unreadable-reply-is-not-taken", "nil-is-an-answer",
			"nobody-listens", "nobody-listens-at-once", "dots-are-levels", "events-without-callback",
			"conn-open", "conn-close", "timeout", "timeout-after-15-s", "nothing-else",
		},
	},
	{
		name: "failover",
		checks: []string{
			"sockets-cut", "subscribed-again", "new-connections", "order-until-the-kill",
			"no-gap-after-return", "steady-missed-nothing", "steady-stayed",
			"other-channels-too", "user-found-again", "restarted-node",
		},
		signal: map[string]func(*testing.T, *cluster){
			"kill": func(t *testing.T, c *cluster) {
				if err := c.nodes[2].cmd.Process.Kill(); err != nil {
					t.Errorf("kill node-3: %v", err)
				}
				if code := c.nodes[2].ended(t); code != -1 {
					t.Errorf("node-3 ended with code %d, not by the signal", code)
				}
			},
			"restart": func(t *testing.T, c *cluster) { c.startNode(t, 2) },
		},
	},
	{
		name:   "shutdown",
		checks: []string{"closed-with-1012"},
		signal: map[string]func(*testing.T, *cluster){
			"interrupt": interrupt,
		},
	},
}

// TestRealInput runs every scenario against one cluster. They share it because
// a real one is shared, and because its start costs more than they do.
func TestRealInput(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	// Publisher, subscriber and backend are on different servers in most of what
	// follows: clients on all three, these two on the second and the third.
	backends := []*process{c.backend(t, "nats", 1), c.backend(t, "tcp", 2)}

	for _, s := range scenarios {
		if !t.Run(s.name, func(t *testing.T) { s.run(t, c) }) {
			t.Fatalf("%s failed; the rest would run on what it left", s.name)
		}
	}
	for _, p := range append(backends, c.nats...) {
		if !p.running() {
			t.Errorf("%s has ended", p.name)
			continue
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("end %s: %v", p.name, err)
		}
		p.ended(t)
	}
}

// TestEmbedded runs the chat on three nodes whose embedded servers form the
// cluster.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	c := startEmbedded(t, 3)
	scenarios[0].run(t, c)
	interrupt(t, c)
}

// TestDev starts one node as a newcomer does, and does what it says.
func TestDev(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	p := start(t, t, "node", c.dir, nil, c.bin, "--dev",
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	c.nodes = []*process{p}
	for c.greeted == "" || c.paste == "" {
		line, ok := p.next(t)
		if !ok {
			t.Fatal("the node ended before it had greeted")
		}
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && words[0] == "clients":
			c.greeted = words[1]
		case strings.HasPrefix(strings.TrimSpace(line), c.bin+" pub "):
			c.paste = strings.TrimSpace(line)
		}
	}
	plain, _, _ := strings.Cut(c.greeted, "?")
	c.listen = []string{strings.Trim(strings.TrimPrefix(plain, "ws://"), "/")}
	c.awaitReady(t, 0)
	scenario{
		name: "dev",
		checks: []string{
			"uids", "echo-callback", "echo-event", "echo-timestamp",
			"paste-runs", "paste-reaches-alice", "nobody-else",
		},
	}.run(t, c)
	interrupt(t, c)
}

// run starts the script and holds what it prints against the checks.
func (s scenario) run(t *testing.T, c *cluster) {
	t.Helper()
	begin := s.start
	if begin == nil {
		begin = func(t *testing.T, c *cluster) *process { return c.script(t, s.name) }
	}
	p := begin(t, c)
	var seen []string
	finished := false
	for line, more := p.next(t); more; line, more = p.next(t) {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "ok":
			seen = append(seen, rest)
		case "FAIL":
			t.Error(line)
			name, _, _ := strings.Cut(rest, " ")
			seen = append(seen, name)
		case "#":
			act := s.signal[rest]
			if act == nil {
				t.Fatalf("the script asks for %q", rest)
			}
			act(t, c)
		case "done":
			finished = true
		}
	}
	if code := p.ended(t); code != 0 || !finished {
		t.Errorf("the script ended with code %d, finished: %v", code, finished)
	}
	slices.Sort(seen)
	want := slices.Sorted(slices.Values(s.checks))
	if !slices.Equal(seen, want) {
		t.Errorf("checks made\n  %q\nwanted\n  %q", seen, want)
	}
}

// interrupt sends every node what Ctrl-C sends, and waits for a good end.
func interrupt(t *testing.T, c *cluster) {
	t.Helper()
	for _, n := range c.nodes {
		if err := n.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Errorf("interrupt %s: %v", n.name, err)
		}
	}
	for _, n := range c.nodes {
		if code := n.ended(t); code != 0 {
			t.Errorf("%s ended with code %d after an interrupt", n.name, code)
		}
	}
}
