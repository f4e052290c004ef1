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
	l := Line{Name: rollName, Against: "an even rate"}
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

// rollMeasures are the peak of reconnects, whose ratio is to clients that come back
// evenly over the drain time, and the longest time that a client was away: it waits a
// random time of up to a second by itself.
func rollMeasures(r *roll.Result) []Measured {
	peak := Measured{
		What: "reconnects in a second", Value: float64(r.Reconnects.PeakPerSecond), Reference: r.Reconnects.EvenPerSecond,
		Most: true, Bar: 2, Aimed: 1.25,
	}
	for _, n := range r.Nodes {
		if n.Even > 0 {
			peak.Ratio = max(peak.Ratio, float64(n.PeakPerSecond)/n.Even)
		}
	}
	return []Measured{
		peak,
		{What: "s away, at most", Value: r.Away.Max, Most: true, Bar: 5, Aimed: 1.5},
	}
}
