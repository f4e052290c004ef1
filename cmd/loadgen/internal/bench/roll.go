package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/roll"
)

// rollName is the case of nodes that are restarted one after the other. It has the
// machine for itself, but neither a core for the servers nor one for the load: there
// are four nodes.
const rollName = "rolling restart under 10,000 clients"

// evenRate names its reference.
const evenRate = "an even return within a second"

const (
	rollClients = 10_000
	rollDrains  = 6 // drain time, in Durations
)

// roll measures the case, if it is asked for. A message that is lost or doubled for a
// client that was there fails it.
func (o *Options) roll(ctx context.Context) []Line {
	if !o.wants(rollName) || ctx.Err() != nil {
		return nil
	}
	l := Line{Name: rollName, Against: evenRate}
	o.say("%s", rollName)
	if err := o.rollOnce(ctx, &l); err != nil {
		l.Error = err.Error()
		o.say("  %v", err)
	}
	return []Line{l}
}

func (o *Options) rollOnce(ctx context.Context, l *Line) (err error) {
	if _, err := exec.LookPath(o.Node); err != nil {
		return fmt.Errorf("roll: %w", err)
	}
	dir := filepath.Join(o.Dir, "roll")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("roll: %w", err)
	}
	r, err := roll.Run(ctx, roll.Options{
		Program: o.Node, NodeArgs: o.NodeArgs, Dir: dir, Log: o.Log,
		Clients: max(rollClients/max(o.Scale, 1), 30), DrainTime: max(rollDrains*o.Duration, time.Second),
	})
	if err != nil {
		return err
	}
	l.Measures = rollMeasures(r)
	for _, m := range l.Measures {
		o.say("  %s", m.String())
	}
	if m := r.Messages; m.Lost > 0 || m.Doubled > 0 {
		return errors.Join(err, fmt.Errorf("roll: %d messages were lost and %d doubled for clients that were there", m.Lost, m.Doubled))
	}
	return nil
}

// rollRows are the peak of reconnects, beside clients that come back evenly over the
// drain time, and the longest time that a client was away, beside the second that it
// may wait by itself.
func rollRows() (peak, away measure) {
	return measure{what: "reconnects in a second", most: true, bar: 2, aimed: 1.25},
		measure{what: "s away, at most", most: true, bar: 5, aimed: 1.5}
}

func rollMeasures(r *roll.Result) []Measured {
	peak, away := rollRows()
	peaks := Measured{What: peak.what, Most: peak.most, Bar: peak.bar, Aimed: peak.aimed}
	for _, n := range r.Nodes { // the one with the worst ratio
		if ratio := float64(n.PeakPerSecond) / max(n.Even, 1e-9); ratio > peaks.Ratio {
			peaks.Value, peaks.Reference, peaks.Ratio = float64(n.PeakPerSecond), n.Even, ratio
		}
	}
	longest := Measured{What: away.what, Most: away.most, Bar: away.bar, Aimed: away.aimed}
	longest.Value, longest.Reference, longest.Ratio = r.Away.Max, 1, r.Away.Max
	return []Measured{peaks, longest}
}
