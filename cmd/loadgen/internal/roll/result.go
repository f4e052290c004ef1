package roll

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// Result is what a run has measured.
type Result struct {
	Scenario  string    `json:"scenario"`
	Started   time.Time `json:"started"`
	Clients   int       `json:"clients"`
	Channels  int       `json:"channels"`
	Rate      float64   `json:"rate"` // messages a second
	DrainTime float64   `json:"drain_time_seconds"`
	DrainRate int       `json:"drain_rate"`
	Seconds   float64   `json:"seconds"` // from the first SIGTERM until all are back from the last node

	Nodes      []NodeResult `json:"nodes"`
	Reconnects Reconnects   `json:"reconnects"`
	// Away is for how long a client was not subscribed, in seconds, for each time.
	Away     quantiles      `json:"away_seconds"`
	Messages Messages       `json:"messages"`
	Closes   map[string]int `json:"closes"` // by close code

	// LongestDelivery is how long a message took at most, and Stall for how long this
	// process was not run when it wanted to: clients that were due meanwhile come back
	// together, and what is late is no node's fault.
	LongestDelivery float64 `json:"longest_delivery_seconds"`
	Stall           float64 `json:"stall_seconds"`

	Error string `json:"error,omitempty"`
}

// NodeResult is about the restart of one node.
type NodeResult struct {
	Name          string  `json:"name"`
	Connections   int     `json:"connections"`     // when it was asked to end
	Even          float64 `json:"even_per_second"` // if all of them came back evenly over the drain time
	PeakPerSecond int     `json:"peak_per_second"` // how many did, at most
	DrainSeconds  float64 `json:"drain_seconds"`   // from SIGTERM to the end of the process
	StartSeconds  float64 `json:"start_seconds"`   // until it was ready again
}

// Reconnects are handshakes of clients that have lost a connection.
type Reconnects struct {
	Total          int     `json:"total"`
	EvenPerSecond  float64 `json:"even_per_second"` // the most of NodeResult.Even
	PeakPerSecond  int     `json:"peak_per_second"` // in any second, and in any tenth of one
	PeakPer100ms   int     `json:"peak_per_100ms"`
	FailedAttempts int64   `json:"failed_attempts"` // and other errors of clients
}

// Messages are those on channels.
type Messages struct {
	Published  int   `json:"published"`
	Deliveries int64 `json:"deliveries"`
	Lost       int64 `json:"lost"` // for a client that was subscribed all the time
	Doubled    int64 `json:"doubled"`
	MissedAway int64 `json:"missed_while_away"` // published while the client was not subscribed
	Strays     int64 `json:"strays"`            // that nobody has published
}

// WriteJSON writes the result.
func (r *Result) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// WriteTable writes the result for people.
func (r *Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "node\tconnections\teven/s\tpeak/s\tdrain s\tstart s\t")
	for _, n := range r.Nodes {
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%d\t%.1f\t%.2f\t\n", n.Name, n.Connections, n.Even, n.PeakPerSecond, n.DrainSeconds, n.StartSeconds)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	m := r.Messages
	fmt.Fprintf(w, "reconnects   %d, at most %d in a second and %d in a tenth of one; %.1f would be even; %d failed attempts\n",
		r.Reconnects.Total, r.Reconnects.PeakPerSecond, r.Reconnects.PeakPer100ms, r.Reconnects.EvenPerSecond, r.Reconnects.FailedAttempts)
	fmt.Fprintf(w, "away         p50 %.2f s, p99 %.2f s, longest %.2f s\n", r.Away.P50, r.Away.P99, r.Away.Max)
	fmt.Fprintf(w, "messages     %d published, %d delivered: %d lost, %d doubled; %d missed while away\n", m.Published, m.Deliveries, m.Lost, m.Doubled, m.MissedAway)
	fmt.Fprint(w, "closes      ")
	for _, code := range slices.Sorted(maps.Keys(r.Closes)) {
		fmt.Fprintf(w, " %d with %s", r.Closes[code], code)
	}
	_, err := fmt.Fprintf(w, "\nduration     %.1f s; the longest delivery took %.2f s, and this process stood still for %.2f s at most\n", r.Seconds, r.LongestDelivery, r.Stall)
	return err
}
