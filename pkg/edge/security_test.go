package edge_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestForgedHere: what a backend says where nodes tell who holds a tab moves none,
// whichever connection it names: one of another tab, of another user, or of no node.
func TestForgedHere(t *testing.T) {
	c := senteNode(t, 2, nil)
	tab := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	parked := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-2")
	parked.Conn.Close()
	away(t, c.Nodes[0], 1)
	// All of these are newer.
	other := c.Dial(t, 1, "/chsk?uid=alice&client-id=tab-3")
	mallory := c.Dial(t, 1, "/chsk?uid=mallory&client-id=tab-1")
	lite := c.Dial(t, 1, "/?uid=alice")
	nc := rawBackend(t, c, 1)
	backend := c.Backend(t, 1)
	for _, client := range []string{"tab-1", "tab-2"} {
		for _, from := range []string{other.ConnID, mallory.ConnID, lite.ConnID, "conn-7fffffff-7c1e-7abc-8def-5b1e6f00a2c4"} {
			must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.client." + client, Header: nats.Header{"Hoshi-Tab": {"here alice"}, "Hoshi-From": {from}}}))
		}
	}
	// On the connection's subject nobody is believed either.
	must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.conn." + tab.ConnID[29:] + "." + tab.ConnID, Header: nats.Header{"Hoshi-Tab": {"mine alice"}, "Hoshi-From": {other.ConnID}}}))
	must(t, nc.Flush())
	must(t, backend.Barrier(t.Context()))
	for range 3 { // what was forged, a question, its answer
		for _, n := range c.Nodes {
			must(t, edge.Settle(t.Context(), n))
		}
	}
	must(t, backend.PublishClient("tab-1", []byte("[:a/b 1]")))
	must(t, backend.PublishClient("tab-2", []byte("[:a/b 2]")))
	tab.Expect("[[[:a/b 1]] nil]")
	other.Nothing()
	if s := c.Nodes[0].Stats().Sente; s.Replaced != 0 || s.Away != 1 {
		t.Errorf("%+v", s)
	}
	c.Dial(t, 1, "/chsk?uid=alice&client-id=tab-2").Expect("[[[:a/b 2]] nil]")
}
