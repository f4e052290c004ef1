package report

// Progress is a glimpse of a run.
type Progress struct {
	// Phase is "connect", "probe", "ready", "warm up", "measure", "finished", "hold"
	// or "keep" (told once); "ready" and "finished" are the pauses.
	Phase string
	// Done of Total is in connections for connect and probe, else in milliseconds.
	Done, Total int64
	// Deliveries counts those of this phase so far.
	Deliveries int64
}
