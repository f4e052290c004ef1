package testkit

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// StartNATS starts count NATS servers on loopback, meshed where there are
// several, and ends them with the test.
func StartNATS(t testing.TB, count int) []*natsd.Server {
	t.Helper()
	var (
		servers []*natsd.Server
		routes  []string
	)
	for i := range count {
		o := natsd.Options{Listen: "127.0.0.1:0", Routes: routes}
		if count > 1 {
			o.ClusterListen = "127.0.0.1:0"
			o.ServerName = fmt.Sprintf("n%d", i+1)
		}
		s, err := natsd.Start(t.Context(), o)
		if err != nil {
			t.Fatalf("nats server %d: %v", i, err)
		}
		t.Cleanup(s.Shutdown)
		if a := s.ClusterAddr(); a != nil {
			routes = append(routes, "nats://"+a.String())
		}
		servers = append(servers, s)
	}
	for i, s := range servers {
		Eventually(t, fmt.Sprintf("routes of nats server %d", i), func() bool { return s.Routes() == count-1 })
	}
	return servers
}

// StartNATSWith starts one NATS server that takes at most maxPayload bytes.
func StartNATSWith(t testing.TB, maxPayload int) *natsd.Server {
	t.Helper()
	s, err := natsd.Start(t.Context(), natsd.Options{Listen: "127.0.0.1:0", MaxPayload: maxPayload})
	if err != nil {
		t.Fatalf("nats server: %v", err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// Cluster is some nodes, each on a NATS server of its own.
type Cluster struct {
	NATS  []*natsd.Server
	Nodes []*edge.Node

	// Process is the NATS server of the last node, where it is a process of its
	// own; NATS has no entry for it.
	Process *Process

	addrs []natsAddrs // fixed after StartCluster
}

type natsAddrs struct{ client, cluster string }

// StartCluster starts count NATS servers and a node on each, connected by TCP
// so that a server can be restarted. change, if not
// nil, is given the options of each node before it starts.
func StartCluster(t testing.TB, count int, change func(i int, o *edge.Options)) *Cluster {
	t.Helper()
	c := &Cluster{NATS: StartNATS(t, count)}
	c.startNodes(t, change)
	return c
}

// StartClusterWithProcess is StartCluster with one more node, the last, whose
// NATS server is [Cluster.Process].
func StartClusterWithProcess(t testing.TB, count int, change func(i int, o *edge.Options)) *Cluster {
	t.Helper()
	c := &Cluster{NATS: StartNATS(t, count-1)}
	var routes []string
	for _, s := range c.NATS {
		routes = append(routes, "nats://"+s.ClusterAddr().String())
	}
	c.Process = StartProcess(t, routes)
	for i, s := range c.NATS {
		Eventually(t, fmt.Sprintf("routes of nats server %d", i), func() bool { return s.Routes() == count-1 })
	}
	c.startNodes(t, change)
	o := edge.Options{InsecureUIDParam: "uid", Bus: bus.Options{URLs: []string{"nats://" + c.Process.Addrs.Client}}}
	if change != nil {
		change(count-1, &o)
	}
	c.Nodes = append(c.Nodes, StartNode(t, o))
	return c
}

func (c *Cluster) startNodes(t testing.TB, change func(i int, o *edge.Options)) {
	t.Helper()
	t.Cleanup(func() { // what Restart has put there; behind the nodes, which would wait for NATS in vain
		for _, s := range c.NATS {
			s.Shutdown()
		}
	})
	for i, s := range c.NATS {
		a := natsAddrs{client: s.Addr().String()}
		if ca := s.ClusterAddr(); ca != nil {
			a.cluster = ca.String()
		}
		c.addrs = append(c.addrs, a)
		o := edge.Options{InsecureUIDParam: "uid", Bus: bus.Options{URLs: []string{s.ClientURL()}}}
		if change != nil {
			change(i, &o)
		}
		c.Nodes = append(c.Nodes, StartNode(t, o))
	}
}

// StartNode starts one node on free ports and ends it with the test.
func StartNode(t testing.TB, o edge.Options) *edge.Node {
	t.Helper()
	o.Listen, o.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	if o.Logger == nil {
		log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
		o.Logger = &log
	}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	n, err := edge.Start(ctx, o)
	if err != nil {
		t.Fatalf("start node: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Errorf("stop node: %v", err)
		}
	})
	return n
}

// Restart starts NATS server i again, on the addresses that it had.
func (c *Cluster) Restart(t testing.TB, i int) {
	t.Helper()
	o := natsd.Options{ServerName: fmt.Sprintf("n%d", i+1)}
	o.Listen, o.ClusterListen = c.addrs[i].client, c.addrs[i].cluster
	for j, a := range c.addrs {
		if j != i && a.cluster != "" {
			o.Routes = append(o.Routes, "nats://"+a.cluster)
		}
	}
	s, err := natsd.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("restart nats server %d: %v", i, err)
	}
	c.NATS[i] = s
}

// Dial connects a client to node i.
func (c *Cluster) Dial(t testing.TB, i int, path string) *Client {
	t.Helper()
	return Dial(t, c.Nodes[i].Addr().String(), path)
}

// Backend connects a client of the bus to NATS server i.
func (c *Cluster) Backend(t testing.TB, i int) *bus.Client {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Options{URLs: []string{c.NATS[i].ClientURL()}, Name: "test-backend"})
	if err != nil {
		t.Fatalf("connect backend: %v", err)
	}
	t.Cleanup(b.Stop)
	return b
}

// Eventually polls until ok is true and fails the test if that takes longer
// than [Patience]. For conditions that nothing announces.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, Patience)
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
}

// Descriptors returns how many descriptors this process has open; -1 where
// the system does not say.
func Descriptors() int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(d) - 1 // the one that read the list
}
