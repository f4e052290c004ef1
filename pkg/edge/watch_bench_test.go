package edge_test

import (
	"io"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// BenchmarkDeliverWatched is BenchmarkDeliver with 100 subscribers: nobody is watched,
// somebody is who is not here, somebody else is, and one of them is, whose lines the
// rate mostly leaves out.
func BenchmarkDeliverWatched(b *testing.B) {
	for _, name := range []string{"nobody", "absent", "another", "one"} {
		b.Run("watched="+name, func(b *testing.B) {
			node := testkit.StartNode(b, edge.Options{InsecureUIDParam: "uid", Bus: bus.Options{URLs: []string{testkit.StartNATS(b, 1)[0].ClientURL()}}})
			for i := range 101 {
				uid := map[int]string{0: "one", 100: "another"}[i]
				c := testkit.Dial(b, node.Addr().String(), "/?uid=user"+uid)
				if i < 100 {
					c.Subscribe(`"b"`)
				}
				go io.Copy(io.Discard, c.Conn) //nolint:errcheck // ends when it is closed
			}
			if name != "nobody" {
				defer edge.Watch(node, bus.TraceQuery{Target: bus.Target{UID: bus.String("user" + name)}, Time: time.Hour, Rate: bus.DefaultTraceRate})()
				testkit.Eventually(b, "it is watched", func() bool { _, sessions := edge.Traces(node); return sessions == 1 || name == "absent" })
			}
			m := &bus.Message{Kind: bus.KindChan, Token: "b", Body: []byte(`{:n 12345, :user "alice", :text "a short line of chat"}`)}
			b.ReportAllocs()
			for b.Loop() {
				edge.Deliver(node, m)
			}
		})
	}
}
