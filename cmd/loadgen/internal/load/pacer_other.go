//go:build !linux

package load

import "time"

// pacer wakes the loop at a time to come, with Go's timers.
type pacer struct{ timer *time.Timer }

func newPacer(wake func()) (*pacer, error) {
	return &pacer{timer: time.AfterFunc(time.Hour, wake)}, nil
}

// arm sets the one wake-up to be in d nanoseconds.
func (p *pacer) arm(d int64) { p.timer.Reset(time.Duration(max(d, 0))) }

func (p *pacer) stop() { p.timer.Stop() }
