package main

import (
	"context"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/fleet"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

type outputFlags struct {
	JSON  string `name:"json" placeholder:"FILE" help:"Write the JSON there instead of standard output."`
	Name  string `placeholder:"TEXT" help:"What the result is called, for compare. Default: the scenario."`
	Quiet bool   `short:"q" help:"No progress."`
}

func (f outputFlags) flags() outputFlags { return f }

type serverFlags struct {
	URL     []string `name:"url" default:"ws://127.0.0.1:8080/" help:"The server; several take turns."`
	Dialect string   `default:"sente-lite" help:"What the clients speak, as NAME=WEIGHT,...: sente-lite alone for now."`
	connFlags
}

func (f serverFlags) options(scenario string) (load.Options, error) {
	o, err := f.connFlags.options(scenario)
	if err != nil {
		return o, err
	}
	o.URLs = f.URL
	o.Dialects, err = dialect.ParseShares(f.Dialect)
	return o, err
}

type connFlags struct {
	ServerPID  int           `name:"server-pid" placeholder:"PID" help:"The server's process on this machine: report its memory and CPU time."`
	Timeout    time.Duration `default:"10s" help:"How long any one answer may take."`
	Connecting int           `placeholder:"N" help:"Connections in their handshake at once (default 64; 4096 for a storm with --rate)."`
	Source     []string      `placeholder:"ADDR" help:"Local addresses, 127.0.0.2,127.0.0.3 or 127.0.0.2-127.0.0.9; connections take turns. One has some 28,000 ports for each server."`
	Portable   bool          `help:"Use the loop of goroutines in place of epoll."`
	outputFlags
}

type paceFlags struct {
	InFlight int           `name:"in-flight" short:"f" placeholder:"N" help:"Messages in flight at most (default 1; 65536 with --rate)."`
	Rate     float64       `short:"r" placeholder:"N" help:"Sends a second on a fixed schedule. Default: as fast as --in-flight allows."`
	Warmup   time.Duration `default:"1s" help:"Time before the clock starts."`
	Duration time.Duration `short:"d" default:"10s" help:"Time of sending that counts."`
	Pause    time.Duration `help:"Silence before the first send and after the last receipt, for counting the server's calls from outside."`
}

func (f connFlags) options(scenario string) (load.Options, error) {
	sources, err := host.ParseSources(f.Source)
	if err != nil {
		return load.Options{}, err
	}
	return load.Options{
		Scenario:   scenario,
		ServerPID:  f.ServerPID,
		Timeout:    f.Timeout,
		Connecting: f.Connecting,
		Portable:   f.Portable,
		Sources:    sources,
	}, nil
}

func (f paceFlags) apply(o *load.Options) {
	o.InFlight, o.Rate, o.Warmup, o.Duration = f.InFlight, f.Rate, f.Warmup, f.Duration
	o.Pause = f.Pause
}

type readerFlags struct {
	Slow     float64 `placeholder:"PCT" help:"Percentage of receivers that read slowly. Nobody waits for them; they are counted apart."`
	SlowRate int     `name:"slow-rate" default:"10000" help:"Bytes a second that each of them reads."`
	Frozen   float64 `placeholder:"PCT" help:"Percentage of receivers that read nothing until the end of the run. Nobody waits for them either."`
}

func (f readerFlags) apply(o *load.Options) {
	o.Slow, o.SlowRate, o.Frozen = f.Slow, f.SlowRate, f.Frozen
}

type floodFlags struct {
	Flood int `placeholder:"N" help:"Sockets beside all others that send events as fast as the server takes them. Nobody waits for them."`
}

func (f floodFlags) apply(o *load.Options) { o.Flood = f.Flood }

type idleCmd struct {
	serverFlags
	Connections int           `short:"n" default:"15000" help:"Sockets."`
	Channels    int           `default:"1" help:"Channels; each socket subscribes to one."`
	Users       bool          `help:"A uid for each socket, in the query: the server needs --insecure-uid-param uid."`
	Hold        time.Duration `default:"20s" help:"How long to wait after the last connection."`
}

func (c *idleCmd) job() job { return loadJob{c} }

func (c *idleCmd) options() (load.Options, error) {
	o, err := c.serverFlags.options(load.Idle)
	o.Connections, o.Channels, o.Users, o.Hold = c.Connections, c.Channels, c.Users, c.Hold
	return o, err
}

// Run is for kong.
func (c *idleCmd) Run(ctx context.Context, out *output) error { return out.do(ctx, c.job()) }

type stormCmd struct {
	serverFlags
	Connections int           `short:"n" default:"10000" help:"Sockets."`
	Rate        float64       `short:"r" placeholder:"N" help:"Connections begun in a second, on a fixed schedule. Default: as many as --connecting allows."`
	Channels    int           `default:"0" help:"Channels; each socket subscribes to one. 0: nobody subscribes."`
	Users       bool          `help:"A uid for each socket, in the query: the server needs --insecure-uid-param uid."`
	Bare        bool          `help:"A connection is made when the upgrade is answered: the server need say no more."`
	Hold        time.Duration `default:"0s" help:"How long to stay after the last connection."`
	Keep        bool          `help:"Then stay until Ctrl-C, which is no interruption."`
}

func (c *stormCmd) job() job { return loadJob{c} }

func (c *stormCmd) options() (load.Options, error) {
	o, err := c.serverFlags.options(load.Storm)
	o.Connections, o.Channels, o.Users, o.Bare = c.Connections, c.Channels, c.Users, c.Bare
	o.ConnectRate, o.Hold, o.Keep = c.Rate, c.Hold, c.Keep
	return o, err
}

// Run is for kong.
func (c *stormCmd) Run(ctx context.Context, out *output) error { return out.do(ctx, c.job()) }

type fanoutFlags struct {
	Subscribers int `short:"n" default:"1000" help:"Sockets that subscribe."`
	Channels    int `default:"1" help:"Channels; each subscriber takes one, publishes take turns."`
	Size        int `short:"s" default:"128" help:"Bytes of a payload's EDN text."`
	paceFlags
}

func (f fanoutFlags) apply(o *load.Options) {
	o.Connections, o.Channels, o.Size = f.Subscribers, f.Channels, f.Size
	f.paceFlags.apply(o)
}

type fanoutCmd struct {
	serverFlags
	fanoutFlags
	readerFlags
	floodFlags
	Publishers int      `placeholder:"N" help:"Sockets that publish (default 1 for each --publish-url); where channels are fewer, those of a channel take turns."`
	PublishURL []string `name:"publish-url" placeholder:"URL" help:"Where publishers connect, for example other nodes; several take turns. Default: the first --url."`
}

func (c *fanoutCmd) job() job { return loadJob{c} }

func (c *fanoutCmd) options() (load.Options, error) {
	o, err := c.serverFlags.options(load.Fanout)
	c.fanoutFlags.apply(&o)
	c.readerFlags.apply(&o)
	c.floodFlags.apply(&o)
	o.Publishers, o.PublishURLs = c.Publishers, c.PublishURL
	return o, err
}

// Run is for kong.
func (c *fanoutCmd) Run(ctx context.Context, out *output) error { return out.do(ctx, c.job()) }

type pingpongCmd struct {
	serverFlags
	floodFlags
	Connections int           `short:"n" default:"500" help:"Sockets, with one ping under way each."`
	Rate        float64       `short:"r" placeholder:"N" help:"Pings a second on a fixed schedule. Default: each as soon as it has its pong."`
	Warmup      time.Duration `default:"1s" help:"Time before the clock starts."`
	Duration    time.Duration `short:"d" default:"10s" help:"Time of sending that counts."`
}

func (c *pingpongCmd) job() job { return loadJob{c} }

func (c *pingpongCmd) options() (load.Options, error) {
	o, err := c.serverFlags.options(load.PingPong)
	o.Connections = c.Connections
	o.Rate, o.Warmup, o.Duration = c.Rate, c.Warmup, c.Duration
	c.floodFlags.apply(&o)
	return o, err
}

// Run is for kong.
func (c *pingpongCmd) Run(ctx context.Context, out *output) error { return out.do(ctx, c.job()) }

type userpushCmd struct {
	serverFlags
	Users  int    `short:"n" default:"10000" help:"Users, with one socket each."`
	Size   int    `short:"s" default:"128" help:"Bytes of the event's data."`
	NATS   string `name:"nats-url" default:"nats://127.0.0.1:4222" help:"Where to publish."`
	Prefix string `default:"hoshi" help:"First token of the subjects."`
	paceFlags
	readerFlags
}

func (c *userpushCmd) job() job { return loadJob{c} }

func (c *userpushCmd) options() (load.Options, error) {
	o, err := c.serverFlags.options(load.UserPush)
	c.paceFlags.apply(&o)
	c.readerFlags.apply(&o)
	o.Connections, o.Size, o.NATS, o.Prefix = c.Users, c.Size, c.NATS, c.Prefix
	return o, err
}

// Run is for kong.
func (c *userpushCmd) Run(ctx context.Context, out *output) error { return out.do(ctx, c.job()) }

type clientsCmd struct {
	URL        []string      `name:"url" default:"ws://127.0.0.1:8080/" help:"The nodes; clients begin with each in turn, and have all of them."`
	Clients    int           `short:"n" default:"10000" help:"Full clients, as a program would use them."`
	Channels   int           `default:"100" help:"Channels; each client subscribes to one. 0: nobody subscribes."`
	Publishers int           `placeholder:"N" help:"How many of the clients publish with --rate (default 10)."`
	Rate       float64       `short:"r" placeholder:"N" help:"Messages a second, of all publishers together. Default: none."`
	Size       int           `short:"s" default:"128" help:"Bytes of a message's data."`
	Connecting int           `default:"256" help:"Clients without their first connection at once."`
	Duration   time.Duration `short:"d" default:"10s" help:"How long to run once all are connected."`
	UntilBack  bool          `name:"until-back" help:"End when clients have lost their connection and all are back, at the latest after --duration; not to come to that is a failure."`
	Timeout    time.Duration `default:"10s" help:"How long any one answer may take."`
	Source     []string      `placeholder:"ADDR" help:"Local addresses, 127.0.0.2,127.0.0.3 or 127.0.0.2-127.0.0.9; connections take turns."`
	ServerPID  int           `name:"server-pid" placeholder:"PID" help:"The server's process on this machine: report its memory."`
	outputFlags
}

func (c *clientsCmd) job() job { return c }

// Run is for kong.
func (c *clientsCmd) Run(ctx context.Context, out *output) error { return out.do(ctx, c.job()) }

func (c *clientsCmd) options() (fleet.Options, error) {
	sources, err := host.ParseSources(c.Source)
	return fleet.Options{
		URLs: c.URL, Clients: c.Clients, Channels: c.Channels, Publishers: c.Publishers, Rate: c.Rate, Size: c.Size,
		Connecting: c.Connecting, Duration: c.Duration, UntilBack: c.UntilBack, Timeout: c.Timeout, Sources: sources, ServerPID: c.ServerPID,
	}, err
}

func (c *clientsCmd) check() error {
	o, err := c.options()
	if err != nil {
		return err
	}
	return fleet.Check(o)
}

func (c *clientsCmd) run(ctx context.Context, show func(report.Progress)) (*report.Result, error) {
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	o.Progress = show
	return fleet.Run(ctx, o)
}
