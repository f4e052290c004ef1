package report

// Laggards are readers of one kind, slow or frozen. What they got is counted from
// the first send, the warm-up included, to the end, at which they are let to read
// all that there is.
type Laggards struct {
	Connections int `json:"connections"`
	// Expected counts the deliveries of all that was published to them, Deliveries
	// those that came, Dropped those that the server said it has dropped, in Notices
	// messages. What the three leave over was discarded with a connection.
	Expected   int64 `json:"expected"`
	Deliveries int64 `json:"deliveries"`
	BytesIn    int64 `json:"bytes_in"`
	// BytesLagging is the part of BytesIn that was read slowly, before the end.
	BytesLagging int64 `json:"bytes_in_while_lagging"`
	OutOfOrder   int64 `json:"out_of_order"`
	Notices      int64 `json:"dropped_notices"`
	Dropped      int64 `json:"dropped"`
	// Ended counts, by reason, the connections that the server has ended.
	Ended map[string]int64 `json:"ended,omitempty"`
}

func (l *Laggards) summary(name string, line func(name, format string, args ...any)) {
	if l == nil {
		return
	}
	line(name, "%d connections: %d of %d deliveries, %d dropped by %d notices", l.Connections, l.Deliveries, l.Expected, l.Dropped, l.Notices)
	if len(l.Ended) > 0 {
		line("", "ended%s", listed(l.Ended))
	}
}
