package load_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// A flood is sent beside the load, and as fast as the node lets it.
func TestFlood(t *testing.T) {
	const limit = 500 // events a second
	for _, scenario := range []string{load.PingPong, load.Fanout} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			c, urls := nodes(t, 1, func(_ int, o *edge.Options) { o.Limits.MaxEventRate = limit })
			began := time.Now()
			res, err := load.Run(t.Context(), load.Options{
				Scenario: scenario, URLs: urls, Connections: 5, Rate: 50, Duration: time.Second, Flood: 2,
			})
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(began).Seconds()
			if f := res.Flood; f == nil || f.Connections != 2 || f.Ended != 0 || f.Sent == 0 || f.Bytes < 128*f.Sent {
				t.Fatalf("flood %+v", f)
			}
			if res.Sent == 0 || res.Lost != 0 || res.Unexpected != 0 {
				t.Errorf("the load: sent %d, lost %d, unexpected %d", res.Sent, res.Lost, res.Unexpected)
			}
			// Twice a second's worth comes at once.
			in, most := c.Nodes[0].Stats().Sockets.FramesIn, 2*limit*(took+2)+500
			if in < 2*limit || float64(in) > most {
				t.Errorf("%d frames in %.1f s, want %d to %.0f", in, took, 2*limit, most)
			}
		})
	}
}

func TestFloodOfNobody(t *testing.T) {
	t.Parallel()
	_, err := load.Run(t.Context(), load.Options{Scenario: load.Idle, URLs: []string{"ws://127.0.0.1:1/"}, Connections: 1, Flood: 1})
	if err == nil || !strings.Contains(err.Error(), "flood: not in idle") {
		t.Errorf("error %v", err)
	}
}
