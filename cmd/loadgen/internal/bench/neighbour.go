package bench

import (
	"context"
	"slices"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// neighbourBar is how many times as long the others may have to wait, at the 99th
// percentile, where somebody is frozen or floods.
const neighbourBar = 1.2

// withoutThem names the reference of neighbours.
const withoutThem = "the same without them"

// neighbourCase is what bad neighbours cost the others: two loads in turn against
// one node, without and with them.
type neighbourCase struct {
	name       string
	node       []string // arguments of the node
	calm, busy []string
}

// neighbourCases are at rates that leave both cores room, so that a wait is the
// neighbours' doing. 1 % of the subscribers never read: with what is sent to
// them well within their queues; and through the time in which those fill and
// are full, at 120 KB a second for each, where the system takes 2 MB before they
// begin to. A publisher that floods sends events for backends, of which there
// are none, under the limits that a node has by itself.
func neighbourCases() []neighbourCase {
	fanout := func(args ...string) []string { return append([]string{"fanout"}, args...) }
	lists := func(a []string, b ...string) []string { return slices.Concat(a, b) }
	moderate := []string{"-r", "30"}
	full := []string{"-r", "100", "-s", "4000", "--warmup", "5s"}
	trips := fanout("-n", "200", "--channels", "200", "--publishers", "200", "-r", "1000")
	return []neighbourCase{
		{
			name: "1 % of 1,000 frozen",
			calm: fanout(lists(moderate, "-n", "990")...), busy: fanout(lists(moderate, "-n", "1000", "--frozen", "1")...),
		},
		{
			name: "1 % of 300 frozen, their queues full", node: []string{"--queue-messages", "100", "--overflow", "drop-oldest"},
			calm: fanout(lists(full, "-n", "297")...), busy: fanout(lists(full, "-n", "300", "--frozen", "1")...),
		},
		{
			name: "1 % of 300 frozen, until they are closed", node: []string{"--queue-bytes", "1MiB"},
			calm: fanout(lists(full, "-n", "297")...), busy: fanout(lists(full, "-n", "300", "--frozen", "1")...),
		},
		{name: "one of 201 floods", node: []string{"--max-event-rate", "2000", "--max-byte-rate", "4MiB"}, calm: trips, busy: lists(trips, "--flood", "1")},
	}
}

// neighbours measures the cases that are asked for. The reference of a run is the
// same load without the bad neighbours.
func (o *Options) neighbours(ctx context.Context) (lines []Line) {
	for _, c := range neighbourCases() {
		if !o.wants(c.name) || ctx.Err() != nil {
			continue
		}
		l := Line{Name: c.name, Against: withoutThem}
		o.say("%s", c.name)
		if err := o.pairs(ctx, c, &l); err != nil {
			l.Error = err.Error()
			o.say("  %v", err)
		}
		l.read(c.measures())
		lines = append(lines, l)
	}
	return lines
}

func (c *neighbourCase) measures() []measure { return []measure{p99(neighbourBar, neighbourBar)} }

// pairs runs both loads in turn against one node.
func (o *Options) pairs(ctx context.Context, c neighbourCase, l *Line) (err error) {
	nodes, err := o.startNodes(ctx, 1, c.node...)
	if err != nil {
		return err
	}
	defer stopNodes(nodes)
	for i := range o.Pairs {
		var calm, busy *report.Result
		loads := []struct {
			args []string
			into **report.Result
		}{{c.calm, &calm}, {c.busy, &busy}}
		if i%2 == 1 { // what goes before has no favour
			slices.Reverse(loads)
		}
		for _, load := range loads {
			if *load.into, err = o.load(ctx, nil, nodes[0].target(timed(load.args, o.Duration))...); err != nil {
				return err
			}
		}
		l.Rounds = append(l.Rounds, Round{Run: busy, References: []*report.Result{calm}})
		for _, m := range c.measures() {
			if out, ok := m.measured(l.Rounds[i:], 0); ok {
				o.say("  %s", out.String())
			}
		}
	}
	return nil
}
