package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// Options say what to run.
type Options struct {
	// Node and Self are the server's and the load generator's programs.
	Node, Self string
	// NodeArgs are more arguments of the node.
	NodeArgs []string
	// ServerCPU and LoadCPU are the cores of the two.
	ServerCPU, LoadCPU int
	// Rounds is how often each case is measured, Pairs how often those of neighbours
	// are; medians are reported.
	Rounds, Pairs int
	// Duration is the counted time of a run, Hold the wait of the idle case.
	Duration, Hold time.Duration
	// CountDuration is the time of the run whose calls are counted.
	CountDuration time.Duration
	// Counter is auto, perf or strace.
	Counter string
	// Only, when set, leaves out the cases whose name does not contain it.
	Only string
	// Dir receives the node's log. It must exist.
	Dir string
	// Log takes what is being done, line by line.
	Log io.Writer
}

// Line is a case and what was measured.
type Line struct {
	Name string `json:"name"`
	// Rounds holds each round's run between the ceiling's.
	Rounds []Round `json:"rounds,omitempty"`
	// Pairs are in place of Rounds where neighbours are measured.
	Pairs []Pair `json:"pairs,omitempty"`
	// Ratio is the median of the rounds' ratios of deliveries a second; CPURatio the
	// same of the server's CPU time for a delivery, which a busy machine spoils less.
	// Of neighbours it is that of the p99 with them to that without.
	Ratio    float64 `json:"ratio,omitempty"`
	CPURatio float64 `json:"cpu_ratio,omitempty"`
	Bar      float64 `json:"bar"`
	// PerCall is messages for each write call, counted by Counter in a run of its own.
	PerCall    float64          `json:"messages_per_call,omitempty"`
	PerCallBar float64          `json:"messages_per_call_bar,omitempty"`
	Counter    string           `json:"counter,omitempty"`
	Calls      map[string]int64 `json:"calls,omitempty"`
	// Bytes is RSS for an idle connection.
	Bytes float64 `json:"bytes_per_connection,omitempty"`
	Aimed string  `json:"aimed,omitempty"`
	Error string  `json:"error,omitempty"`
}

// Round is one run between two of its ceiling, since a shared machine does not
// keep its speed from one minute to the next.
type Round struct {
	Before *report.Result `json:"ceiling_before"`
	Run    *report.Result `json:"run"`
	After  *report.Result `json:"ceiling_after"`
}

func (r Round) rate() float64    { return r.Run.Rate }
func (r Round) ceiling() float64 { return (r.Before.Rate + r.After.Rate) / 2 }
func (r Round) ratio() float64   { return r.rate() / r.ceiling() }
func (r Round) cpuRatio() float64 {
	return (r.Before.Server.CPUPerMillion + r.After.Server.CPUPerMillion) / 2 / r.Run.Server.CPUPerMillion
}

// OK tells whether the line reaches its bars.
func (l *Line) OK() bool {
	if l.Error != "" {
		return false
	}
	if l.Bytes != 0 {
		return l.Bytes <= l.Bar
	}
	if len(l.Pairs) > 0 {
		return l.Ratio <= l.Bar
	}
	return l.Ratio >= l.Bar && l.PerCall >= l.PerCallBar
}

// Run measures all cases. A case that fails has its error in its line, and the
// others go on; the error returned is that of ctx, or of what all of them need.
func Run(ctx context.Context, o Options) ([]Line, error) {
	if err := o.chooseCounter(ctx); err != nil {
		return nil, err
	}
	for _, prog := range []string{"taskset", o.Counter, o.Node} {
		if _, err := exec.LookPath(prog); err != nil {
			return nil, fmt.Errorf("benchmark needs %s: %w", prog, err)
		}
	}
	cases := slices.DeleteFunc(plan(), func(c benchCase) bool { return !strings.Contains(c.name, o.Only) })
	lines := make([]Line, len(cases))
	for round := range o.Rounds {
		for i, c := range cases {
			l := &lines[i]
			*l = Line{Name: c.name, Bar: c.bar, PerCallBar: c.perCall, Aimed: c.aimed, Rounds: l.Rounds, Error: l.Error}
			if l.Error != "" {
				continue
			}
			o.say("round %d of %d: %s", round+1, o.Rounds, c.name)
			r, err := o.round(ctx, c)
			if ctx.Err() != nil {
				return summed(lines), context.Cause(ctx)
			}
			if err != nil {
				l.Error = err.Error()
				o.say("  %v", err)
				continue
			}
			l.Rounds = append(l.Rounds, r)
			o.say("  %.0f a second, ceiling %.0f: %.2f (cpu %.2f)", r.rate(), r.ceiling(), r.ratio(), r.cpuRatio())
		}
	}
	for i, c := range cases {
		if lines[i].Error != "" {
			continue
		}
		o.say("write calls by %s: %s", o.Counter, c.name)
		if err := o.count(ctx, c, &lines[i]); err != nil {
			lines[i].Error = err.Error()
			o.say("  %v", err)
		}
		if ctx.Err() != nil {
			return summed(lines), context.Cause(ctx)
		}
	}
	lines = append(lines, o.neighbours(ctx)...)
	if strings.Contains(idleName, o.Only) {
		o.say("%s", idleName)
		lines = append([]Line{o.idle(ctx)}, lines...)
	}
	return summed(lines), ctx.Err()
}

func (o *Options) say(format string, args ...any) { fmt.Fprintf(o.Log, format+"\n", args...) }

// summed fills in the medians.
func summed(lines []Line) []Line {
	for i := range lines {
		if l := &lines[i]; len(l.Rounds) > 0 {
			l.Ratio, l.CPURatio = median(l.Rounds, Round.ratio), median(l.Rounds, Round.cpuRatio)
		}
	}
	return lines
}

func median[T any](all []T, of func(T) float64) float64 {
	v := make([]float64, len(all))
	for i, r := range all {
		v[i] = of(r)
	}
	slices.Sort(v)
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// round runs the case, and the ceiling for half as long before and after it.
func (o *Options) round(ctx context.Context, c benchCase) (r Round, err error) {
	ceiling := func() (*report.Result, error) {
		return o.load(ctx, nil, "ceiling", "-n", fmt.Sprint(c.ceiling), "-d", (o.Duration / 2).String(), "--server-cpu", fmt.Sprint(o.ServerCPU))
	}
	if r.Before, err = ceiling(); err != nil {
		return r, err
	}
	if r.Run, err = o.against(ctx, nil, append(c.args(), "-d", o.Duration.String())...); err != nil {
		return r, err
	}
	r.After, err = ceiling()
	return r, err
}

// against runs one load against a fresh node.
func (o *Options) against(ctx context.Context, phase func(n *node, line string), args ...string) (res *report.Result, err error) {
	n, err := o.startNode(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	return o.load(ctx, func(line string) {
		if phase != nil {
			phase(n, line)
		}
	}, n.target(args)...)
}

// count runs the case once more, with the calls between its pauses counted.
func (o *Options) count(ctx context.Context, c benchCase, l *Line) error {
	var cnt *counter
	var got counts
	var countErr error
	res, err := o.against(ctx, func(n *node, line string) {
		switch {
		case cnt == nil && countErr == nil && strings.HasPrefix(line, "ready:"):
			cnt, countErr = o.startCounter(n.pid())
		case cnt != nil && strings.HasPrefix(line, "finished:"):
			got, countErr = cnt.stop()
			cnt = nil
		}
	}, append(c.args(), "--warmup", "0s", "-d", o.CountDuration.String(), "--pause", "2s")...)
	if cnt != nil {
		_, _ = cnt.stop()
	}
	if err := errors.Join(err, countErr); err != nil {
		return err
	}
	l.Counter, l.Calls = o.Counter, got
	if n := got.clients(o.Counter == countStrace); n > 0 {
		l.PerCall = float64(res.Deliveries) / float64(n)
		return nil
	}
	return fmt.Errorf("%s counted no write call: %v", o.Counter, got)
}

const idleName = "idle, 15,000 on one channel"

func (o *Options) idle(ctx context.Context) Line {
	l := Line{Name: idleName, Bar: idleBar, Aimed: "400 B"}
	res, err := o.against(ctx, nil, "idle", "-n", fmt.Sprint(idleConnections), "--hold", o.Hold.String())
	if err != nil {
		l.Error = err.Error()
		return l
	}
	l.Bytes = res.Server.PerConnection
	return l
}

// MakeDir makes a directory for Options.Dir; remove it with os.RemoveAll.
func MakeDir() (string, error) { return os.MkdirTemp("", "hoshi-bench-") }
