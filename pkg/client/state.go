package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// State is where a client stands.
type State uint8

// States, in the order in which a client passes them; Connecting to Waiting
// come again and again.
const (
	Idle       State = iota // not started
	Connecting              // an attempt is under way
	Connected               // the handshake is done
	Waiting                 // for the next attempt
	Stopped                 // for good
)

// String returns the state's name in lower case.
func (s State) String() string {
	return [...]string{"idle", "connecting", "connected", "waiting", "stopped"}[min(s, Stopped)]
}

// Status is where a client stands, and why.
type Status struct {
	State   State
	Session Session   // of the last handshake; zero before the first
	Attempt int       // attempts since the last connection, this one included
	Next    time.Time // when Waiting: of the next attempt
	Err     error     // why there is no connection; nil when Connected
}

// Status returns where the client stands.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.status
}

// Watch yields where the client stands, at once and then at each change, until
// ctx ends or the client has stopped. Whoever is slow sees the newest status,
// not every one.
func (c *Client) Watch(ctx context.Context) iter.Seq[Status] {
	return func(yield func(Status) bool) {
		for {
			c.mu.Lock()
			status, changed := c.mu.status, c.mu.changed
			c.mu.Unlock()
			if !yield(status) || status.State == Stopped {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// Ready waits until there is a connection that has had its handshake. The error
// matches [ErrNotReady] and ctx's cause, or [ErrStopped].
func (c *Client) Ready(ctx context.Context) error {
	var last Status
	for last = range c.Watch(ctx) {
		switch last.State {
		case Connected:
			return nil
		case Stopped:
			if errors.Is(last.Err, ErrStopped) {
				return last.Err
			}
			return fmt.Errorf("%w: %w", ErrStopped, last.Err)
		default:
		}
	}
	if last.Err != nil {
		return fmt.Errorf("%w: %w: %w", ErrNotReady, context.Cause(ctx), last.Err)
	}
	return fmt.Errorf("%w: %w", ErrNotReady, context.Cause(ctx))
}

func (c *Client) setStatus(change func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.mu.status)
	close(c.mu.changed)
	c.mu.changed = make(chan struct{})
}
