package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// options are what can be said on the command line. Fixed after parse.
type options struct {
	time    time.Duration // for faults; the start and the end come on top
	clients int           // that come and go in that time
	open    int           // of these at once
	rate    float64       // messages a second, of all publishers together
	seed    uint64
	netns   bool
	only    []string // kinds of faults; empty: all
	verbose bool
	dir     string // for logs; empty: a temporary one, which is kept where something is wrong
}

// What a run consists of. One node and one NATS server, the last of each, have a
// network namespace of their own.
const (
	nodes    = 3
	servers  = 3
	channels = 6
	// steadies are the clients of a node that hear everything, every other one
	// through the relay, each with a uid of its own.
	steadies = 4
	// roamers are tabs of Sente that go from node to node, with a uid each too.
	roamers = 6
	users   = nodes*steadies + roamers
)

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("chaos", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.DurationVar(&o.time, "time", 3*time.Minute, "how long things are broken")
	fs.IntVar(&o.clients, "clients", 100_000, "clients that come and go")
	fs.IntVar(&o.open, "open", 3000, "of these, open at once at most")
	fs.Float64Var(&o.rate, "rate", 60, "messages a second that all publishers send together")
	fs.Uint64Var(&o.seed, "seed", 0, "of the schedule; 0 is a random one")
	noNetns := fs.Bool("no-netns", false, "do without network namespaces, and so without partitions; they need root")
	only := fs.String("only", "", "kinds of faults, separated by commas, see the table of a run")
	fs.BoolVar(&o.verbose, "v", false, "tell each message that a fault has cost")
	fs.StringVar(&o.dir, "dir", "", "where logs are written; by default a temporary folder, kept where something is wrong")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	o.netns = !*noNetns
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	if o.seed == 0 {
		o.seed = 1 + rand.Uint64N(1<<32)
	}
	switch {
	case o.time < time.Second:
		return nil, errors.New("--time is less than a second")
	case o.clients < 0 || o.open < 1 || o.open > 6000:
		return nil, errors.New("--clients must not be negative, --open be from 1 to 6000")
	case o.rate < 1 || o.rate > 1000:
		return nil, errors.New("--rate must be from 1 to 1000")
	}
	return o, nil
}
