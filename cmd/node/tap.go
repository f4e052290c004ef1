package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// Run prints what passes until ctx ends, or until nobody reads any more.
func (t *tapCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	c, err := connect(ctx, s)
	if err != nil {
		return err
	}
	defer c.Stop()
	beats := isBeat(s.Prefix, t.Pattern)
	broken := make(chan error, 1)
	_, err = c.Tap(ctx, t.Pattern, func(subject string, h bus.Header, body []byte) {
		if !beats && isBeat(s.Prefix, subject) {
			return
		}
		if _, err := fmt.Fprintln(out.stdout, tapLine(time.Now(), s.Prefix, subject, h, body)); err != nil {
			select {
			case broken <- err:
			default:
			}
		}
	})
	switch {
	case errors.Is(err, bus.ErrBadSubject):
		return fmt.Errorf("SUBJECT-PATTERN %s is none: want levels with * for one and > for all that follow, like 'hoshi.chan.>'", clip(t.Pattern))
	case errors.Is(err, bus.ErrDenied):
		return denied(s, err, "subscribe to")
	case err != nil && ctx.Err() != nil:
		return context.Canceled
	case err != nil:
		return unreachable(s, err)
	}
	fmt.Fprintf(out.stderr, "tapping %s on %s, Ctrl-C ends it\n", printable(t.Pattern), natsName(s))
	select {
	case <-ctx.Done():
		return nil
	case err := <-broken:
		return fmt.Errorf("print: %w", err)
	}
}

// isBeat reports whether a subject, or a pattern, is of what nodes tell each
// other: several lines a second that would bury everything else, so they are
// shown to those alone who ask for them.
func isBeat(prefix, subject string) bool {
	rest, ok := strings.CutPrefix(subject, prefix+".")
	return ok && (rest == "nodes" || rest == "api.nodes" || strings.HasPrefix(rest, "sync.") || strings.HasPrefix(rest, "api.sync."))
}
