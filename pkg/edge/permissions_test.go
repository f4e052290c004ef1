package edge_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// violations are the refusals in the log of nats-server.
type violations struct {
	mu   sync.Mutex
	list []string
}

func (v *violations) Errorf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if strings.Contains(text, "Violation") {
		v.mu.Lock()
		v.list = append(v.list, text[strings.LastIndex(text[:strings.Index(text, "Violation")], " - ")+3:])
		v.mu.Unlock()
	}
}
func (*violations) Noticef(string, ...any) {}
func (*violations) Warnf(string, ...any)   {}
func (*violations) Fatalf(string, ...any)  {}
func (*violations) Debugf(string, ...any)  {}
func (*violations) Tracef(string, ...any)  {}

// take returns what has been refused since the last call.
func (v *violations) take() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := v.list
	v.list = nil
	return list
}

// documented starts two servers that are one cluster, with the accounts that
// SECURITY.md has, and two nodes as the user node.
func documented(t *testing.T) (c *testkit.Cluster, servers []*server.Server, refused *violations) {
	t.Helper()
	text, err := os.ReadFile("../../SECURITY.md")
	must(t, err)
	_, block, found := strings.Cut(string(text), "```nats\n")
	block, _, end := strings.Cut(block, "```")
	if !found || !end {
		t.Fatal("SECURITY.md has no configuration of nats-server")
	}
	file := filepath.Join(t.TempDir(), "nats.conf")
	must(t, os.WriteFile(file, []byte(block), 0o600))
	refused = &violations{}
	c = &testkit.Cluster{}
	for i := range 2 {
		o, err := server.ProcessConfigFile(file)
		must(t, err)
		o.Host, o.Port, o.NoSigs, o.ServerName = "127.0.0.1", server.RANDOM_PORT, true, fmt.Sprint("n", i)
		o.Cluster = server.ClusterOpts{Name: "documented", Host: "127.0.0.1", Port: server.RANDOM_PORT}
		if i > 0 {
			o.Routes = server.RoutesFromStr("nats://" + servers[0].ClusterAddr().String())
		}
		s, err := server.NewServer(o)
		must(t, err)
		s.SetLoggerV2(refused, false, false, false)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(testkit.Patience) {
			t.Fatal("nats-server is not ready")
		}
		servers = append(servers, s)
	}
	testkit.Eventually(t, "routes", func() bool { return servers[0].NumRoutes() > 0 && servers[1].NumRoutes() > 0 })
	for _, s := range servers {
		c.Nodes = append(c.Nodes, testkit.StartNode(t, edge.Options{
			InsecureUIDParam: "uid",
			Callouts:         edge.CalloutOptions{Connect: true, Subscribe: []string{"*"}, Publish: []string{"*"}},
			Bus:              bus.Options{URLs: []string{s.ClientURL()}, Username: "node", Password: "of-nodes"},
			Sente:            edge.SenteOptions{SendBufWS: -1, SendBufAjax: -1},
		}))
	}
	return c, servers, refused
}

// TestPermissions does everything once under the permissions of SECURITY.md:
// NATS refuses nothing of it.
func TestPermissions(t *testing.T) {
	t.Parallel()
	c, servers, refused := documented(t)
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	var backends [2]*bus.Client
	for i, s := range servers {
		b, err := bus.Connect(ctx, bus.Options{URLs: []string{s.ClientURL()}, Username: "backend", Password: "of-backends"})
		must(t, err)
		t.Cleanup(b.Stop)
		backends[i] = b
	}
	near, far := backends[0], backends[1]

	// Call-outs, of each kind.
	var questions [bus.CalloutKinds]atomic.Int64
	for kind := range bus.CalloutKind(bus.CalloutKinds) {
		_, err := far.TakeCallouts(ctx, kind, "doormen", func(q *bus.Callout) {
			questions[kind].Add(1)
			if err := q.Allow(); err != nil {
				t.Error(err)
			}
		})
		must(t, err)
	}

	// Events and callbacks; Take and Barrier ask every server.
	taken := make(chan string, 16)
	_, err := far.Take(ctx, "shop.>", "shop", func(e *bus.Event) {
		taken <- string(e.Event)
		if e.WantsReply() {
			if err := e.Reply([]byte("{:ok true}")); err != nil {
				t.Error(err)
			}
		}
	})
	must(t, err)
	must(t, far.Barrier(ctx))
	lite := c.Dial(t, 0, "/?uid=alice")
	lite.Send("[:shop/seen 1]", `[[:shop/ask 2] "cb"]`)
	lite.Expect(`[{:ok true} "cb"]`)
	for _, want := range []string{"[:shop/seen 1]", "[:shop/ask 2]"} {
		if got := next(t, taken); got != want {
			t.Errorf("taken %s, want %s", got, want)
		}
	}
	lite.Send(`[[:nobody/listens] "cb"]`)
	lite.Expect(`[:chsk/error "cb"]`)

	// Every kind of push.
	tab := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	other := c.Dial(t, 1, "/?uid=bob")
	both := func(push func() error, event string) {
		t.Helper()
		must(t, push())
		lite.Expect(event)
		tab.Expect("[[" + event + "] nil]")
	}
	both(func() error { return far.PublishUser(bus.String("alice"), []byte("[:a/user]")) }, "[:a/user]")
	both(func() error { return near.PublishAll([]byte("[:a/all]")) }, "[:a/all]")
	other.Expect("[:a/all]")
	must(t, far.PublishConn(lite.ConnID, []byte("[:a/conn]")))
	lite.Expect("[:a/conn]")
	must(t, far.PublishClient("tab-1", []byte("[:a/client]")))
	tab.Expect("[[[:a/client]] nil]")
	lite.Subscribe(`"lobby"`)
	other.Publish(`"lobby"`, "1")
	lite.Expect(testkit.Message(`"lobby"`, "1", other.ConnID))
	must(t, far.PublishChannel(bus.String("lobby"), []byte("2")))
	lite.Expect(testkit.Message(`"lobby"`, "2", ""))

	// Asks, of each kind.
	for name, ask := range map[string]func() (bus.Answers, error){
		"user":    func() (bus.Answers, error) { return far.AskUser(ctx, bus.String("bob"), []byte("[:a/ask]")) },
		"conn":    func() (bus.Answers, error) { return far.AskConn(ctx, other.ConnID, []byte("[:a/ask]")) },
		"channel": func() (bus.Answers, error) { return near.AskChannel(ctx, bus.String("second"), []byte("[:a/ask]")) },
	} {
		if name == "channel" {
			other.Subscribe(`"second"`)
		}
		ch := asking(ask)
		_, cb := asked(t, other)
		reply(other, cb, "7")
		if o := ended(t, ch); o.err != nil || o.Asked != 1 || len(o.All) != 1 {
			t.Errorf("ask %s: %+v", name, o)
		}
	}
	ch := asking(func() (bus.Answers, error) { return far.AskClient(ctx, "tab-1", []byte("[:a/ask]")) })
	_, cb := askedSente(t, tab.Read())
	tab.Send(`[[:chsk/reply {:cb-uuid "` + cb + `" :data 7}] nil]`)
	checkCounts(t, ended(t, ch), 1, 1, 0)

	// A tab that moves, with a socket and while it is away.
	moved := c.Dial(t, 1, "/chsk?uid=alice&client-id=tab-1")
	tab.ExpectClose(1000)
	must(t, near.PublishClient("tab-1", []byte("[:a/moved]")))
	moved.Expect("[[[:a/moved]] nil]")
	moved.Conn.Close()
	away(t, c.Nodes[1], 1)
	must(t, near.PublishClient("tab-1", []byte("[:a/waits]")))
	tab = c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	tab.Expect("[[[:a/waits]] nil]")

	// A client that polls, through the other node.
	at := 0
	p := newPoller(t, c, "tab-2", func() int { return at })
	p.query.Set("uid", "carol")
	p.Open()
	at = 1
	must(t, far.PublishUser(bus.String("carol"), []byte("[:a/poll]")))
	if got := p.Poll(""); got != "[[[:a/poll]] nil]" {
		t.Errorf("polled %s", got)
	}
	if got := p.Post("[[:shop/post 3] :ajax]"); got != "[{:ok true} nil]" {
		t.Errorf("posted %s", got)
	}
	if got := next(t, taken); got != "[:shop/post 3]" {
		t.Errorf("taken %s", got)
	}

	must(t, near.PublishUser(bus.String("bob"), []byte("[:chsk/close]")))
	other.ExpectClose(1000)

	// What an administrator asks of all nodes, and one node of another that joins.
	admin, err := bus.Connect(ctx, bus.Options{URLs: []string{servers[1].ClientURL()}, Username: "admin", Password: "of-administrators"})
	must(t, err)
	t.Cleanup(admin.Stop)
	done, err := admin.Kick(ctx, bus.Kick{UID: bus.String("alice"), Code: 4000})
	if err != nil || len(done.Nodes) != 2 || done.Closed() != 2 {
		t.Errorf("kicked %+v, %v", done, err)
	}
	lite.ExpectClose(4000)
	tab.ExpectClose(4000)
	askedAsAdmin(t, admin, servers[0].ClientURL(), c)
	if done, err = admin.Revoke(ctx, bus.Revocation{TokenID: "t1"}); err != nil || len(done.Nodes) != 2 {
		t.Errorf("revoked %+v, %v", done, err)
	}
	third := testkit.StartNode(t, edge.Options{Bus: bus.Options{URLs: []string{servers[1].ClientURL()}, Username: "node", Password: "of-nodes", DiscoveryWait: time.Second}})
	if got := third.Stats().Admin; got.Remembered != 1 || got.Unanswered != 0 {
		t.Errorf("a third node has learned %+v", got)
	}
	must(t, far.Barrier(ctx))
	for kind := range questions {
		if questions[kind].Load() == 0 {
			t.Errorf("nobody was asked about %v", bus.CalloutKind(kind))
		}
	}
	for i, n := range c.Nodes {
		if s := n.Stats().Bus; s.ServersPassedOver != 0 || s.Servers != 2 {
			t.Errorf("node %d knows %d servers, and has passed over %d", i, s.Servers, s.ServersPassedOver)
		}
	}
	if list := refused.take(); list != nil {
		t.Errorf("NATS has refused:\n%s", strings.Join(list, "\n"))
	}
}

// TestForbiddenByPermissions holds what SECURITY.md keeps backends, and nodes,
// from.
func TestForbiddenByPermissions(t *testing.T) {
	_, servers, refused := documented(t)
	for _, tt := range []struct {
		user, password     string
		publish, subscribe []string
	}{
		{
			user: "backend", password: "of-backends",
			publish: []string{
				"hoshi.api.revoke", "hoshi.api.kick", "hoshi.api.stats", "hoshi.api.who", "hoshi.api.channels", "hoshi.api.trace",
				"hoshi.api.drain.010203040506", "hoshi.api.log-level", "$SRV.PING", "hoshi.node.010203040506.revoked",
				"hoshi.node.010203040506.conn-1", "hoshi.nodes", "hoshi.sync.ID", "hoshi.event.a.b", "hoshi.event.chsk.conn-open", "hoshi.auth.connect", "$SYS.REQ.SERVER.PING",
			},
			subscribe: []string{
				"hoshi.>", "hoshi.user.>", "hoshi.user.alice", "hoshi.client.*", "hoshi.conn.>", "hoshi.chan.lobby", "hoshi.all",
				"hoshi.node.>", "hoshi.sync.*", "hoshi.api.nodes", ">",
			},
		},
		{
			user: "admin", password: "of-administrators",
			publish:   []string{"hoshi.user.alice", "hoshi.node.010203040506.revoked", "hoshi.event.a.b", "hoshi.chan.lobby", "hoshi.nodes"},
			subscribe: []string{"hoshi.>", "hoshi.api.revoke", "hoshi.api.*", "$SRV.>", "hoshi.event.>", "hoshi.node.>"},
		},
		{
			user: "node", password: "of-nodes",
			publish:   []string{"hoshi.user.alice", "hoshi.conn.010203040506.conn-1", "hoshi.all", "hoshi.api.nodes", "hoshi.api.revoke", "hoshi.api.stats", "$SRV.PING", "other"},
			subscribe: []string{"hoshi.event.>", "hoshi.auth.connect", ">"},
		},
	} {
		nc, err := nats.Connect(servers[1].ClientURL(), nats.UserInfo(tt.user, tt.password), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		must(t, err)
		defer nc.Close()
		try := func(what, subject string, do func() error) {
			t.Helper()
			refused.take()
			must(t, do())
			must(t, nc.FlushTimeout(10*time.Second)) // the server has read it then
			if list := refused.take(); len(list) != 1 || !strings.HasPrefix(list[0], what) || !strings.Contains(list[0], `"`+subject+`"`) {
				t.Errorf("%s on %s by %s: refused %q", what, subject, tt.user, list)
			}
		}
		for _, subject := range tt.publish {
			try("Publish", subject, func() error { return nc.Publish(subject, nil) })
		}
		for _, subject := range tt.subscribe {
			try("Subscription", subject, func() error { _, err := nc.Subscribe(subject, func(*nats.Msg) {}); return err })
		}
	}
}
