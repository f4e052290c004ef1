package bench

import "strconv"

// benchCase is one line of the table.
type benchCase struct {
	name        string
	scenario    string
	connections int
	inFlight    int
	ceiling     int     // subscribers of the ceiling that it is compared with
	bar         float64 // deliveries a second, as a multiple of the ceiling's
	perCall     float64 // messages in each write call; 0: no bar
	aimed       string  // what the project aims at beyond the bar
}

// Bars of the benchmark.
const (
	idleConnections = 15_000
	idleBar         = 600 // bytes of RSS for an idle connection
)

// plan returns the cases. The bar of one message at a time is 85 % of the
// ceiling's sends, since each delivery is then a write call of its own; with many in
// flight what arrives together must leave together.
func plan() []benchCase {
	return []benchCase{
		{name: "fan-out to 1,000, 1 in flight", scenario: "fanout", connections: 1000, inFlight: 1, ceiling: 1000, bar: 0.85, aimed: "1.0"},
		{name: "fan-out to 1,000, 64 in flight", scenario: "fanout", connections: 1000, inFlight: 64, ceiling: 1000, bar: 15, perCall: 35, aimed: "24, 40 a call"},
		{name: "fan-out to 10,000, 16 in flight", scenario: "fanout", connections: 10_000, inFlight: 16, ceiling: 9900, bar: 8, aimed: "12, 14 a call"},
		{name: "push to 10,000 users, 64 in flight", scenario: "userpush", connections: 10_000, inFlight: 64, ceiling: 1000, bar: 0.45, aimed: "0.65"},
	}
}

func (c benchCase) args() []string {
	return []string{c.scenario, "-n", strconv.Itoa(c.connections), "-f", strconv.Itoa(c.inFlight)}
}
