package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// far has a node that may be anywhere log otherwise.
func (l *logLevelCmd) far(ctx context.Context, s *config.Shared, out output) error {
	if err := checkNodeID(l.NodeID); err != nil {
		return err
	}
	ctx, c, end, err := connectFor(ctx, s, pubTimeout)
	if err != nil {
		return err
	}
	defer end()
	answer, err := c.LogLevel(ctx, l.NodeID, bus.LevelQuery{Level: l.Level, For: l.For})
	if err != nil {
		if _, why, is := strings.Cut(err.Error(), bus.ErrBadBody.Error()+": "); is {
			return fmt.Errorf("log-level: %s", printable(why))
		}
		return nodeFault(s, bus.APILogLevel, l.NodeID, err)
	}
	if l.For > 0 {
		fmt.Fprintf(out.stdout, "node %s logs at %s for %v\n", printable(l.NodeID), printable(l.Level), l.For)
	} else {
		fmt.Fprintf(out.stdout, "node %s logs at %s\n", printable(l.NodeID), printable(l.Level))
	}
	return missing(answer.Silent, answer.Refused)
}
