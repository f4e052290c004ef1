package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/bench"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/process"
)

type benchCmd struct {
	Node          string        `default:"./hoshi" env:"BENCH_NODE" help:"The server's program."`
	NodeArg       []string      `placeholder:"ARG" sep:"none" help:"One more argument of the node, for example --node-arg=--log-level=warn."`
	Peer          string        `placeholder:"FILE" env:"BENCH_PEER" help:"The reference server's program (bench/peers/gws). Without it what is compared with it is left out."`
	Rounds        int           `default:"3" env:"BENCH_ROUNDS" help:"Runs of each case; medians are reported."`
	Pairs         int           `default:"5" env:"BENCH_PAIRS" help:"Pairs of runs with and without bad neighbours."`
	Duration      time.Duration `short:"d" default:"5s" env:"BENCH_DURATION" help:"Counted time of a run."`
	CountDuration time.Duration `default:"2s" env:"BENCH_COUNT_DURATION" help:"Time of the run whose write calls are counted."`
	Hold          time.Duration `default:"20s" env:"BENCH_HOLD" help:"Wait before memory is read."`
	Quick         bool          `env:"BENCH_QUICK" help:"One round of 2 s, two pairs, a hold of 12 s."`
	Scale         int           `default:"1" placeholder:"N" env:"BENCH_SCALE" help:"Divide sockets and rates by N, to see that everything runs; the numbers say nothing then."`
	ServerCPU     int           `name:"server-cpu" default:"0" env:"BENCH_SERVER_CPU" help:"Core of the server."`
	LoadCPU       int           `name:"load-cpu" default:"1" env:"BENCH_LOAD_CPU" help:"Core of the load."`
	Counter       string        `enum:"auto,perf,strace,none" default:"auto" env:"BENCH_COUNTER" help:"What counts write calls: auto, perf, strace or none."`
	Only          string        `env:"BENCH_ONLY" placeholder:"TEXT" help:"Only cases whose name contains it, or is it."`
	List          bool          `help:"List the names of the cases, and do nothing."`
	JSON          string        `name:"json" placeholder:"FILE" env:"BENCH_JSON" help:"Write all numbers there."`
	Markdown      string        `placeholder:"FILE" help:"Print what --json has written there as the table of docs/performance.md, and do nothing."`
	Check         bool          `env:"BENCH_CHECK" help:"Fail when a bar is not reached."`
}

// Run is for kong.
func (c *benchCmd) Run(ctx context.Context) (err error) {
	switch {
	case c.List:
		fmt.Println(strings.Join(bench.Names(), "\n"))
		return nil
	case c.Markdown != "":
		r, err := bench.ReadReport(c.Markdown)
		if err != nil {
			return &usageError{err}
		}
		fmt.Print(bench.Markdown(r))
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("benchmark: %w", err)
	}
	dir, err := process.TempDir()
	if err != nil {
		return fmt.Errorf("benchmark: %w", err)
	}
	defer func() {
		if err == nil { // else the node's log may say why
			err = os.RemoveAll(dir)
		}
	}()
	o := bench.Options{
		Node: c.Node, Self: self, Peer: c.Peer, NodeArgs: c.NodeArg, ServerCPU: c.ServerCPU, LoadCPU: c.LoadCPU,
		Rounds: c.Rounds, Pairs: c.Pairs, Duration: c.Duration, CountDuration: c.CountDuration, Hold: c.Hold,
		Counter: c.Counter, Only: c.Only, Scale: c.Scale, Dir: dir, Log: os.Stderr,
	}
	if c.Quick {
		o.Rounds, o.Pairs, o.Duration, o.CountDuration, o.Hold = 1, 2, 2*time.Second, time.Second, 12*time.Second
	}
	r := bench.Report{Started: time.Now(), Machine: bench.ThisMachine(), Rounds: o.Rounds, Pairs: o.Pairs, Duration: o.Duration.Seconds()}
	r.Lines, err = bench.Run(ctx, o)
	fmt.Fprintln(os.Stderr)
	err = errors.Join(err, bench.WriteTable(os.Stdout, r.Lines))
	if c.JSON != "" {
		err = errors.Join(err, r.Write(c.JSON))
	}
	for _, l := range r.Lines {
		if err == nil && (l.Error != "" || c.Check && !l.OK()) {
			err = fmt.Errorf("benchmark: %s: short of its bar, left out, or failed", l.Name)
		}
	}
	return err
}
