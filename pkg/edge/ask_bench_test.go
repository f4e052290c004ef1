package edge_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// BenchmarkAsk measures an ask of a channel from the publish to the last answer,
// over NATS on loopback, with clients in the same process. Settling, which is
// a wait, is left out: the ask ends with the last answer.
func BenchmarkAsk(b *testing.B) {
	for _, conns := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			c := testkit.StartCluster(b, 1, nil)
			backend := c.Backend(b, 0)
			for range conns {
				cl := c.Dial(b, 0, "/")
				cl.Subscribe(`"room"`)
				go func() { // ends with the connection
					for {
						text, err := cl.TryRead(testkit.Patience)
						if err != nil {
							return
						}
						if at := strings.LastIndex(text, `"ask-`); at > 0 {
							cl.Send("[:chsk/reply {:cb-uuid " + text[at:len(text)-1] + " :data {:yes true}}]")
						}
					}
				}()
			}
			b.ReportAllocs()
			for b.Loop() {
				a, err := backend.AskChannel(b.Context(), bus.String("room"), []byte("{:n 1}"), bus.Enough(conns))
				if err != nil || len(a.All) != conns {
					b.Fatalf("%d answers, %v", len(a.All), err)
				}
			}
			b.ReportMetric(float64(conns)*float64(b.N)/b.Elapsed().Seconds(), "answers/s")
		})
	}
}
