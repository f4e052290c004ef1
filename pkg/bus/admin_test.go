package bus_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// administered is a node that answers administrators.
type administered struct {
	recorder

	mu     sync.Mutex
	node   *bus.Node
	answer func(n *bus.Node, m *bus.Message)
}

func (a *administered) Deliver(shard int, m *bus.Message) {
	a.recorder.Deliver(shard, m)
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.Kind == bus.KindAPI && a.node != nil {
		a.answer(a.node, m)
	}
}

func administeredNode(t *testing.T, s *natsd.Server, answer func(n *bus.Node, m *bus.Message)) (*bus.Node, string) {
	t.Helper()
	a := &administered{answer: answer}
	me := id.NewNode()
	n := node(t, s, a, func(o *bus.NodeOptions) { o.ID = me })
	a.mu.Lock()
	a.node = n
	a.mu.Unlock()
	return n, me.String()
}

func TestAdminister(t *testing.T) {
	servers := cluster(t, 2)
	told := func(closed int) func(*bus.Node, *bus.Message) {
		return func(n *bus.Node, m *bus.Message) {
			if err := n.Told(m.ReplyTo, m.Format, closed); err != nil {
				t.Error(err)
			}
		}
	}
	_, first := administeredNode(t, servers[0], told(2))
	_, second := administeredNode(t, servers[1], told(1))
	c := client(t, servers[1])
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	got, err := c.Kick(ctx, bus.Kick{UID: bus.String("alice")})
	if err != nil || got.Closed() != 3 || got.Nodes[first] != 2 || got.Nodes[second] != 1 || got.Silent != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := c.Revoke(ctx, bus.Revocation{}); !errors.Is(err, bus.ErrBadBody) {
		t.Errorf("%v", err)
	}
	if _, err := c.Kick(ctx, bus.Kick{UID: bus.String("alice"), Code: 1001}); !errors.Is(err, bus.ErrBadBody) {
		t.Errorf("%v", err)
	}

	// One that refuses does not hold up the others, nor hide what they have done.
	refusing, third := administeredNode(t, servers[0], func(n *bus.Node, m *bus.Message) { n.Refused(m.ReplyTo, ":too-many-revocations") })
	begun := time.Now()
	got, err = c.Revoke(ctx, bus.Revocation{UID: bus.Keyword("admin")})
	if remote, is := errors.AsType[*bus.RemoteError](err); !is || remote.Keyword != ":too-many-revocations" {
		t.Errorf("%v", err)
	}
	if got.Closed() != 3 || got.Refused[":too-many-revocations"] != 1 || time.Since(begun) > bus.AdminTime {
		t.Errorf("%+v after %v", got, time.Since(begun))
	}
	if err := refusing.Stop(ctx); err != nil {
		t.Fatal(err)
	}

	// One that is silent is named.
	got, err = c.Revoke(ctx, bus.Revocation{TokenID: "t1"})
	if !errors.Is(err, bus.ErrSilent) || got.Closed() != 3 || !slices.Equal(got.Silent, []string{third}) {
		t.Errorf("%+v, %v", got, err)
	}
	// And then forgotten.
	eventually(t, "the stopped node is forgotten", func() bool {
		got, err = c.Revoke(ctx, bus.Revocation{TokenID: "t1"})
		return err == nil
	})
}

func TestAdministerNobody(t *testing.T) {
	s := server(t, natsd.Options{})
	c := client(t, s)
	got, err := c.Kick(t.Context(), bus.Kick{ClientID: "tab"})
	if !errors.Is(err, bus.ErrNobody) || got.Nodes != nil || got.Silent != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestNodesKnowEachOther: who joins is told of, and so is who comes back.
func TestNodesKnowEachOther(t *testing.T) {
	s := server(t, natsd.Options{})
	p := newProxy(t, s)
	joined := make(chan string, 16)
	beat := func(o *bus.NodeOptions) { o.Heartbeat = 50 * time.Millisecond }
	a := node(t, s, &recorder{}, func(o *bus.NodeOptions) {
		beat(o)
		o.Joined = func(node string) { joined <- node }
	})
	second := id.NewNode()
	b := node(t, s, &recorder{}, func(o *bus.NodeOptions) {
		beat(o)
		o.ID, o.URLs = second, []string{p.url()}
	})
	hear := func() {
		t.Helper()
		select {
		case who := <-joined:
			if who != second.String() {
				t.Errorf("%s has joined", who)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nobody has joined")
		}
	}
	hear()
	if got := a.Others(); !slices.Equal(got, []string{second.String()}) {
		t.Errorf("others of a: %v", got)
	}
	if got := b.Others(); len(got) != 1 {
		t.Errorf("others of b: %v", got)
	}
	p.setRefuse(true)
	p.cut()
	eventually(t, "b is forgotten", func() bool { return len(a.Others()) == 0 })
	p.setRefuse(false)
	hear()
	select {
	case who := <-joined:
		t.Errorf("%s has joined twice", who)
	default:
	}
}
