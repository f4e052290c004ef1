package edge_test

import (
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// A trace may be over before the loop of somebody it is about has heard of it: then
// nobody is left watched for as long as the connection lasts.
func TestTraceOverBeforeItIsHeardOf(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, nil)
	n := c.Nodes[0]
	a := c.Dial(t, 0, "/?uid=alice")
	release := make(chan struct{})
	edge.Block(n, a.ConnID, release)
	for range 3 {
		edge.Watch(n, bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}, Time: time.Second, Rate: 1})()
	}
	close(release)
	must(t, c.Backend(t, 0).PublishUser(bus.String("alice"), []byte("[:a/b]")))
	a.Expect("[:a/b]") // behind all that was posted
	if watches, sessions := edge.Traces(n); watches != 0 || sessions != 0 {
		t.Errorf("%d watches, %d sessions are watched", watches, sessions)
	}
}
