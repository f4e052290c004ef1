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
	// Peer is the program of the reference server, see [Child]; without one the cases
	// that are compared with it are left out, and say so.
	Peer string
	// NodeArgs are more arguments of the nodes.
	NodeArgs []string
	// ServerCPU and LoadCPU are the cores of servers and load.
	ServerCPU, LoadCPU int
	// Rounds is how often each case is measured, Pairs how often those of neighbours
	// are; medians are reported.
	Rounds, Pairs int
	// Duration is the counted time of a run, Hold the wait of the idle cases.
	Duration, Hold time.Duration
	// CountDuration is the time of the run whose calls are counted.
	CountDuration time.Duration
	// Counter is auto, perf, strace or none.
	Counter string
	// Only, when set, leaves out the cases whose name does not contain it; where it is
	// a name, all others.
	Only string
	// Scale divides sockets and rates, to see that everything runs; 1 to measure.
	Scale int
	// Dir receives the nodes' logs. It must exist.
	Dir string
	// Log takes what is being done, line by line.
	Log io.Writer
}

// Line is a case and what was measured.
type Line struct {
	Name string `json:"name"`
	// Against says what Measures are ratios to.
	Against  string     `json:"against,omitempty"`
	Measures []Measured `json:"measures,omitempty"`
	Rounds   []Round    `json:"rounds,omitempty"`
	// Calls are the write calls of the run that Counter counted.
	Counter string           `json:"counter,omitempty"`
	Calls   map[string]int64 `json:"calls,omitempty"`
	Error   string           `json:"error,omitempty"`
	// Missing says what there is not that the case needs.
	Missing string `json:"missing,omitempty"`

	perCall float64 // messages for each write call
}

// OK tells whether the case was measured and reaches its bars.
func (l *Line) OK() bool {
	return l.Error == "" && len(l.Measures) > 0 && !slices.ContainsFunc(l.Measures, func(m Measured) bool { return !m.OK() })
}

// Run measures all cases. A case that fails has its error in its line, and the
// others go on; the error returned is that of ctx, or of what all of them need.
func Run(ctx context.Context, o Options) ([]Line, error) {
	o.chooseCounter(ctx)
	if !slices.ContainsFunc(Names(), o.wants) {
		return nil, fmt.Errorf("benchmark: no case is named %q", o.Only)
	}
	needs := []string{"taskset", o.Node}
	if o.Counter != countNone {
		needs = append(needs, o.Counter)
	}
	for _, prog := range needs {
		if _, err := exec.LookPath(prog); err != nil {
			return nil, fmt.Errorf("benchmark needs %s: %w", prog, err)
		}
	}
	cases := slices.DeleteFunc(plan(o.Hold), func(c benchCase) bool { return !o.wants(c.name) })
	lines := make([]Line, len(cases))
	for i, c := range cases {
		lines[i] = Line{Name: c.name, Against: c.against.String()}
		if c.against == peer && o.Peer == "" {
			lines[i].Missing = "a reference server (--peer)"
		}
	}
	o.rounds(ctx, cases, lines)
	o.counts(ctx, cases, lines)
	for i, c := range cases {
		lines[i].read(c.measures)
	}
	lines = append(lines, o.neighbours(ctx)...)
	lines = append(lines, o.roll(ctx)...)
	if ctx.Err() != nil {
		return lines, context.Cause(ctx)
	}
	return lines, nil
}

func (o *Options) wants(name string) bool {
	if slices.Contains(Names(), o.Only) {
		return name == o.Only
	}
	return strings.Contains(name, o.Only)
}

func (o *Options) say(format string, args ...any) { fmt.Fprintf(o.Log, format+"\n", args...) }

// rounds runs all cases in turn, as often as there are rounds.
func (o *Options) rounds(ctx context.Context, cases []benchCase, lines []Line) {
	for round := range o.Rounds {
		for i := range cases {
			c, l := &cases[i], &lines[i]
			if ctx.Err() != nil || l.Error != "" || l.Missing != "" || c.once && round > 0 {
				continue
			}
			o.say("round %d of %d: %s", round+1, o.Rounds, c.name)
			r, err := o.round(ctx, c)
			if err != nil {
				l.Error = err.Error()
				o.say("  %v", err)
				continue
			}
			l.Rounds = append(l.Rounds, r)
			for _, m := range c.measures {
				if out, ok := m.measured([]Round{r}, 0); ok {
					o.say("  %s", out.String())
				}
			}
		}
	}
}

// counts counts the write calls of the cases that want it.
func (o *Options) counts(ctx context.Context, cases []benchCase, lines []Line) {
	for i := range cases {
		c, l := &cases[i], &lines[i]
		if ctx.Err() != nil || l.Error != "" || !c.counted() || o.Counter == countNone {
			continue
		}
		o.say("write calls by %s: %s", o.Counter, c.name)
		if err := o.count(ctx, c, l); err != nil {
			l.Error = err.Error()
			o.say("  %v", err)
			continue
		}
		o.say("  %.1f messages a call", l.perCall)
	}
}

// read fills in what the measures find in the rounds.
func (l *Line) read(measures []measure) {
	for _, m := range measures {
		if out, ok := m.measured(l.Rounds, l.perCall); ok {
			l.Measures = append(l.Measures, out)
		}
	}
}

// round runs the case, and its reference for half as long before and after it.
func (o *Options) round(ctx context.Context, c *benchCase) (r Round, err error) {
	reference := func() error {
		if c.against == nothing {
			return nil
		}
		res, err := o.reference(ctx, c)
		r.References = append(r.References, res)
		return err
	}
	if err := reference(); err != nil {
		return r, err
	}
	if r.Run, err = o.against(ctx, nil, c, timed(c.load, o.Duration)...); err != nil {
		return r, err
	}
	return r, reference()
}

// reference runs what the case is compared with.
func (o *Options) reference(ctx context.Context, c *benchCase) (res *report.Result, err error) {
	half, load := o.Duration/2, c.load
	var child *exec.Cmd
	switch c.against {
	case nothing:
		return nil, errors.New("no reference")
	case ceiling:
		return o.load(ctx, nil, timed([]string{"ceiling", "-n", fmt.Sprint(c.ceiling), "--server-cpu", fmt.Sprint(o.ServerCPU)}, half)...)
	case without:
		plain := *c
		plain.feature = plainly
		return o.against(ctx, nil, &plain, timed(load, half)...)
	case upgrades:
		child = pinned(o.ServerCPU, o.Self, "raw-server", "--bare")
		load = append(slices.DeleteFunc(slices.Clone(load), func(arg string) bool { return arg == "--users" }), "--bare")
	case peer:
		child = pinned(o.ServerCPU, o.Peer)
	}
	child.Stderr = os.Stderr
	srv, err := StartChild(child)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, srv.Stop()) }()
	return o.load(ctx, nil, append(timed(load, half), "--url", "ws://"+srv.Addr+"/", "--server-pid", fmt.Sprint(srv.PID()))...)
}

// against runs one load against fresh nodes. phase, when set, is called with each
// line of the load's progress.
func (o *Options) against(ctx context.Context, phase func(n *node, line string), c *benchCase, args ...string) (res *report.Result, err error) {
	more, stop, err := c.feature.collect()
	if err != nil {
		return nil, err
	}
	defer stop()
	nodes, err := o.startNodes(ctx, max(c.nodes, 1), slices.Concat(c.node, more)...)
	if err != nil {
		return nil, err
	}
	defer stopNodes(nodes)
	unwatch := c.feature.watch(ctx, nodes[0])
	defer func() { err = errors.Join(err, unwatch()) }()
	args = nodes[0].target(args)
	if last := nodes[len(nodes)-1]; last != nodes[0] {
		args = append(args, "--publish-url", "ws://"+last.listen+"/")
	}
	return o.load(ctx, func(line string) {
		if phase != nil {
			phase(nodes[0], line)
		}
	}, args...)
}

// count runs the case once more, with the calls between its pauses counted.
func (o *Options) count(ctx context.Context, c *benchCase, l *Line) error {
	var cnt *counter
	var got counts
	var countErr error
	res, err := o.against(ctx, func(n *node, line string) {
		switch {
		case cnt == nil && countErr == nil && strings.HasPrefix(line, "ready:"):
			cnt, countErr = o.startCounter(n.PID())
		case cnt != nil && strings.HasPrefix(line, "finished:"):
			got, countErr = cnt.stop()
			cnt = nil
		}
	}, c, append(timed(c.load, o.CountDuration), "--warmup", "0s", "--pause", "2s")...)
	if cnt != nil {
		_, _ = cnt.stop()
	}
	if err := errors.Join(err, countErr); err != nil {
		return err
	}
	l.Counter, l.Calls = o.Counter, got
	if n := got.clients(o.Counter == countStrace); n > 0 {
		l.perCall = float64(res.Deliveries) / float64(n)
		return nil
	}
	return fmt.Errorf("%s counted no write call: %v", o.Counter, got)
}
