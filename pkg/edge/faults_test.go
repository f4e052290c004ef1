package edge_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// gate stands between a node and its NATS server. Shut, it lets nothing through,
// takes new connections and says nothing to them, as a partition does.
type gate struct {
	net.Listener
	done sync.WaitGroup

	mu struct {
		sync.Mutex
		shut  bool
		open  chan struct{} // closed unless shut
		conns []net.Conn
	}
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g := &gate{Listener: l}
	g.mu.open = make(chan struct{})
	close(g.mu.open)
	g.done.Go(func() {
		for {
			node, err := l.Accept()
			if err != nil {
				return
			}
			g.keep(node)
			g.done.Go(func() { g.serve(node, target) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		g.set(false)
		g.mu.Lock()
		for _, c := range g.mu.conns {
			c.Close()
		}
		g.mu.Unlock()
		g.done.Wait()
	})
	return g
}

func (g *gate) keep(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.conns = append(g.mu.conns, c)
}

func (g *gate) serve(node net.Conn, target string) {
	<-g.opened()
	server, err := net.Dial("tcp", target)
	if err != nil {
		node.Close()
		return
	}
	g.keep(server)
	var ways sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{node: server, server: node} {
		ways.Go(func() {
			io.Copy(to, reading{g, from}) //nolint:errcheck // ends with either of them
			from.Close()
			to.Close()
		})
	}
	ways.Wait()
}

// reading holds back what it has read while the gate is shut.
type reading struct {
	g *gate
	net.Conn
}

func (r reading) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	<-r.g.opened()
	return n, err
}

func (g *gate) opened() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.open
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if shut == g.mu.shut {
		return
	}
	if g.mu.shut = shut; shut {
		g.mu.open = make(chan struct{})
	} else {
		close(g.mu.open)
	}
}

// absence is a way in which NATS goes away and comes back.
type absence struct {
	name       string
	silent     bool // the node notices by its pings, not at once
	start      func(t *testing.T) (addr string)
	away, back func(t *testing.T)
}

func absences() []*absence {
	var (
		c    testkit.Cluster
		p    *testkit.Process
		g    *gate
		kill absence
	)
	kill = absence{
		name:  "killed",
		start: func(t *testing.T) string { c = *one(t, nil); return c.NATS[0].Addr().String() },
		away:  func(*testing.T) { c.NATS[0].Shutdown() },
		back:  func(t *testing.T) { c.Restart(t, 0) },
	}
	return []*absence{
		&kill,
		{
			name: "frozen", silent: true,
			start: func(t *testing.T) string { p = testkit.StartProcess(t, nil); return p.Addrs.Client },
			away:  func(t *testing.T) { p.Stop(t) },
			back:  func(t *testing.T) { p.Continue(t) },
		},
		{
			name: "partitioned", silent: true,
			start: func(t *testing.T) string {
				g = newGate(t, testkit.StartNATS(t, 1)[0].Addr().String())
				return g.Listener.Addr().String()
			},
			away: func(*testing.T) { g.set(true) },
			back: func(*testing.T) { g.set(false) },
		},
	}
}

// However NATS goes away, clients of every kind stay and are told the same, and
// everything works when it is back. How soon it is noticed is bounded.
func TestRefusalsWhileNATSIsAway(t *testing.T) {
	for _, a := range absences() {
		if !a.silent { // it comes back on its port
			t.Run(a.name, func(t *testing.T) { refusals(t, a) })
		}
	}
}

// The same where NATS says nothing any more, which takes a node longer to notice.
func TestRefusalsWhileNATSIsSilent(t *testing.T) {
	t.Parallel()
	for _, a := range absences() {
		if a.silent {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				refusals(t, a)
			})
		}
	}
}

func refusals(t *testing.T, a *absence) {
	node := testkit.StartNode(t, edge.Options{
		InsecureUIDParam: "uid", ReadyGrace: 500 * time.Millisecond,
		Bus: bus.Options{URLs: []string{"nats://" + a.start(t)}},
	})
	addr := node.Addr().String()
	lite := testkit.Dial(t, addr, "/ws?uid=alice")
	tab := testkit.Dial(t, addr, "/chsk?uid=bob&client-id=tab-1")
	ajax := newPoller(t, &testkit.Cluster{Nodes: []*edge.Node{node}}, "tab-2", func() int { return 0 })
	ajax.query.Set("uid", "carol")
	ajax.Open()
	lite.Subscribe(`"old"`)
	waits := ajax.background(t.Context(), node)

	began, posted := time.Now(), make(chan string, 1)
	a.away(t)
	if a.silent { // what is under way is lost, and who waits for an answer is told
		lite.Send(`[[:app/x 1] "c0"]`)
		tab.Send(`[[:app/x 1] "c0"]`)
		go func() { posted <- ajax.Post(`[[:app/x 1] :ajax]`) }()
		lite.Subscribe(`"passed-over"`) // availability before the promise
	}
	testkit.Eventually(t, "away", func() bool { return !node.Ready() })
	t.Logf("noticed after %v", time.Since(began))
	if d := time.Since(began); d > 20*time.Second || a.silent && d < 5*time.Second {
		t.Errorf("noticed after %v", d)
	}
	if a.silent {
		lite.Expect(`[:chsk/error "c0"]`)
		tab.Expect(`[:chsk/error "c0"]`)
		if got := next(t, posted); got != "[:chsk/error nil]" {
			t.Errorf("the send by Ajax that waited got %s", got)
		}
	}
	lite.Send(
		`[[:app/x 1] "c1"]`,
		`[[:sente-lite/publish {:channel-id "old" :data 1}] "c2"]`,
		`[:sente-lite/subscribe {:channel-id "new"}]`,
		`[[:sente-lite/subscribe {:channel-id "new"}] "c3"]`,
		`[:sente-lite/publish {:channel-id "old" :data 1}]`,
		`[:app/lost]`,
		`[[:sente-lite/unsubscribe {:channel-id "other"}] "c4"]`,
	)
	lite.Expect(
		`[:chsk/error "c1"]`,
		`[{:success false, :error :unavailable} "c2"]`,
		`[:sente-lite/subscribed {:channel-id "new", :success false, :error :unavailable}]`,
		`[{:success false, :error :unavailable} "c3"]`,
		`[{:success false, :error :not-subscribed} "c4"]`,
	)
	lite.Nothing()
	tab.Send(
		`[[:app/x 1] "c1"]`,
		`[[:sente-lite/publish {:channel-id "old" :data 1}] "c2"]`,
		`[[:sente-lite/subscribe {:channel-id "new"}] "c3"]`,
		`[[:app/lost] nil]`,
	)
	tab.Expect(
		`[:chsk/error "c1"]`,
		`[{:success false, :error :unavailable} "c2"]`,
		`[{:success false, :error :unavailable} "c3"]`,
	)
	tab.Nothing()
	for _, path := range []string{"/", "/ws?uid=dave", "/chsk?client-id=tab-3"} {
		_, err := testkit.TryDial(t, addr, path)
		if status, ok := errors.AsType[ws.StatusError](err); !ok || status != http.StatusServiceUnavailable {
			t.Errorf("upgrade of %s: %v", path, err)
		}
	}
	other := newPoller(t, &testkit.Cluster{Nodes: []*edge.Node{node}}, "tab-4", func() int { return 0 })
	if got, err := other.poll(t.Context(), "&handshake%3F=1"); err == nil || !strings.Contains(err.Error(), "status 503") {
		t.Errorf("a poll got %q, %v", got, err)
	}
	if code := postStatus(t, ajax, `[[:app/x 1] :ajax]`); code != http.StatusServiceUnavailable {
		t.Errorf("a send by Ajax got %d", code)
	}
	testkit.Eventually(t, "the balancer is told", func() bool { return status(t, "http://"+addr+"/health/ready") == 503 })
	if s := status(t, "http://"+addr+"/health"); s != 200 {
		t.Errorf("health answers %d", s)
	}

	a.back(t)
	testkit.Eventually(t, "ready again", node.Ready)
	if s := status(t, "http://"+addr+"/health/ready"); s != 200 {
		t.Errorf("ready answers %d when NATS is back", s)
	}
	if a.silent {
		lite.Publish(`"passed-over"`, "6")
		lite.Expect(testkit.Message(`"passed-over"`, "6", lite.ConnID))
	}
	lite.Subscribe(`"new"`)
	lite.Publish(`"old"`, "7")
	lite.Expect(testkit.Message(`"old"`, "7", lite.ConnID))
	tab.Send(`[[:sente-lite/subscribe {:channel-id "old"}] "c5"]`)
	tab.Expect(`[{:success true} "c5"]`)
	lite.Publish(`"old"`, "8")
	lite.Expect(testkit.Message(`"old"`, "8", lite.ConnID))
	tab.Expect("[[" + testkit.Message(`"old"`, "8", lite.ConnID) + "] nil]")
	// The poll has waited all the time.
	ajax.Post(`[[:sente-lite/subscribe {:channel-id "old"}] :ajax]`)
	lite.Publish(`"old"`, "9")
	if got := <-waits; got.err != nil || got.body != "[["+testkit.Message(`"old"`, "9", lite.ConnID)+"] nil]" {
		t.Errorf("the poll got %q, %v", got.body, got.err)
	}
}

func postStatus(t *testing.T, p *poller, msg string) int {
	t.Helper()
	form := url.Values{"ppstr": {msg}, "udt": {"1"}, "client-id": p.query["client-id"], "uid": p.query["uid"]}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.nodes[0].Addr().String()+"/chsk", strings.NewReader(form.Encode()))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.http.Do(r)
	must(t, err)
	resp.Body.Close()
	return resp.StatusCode
}

// A balancer is told when NATS has been away for the grace time and not before,
// and at once that it is back.
func TestReadyGrace(t *testing.T) {
	const grace = 1500 * time.Millisecond
	for _, tt := range []struct {
		name    string
		grace   time.Duration
		atLeast time.Duration
	}{
		{name: "some", grace: grace, atLeast: grace},
		{name: "none", grace: -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := one(t, func(o *edge.Options) { o.ReadyGrace = tt.grace })
			node := c.Nodes[0]
			ready := "http://" + node.AdminAddr().String() + "/health/ready"
			before := time.Now()
			c.NATS[0].Shutdown()
			testkit.Eventually(t, "away", func() bool { return !node.Ready() })
			if _, err := testkit.TryDial(t, node.Addr().String(), "/"); err == nil {
				t.Error("a handshake is taken while NATS is away")
			}
			testkit.Eventually(t, "the balancer is told", func() bool { return status(t, ready) == 503 })
			if d := time.Since(before); d < tt.atLeast {
				t.Errorf("told after %v, the grace is %v", d, tt.atLeast)
			}
			c.Restart(t, 0)
			testkit.Eventually(t, "back", node.Ready)
			if s := status(t, ready); s != 200 {
				t.Errorf("ready answers %d when NATS is back", s)
			}
		})
	}
}
