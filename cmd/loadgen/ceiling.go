package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/bench"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/rawserver"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

type ceilingCmd struct {
	connFlags
	fanoutFlags
	ServerCPU int `name:"server-cpu" default:"0" help:"Core that the raw server is pinned to; -1 for any."`
}

func (c *ceilingCmd) job() job { return c }

func (c *ceilingCmd) options() (load.Options, error) {
	o, err := c.connFlags.options(load.Fanout)
	c.apply(&o)
	if o.InFlight == 0 {
		// With one in flight the server would wait for the client between rounds; the
		// ceiling is a server that never waits.
		o.InFlight = 2
	}
	o.URLs = []string{"ws://127.0.0.1:0/"} // until it runs
	return o, err
}

// Run is for kong.
func (c *ceilingCmd) Run(ctx context.Context, out *output) error { return out.do(ctx, c.job()) }

func (c *ceilingCmd) check() error { return loadJob{c}.check() }

func (c *ceilingCmd) run(ctx context.Context, show func(report.Progress)) (_ *report.Result, err error) {
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	srv, err := startRawServer(c.ServerCPU)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, srv.Stop()) }()
	o.URLs = []string{"ws://" + srv.Addr + "/"}
	o.ServerPID = srv.PID()
	o.Progress = show
	res, err := load.Run(ctx, o)
	if res != nil {
		res.Scenario = "ceiling"
	}
	return res, err
}

type rawServerCmd struct {
	Listen string `default:"127.0.0.1:0" help:"Address."`
	CPU    int    `name:"cpu" default:"-1" help:"Core to be pinned to; -1 for any."`
	Bare   bool   `help:"Answer upgrades, and greet nobody."`
}

// Run is for kong. It ends with standard input, so that it does not outlive whoever
// started it.
func (c *rawServerCmd) Run(ctx context.Context) error {
	if c.CPU >= 0 {
		if err := pin(c.CPU); err != nil {
			return err
		}
	}
	s, err := rawserver.Listen(c.Listen, c.Bare)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }() // ends with Stop, below
	fmt.Println("listening", s.Addr())
	eof := make(chan struct{})
	// Ends with standard input or, at the latest, with the process.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(eof)
	}()
	select {
	case err := <-served:
		return err
	case <-eof:
	case <-ctx.Done():
	}
	return errors.Join(s.Stop(), <-served)
}

// startRawServer starts this program as the raw server, on a core of its own.
func startRawServer(cpu int) (*bench.Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the raw server: %w", err)
	}
	cmd := exec.Command(self, "raw-server", "--cpu="+strconv.Itoa(cpu))
	cmd.Stderr = os.Stderr
	return bench.StartChild(cmd)
}
