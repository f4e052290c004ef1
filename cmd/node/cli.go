package main

import (
	"context"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// cli is the command line. A command is a struct of its options and arguments, with a
// tag for help, and its Run, whose parameters are among the bindings: nothing else
// knows of it. Those beyond the node keep to the options of config.Shared. Those that
// are alone need no configuration, or as health does theirs alone: what is wrong
// elsewhere does not keep it from saying how the node is.
type cli struct {
	config.Help
	config.Shared

	Run      nodeCmd     `cmd:"" hidden:"" default:"withargs"`
	Pub      pubCmd      `cmd:"" help:"push to clients"`
	Ask      askCmd      `cmd:"" help:"ask clients, and print what they answer"`
	Kick     kickCmd     `cmd:"" help:"close connections"`
	Revoke   revokeCmd   `cmd:"" help:"take trust back from a user, a token, or everybody"`
	Top      topCmd      `cmd:"" help:"show what all nodes do, live"`
	Who      whoCmd      `cmd:"" help:"list the connections of a user"`
	Channels channelsCmd `cmd:"" help:"list the channels with most subscribers"`
	Trace    traceCmd    `cmd:"" help:"show what passes for a user, live"`
	Tap      tapCmd      `cmd:"" help:"print what passes on NATS, decoded"`
	Token    tokenCmd    `cmd:"" help:"make a token for trying out"`
	Health   healthCmd   `cmd:"" alone:"" help:"ask the node of this machine how it is"`
	Drain    drainCmd    `cmd:"" help:"let the clients of a node go, and end it"`
	Version  versionCmd  `cmd:"" alone:"" help:"say what was built"`

	LogLevel logLevelCmd `cmd:"" help:"say or set how much the node of this machine logs"`

	Configuration configCmd `cmd:"" name:"config" help:"look at the configuration of a node"`
}

// bindings are what a Run may ask for, beside the context.
func (c *cli) bindings(from config.Sources, out output) []any {
	return []any{c, &c.Shared, from, out}
}

// nodeOptions are those of a command that is about a node.
type nodeOptions struct{ config.Node }

func (n *nodeOptions) node() *config.Node { return &n.Node }

type nodeCmd struct{ nodeOptions }

// Run runs a node.
func (*nodeCmd) Run(ctx context.Context, c *cli, out output) error { return runNode(ctx, c, out) }

type pubCmd struct {
	User   pubUserCmd   `cmd:"" help:"push to every socket of a user"`
	Conn   pubConnCmd   `cmd:"" help:"push to one socket"`
	Client pubClientCmd `cmd:"" help:"push to one tab of a Sente client"`
	Chan   pubChanCmd   `cmd:"" help:"publish to a channel"`
	All    pubAllCmd    `cmd:"" help:"push to everyone"`
}

// pushFlags are what every push can be told.
type pushFlags struct {
	Flush bool `name:"flush" help:"It leaves at once, with what is gathered for Sente clients." meta:""`
}

type pubUserCmd struct {
	pushFlags

	UID   string `arg:"" name:"uid"`
	Event string `arg:"" name:"event"`
	EDN   bool   `name:"edn" help:"UID is EDN. Else it is a string, or with a leading : a keyword." meta:""`
}

type pubConnCmd struct {
	pushFlags

	ConnID string `arg:"" name:"conn-id"`
	Event  string `arg:"" name:"event"`
}

type pubClientCmd struct {
	pushFlags

	ClientID string `arg:"" name:"client-id"`
	Event    string `arg:"" name:"event"`
}

type pubChanCmd struct {
	pushFlags

	Channel string `arg:"" name:"channel"`
	Data    string `arg:"" name:"data"`
	EDN     bool   `name:"edn" help:"CHANNEL is EDN. Else it is a string, or with a leading : a keyword." meta:""`
}

type pubAllCmd struct {
	pushFlags

	Event string `arg:"" name:"event"`
}

type tapCmd struct {
	Pattern string `arg:"" name:"subject-pattern"`
}

const (
	summary = "Hoshi holds WebSocket connections and puts NATS behind them."

	about = `Try it, in two shells:

  hoshi --dev                                 a node with NATS inside
  hoshi pub user alice '[:chat/hi {:n 1}]'    to ws://127.0.0.1:8080/?uid=alice`
)

// Help implements kong.HelpProvider.
func (pubUserCmd) Help() string {
	return `  hoshi pub user alice '[:chat/hi {:n 1}]'
  hoshi pub user :admin '[:chat/hi {:n 1}]'
  hoshi pub user --edn 42 '[:chat/hi {:n 1}]'`
}

// Help implements kong.HelpProvider.
func (pubConnCmd) Help() string {
	return `  hoshi pub conn conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4 '[:chat/hi {:n 1}]'`
}

// Help implements kong.HelpProvider.
func (pubClientCmd) Help() string {
	return `  hoshi pub client 0a1b2c3d-... '[:chat/hi {:n 1}]'`
}

// Help implements kong.HelpProvider.
func (pubChanCmd) Help() string {
	return `  hoshi pub chan lobby '{:text "hello"}'
  hoshi pub chan :chat/room '{:text "hello"}'
  hoshi pub chan --edn '[:doc 7]' '{:text "hello"}'`
}

// Help implements kong.HelpProvider.
func (pubAllCmd) Help() string { return `  hoshi pub all '[:news/flash "hello"]'` }

// Help implements kong.HelpProvider.
func (tapCmd) Help() string {
	return `  hoshi tap 'hoshi.>'              everything but the nodes' heartbeats
  hoshi tap 'hoshi.event.>'        what clients send
  hoshi tap 'hoshi.chan.lobby'     one channel
  hoshi tap hoshi.nodes            the heartbeats

NATS counts a tap as somebody who listens: while it runs, an event that no
backend takes ends in a timeout, not at once, and a push to nobody does not
say so.`
}

// Check implements config.Checker.
func (c *cli) Check(command any, report config.Report) {
	c.Shared.Check(report)
	if about, ok := command.(interface{ node() *config.Node }); ok {
		n := about.node()
		n.Check(&c.Shared, report)
		checkNATSFiles(&c.Shared, report)
		checkAccess(&n.Access, report)
		checkCallouts(&n.Callouts, report)
		checkTLS(&n.Transport, report)
		checkLogFile(n, report)
	}
}
