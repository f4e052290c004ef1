package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/internal/obs"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

const (
	// startTimeout bounds the start, but for the time that --nats-wait gives NATS; what
	// takes longer then is as good as away.
	startTimeout = 20 * time.Second
	// stopTimeout bounds the end beyond --drain-time, whatever clients and NATS do
	// meanwhile.
	stopTimeout = 8 * time.Second
)

// runNode runs a node until ctx ends, or somebody asks it to end.
func runNode(ctx context.Context, c *cli, out output) error {
	c.Run.ApplyDev()
	end := newEnding()
	defer end.leave() // behind everything else: no signal is to end the process the hard way that has nearly ended
	logging := logOptions(c, out)
	logs, err := obs.New(logging)
	if err != nil {
		return err
	}
	defer logs.Close() //nolint:errcheck // nobody is left to be told
	log := logs.Logger
	obs.TakeStandard(log)
	defer reopenOnHangup(logs, out)()
	if err := probePorts(ctx, c); err != nil {
		return alsoInFile(logs, err)
	}
	limitMemory(log)
	for _, w := range warnings(&c.Shared, &c.Run.Node) {
		log.Warn().Str("option", "--"+w.option).Str("value", w.value).Msg(w.text)
	}

	n := node{cli: c, log: log, logs: logs, ending: end}
	n.ending.watch() // before the node is ready: who sees that may end it at once
	starting, cancel := n.startContext(ctx)
	err = n.start(starting)
	asked := errors.Is(starting.Err(), context.Canceled)
	cancel()
	if err != nil {
		n.ending.leave()
	}
	switch {
	case err != nil && asked:
		log.Info().Msg("node is told to end before it has started")
		return n.stop(time.Now().Add(stopTimeout))
	case err != nil:
		return alsoInFile(logs, errors.Join(err, n.stop(time.Now().Add(stopTimeout))))
	}
	if err := n.greet(out.stdout); err != nil {
		return errors.Join(fmt.Errorf("print the addresses: %w", err), n.stop(time.Now().Add(stopTimeout)))
	}
	if logging.JSON() {
		n.logStart() // whoever collects the log has not seen the greeting
	}
	running, cancel := n.ending.either(ctx)
	giveBack(running, memoryTick, n.edge.Connections, freeMemory) // ends with running
	cancel()
	if err := n.finish(ctx); err != nil {
		// Asked to end, it has ended: what was cut short is no fault of the caller.
		log.Warn().Err(err).Msg("node was stopped before everything was handed over")
	}
	return nil
}

// node is what runs, in the order it was started.
type node struct {
	// Fixed after start.
	cli  *cli
	log  zerolog.Logger
	logs *obs.Log
	nats *natsd.Server // nil with --nats-url
	edge *edge.Node

	ending  *ending
	tracing *obs.Tracing // nil without --trace-endpoint
}

// startContext returns the one that bounds the start. It is canceled when the node is
// told to end, as hoshi drain may while it waits for NATS.
func (n *node) startContext(ctx context.Context) (context.Context, context.CancelFunc) {
	either, stop := n.ending.either(ctx)
	most := startTimeout
	if o := &n.cli.Run.Node; !o.Embedded(&n.cli.Shared) {
		if o.NATSWait == 0 {
			return either, stop
		}
		most += o.NATSWait
	}
	bounded, cancel := context.WithTimeoutCause(either, most, fmt.Errorf("not there after %v", most))
	return bounded, func() {
		cancel()
		stop()
	}
}

func (n *node) start(ctx context.Context) error {
	s, o := &n.cli.Shared, &n.cli.Run.Node
	b := busOptions(s)
	if o.Embedded(s) {
		nats, err := natsd.Start(ctx, natsdOptions(s, o, &n.log))
		if err != nil {
			return natsdError(err)
		}
		n.nats = nats
		b.InProcess = nats
		n.logs.Level.Follow(func(l zerolog.Level) { nats.SetDebug(l <= zerolog.DebugLevel) })
	} else {
		b.ConnectWait = natsWait(o)
	}
	eo := edgeOptions(o, b, &n.log)
	eo.AdminRoutes = n.adminRoutes
	eo.OnDrain = n.ending.ask
	eo.OnLogLevel = func(level string, lasts time.Duration) error { return setLevel(n.logs, level, lasts) }
	if err := n.trace(&eo); err != nil {
		return err
	}
	e, err := edge.Start(ctx, eo)
	if err != nil {
		return n.edgeError(err)
	}
	n.edge = e
	return nil
}

func natsdOptions(s *config.Shared, o *config.Node, log *zerolog.Logger) natsd.Options {
	return natsd.Options{
		Listen:          string(o.NATSListen),
		Username:        s.NATSUser,
		Password:        s.NATSPassword,
		Token:           s.NATSToken,
		ClusterListen:   string(o.NATSClusterListen),
		Routes:          o.NATSRoutes,
		ClusterUsername: o.NATSClusterUser,
		ClusterPassword: o.NATSClusterPassword,
		Logger:          log,
	}
}

// natsdError words what kept the embedded NATS from starting. Ports were free a
// moment ago, so a busy one was taken in between.
func natsdError(err error) error {
	var failed []listener
	for _, e := range natsd.PortErrors(err) {
		option := "nats-listen"
		if e.Listener == natsd.ClusterListener {
			option = "nats-cluster-listen"
		}
		failed = append(failed, listener{option: option, addr: config.Addr(e.Addr), err: e.Err})
	}
	if len(failed) > 0 {
		return portsError(failed)
	}
	return fmt.Errorf("embedded NATS: %s", oneLine(err.Error()))
}

// edgeError does the same for what comes behind NATS.
func (n *node) edgeError(err error) error {
	var failed []listener
	for _, e := range listenErrors(err) {
		failed = append(failed, listener{option: string(e.Listener), addr: config.Addr(e.Addr), err: e.Err})
	}
	if len(failed) > 0 {
		return portsError(failed)
	}
	if n.nats == nil {
		return unreachable(&n.cli.Shared, err)
	}
	return fmt.Errorf("start the node: %w", err)
}

func listenErrors(err error) []*edge.ListenError {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // takes a joined error apart
		var all []*edge.ListenError
		for _, e := range joined.Unwrap() {
			all = append(all, listenErrors(e)...)
		}
		return all
	}
	if e, ok := errors.AsType[*edge.ListenError](err); ok {
		return []*edge.ListenError{e}
	}
	return nil
}

// stop ends in reverse what was started, until end at most: the last spans have their
// time of it. It may be called on half a node.
func (n *node) stop(end time.Time) error {
	served := end
	if n.tracing != nil {
		served = end.Add(-traceFlush)
	}
	ctx, cancel := context.WithDeadline(context.Background(), served)
	defer cancel()
	var err error
	if n.edge != nil {
		err = n.edge.Stop(ctx)
	}
	if n.nats != nil {
		n.nats.Shutdown()
	}
	n.stopTracing(end)
	return err
}
