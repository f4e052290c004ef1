package edge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// A channel that asks for it has its messages gathered: in sente-lite they are
// several frames in one write, in Sente one vector.
func TestChannelBatch(t *testing.T) {
	const delay = 400 * time.Millisecond
	c := senteNode(t, 1, func(o *edge.Options) {
		o.Channels.Batch = []edge.ChannelBatch{{Pattern: "slow/*", Delay: delay}}
	})
	backend := c.Backend(t, 0)
	lite, tab := c.Dial(t, 0, "/"), c.Dial(t, 0, "/chsk?client-id=tab-1")
	for _, ch := range []string{`"slow/a"`, `"fast"`} {
		lite.Subscribe(ch)
		tab.Send(`[[:sente-lite/subscribe {:channel-id ` + ch + `}] "s"]`)
		tab.Expect(`[{:success true} "s"]`)
	}
	// What is published while a loop still writes leaves with that.
	frames := uint64(8) // the two answers to the upgrades among them
	settle := func(t *testing.T, more int) {
		t.Helper()
		frames += uint64(more)
		testkit.Eventually(t, "the frames counted", func() bool { return c.Nodes[0].Stats().Sockets.FramesOut == frames })
	}
	settle(t, 0)
	publish := func(ch string, n int) {
		t.Helper()
		must(t, backend.PublishChannel(bus.String(ch), fmt.Append(nil, n)))
	}
	hear := func(ch string, from, to int) {
		t.Helper()
		var events []string
		for i := from; i < to; i++ {
			events = append(events, testkit.Message(`"`+ch+`"`, fmt.Sprint(i), ""))
		}
		lite.Expect(events...)
		tab.Expect("[[" + strings.Join(events, " ") + "] nil]")
	}
	for _, tt := range []struct {
		name  string
		count int
		late  bool
	}{
		{name: "one", count: 1, late: true},
		{name: "some", count: 5, late: true},
		{name: "sixteen", count: 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := c.Nodes[0].Stats().Sockets
			begin := time.Now()
			for i := range tt.count {
				publish("slow/a", i)
			}
			hear("slow/a", 0, tt.count)
			if took := time.Since(begin); tt.late != (took > delay-50*time.Millisecond) {
				t.Errorf("heard after %v", took)
			}
			settle(t, tt.count+1)
			testkit.Eventually(t, "two calls", func() bool { return c.Nodes[0].Stats().Sockets.WriteCalls-before.WriteCalls == 2 })
		})
	}
	t.Run("a channel that does not ask", func(t *testing.T) {
		begin := time.Now()
		publish("fast", 0)
		hear("fast", 0, 1)
		if took := time.Since(begin); took > delay-50*time.Millisecond {
			t.Errorf("heard after %v", took)
		}
		settle(t, 2)
	})
	t.Run("what waits leaves before what does not", func(t *testing.T) {
		begin := time.Now()
		publish("slow/a", 7)
		must(t, backend.Flush(t.Context()))
		must(t, edge.Settle(t.Context(), c.Nodes[0]))
		publish("fast", 8)
		lite.Expect(testkit.Message(`"slow/a"`, "7", ""), testkit.Message(`"fast"`, "8", ""))
		tab.Expect("[[" + testkit.Message(`"slow/a"`, "7", "") + " " + testkit.Message(`"fast"`, "8", "") + "] nil]")
		if took := time.Since(begin); took > delay-50*time.Millisecond {
			t.Errorf("heard after %v", took)
		}
	})
}
