package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/obs"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

const (
	// traceClients is how many spans a second clients may have recorded by saying
	// that their own trace is.
	traceClients = 100
	// traceFlush bounds how long the last spans may take to leave, within stopTimeout.
	traceFlush = 2 * time.Second
)

// trace begins to trace, if that is wanted, and has the node do it.
func (n *node) trace(o *edge.Options) error {
	c := &n.cli.Run.Tracing
	if c.TraceEndpoint == "" {
		return nil
	}
	o.ID = id.NewNode() // spans name it
	tracing, err := obs.StartTracing(obs.TraceOptions{
		Endpoint: c.TraceEndpoint,
		Sample:   float64(c.TraceSample),
		Version:  versionText(),
		Node:     o.ID.String(),
		Logger:   n.log,
	})
	if err != nil {
		return fmt.Errorf("--trace-endpoint: %w", err)
	}
	n.tracing = tracing
	o.Tracer = tracing.Tracer()
	if c.TraceSample > 0 {
		o.TraceClients = traceClients
	}
	return nil
}

// stopTracing sends what has been recorded, behind everything that records, until end
// at most.
func (n *node) stopTracing(end time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), earlier(end, time.Now().Add(traceFlush)))
	defer cancel()
	if err := n.tracing.Stop(ctx); err != nil {
		n.log.Warn().Err(err).Msg("the last spans are lost")
	}
}
