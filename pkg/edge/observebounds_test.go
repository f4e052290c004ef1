package edge_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// A user with very many connections, and a node with very many channels: what is left
// out is counted, and what comes fits NATS's messages.
func TestObserveMany(t *testing.T) {
	t.Parallel()
	conns, channels, perConn := scaled(3000, 600), scaled(20_000, 4000), 1000
	nats := testkit.StartNATSWith(t, 64<<10)
	n := testkit.StartNode(t, edge.Options{
		InsecureUIDParam: "uid", Bus: bus.Options{URLs: []string{nats.ClientURL()}},
		Channels: edge.ChannelOptions{MaxSubscriptionsPerConn: perConn},
	})
	ctx := t.Context()
	admin, err := bus.Connect(ctx, bus.Options{URLs: []string{nats.ClientURL()}})
	must(t, err)
	defer admin.Stop()
	host := n.Addr().String()

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range conns / 8 {
				if _, err := testkit.TryDial(t, host, "/?uid=alice&format=json"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	who, err := admin.Who(ctx, bus.WhoQuery{Target: bus.Target{UID: bus.String("alice")}})
	must(t, err)
	if v := who.Nodes[n.ID().String()]; v.Total != conns || v.More != conns-len(v.Conns) || len(v.Conns) != bus.DefaultWho || v.Silent != 0 {
		t.Errorf("%d in all, %d told, %d more, %d silent", v.Total, len(v.Conns), v.More, v.Silent)
	}
	if who, err = admin.Who(ctx, bus.WhoQuery{Target: bus.Target{UID: bus.String("alice")}, Limit: bus.MaxWho}); err != nil {
		t.Fatal(err)
	}
	// A message has room for fewer than were asked for.
	v := who.Nodes[n.ID().String()]
	if body, err := json.Marshal(v); err != nil || len(body) > 64<<10 || len(body) < 32<<10 || v.More != conns-len(v.Conns) || len(v.Conns) < 100 {
		t.Errorf("%d told in %d bytes, %d more, %v", len(v.Conns), len(body), v.More, err)
	}

	for i := range channels / perConn {
		cl := testkit.Dial(t, host, "/?uid=bob")
		for j := range perConn {
			cl.Send(fmt.Sprintf(`[:sente-lite/subscribe {:channel-id "room-%05d"}]`, i*perConn+j))
		}
		for range perConn {
			if got := cl.Read(); !strings.Contains(got, ":success true") {
				t.Fatalf("subscribe: %s", got)
			}
		}
		if i > 0 {
			continue
		}
		for range 2 {
			testkit.Dial(t, host, "/").Subscribe(`"room-00007"`)
		}
	}
	begun := time.Now()
	answer, err := admin.Channels(ctx, bus.ChannelsQuery{Limit: bus.MaxChannels})
	must(t, err)
	t.Logf("answered after %v", time.Since(begun))
	all := answer.Nodes[n.ID().String()]
	if all.Total != channels || all.Subscribers != channels+2 || all.More != channels-len(all.Channels) || len(all.Channels) < 500 ||
		all.Channels[0] != (bus.ChannelView{Channel: `"room-00007"`, Subscribers: 3}) || all.Channels[1].Channel != `"room-00000"` {
		t.Errorf("%d channels, %d subscribers, %d told, %d more, %+v", all.Total, all.Subscribers, len(all.Channels), all.More, all.Channels[:2])
	}
	answer, err = admin.Channels(ctx, bus.ChannelsQuery{Match: "room-*7", Limit: 3})
	must(t, err)
	if all = answer.Nodes[n.ID().String()]; all.Total != channels/10 || len(all.Channels) != 3 || all.More != channels/10-3 || all.Channels[2].Channel != `"room-00027"` {
		t.Errorf("matching: %+v", all)
	}
}

// Who does not take what waits for it is found, the fullest queue first.
func TestObserveSlow(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
		o.QueueBytes, o.QueueMessages, o.StallTimeout = 64<<20, 100_000, time.Hour
	})
	admin, ctx := surveyor(t, c, 0)
	node := c.Nodes[0].ID().String()
	addr := c.Nodes[0].Addr().String()
	more, less := testkit.DialSlow(t, addr, "/?uid=more"), testkit.DialSlow(t, addr, "/?uid=less")
	c.Dial(t, 0, "/?uid=well")
	body := []byte(`[:a/b "` + strings.Repeat("x", 100_000) + `"]`)
	for i := range 200 {
		must(t, admin.PublishUser(bus.String("more"), body))
		if i%2 == 0 {
			must(t, admin.PublishUser(bus.String("less"), body))
		}
	}
	var v bus.NodeView
	testkit.Eventually(t, "two are slow", func() bool {
		edge.LookAgain(c.Nodes[0])
		nodes, err := admin.Nodes(ctx, "", bus.StatsQuery{Slow: 10})
		must(t, err)
		v = nodes.Nodes[node]
		return v.Blocked == 2 && len(v.Slow) == 2 && v.Slow[0].Conn == more.ConnID && v.Slow[0].QueuedBytes > 9<<20 && v.Slow[1].QueuedBytes > 5<<20
	})
	if v.Slow[0].UID != `"more"` || v.Slow[1].Conn != less.ConnID || v.Slow[1].UID != `"less"` || v.Slow[0].QueuedMessages < 90 {
		t.Errorf("slow are %+v", v.Slow)
	}
	// Not again at once, and only where it is asked for.
	more.Conn.Close()
	less.Conn.Close()
	testkit.Eventually(t, "they have gone", func() bool { return c.Nodes[0].Connections() == 1 })
	if nodes, err := admin.Nodes(ctx, "", bus.StatsQuery{}); err != nil || nodes.Nodes[node].Slow != nil {
		t.Errorf("unasked: %+v, %v", nodes, err)
	}
	testkit.Eventually(t, "nobody is slow", func() bool {
		edge.LookAgain(c.Nodes[0])
		nodes, err := admin.Nodes(ctx, node, bus.StatsQuery{Slow: 1})
		must(t, err)
		return nodes.Nodes[node].Blocked == 0 && len(nodes.Nodes[node].Slow) == 0
	})
}

// A loop that does not answer costs half a second, and names its connections.
func TestObserveSilentLoop(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.Loops = 2 })
	admin, ctx := surveyor(t, c, 0)
	for range 6 {
		c.Dial(t, 0, "/?uid=alice")
	}
	stuck := c.Dial(t, 0, "/?uid=alice")
	release := make(chan struct{})
	edge.Block(c.Nodes[0], stuck.ConnID, release)
	var (
		who   bus.Survey[bus.WhoView]
		begun time.Time
	)
	testkit.Eventually(t, "the node has answered", func() bool { // on a machine that is busy otherwise
		var err error
		begun = time.Now()
		who, err = admin.Who(ctx, bus.WhoQuery{Target: bus.Target{UID: bus.String("alice")}})
		return err == nil
	})
	close(release)
	v := who.Nodes[c.Nodes[0].ID().String()]
	silent := 0
	for _, conn := range v.Conns {
		if conn.State == bus.StateSilent {
			silent++
			if conn.Since.IsZero() || conn.UID != "" {
				t.Errorf("silent %+v", conn)
			}
		} else if conn.Conn == stuck.ConnID {
			t.Errorf("stuck %+v", conn)
		}
	}
	if took := time.Since(begun); v.Total != 7 || len(v.Conns) != 7 || silent != v.Silent || silent < 1 || silent == 7 || took > 2*time.Second {
		t.Errorf("%d of %d silent, said to be %d, after %v", silent, v.Total, v.Silent, took)
	}
}

// A node that may not be looked at works, and says so once; who may not look is told.
func TestObserveDenied(t *testing.T) {
	c, servers, _ := documented(t)
	ctx := t.Context()
	for _, s := range servers {
		backend, err := bus.Connect(ctx, bus.Options{URLs: []string{s.ClientURL()}, Username: "backend", Password: "of-backends"})
		must(t, err)
		defer backend.Stop()
		if _, err = backend.Nodes(ctx, "", bus.StatsQuery{}); !errors.Is(err, bus.ErrDenied) || deniedOn(err) != "hoshi.api.stats" {
			t.Errorf("nodes: %v", err)
		}
		if err = backend.Trace(ctx, bus.TraceQuery{Target: bus.Target{UID: bus.String("a")}}, func(bus.TraceBatch) {}); !errors.Is(err, bus.ErrDenied) {
			t.Errorf("trace: %v", err)
		}
		if err = backend.DrainNode(ctx, c.Nodes[0].ID().String()); !errors.Is(err, bus.ErrDenied) {
			t.Errorf("drain: %v", err)
		}
	}

	// What a node could before there was anything to look at.
	old, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, Users: []*server.User{
		{Username: "looks", Password: "x"},
		{Username: "node", Password: "x", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"hoshi.>", "_INBOX.>"}},
			Subscribe: &server.SubjectPermission{Allow: []string{
				"hoshi.user.*", "hoshi.client.*", "hoshi.conn.*.*", "hoshi.chan.*", "hoshi.all", "hoshi.node.*.*", "hoshi.nodes", "hoshi.sync.*",
				"hoshi.api.nodes", "hoshi.api.sync.*", "hoshi.api.revoke", "hoshi.api.kick", "_INBOX.>",
			}},
		}},
	}})
	must(t, err)
	old.Start()
	t.Cleanup(func() { old.Shutdown(); old.WaitForShutdown() })
	if !old.ReadyForConnections(testkit.Patience) {
		t.Fatal("nats-server is not ready")
	}
	var said logged
	log := zerolog.New(&said).Level(zerolog.WarnLevel)
	n := testkit.StartNode(t, edge.Options{Logger: &log, InsecureUIDParam: "uid", Bus: bus.Options{URLs: []string{old.ClientURL()}, Username: "node", Password: "x"}})
	cl := testkit.Dial(t, n.Addr().String(), "/?uid=alice")
	cl.Subscribe(`"lobby"`)
	cl.Publish(`"lobby"`, "1")
	cl.Expect(testkit.Message(`"lobby"`, "1", cl.ConnID))
	nc, err := nats.Connect(old.ClientURL(), nats.UserInfo("looks", "x"))
	must(t, err)
	defer nc.Close()
	if _, err = nc.Request("hoshi.api.stats", nil, testkit.Patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("a node that may not answer: %v", err)
	}
	text := ""
	testkit.Eventually(t, "it says so", func() bool {
		text = strings.Join(said.lines("permit"), "")
		return text != ""
	})
	if strings.Count(text, "\n") != 1 || !strings.Contains(text, "nats does not permit that this node is looked at") {
		t.Errorf("logged\n%s", text)
	}
}

// A token that is good as long as one can be, and for the leeway, has an end that JSON
// has a word for.
func TestWhoForEver(t *testing.T) {
	t.Parallel()
	c := revoking(t, 1, nil)
	cl := c.Dial(t, 0, "/?token="+token(t, map[string]any{"sub": "alice", "exp": 253402300799}))
	admin, ctx := surveyor(t, c, 0)
	who, err := admin.Who(ctx, bus.WhoQuery{Target: bus.Target{ConnID: cl.ConnID}})
	must(t, err)
	if v := who.Nodes[c.Nodes[0].ID().String()]; v.Total != 1 || v.Conns[0].Expires == nil || v.Conns[0].Expires.Year() != 9999 {
		t.Errorf("%+v", v)
	}
}
