package edge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// A tab that waits for its client has given its connection back: coming to it is
// no way around the limit, while one that is open gives its place to the newer.
func TestWaitingTabsAreNoPlaces(t *testing.T) {
	c := senteNode(t, 1, func(o *edge.Options) { o.Limits.MaxConnectionsPerUser, o.Sente.ReconnectWS = 1, time.Minute })
	n := c.Nodes[0]
	const tabs = 5
	path := func(i int) string { return fmt.Sprintf("/chsk?client-id=tab-%d&uid=alice", i) }
	for i := range tabs {
		cl := c.Dial(t, 0, path(i))
		must(t, cl.Conn.Close())
		away(t, n, i+1)
	}
	open := c.Dial(t, 0, path(0))
	for i := 1; i < tabs; i++ {
		if status, _, _ := refusedDial(t, n, path(i)); status != 429 {
			t.Errorf("tab %d beside another: %d", i, status)
		}
	}
	for range 3 {
		newer := c.Dial(t, 0, path(0))
		open.ExpectClose(1000)
		must(t, open.Conn.Close())
		open = newer
	}
	must(t, open.Conn.Close())
	testkit.Eventually(t, "nobody counts", func() bool { return n.Stats().Limits.Users == 0 })
}
