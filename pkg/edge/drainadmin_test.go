package edge_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// What administrators want done is done on a node that drains, too: for the clients
// that it still has, and for tabs that wait for another node.
func TestDrainObeys(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 9)
	c := senteNode(t, 2, func(o *edge.Options) {
		o.DrainTime, o.Loops = 10*time.Minute, 1
		o.OnDrain = func() { asked <- struct{}{} }
	})
	node := c.Nodes[0]
	admin, ctx := surveyor(t, c, 1)
	const each = 4 // of whom the drain closes one at once, and nobody else for long
	users := map[string][]*testkit.Client{}
	for _, uid := range []string{"kicked", "revoked", "watched"} {
		for range each {
			users[uid] = append(users[uid], c.Dial(t, 0, "/?uid="+uid))
		}
	}
	// closed reads until all of a user are closed, and returns how many with 1012.
	closed := func(uid string) (drained int) {
		for _, cl := range users[uid] {
			var err error
			for err == nil {
				_, err = cl.TryRead(testkit.Patience)
			}
			if end, ok := errors.AsType[*testkit.Closed](err); !ok {
				t.Errorf("%s: %v", uid, err)
			} else if end.Code == 1012 {
				drained++
			}
			cl.Conn.Close()
		}
		return drained
	}
	tab := c.Dial(t, 0, "/chsk?uid=kicked&client-id=tab-1")
	tab.Conn.Close()
	away(t, node, 1)

	for range 2 {
		must(t, admin.DrainNode(ctx, node.ID().String()))
	}
	await(t, asked)
	ended := drain(t.Context(), node)
	must(t, admin.DrainNode(ctx, node.ID().String()))
	if len(asked) != 0 {
		t.Errorf("asked %d times more to drain", len(asked))
	}

	testkit.Eventually(t, "the first is closed", func() bool { return node.Stats().Drain.Closed == 1 })

	tr := startTrace(t, admin, bus.TraceQuery{Target: bus.Target{UID: bus.String("watched")}}, 2)
	must(t, admin.PublishUser(bus.String("watched"), []byte("[:a/b]")))
	if lines := tr.until(each - 1); lines[0] != "push :a/b edn" {
		t.Errorf("traced %q", lines)
	}
	if r, err := admin.Kick(ctx, bus.Kick{UID: bus.String("kicked")}); err != nil || r.Nodes[node.ID().String()] < each-1 || len(r.Nodes) != 2 {
		t.Errorf("kicked %+v, %v", r, err)
	}
	if r, err := admin.Revoke(ctx, bus.Revocation{UID: bus.String("revoked"), IssuedBefore: time.Now().Add(time.Minute)}); err != nil || r.Nodes[node.ID().String()] < each-1 {
		t.Errorf("revoked %+v, %v", r, err)
	}
	if n := closed("kicked") + closed("revoked"); n > 1 {
		t.Errorf("%d closed by the drain", n)
	}
	who, err := admin.Who(ctx, bus.WhoQuery{Target: bus.Target{UID: bus.String("kicked")}})
	if err != nil || who.Nodes[node.ID().String()].Total != 0 {
		t.Errorf("after the kick there are %+v, %v", who.Nodes, err)
	}
	nodes, err := admin.Nodes(ctx, node.ID().String(), bus.StatsQuery{})
	if v := nodes.Nodes[node.ID().String()]; err != nil || !v.Draining || v.Ready || v.Connections < each-1 {
		t.Errorf("%+v, %v", v, err)
	}
	tr.end()
	must(t, await(t, tr.done))
	stopped := make(chan error, 1)
	go func() { stopped <- node.Stop(ctx) }() // waits for who is closed to answer
	if n := closed("watched"); n != each {
		t.Errorf("%d of %d closed by the drain", n, each)
	}
	must(t, await(t, stopped))
	must(t, await(t, ended))
}
