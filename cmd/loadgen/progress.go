package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// progress shows how far a run is: a bar on a terminal, else a line a second. It
// is owned by the goroutine that runs the load.
type progress struct {
	w     *os.File
	quiet bool
	tty   bool

	bar   *progressbar.ProgressBar
	phase string
	next  time.Time
}

func newProgress(w *os.File, quiet bool) *progress {
	info, err := w.Stat()
	return &progress{w: w, quiet: quiet, tty: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// show takes the latest state.
func (p *progress) show(s report.Progress) {
	if p.quiet {
		return
	}
	if s.Phase == "keep" {
		p.end()
		fmt.Fprintln(p.w, "keep: until Ctrl-C")
		return
	}
	if p.tty {
		p.draw(s)
		return
	}
	now := time.Now()
	if s.Phase == p.phase && now.Before(p.next) {
		return
	}
	p.phase, p.next = s.Phase, now.Add(time.Second)
	switch s.Phase {
	case "connect", "probe":
		fmt.Fprintf(p.w, "%s: %d of %d\n", s.Phase, s.Done, s.Total)
	case "hold", "ready", "finished", "thaw":
		fmt.Fprintf(p.w, "%s: %.0f of %.0f s\n", s.Phase, float64(s.Done)/1000, float64(s.Total)/1000)
	default:
		fmt.Fprintf(p.w, "%s: %.0f of %.0f s, %d deliveries\n", s.Phase, float64(s.Done)/1000, float64(s.Total)/1000, s.Deliveries)
	}
}

func (p *progress) draw(s report.Progress) {
	if p.bar == nil || s.Phase != p.phase {
		p.end()
		p.phase = s.Phase
		p.bar = progressbar.NewOptions64(s.Total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(fmt.Sprintf("%-8s", s.Phase)),
			progressbar.OptionSetWidth(40), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	if s.Deliveries > 0 {
		p.bar.Describe(fmt.Sprintf("%-8s %d deliveries", s.Phase, s.Deliveries))
	}
	// Drawing fails when the terminal is gone, which is no reason to end a run.
	_ = p.bar.Set64(s.Done)
}

// end takes the bar off the terminal.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
