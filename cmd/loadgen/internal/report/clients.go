package report

import (
	"fmt"
	"slices"
	"strings"
)

// BucketMS is the width of the buckets of [Clients], in milliseconds.
const BucketMS = 100

// Clients is what full clients say about their connections. The first disconnect is
// the first one of the run; times count from it.
type Clients struct {
	// Connects counts handshakes, Disconnects connections that had one and ended
	// before the end of the run, by reason and by the url that they were to.
	Connects        int64            `json:"connects"`
	Disconnects     int64            `json:"disconnects"`
	DisconnectedBy  map[string]int64 `json:"disconnected_by,omitempty"`
	DisconnectedOf  map[string]int64 `json:"disconnected_of,omitempty"`
	FailedAttempts  int64            `json:"failed_attempts"`
	FailedBy        map[string]int64 `json:"failed_attempts_by,omitempty"`
	FailedSubscribe int64            `json:"failed_subscribes"`
	// Attempts counts attempts to connect again, [i] those from i*100 ms on, up to the
	// last one; AttemptsLater those after the last bucket there may be.
	Attempts      []int64 `json:"reconnect_attempts_by_100_ms"`
	AttemptsLater int64   `json:"reconnect_attempts_later,omitempty"`
	// LostWithin is the time from the first disconnect to the last, as the clients were
	// told, in seconds.
	LostWithin float64 `json:"lost_within_seconds"`
	// AllBack is when every client was connected, and subscribed, again; 0 while some
	// are away, or nobody was. Away counts those at the end.
	AllBack float64 `json:"all_back_seconds"`
	Away    int     `json:"away"`
	// Back is the time from each client's disconnect until it was back.
	Back Quantiles `json:"back"`
	// LongestStall is the longest that this process has kept a waiting goroutine
	// waiting since the first disconnect, in milliseconds: what was to happen then
	// happened together at the end.
	LongestStall float64 `json:"longest_stall_ms"`
	// Rejected counts messages that a full send queue did not take.
	Rejected int64 `json:"rejected"`
}

// Peak returns the fullest bucket of the attempts.
func (c *Clients) Peak() int64 { return slices.Max(append([]int64{0}, c.Attempts...)) }

// Total counts the attempts to connect again.
func (c *Clients) Total() int64 {
	n := c.AttemptsLater
	for _, k := range c.Attempts {
		n += k
	}
	return n
}

func (c *Clients) summary(line func(name, format string, args ...any)) {
	if c == nil {
		return
	}
	line("connects", "%d, %d ended%s", c.Connects, c.Disconnects, listed(c.DisconnectedBy))
	if c.Disconnects > 1 {
		line("", "ended within %.2f s", c.LostWithin)
	}
	if c.FailedAttempts > 0 {
		line("failed", "%d attempts%s", c.FailedAttempts, listed(c.FailedBy))
	}
	if c.FailedSubscribe > 0 {
		line("failed", "%d subscribes", c.FailedSubscribe)
	}
	if c.Disconnects == 0 {
		return
	}
	line("again", "%d attempts, at most %d in %d ms; longest stall here %.0f ms", c.Total(), c.Peak(), BucketMS, c.LongestStall)
	line("", "%s", sparse(c.Attempts))
	if c.Away > 0 {
		line("back", "%d are away", c.Away)
	} else {
		line("back", "all after %.2f s; each %s", c.AllBack, c.Back)
	}
}

// sparse returns the buckets up to the tenth second, "0.0s 31 40 ...".
func sparse(buckets []int64) string {
	const most = 100
	var b strings.Builder
	for i, n := range buckets[:min(len(buckets), most)] {
		if i%10 == 0 {
			fmt.Fprintf(&b, "| %ds: ", i*BucketMS/1000)
		}
		fmt.Fprintf(&b, "%d ", n)
	}
	if len(buckets) > most {
		b.WriteString("...")
	}
	return strings.TrimSpace(b.String())
}
