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

// Lines that are more than NATS carries in one message come in several.
func TestTraceFitsNATS(t *testing.T) {
	t.Parallel()
	server := testkit.StartNATSWith(t, 64<<10)
	o := bus.Options{URLs: []string{server.ClientURL()}}
	n := testkit.StartNode(t, edge.Options{InsecureUIDParam: "uid", Bus: o})
	admin, err := bus.Connect(t.Context(), o)
	must(t, err)
	defer admin.Stop()
	a := testkit.Dial(t, n.Addr().String(), "/?uid=alice")
	tr := startTrace(t, admin, bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}, Rate: bus.MaxTraceRate, Time: 2 * time.Second}, 1)
	const pushes = 500
	event := "[:a/" + strings.Repeat("<", 120) + "]" // six bytes each in JSON
	for range pushes {
		must(t, admin.PublishUser(bus.String("alice"), []byte(event)))
	}
	for range pushes {
		a.Expect(event)
	}
	must(t, await(t, tr.done))
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.lines) != pushes || tr.suppressed != 0 || fmt.Sprint(tr.over) != "[time]" {
		t.Errorf("%d lines told, %d not, over %q", len(tr.lines), tr.suppressed, tr.over)
	}
}
