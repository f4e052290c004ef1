package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/process"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/roll"
)

type rollCmd struct {
	Node      string        `default:"./hoshi" env:"BENCH_NODE" help:"The server's program."`
	NodeArg   []string      `placeholder:"ARG" sep:"none" help:"One more argument of the nodes, for example --node-arg=--log-level=warn."`
	Nodes     int           `default:"3" help:"Nodes that are restarted. One more holds NATS and the publisher."`
	Clients   int           `short:"n" default:"10000" help:"Full clients, each subscribed to one channel."`
	Channels  int           `default:"100" help:"Channels."`
	Rate      float64       `short:"r" default:"100" help:"Messages a second, on all channels together."`
	DrainTime time.Duration `name:"drain-time" default:"30s" help:"That of the nodes."`
	DrainRate int           `name:"drain-rate" default:"500" help:"That of the nodes."`
	Timeout   time.Duration `default:"1m" help:"How long any one step may take beyond the drain time."`
	JSON      string        `name:"json" placeholder:"FILE" help:"Write the JSON there instead of standard output."`
	Quiet     bool          `short:"q" help:"No progress."`
}

// Run is for kong.
func (c *rollCmd) Run(ctx context.Context) (err error) {
	dir, err := process.TempDir()
	if err != nil {
		return fmt.Errorf("roll: %w", err)
	}
	defer func() {
		if err == nil { // else a node's log may say why
			err = os.RemoveAll(dir)
		}
	}()
	o := roll.Options{
		Program: c.Node, NodeArgs: c.NodeArg, Nodes: c.Nodes, Clients: c.Clients, Channels: c.Channels, Rate: c.Rate,
		DrainTime: c.DrainTime, DrainRate: c.DrainRate, Timeout: c.Timeout, Dir: dir, Log: os.Stderr,
	}
	if c.Quiet {
		o.Log = nil
	}
	res, err := roll.Run(ctx, o)
	if res == nil {
		return &usageError{err}
	}
	err = errors.Join(err, res.WriteTable(os.Stderr), c.write(res))
	if ctx.Err() != nil {
		return report.ErrInterrupted
	}
	if err == nil && (res.Messages.Lost > 0 || res.Messages.Doubled > 0) {
		err = fmt.Errorf("roll: %d messages were lost and %d doubled for clients that were there", res.Messages.Lost, res.Messages.Doubled)
	}
	return err
}

func (c *rollCmd) write(res *roll.Result) error {
	if c.JSON == "" {
		return res.WriteJSON(os.Stdout)
	}
	f, err := os.Create(c.JSON)
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return errors.Join(res.WriteJSON(f), f.Close())
}
