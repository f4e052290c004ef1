package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Result is what one run measured. Times are in seconds, sizes in bytes, unless
// the name says otherwise.
type Result struct {
	Scenario string `json:"scenario"`
	// Name tells results of one scenario apart; it may be empty.
	Name    string    `json:"name,omitempty"`
	Started time.Time `json:"started"`
	// Config holds the settings that the numbers depend on.
	Config map[string]any `json:"config"`

	// Connections and ConnectSeconds tell how many sockets were opened, and how
	// long that took up to the last one's subscription.
	Connections    int     `json:"connections"`
	ConnectSeconds float64 `json:"connect_seconds"`

	// Seconds runs from the first counted send to the last receipt: the clock
	// stops when everything has been received.
	Seconds float64 `json:"seconds"`
	// Sent counts publishes, pings or pushes, Deliveries what clients received of
	// them, Lost what they had not received when the run gave up waiting.
	Sent       int64   `json:"sent"`
	Deliveries int64   `json:"deliveries"`
	Lost       int64   `json:"lost"`
	Rate       float64 `json:"deliveries_per_second"`
	// BytesIn counts payload bytes of the deliveries, without frame headers.
	BytesIn int64 `json:"bytes_in"`
	// OutOfOrder counts deliveries that came behind a later one of the same
	// channel, or twice.
	OutOfOrder int64 `json:"out_of_order"`
	// Unexpected counts frames that nobody waited for.
	Unexpected int64 `json:"unexpected"`
	// Latency runs from the intended send time to the receipt of each delivery.
	Latency Quantiles `json:"latency"`

	// Notices counts what the server said about messages that it has dropped, and
	// Dropped those messages.
	Notices int64 `json:"dropped_notices,omitempty"`
	Dropped int64 `json:"dropped,omitempty"`
	// Slow and Frozen are the readers that nobody waited for. They are in none of the
	// numbers above but Connections.
	Slow   *Laggards `json:"slow,omitempty"`
	Frozen *Laggards `json:"frozen,omitempty"`
	// Flood is who sent without end meanwhile; in none of the numbers above either.
	Flood *Flood `json:"flood,omitempty"`

	// ClientCPU is the load generator's own CPU time in the counted part. Near
	// Seconds (its loop is one thread) it is the client that was measured.
	ClientCPU float64 `json:"client_cpu_seconds"`

	Storm *Storm `json:"storm,omitempty"`

	Clients *Clients `json:"clients,omitempty"`

	Server *Server `json:"server,omitempty"`

	// Interrupted marks a run that was ended early, Error one that failed; both
	// hold what was measured until then.
	Interrupted bool   `json:"interrupted,omitempty"`
	Error       string `json:"error,omitempty"`
}

// Server is what /proc says about the server's process.
type Server struct {
	PID int `json:"pid"`
	// RSSEmpty is the resident size before the first connection, RSSFull after the
	// hold with all of them open.
	RSSEmpty int64 `json:"rss_empty_bytes"`
	RSSFull  int64 `json:"rss_full_bytes"`
	// PerConnection is (RSSFull - RSSEmpty) / connections.
	PerConnection float64 `json:"rss_per_connection_bytes"`
	// CPUConnecting is user and system time while connections were opened.
	CPUConnecting float64 `json:"cpu_seconds_connecting,omitempty"`
	// CPUSeconds is user and system time during the measured part.
	CPUSeconds float64 `json:"cpu_seconds"`
	// CPUPerMillion is CPU seconds for a million deliveries.
	CPUPerMillion float64 `json:"cpu_seconds_per_million,omitempty"`
}

// CPUPerConnections returns the CPU seconds for n connections to be opened, of
// which there must have been some.
func (r *Result) CPUPerConnections(n int) float64 {
	return r.Server.CPUConnecting / float64(r.Connections) * float64(n)
}

// WriteJSON writes the results as indented JSON and a newline: one object, or with
// array set an array of them.
func WriteJSON(w io.Writer, results []*Result, array bool) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if array || len(results) != 1 {
		return enc.Encode(results)
	}
	return enc.Encode(results[0])
}

// WriteSummary writes r for people, all but the error.
func (r *Result) WriteSummary(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(tw, "  %s\t"+format+"\n", append([]any{name}, args...)...)
	}
	state := ""
	if r.Interrupted {
		state = " (interrupted: so far)"
	}
	fmt.Fprintf(tw, "%s%s\n", cmp.Or(r.Name, r.Scenario), state)
	if r.Connections > 0 {
		line("connections", "%d in %.2f s", r.Connections, r.ConnectSeconds)
	}
	if r.Storm != nil {
		r.Storm.summary(line)
	}
	r.Clients.summary(line)
	if r.Sent > 0 {
		line("sent", "%d in %.2f s", r.Sent, r.Seconds)
		line("deliveries", "%d, %.0f a second", r.Deliveries, r.Rate)
		if r.Lost > 0 || r.OutOfOrder > 0 || r.Unexpected > 0 {
			line("faults", "%d not received, %d out of order or twice, %d unexpected", r.Lost, r.OutOfOrder, r.Unexpected)
		}
		line("latency", "%s", r.Latency)
	}
	if r.Dropped > 0 {
		line("dropped", "%d, the server says in %d notices", r.Dropped, r.Notices)
	}
	r.Slow.summary("slow", line)
	r.Frozen.summary("frozen", line)
	r.Flood.summary(line)
	if r.ClientCPU > 0 {
		line("client cpu", "%.2f s, %.0f %% of a core", r.ClientCPU, 100*r.ClientCPU/max(r.Seconds, 1e-9))
	}
	if s := r.Server; s != nil {
		if s.RSSFull > 0 {
			line("server memory", "%.1f MB empty, %.1f MB full: %.0f B a connection", float64(s.RSSEmpty)/1e6, float64(s.RSSFull)/1e6, s.PerConnection)
		}
		if r.Deliveries > 0 {
			line("server cpu", "%.2f s, %.2f s for a million deliveries", s.CPUSeconds, s.CPUPerMillion)
		}
		if r.Storm != nil && r.Connections > 0 {
			line("server cpu", "%.2f s, %.2f s for 10,000 connections", s.CPUConnecting, r.CPUPerConnections(10_000))
		}
	}
	return tw.Flush()
}
