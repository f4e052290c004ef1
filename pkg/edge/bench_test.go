package edge_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// BenchmarkDeliver is one message of a channel for so many subscribers on this
// node, from the shard to the kernel; what the peers read is thrown away.
func BenchmarkDeliver(b *testing.B) {
	for _, subscribers := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			node := testkit.StartNode(b, edge.Options{Bus: bus.Options{URLs: []string{testkit.StartNATS(b, 1)[0].ClientURL()}}})
			for range subscribers {
				c := testkit.Dial(b, node.Addr().String(), "/")
				c.Subscribe(`"b"`)
				go io.Copy(io.Discard, c.Conn) //nolint:errcheck // ends when it is closed
			}
			m := &bus.Message{Kind: bus.KindChan, Token: "b", Body: []byte(`{:n 12345, :user "alice", :text "a short line of chat"}`)}
			b.ReportAllocs()
			for b.Loop() {
				edge.Deliver(node, m)
			}
		})
	}
}
