package edge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// askedAsAdmin asks everything once as who may, and takes micro's own questions.
func askedAsAdmin(t *testing.T, admin *bus.Client, url string, c *testkit.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	nodes, err := admin.Nodes(ctx, "", bus.StatsQuery{Slow: 3})
	if err != nil || len(nodes.Nodes) != 2 || nodes.Silent != nil {
		t.Errorf("nodes %+v, %v", nodes, err)
	}
	one := c.Nodes[1].ID().String()
	if nodes, err = admin.Nodes(ctx, one, bus.StatsQuery{}); err != nil || len(nodes.Nodes) != 1 || nodes.Nodes[one].Node != one {
		t.Errorf("one node %+v, %v", nodes, err)
	}
	if who, err := admin.Who(ctx, bus.WhoQuery{Target: bus.Target{UID: bus.String("carol")}}); err != nil || len(who.Nodes) != 2 {
		t.Errorf("who %+v, %v", who, err)
	}
	if channels, err := admin.Channels(ctx, bus.ChannelsQuery{}); err != nil || len(channels.Nodes) != 2 {
		t.Errorf("channels %+v, %v", channels, err)
	}
	began := 0
	err = admin.Trace(ctx, bus.TraceQuery{Target: bus.Target{UID: bus.String("carol")}, Time: 1500 * time.Millisecond}, func(b bus.TraceBatch) {
		if b.Began {
			began++
		}
	})
	if err != nil || began != 2 {
		t.Errorf("%d nodes have begun a trace, %v", began, err)
	}
	nc, err := nats.Connect(url, nats.UserInfo("admin", "of-administrators"))
	must(t, err)
	defer nc.Close()
	if pings := serviceAnswers[micro.Ping](t, nc, micro.PingVerb, 2); len(pings) != 2 {
		t.Errorf("pings %+v", pings)
	}
}

// serviceAnswers asks all micro services, and waits for so many answers.
func serviceAnswers[T any](t *testing.T, nc *nats.Conn, verb micro.Verb, count int) (all []T) {
	t.Helper()
	subject, err := micro.ControlSubject(verb, bus.ServiceName, "")
	must(t, err)
	sub, err := nc.SubscribeSync(nats.NewInbox())
	must(t, err)
	must(t, nc.PublishRequest(subject, sub.Subject, nil))
	for range count {
		m, err := sub.NextMsg(testkit.Patience)
		must(t, err)
		var v T
		must(t, json.Unmarshal(m.Data, &v))
		all = append(all, v)
	}
	return all
}

func surveyor(t *testing.T, c *testkit.Cluster, i int) (*bus.Client, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	return c.Backend(t, i), ctx
}

func TestObserveCluster(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 3, func(_ int, o *edge.Options) { o.Version = "v1.2.3" })
	admin, ctx := surveyor(t, c, 2)

	a1, a2 := c.Dial(t, 0, "/?uid=alice"), c.Dial(t, 1, "/?uid=alice&format=json")
	tab := c.Dial(t, 1, "/chsk?uid=alice&client-id=tab-1")
	nobody := c.Dial(t, 2, "/")
	a1.Subscribe(`"lobby"`)
	a1.Subscribe(":chat/room")
	a2.Subscribe(`"lobby"`)
	nobody.Subscribe(`"lobby"`)

	// Who, by each kind of name.
	for _, tt := range []struct {
		name   string
		target bus.Target
		want   []string // conn-ids
	}{
		{"user", bus.Target{UID: bus.String("alice")}, []string{a1.ConnID, a2.ConnID, tab.ConnID}},
		{"client", bus.Target{ClientID: "tab-1"}, []string{tab.ConnID}},
		{"conn", bus.Target{ConnID: a1.ConnID}, []string{a1.ConnID}},
		{"user without a name", bus.Target{UID: bus.String(nobody.ConnID)}, []string{nobody.ConnID}},
		{"somebody else", bus.Target{UID: bus.String("bob")}, nil},
		{"a conn of no node", bus.Target{ConnID: "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"}, nil},
	} {
		who, err := admin.Who(ctx, bus.WhoQuery{Target: tt.target})
		must(t, err)
		var got []string
		for _, v := range who.Nodes {
			if v.Total != len(v.Conns) || v.More != 0 || v.Silent != 0 {
				t.Errorf("%s: %+v", tt.name, v)
			}
			for _, conn := range v.Conns {
				got = append(got, conn.Conn)
			}
		}
		slices.Sort(got)
		slices.Sort(tt.want)
		if len(who.Nodes) != 3 || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q of %d nodes, want %q", tt.name, got, len(who.Nodes), tt.want)
		}
	}
	who, err := admin.Who(ctx, bus.WhoQuery{Target: bus.Target{ConnID: a1.ConnID}})
	must(t, err)
	got := who.Nodes[c.Nodes[0].ID().String()].Conns[0]
	if time.Since(got.Since) > time.Minute || time.Since(got.Since) < -time.Second {
		t.Errorf("since %v", got.Since)
	}
	got.Since = time.Time{}
	slices.Sort(got.ChannelNames)
	if want := (bus.ConnView{
		Conn: a1.ConnID, State: bus.StateOpen, UID: `"alice"`, Dialect: "sente-lite", Format: "edn", Transport: "websocket", Address: "127.0.0.1",
		Channels: 2, ChannelNames: []string{`"lobby"`, ":chat/room"},
	}); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("described as\n%+v, want\n%+v", got, want)
	}

	// A tab whose client is away, with what waits for it.
	tab.Conn.Close()
	away(t, c.Nodes[1], 1)
	must(t, admin.PublishUser(bus.String("alice"), []byte("[:a/waits]")))
	testkit.Eventually(t, "a tab that is away", func() bool {
		who, err := admin.Who(ctx, bus.WhoQuery{Target: bus.Target{ClientID: "tab-1"}})
		must(t, err)
		v := who.Nodes[c.Nodes[1].ID().String()]
		return v.Total == 1 && v.Conns[0].State == bus.StateAway && v.Conns[0].Client == "tab-1" && v.Conns[0].KeptMessages == 1
	})

	// Channels, and how nodes are.
	channels, err := admin.Channels(ctx, bus.ChannelsQuery{})
	must(t, err)
	sums := map[string]int{}
	for _, v := range channels.Nodes {
		for _, ch := range v.Channels {
			sums[ch.Channel] += ch.Subscribers
		}
	}
	if want := map[string]int{`"lobby"`: 3, ":chat/room": 1}; !maps.Equal(sums, want) {
		t.Errorf("channels %v, want %v", sums, want)
	}
	if channels, err = admin.Channels(ctx, bus.ChannelsQuery{Match: ":chat/*"}); err != nil || channels.Nodes[c.Nodes[0].ID().String()].Total != 1 || channels.Nodes[c.Nodes[1].ID().String()].Total != 0 {
		t.Errorf("matching channels %+v, %v", channels, err)
	}
	nodes, err := admin.Nodes(ctx, "", bus.StatsQuery{})
	must(t, err)
	conns := 0
	for id, v := range nodes.Nodes {
		conns += v.Connections
		if host, _ := os.Hostname(); v.Host != host || v.Node != id || v.Version != "v1.2.3" || !v.Ready || v.Draining || v.NATS.RTTMicros <= 0 || v.NATS.Server == "" || v.Process.Goroutines == 0 || v.Process.RSSBytes == 0 || v.Process.CPUMS == 0 {
			t.Errorf("node %+v", v)
		}
	}
	if conns != 3 || nodes.Silent != nil {
		t.Errorf("%d connections, silent %q", conns, nodes.Silent)
	}

	// What micro says of it.
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	ids := map[string]bool{}
	for _, info := range serviceAnswers[micro.Info](t, nc, micro.InfoVerb, 3) {
		ids[info.Metadata["node-id"]] = true
		subjects := map[string]bool{}
		for _, e := range info.Endpoints {
			subjects[e.Subject] = true
		}
		if info.Version != "1.2.3" || len(info.Endpoints) != 11 || !subjects["hoshi.api.who"] || subjects["hoshi.api.drain"] || !subjects["hoshi.api.drain."+info.Metadata["node-id"]] {
			t.Errorf("info %+v", info)
		}
	}
	if len(ids) != 3 {
		t.Errorf("nodes %v", ids)
	}

	// A node that is stopped is silent until it is forgotten.
	last := c.Nodes[0].ID().String()
	must(t, c.Nodes[0].Stop(ctx))
	if nodes, err = admin.Nodes(ctx, "", bus.StatsQuery{}); err != nil || len(nodes.Nodes) != 2 || !slices.Equal(nodes.Silent, []string{last}) {
		t.Errorf("after the end of %s: %d nodes, silent %q, %v", last, len(nodes.Nodes), nodes.Silent, err)
	}
	if _, err = admin.Nodes(ctx, last, bus.StatsQuery{}); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("a node that is gone: %v", err)
	}
	testkit.Eventually(t, "it is forgotten", func() bool {
		nodes, err = admin.Nodes(ctx, "", bus.StatsQuery{})
		return err == nil && nodes.Silent == nil
	})
}

// What is asked wrongly is refused, by every node, and quotes nothing.
func TestObserveRefuses(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, nil)
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	for _, tt := range []struct{ subject, body, want string }{
		{"who", `{:uid "alice"}`, ""},
		{"who", `{"uid": "alice"}`, ""},
		{"who", ` { "uid" : ":admin", "limit": 5 }`, ""},
		{"who", ``, "exactly one of :uid, :conn-id and :client-id must be there"},
		{"who", `{}`, "exactly one of"},
		{"who", `{:uid "alice" :client-id "x"}`, "exactly one of"},
		{"who", `{:uid "alice" :limit 1001}`, ":limit is out of range"},
		{"who", `{:uid "alice" :limt 1}`, "an unknown key"},
		{"who", `{:channel-id "alice"}`, ":channel-id is for a trace"},
		{"who", `{:uid ""}`, ":uid"},
		{"who", `[]`, "not a map"},
		{"who", `{:uid`, ""},
		{"stats", ``, ""},
		{"stats", `{}`, ""},
		{"stats", `{:slow 50}`, ""},
		{"stats", `{"slow": 51}`, ":slow is out of range"},
		{"stats", "{:slow \xff}", "not UTF-8"},
		{"channels", `{:match "a*"}`, ""},
		{"channels", `{:match "` + strings.Repeat("x", 1025) + `"}`, ":match must have at most 1024 bytes"},
		{"channels", `{:limit "1"}`, ":limit must be a number"},
		{"trace", `{:uid "alice" :time 3600001}`, ":time is out of range"},
		{"trace", `{:uid "alice" :rate 0}`, ":rate is out of range"},
		{"trace", `{:rate 1}`, "exactly one of :uid, :conn-id, :client-id and :channel-id"},
		{"log-level", `{}`, ":level must be there"},
		{"log-level", `{:level "debug" :for 0}`, ":for is out of range"},
	} {
		m, err := nc.Request("hoshi.api."+tt.subject, []byte(tt.body), testkit.Patience)
		must(t, err)
		text := m.Header.Get(micro.ErrorHeader)
		bad := tt.want != "" || tt.body == "{:uid"
		if !strings.HasPrefix(text, tt.want) || bad != (m.Header.Get(bus.HeaderError) == ":bad-request") || m.Header.Get(bus.HeaderNode) != c.Nodes[0].ID().String() {
			t.Errorf("%s %s: %q %v %s", tt.subject, tt.body, text, m.Header, m.Data)
		}
	}
	// Nobody has a node speak below the prefix.
	sub, err := nc.SubscribeSync("hoshi.>")
	must(t, err)
	must(t, nc.PublishRequest("hoshi.api.stats", "hoshi.event.chsk.conn-open", nil))
	if _, err := nc.Request("hoshi.api.stats", nil, testkit.Patience); err != nil {
		t.Error(err)
	}
	must(t, nc.Flush())
	for {
		m, err := sub.NextMsg(10 * time.Millisecond)
		if err != nil {
			break
		}
		if m.Subject == "hoshi.event.chsk.conn-open" {
			t.Errorf("answered below the prefix: %s", m.Data)
		}
	}
}

// The service follows its node to the next connection, and is there once.
func TestObserveFollows(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) { o.Version = "of today" })
	admin, ctx := surveyor(t, c, 1)
	// It goes to the other server, at once; so does the one who asks, or not.
	for connects := uint64(1); connects < 3; connects++ {
		i := int(connects+1) % 2
		c.NATS[i].Shutdown()
		testkit.Eventually(t, "the node has another connection", func() bool { return c.Nodes[0].Stats().Bus.Connects > connects })
		c.Restart(t, i)
		testkit.Eventually(t, "both answer", func() bool {
			nodes, err := admin.Nodes(ctx, "", bus.StatsQuery{})
			return err == nil && len(nodes.Nodes) == 2
		})
	}
	nodes, err := admin.Nodes(ctx, c.Nodes[0].ID().String(), bus.StatsQuery{})
	must(t, err)
	if v := nodes.Nodes[c.Nodes[0].ID().String()]; v.NATS.Reconnects != 2 || v.Version != "of today" {
		t.Errorf("node %+v", v)
	}
	nc, err := nats.Connect(c.NATS[1].ClientURL())
	must(t, err)
	defer nc.Close()
	// Two services, and no third: the second question's answers come behind the first's.
	sub, err := nc.SubscribeSync(nats.NewInbox())
	must(t, err)
	must(t, nc.PublishRequest("$SRV.PING.hoshi", sub.Subject, nil))
	got := map[string]int{}
	for range 2 {
		m, err := sub.NextMsg(testkit.Patience)
		must(t, err)
		var ping micro.Ping
		must(t, json.Unmarshal(m.Data, &ping))
		got[ping.Metadata["node-id"]]++
		if ping.Version != "0.0.0-dev" || ping.Metadata["version"] != "of today" || ping.Metadata["prefix"] != "hoshi" {
			t.Errorf("ping %+v", ping)
		}
	}
	if m, err := sub.NextMsg(100 * time.Millisecond); err == nil {
		t.Errorf("one more: %s", m.Data)
	}
	if len(got) != 2 {
		t.Errorf("services %v", got)
	}
}
