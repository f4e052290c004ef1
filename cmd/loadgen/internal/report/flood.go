package report

// Flood is what clients have sent that sent as fast as they could, from the warm-up to the end.
type Flood struct {
	Connections int `json:"connections"`
	// Sent counts events that the system has taken, Bytes those of their frames.
	Sent  int64 `json:"sent"`
	Bytes int64 `json:"bytes"`
	// Ended counts connections that the server has closed.
	Ended int64 `json:"ended"`
}

func (f *Flood) summary(line func(name, format string, args ...any)) {
	if f != nil {
		line("flood", "%d connections: %d events, %.1f MB; the server has closed %d", f.Connections, f.Sent, float64(f.Bytes)/1e6, f.Ended)
	}
}
