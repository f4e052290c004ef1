package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// traceCmd is hoshi trace: what passes for somebody, live.
type traceCmd struct {
	User   traceUserCmd   `cmd:"" help:"show what passes for a user"`
	Conn   traceConnCmd   `cmd:"" help:"show what passes for one connection"`
	Client traceClientCmd `cmd:"" help:"show what passes for one tab of a Sente client"`
	Chan   traceChanCmd   `cmd:"" help:"show messages and subscribers of a channel"`
}

type traceFlags struct {
	Time time.Duration `name:"time" default:"1m" placeholder:"DURATION" help:"It ends after that, at most 1h." meta:""`
	Rate int           `name:"rate" default:"100" placeholder:"NUMBER" help:"Lines a second of each node, at most 1000. Others are counted." meta:""`
	JSON bool          `name:"json" help:"Print one JSON object a line." meta:""`
}

type traceUserCmd struct {
	traceFlags

	UID string `arg:"" name:"uid"`
	EDN bool   `name:"edn" help:"UID is EDN. Else it is a string, or with a leading : a keyword." meta:""`
}

type traceConnCmd struct {
	traceFlags

	ConnID string `arg:"" name:"conn-id"`
}

type traceClientCmd struct {
	traceFlags

	ClientID string `arg:"" name:"client-id"`
}

type traceChanCmd struct {
	traceFlags

	Channel string `arg:"" name:"channel"`
	EDN     bool   `name:"edn" help:"CHANNEL is EDN. Else it is a string, or with a leading : a keyword." meta:""`
}

// Help implements kong.HelpProvider.
func (traceUserCmd) Help() string {
	return `  hoshi trace user alice
  hoshi trace user alice --time 10m --rate 20 --json

What is said is never shown: ids of events, names of channels, sizes and times are.
The nodes' security log says that somebody is traced.`
}

// Help implements kong.HelpProvider.
func (traceConnCmd) Help() string {
	return `  hoshi trace conn conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4`
}

// Help implements kong.HelpProvider.
func (traceClientCmd) Help() string { return `  hoshi trace client 0a1b2c3d-...` }

// Help implements kong.HelpProvider.
func (traceChanCmd) Help() string {
	return `  hoshi trace chan lobby

Each node with subscribers tells of each message, with how many they are.`
}

func (t *traceUserCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	uid, text, err := parseName("UID", t.UID, t.EDN)
	if err = errors.Join(err, t.check()); err != nil {
		return err
	}
	return t.trace(ctx, s, out, "user "+text, bus.Target{UID: uid})
}

func (t *traceConnCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := errors.Join(checkConnID(t.ConnID), t.check()); err != nil {
		return err
	}
	return t.trace(ctx, s, out, t.ConnID, bus.Target{ConnID: t.ConnID})
}

func (t *traceClientCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := errors.Join(checkClientID(t.ClientID), t.check()); err != nil {
		return err
	}
	return t.trace(ctx, s, out, "client "+printable(t.ClientID), bus.Target{ClientID: t.ClientID})
}

func (t *traceChanCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	channel, text, err := parseName("CHANNEL", t.Channel, t.EDN)
	if err = errors.Join(err, t.check()); err != nil {
		return err
	}
	return t.trace(ctx, s, out, "channel "+text, bus.Target{Channel: channel})
}

func (t *traceFlags) check() error {
	var errs []error
	if t.Time < time.Millisecond || t.Time > bus.MaxTraceTime {
		errs = append(errs, fmt.Errorf("--time: %v cannot be: want 1ms to %v", t.Time, bus.MaxTraceTime))
	}
	return errors.Join(append(errs, checkRange("--rate", t.Rate, 1, bus.MaxTraceRate))...)
}

// trace prints what nodes tell until the time is over, ctx ends, or nobody reads any
// more.
func (t *traceFlags) trace(ctx context.Context, s *config.Shared, out output, whom string, target bus.Target) error {
	c, err := connect(ctx, s)
	if err != nil {
		return err
	}
	defer c.Stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var begun *bus.Survey[struct{}] // nil until it is known
	lines, nodes := 0, map[string]bool{}
	err = c.Trace(ctx, bus.TraceQuery{Target: target, Time: t.Time, Rate: t.Rate}, func(b bus.TraceBatch) {
		if begun != nil && !nodes[b.Node] {
			fmt.Fprintf(out.stderr, "node %s has begun too\n", printable(b.Node))
			begun.Silent = slices.DeleteFunc(begun.Silent, func(node string) bool { return node == b.Node })
		}
		nodes[b.Node] = true
		lines += len(b.Lines)
		for i := range b.Lines {
			if _, err := fmt.Fprintln(out.stdout, t.line(b.Node, &b.Lines[i])); err != nil {
				cancel(err)
			}
		}
		if b.Suppressed > 0 {
			fmt.Fprintf(out.stderr, "node %s: %s lines more, beyond --rate or lost\n", printable(b.Node), grouped(b.Suppressed))
		}
		switch b.Over {
		case "", bus.OverTime:
		case bus.OverStopped:
			fmt.Fprintf(out.stderr, "node %s has stopped\n", printable(b.Node))
		case bus.OverSilent:
			fmt.Fprintf(out.stderr, "node %s is not heard of any more\n", printable(b.Node))
		}
	}, bus.TraceBegun(func(s bus.Survey[struct{}]) {
		begun = &s
		fmt.Fprintf(out.stderr, "tracing %s on %s for %v, Ctrl-C ends it\n", whom, nodesOf(&s), t.Time)
		complain(out.stderr, missing(s.Silent, s.Refused))
	}))
	switch {
	case err != nil:
		return lookFault(s, bus.APITrace, err)
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.Canceled):
		return fmt.Errorf("print: %w", context.Cause(ctx))
	}
	fmt.Fprintf(out.stderr, "traced %s: %s from %s\n", whom, counted(lines, "line"), counted(len(nodes), "node"))
	if begun == nil {
		return nil
	}
	return missing(begun.Silent, begun.Refused)
}

// nodesOf says how many nodes do what was asked, and how many were.
func nodesOf[T any](s *bus.Survey[T]) string {
	if others := len(s.Silent) + len(s.Refused); others > 0 {
		return fmt.Sprintf("%d of %s", len(s.Nodes), counted(len(s.Nodes)+others, "node"))
	}
	return counted(len(s.Nodes), "node")
}

// line writes one line.
func (t *traceFlags) line(node string, l *bus.TraceLine) string {
	if t.JSON {
		var b strings.Builder
		if err := writeJSON(&b, "", struct {
			Node string `json:"node"`
			*bus.TraceLine
		}{node, l}); err != nil {
			return err.Error()
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %-12s", l.At.UTC().Format("15:04:05.000"), printable(node), printable(l.Kind))
	add := func(is bool, format string, args ...any) {
		if is {
			b.WriteByte(' ')
			fmt.Fprintf(&b, format, args...)
		}
	}
	add(l.Event != "", "%s", printable(l.Event))
	add(l.Channel != "", "%s", printable(l.Channel))
	add(l.Code != 0, "%d", l.Code)
	add(l.Reason != "", "%s", printable(l.Reason))
	add(l.Count > 0, "x%d", l.Count)
	add(l.Bytes > 0, "%d B", l.Bytes)
	add(l.Format != "", "%s", printable(l.Format))
	add(l.TookMS > 0, "in %.1f ms", l.TookMS)
	add(l.From != "", "from %s", printable(l.From))
	to := ""
	if l.From != "" { // else who it is about is also who has done it, or a backend has
		to = "to "
	}
	add(l.Conn != "", "%s%s", to, printable(l.Conn))
	return b.String()
}
