package bus_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// server starts one embedded server that ends with the test.
func server(t testing.TB, o natsd.Options) *natsd.Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := natsd.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// cluster starts n servers that are meshed.
func cluster(t testing.TB, n int) []*natsd.Server {
	t.Helper()
	var servers []*natsd.Server
	var routes []string
	for range n {
		s := server(t, natsd.Options{ClusterListen: "127.0.0.1:0", Routes: slices.Clone(routes)})
		servers = append(servers, s)
		routes = append(routes, "nats://"+s.ClusterAddr().String())
	}
	for _, s := range servers {
		eventually(t, "mesh", func() bool { return s.Routes() == n-1 })
	}
	return servers
}

// eventually waits for something that no event tells of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// recorder is a Handler that keeps what it gets.
type recorder struct {
	mu      sync.Mutex
	msgs    []bus.Message
	replies []bus.Reply
	states  []bool
	rooms   int
	flushes int

	onDeliver func(m *bus.Message) // before it is recorded; may be nil
	onReply   func()               // the same
}

func (r *recorder) Deliver(_ int, m *bus.Message) {
	if r.onDeliver != nil {
		r.onDeliver(m)
	}
	r.mu.Lock()
	r.msgs = append(r.msgs, *m)
	r.mu.Unlock()
}

func (r *recorder) Flush(int) { r.mu.Lock(); r.flushes++; r.mu.Unlock() }

func (r *recorder) Reply(rep bus.Reply) {
	if r.onReply != nil {
		r.onReply()
	}
	r.mu.Lock()
	r.replies = append(r.replies, rep)
	r.mu.Unlock()
}

func (r *recorder) State(up bool) {
	r.mu.Lock()
	r.states = append(r.states, up)
	r.mu.Unlock()
}

func (r *recorder) Room() { r.mu.Lock(); r.rooms++; r.mu.Unlock() }

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.msgs)
}

func (r *recorder) bodies() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, m := range r.msgs {
		all = append(all, string(m.Body))
	}
	return all
}

func (r *recorder) replied() []bus.Reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.replies)
}

// node starts a node on a server; change may be nil.
func node(t testing.TB, s *natsd.Server, h bus.Handler, change func(*bus.NodeOptions)) *bus.Node {
	t.Helper()
	o := bus.NodeOptions{
		Options: bus.Options{URLs: []string{s.ClientURL()}, DiscoveryWait: 30 * time.Millisecond},
		ID:      id.NewNode(),
		Handler: h,
		Shards:  2,
	}
	if change != nil {
		change(&o)
	}
	n, err := bus.StartNode(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = n.Stop(ctx)
	})
	return n
}

// want waits for one interest.
func want(t testing.TB, n *bus.Node, k bus.Kind, token string) {
	t.Helper()
	answer := make(chan error, 1)
	n.Want(k, token, func(err error) { answer <- err })
	if err := <-answer; err != nil {
		t.Fatalf("want %s %s: %v", k, token, err)
	}
}

// raw is a plain NATS client, as a backend in another language would be.
func raw(t testing.TB, s *natsd.Server) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func client(t testing.TB, s *natsd.Server) *bus.Client {
	t.Helper()
	c, err := bus.Connect(t.Context(), bus.Options{URLs: []string{s.ClientURL()}, DiscoveryWait: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}
