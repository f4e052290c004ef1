package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

type drainCmd struct {
	config.Admin

	NodeID string `arg:"" name:"node-id" optional:""`
}

// Help implements kong.HelpProvider.
func (drainCmd) Help() string {
	return `  hoshi drain                 the node of this machine, and wait for its end
  hoshi drain 0b6f1c2a9d3e    that one, over NATS, without waiting

The node takes no more clients, closes those it has within its --drain-time,
and ends with exit code 0, as at SIGTERM. Ctrl-C ends the waiting alone.`
}

const (
	drainLook = 500 * time.Millisecond // how often the node is asked how far it is
	drainSay  = 5 * time.Second        // how often a person is told
	// drainSilence is how long a node may say nothing without having ended.
	drainSilence = 30 * time.Second
)

func (d *drainCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if d.NodeID != "" {
		return d.far(ctx, s, out)
	}
	l := localNode{d.AdminListen, localTimeout}
	answer, err := l.ask(ctx, http.MethodPost, "/drain", "")
	if err != nil {
		return err
	}
	var said struct {
		Node        string `json:"node"`
		Reason      string `json:"reason"`
		Connections int    `json:"connections"`
		TimeMS      int64  `json:"drain-time-ms"`
	}
	err = json.Unmarshal(answer.body, &said)
	switch {
	case answer.status == http.StatusNotImplemented && err == nil:
		return fmt.Errorf("the node does not drain: %s", printable(said.Reason))
	case answer.status != http.StatusAccepted || err != nil || said.Node == "":
		return fmt.Errorf("what listens on %s answers %d %s", local(string(d.AdminListen)), answer.status, answer.text())
	}
	fmt.Fprintf(out.stdout, "node %s drains: %s in %v\n", printable(said.Node), counted(said.Connections, "connection"), time.Duration(said.TimeMS)*time.Millisecond)
	return l.awaitEnd(ctx, said.Node, out)
}

// awaitEnd returns when the node has ended, and prints how far it is.
func (l localNode) awaitEnd(ctx context.Context, node string, out output) error {
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	told, heard := time.Now(), time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			fmt.Fprintf(out.stdout, "node %s goes on draining\n", printable(node))
			return context.Cause(ctx)
		}
		answer, err := l.ask(ctx, http.MethodGet, "/stats", "")
		var stats struct {
			Node  string `json:"node"`
			Drain struct {
				Left   int    `json:"left"`
				Closed uint64 `json:"closed"`
			} `json:"drain"`
		}
		if err == nil {
			err = json.Unmarshal(answer.body, &stats)
		}
		switch {
		case err != nil && l.gone(), err == nil && stats.Node != node: // another one has its place
			fmt.Fprintf(out.stdout, "node %s has ended\n", printable(node))
			return nil
		case err != nil: // its listener is being closed, say
			if time.Since(heard) > drainSilence {
				return fmt.Errorf("node %s may not have ended: %w", printable(node), err)
			}
			continue
		}
		heard = time.Now()
		if time.Since(told) >= drainSay {
			told = heard
			fmt.Fprintf(out.stdout, "%d left, %d closed\n", stats.Drain.Left, stats.Drain.Closed)
		}
	}
}

// gone reports whether nobody listens any more.
func (l localNode) gone() bool {
	c, err := net.DialTimeout("tcp", local(string(l.addr)), time.Second)
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// far asks a node that may be anywhere.
func (d *drainCmd) far(ctx context.Context, s *config.Shared, out output) error {
	if err := checkNodeID(d.NodeID); err != nil {
		return err
	}
	ctx, c, end, err := connectFor(ctx, s, pubTimeout)
	if err != nil {
		return err
	}
	defer end()
	if err := c.DrainNode(ctx, d.NodeID); err != nil {
		return nodeFault(s, bus.APIDrain, d.NodeID, err)
	}
	fmt.Fprintf(out.stdout, "node %s drains\n", printable(d.NodeID))
	return nil
}
