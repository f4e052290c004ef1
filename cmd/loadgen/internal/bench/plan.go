package bench

import (
	"slices"
	"strconv"
	"time"
)

// benchCase is some lines of the table: a load, what it is set beside, and what is
// read of the two.
type benchCase struct {
	name string
	load []string // scenario and flags of the load generator
	node []string // more arguments of the nodes
	// nodes is how many there are, of one cluster, 0 for one; subscribers are on the
	// first and publishers on the last.
	nodes    int
	feature  feature
	against  reference
	ceiling  int // subscribers of the ceiling
	measures []measure
	once     bool // one round is enough: it does not move with the minute
}

// reference is what runs before and after a case.
type reference uint8

const (
	nothing  reference = iota
	ceiling            // fan-out of the raw server, which makes a send for each delivery
	upgrades           // as many connects to the raw server, which answers the upgrade and no more
	peer               // the same load against Options.Peer
	without            // the same load against a node without the case's feature
)

// String is for people.
func (r reference) String() string {
	return [...]string{nothing: "", ceiling: "single sends", upgrades: "bare upgrades", peer: "gws", without: "the same without"}[r]
}

// plan returns the cases. A bar fails the run: it is what was reached, with a margin
// for a noisy machine. What is aimed at is the project's goal. That of one message at
// a time cannot be far from the ceiling's, since each delivery is then a write call of
// its own; with many in flight what arrives together must leave together.
func plan(hold time.Duration) []benchCase {
	idle := func(more ...string) []string {
		return append([]string{"idle", "-n", "15000", "--hold", hold.String()}, more...)
	}
	fanout := func(n, inFlight int) []string {
		return []string{"fanout", "-n", strconv.Itoa(n), "-f", strconv.Itoa(inFlight)}
	}
	push := func(inFlight int) []string {
		return []string{"userpush", "-n", "10000", "-f", strconv.Itoa(inFlight)}
	}
	return []benchCase{
		{
			name: "idle, 15,000 on one channel", load: idle(), once: true,
			measures: []measure{memory(600, 400)},
		},
		{
			name: "idle, 15,000 with a uid each", load: idle("--users"), once: true,
			measures: []measure{memory(2600, 1600)},
		},
		{
			name: "fan-out to 1,000, 1 in flight", load: fanout(1000, 1), against: ceiling, ceiling: 1000,
			measures: []measure{deliveries(0.85, 1), cpu(1.35, 1.10)},
		},
		{
			name: "fan-out to 1,000, 64 in flight", load: fanout(1000, 64), against: ceiling, ceiling: 1000,
			measures: []measure{deliveries(15, 24), perCall(35, 40)},
		},
		{
			name: "fan-out to 10,000, 16 in flight", load: fanout(10_000, 16), against: ceiling, ceiling: 9900,
			measures: []measure{deliveries(8, 12), perCall(10, 14)},
		},
		{
			name: "through a second node to 1,000, 1 in flight", load: fanout(1000, 1), nodes: 2, against: ceiling, ceiling: 1000,
			measures: []measure{deliveries(0.5, 0.8)},
		},
		{
			name: "through a second node to 1,000, 64 in flight", load: fanout(1000, 64), nodes: 2, against: ceiling, ceiling: 1000,
			measures: []measure{deliveries(8, 17)},
		},
		{
			name: "30,000 deliveries a second to 1,000", load: []string{"fanout", "-n", "1000", "-r", "30"}, against: peer,
			measures: []measure{p99(1, 0.7)},
		},
		{
			name: "round trips on 500 connections", load: []string{"pingpong", "-n", "500"}, against: peer,
			measures: []measure{trips(1, 1.25), cpu(1, 0.8)},
		},
		{
			// Wake-ups and nothing else: what one push at a time is to be seen beside.
			name: "round trips on 1 connection", load: []string{"pingpong", "-n", "1"}, against: peer,
			measures: []measure{trips(0.8, 1)},
		},
		{
			name: "10,000 new connections", load: []string{"storm", "-n", "10000"}, against: upgrades,
			measures: []measure{connects(1.8, 1.15)},
		},
		{
			name: "10,000 new connections with a uid each", load: []string{"storm", "-n", "10000", "--users"}, against: upgrades,
			measures: []measure{connects(2.5, 1.35)},
		},
		{
			name: "push to 10,000 users, 1 in flight", load: push(1), against: ceiling, ceiling: 1000,
			measures: []measure{deliveries(0.03, 0.22)}, // below a round trip on one connection, which moves with the machine
		},
		{
			name: "push to 10,000 users, 64 in flight", load: push(64), against: ceiling, ceiling: 1000,
			measures: []measure{deliveries(0.35, 0.65), cpu(3, 1.65)},
		},
		{
			name: "push to 10,000 users, 1,024 in flight", load: push(1024), against: ceiling, ceiling: 1000,
			measures: []measure{deliveries(0.35, 0.65)},
		},
		{
			name: "20,000 pushes a second to 10,000 users", load: []string{"userpush", "-n", "10000", "-r", "20000"},
			measures: []measure{latency("p50 ms", 50, 0.5, 0.04), latency("p99 ms", 99, 10, 0.5)},
		},
		{
			name: "metrics read each second, fan-out to 100", load: fanout(100, 16), feature: scraped, against: without,
			measures: []measure{cpu(1.25, 1.05)},
		},
		{
			name: "1 % of events traced, fan-out to 100", load: fanout(100, 16), feature: traced, against: without,
			measures: []measure{cpu(1.25, 1.05)},
		},
	}
}

// Names returns the names of all cases, in the order of the table.
func Names() []string {
	var names []string
	for _, c := range plan(0) {
		names = append(names, c.name)
	}
	for _, c := range neighbourCases() {
		names = append(names, c.name)
	}
	return append(names, rollName)
}

// counted tells whether write calls are to be counted.
func (c *benchCase) counted() bool {
	return slices.ContainsFunc(c.measures, func(m measure) bool { return m.of == nil })
}

// timed returns arguments of a load with its time, where it has one.
func timed(args []string, d time.Duration) []string {
	if args[0] == "idle" || args[0] == "storm" {
		return args
	}
	return slices.Concat(args, []string{"-d", d.String()})
}

// scaled divides the sockets, channels and messages of a load by Options.Scale, and
// leaves it no time to warm up.
func (o *Options) scaled(args []string) []string {
	if o.Scale <= 1 {
		return args
	}
	out := slices.Clone(args)
	for i := 1; i < len(out); i++ {
		switch out[i-1] {
		case "-n", "--channels", "--publishers", "-r":
			if n, err := strconv.Atoi(out[i]); err == nil {
				out[i] = strconv.Itoa(max(1, n/o.Scale))
			}
		case "--warmup":
			out[i] = "0s"
		}
	}
	if s := args[0]; s != "idle" && s != "storm" && !slices.Contains(args, "--warmup") {
		out = append(out, "--warmup", "0s")
	}
	return out
}
