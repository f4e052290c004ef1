package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// Exit codes.
const (
	exitFailed      = 1   // the run failed; what was measured is printed all the same
	exitUsage       = 2   // a wrong flag or value
	exitInterrupted = 130 // Ctrl-C; the summary so far is printed
)

const description = `Puts load on a WebSocket pub/sub server that speaks sente-lite, and measures what clients get.

Latencies run from the intended send time: with --rate a server that stands still is charged for everything that it made wait.
"In flight" is what has been published and not yet been received by every subscriber. JSON goes to standard output, or to --json FILE;
progress and the summary go to standard error. All flags can stand in a scenario file (run). Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted (with the summary so far).`

type cli struct {
	Idle      idleCmd      `cmd:"" help:"Hold connections open, all subscribed, and look at the server's memory."`
	Storm     stormCmd     `cmd:"" help:"Open connections as fast as they can be had, or at a rate, and measure that."`
	Fanout    fanoutCmd    `cmd:"" help:"Publish to channels; every subscriber must receive."`
	Pingpong  pingpongCmd  `cmd:"" help:"Round trips of [:chsk/ws-ping], one under way on each connection."`
	Userpush  userpushCmd  `cmd:"" help:"Publish on NATS to users with one socket each."`
	Clients   clientsCmd   `cmd:"" help:"Full clients of pkg/client: connect, subscribe, publish a little, come back when a node ends."`
	Roll      rollCmd      `cmd:"" help:"Restart the nodes of a cluster one after the other under full clients, and measure what that costs them."`
	Run       runCmd       `cmd:"" passthrough:"" help:"Run the scenarios of an EDN file: a map, or a vector of maps, with flags' long names as keys."`
	Compare   compareCmd   `cmd:"" help:"Compare the results of two runs, metric by metric."`
	Ceiling   ceilingCmd   `cmd:"" help:"Fan-out against a raw server of one send for each delivery, started for the occasion on one core."`
	Bench     benchCmd     `cmd:"" help:"All of the benchmark: a node on one core, this program on another, ratios to the ceiling."`
	RawServer rawServerCmd `cmd:"" help:"The raw server of ceiling alone, until standard input ends."`
}

func main() { os.Exit(start(os.Args[1:])) }

// newParser makes the parser of c.
func newParser(c *cli, more ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append(more, kong.Name("loadgen"), kong.Description(description), kong.Writers(os.Stdout, os.Stderr))...)
}

func start(args []string) int {
	var c cli
	code := -1
	k, err := newParser(&c, kong.UsageOnError(), kong.Exit(func(n int) { code = n }))
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		return exitUsage
	}
	kctx, err := k.Parse(args)
	if code >= 0 { // --help
		return code
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends at once
	kctx.BindTo(ctx, (*context.Context)(nil))
	var out output
	err = kctx.Run(&out)
	err = errors.Join(err, out.flush())
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, report.ErrInterrupted):
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		return exitUsage
	}
	fmt.Fprintln(os.Stderr, "loadgen:", err)
	return exitFailed
}

// usageError is a run that did not begin because of what was asked for.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
