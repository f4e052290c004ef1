package client

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Client is one connection to a service, made again whenever it ends. Make one
// with [New]. Its methods may be called by any goroutine.
type Client struct {
	// Fixed after New.
	opts Options
	in   *inbox
	out  *sendQueue

	ctx    context.Context // ends when Stop has drained the send queue, or its context is over
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the connector has ended

	calls  calls
	errors atomic.Int32 // reports to OnError that wait for the dispatcher
	counts counts

	mu struct {
		sync.Mutex
		started  bool
		stopping bool
		status   Status
		changed  chan struct{} // closed at the next change of status
	}
}

// New returns a client that does nothing yet, so that handlers can be
// registered before the first message comes. The error matches [ErrBadOption]
// and names every option that is wrong.
func New(o Options) (*Client, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{opts: o, done: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.mu.changed = make(chan struct{})
	c.calls.prefix = newCallPrefix()
	c.in = newInbox(o.ReceiveBuffer, o.Backlog, o.Clock, func(value any, stack []byte) {
		c.report(&PanicError{Value: value, Stack: stack})
	})
	c.out = newSendQueue(sendOptions{
		messages: o.QueueMessages,
		interval: o.FlushInterval,
		maxSend:  o.MaxSend,
		clock:    o.Clock,
		onSend:   o.OnSend,
		onError:  c.report,
		post:     c.in.post,
	})
	return c, nil
}

// Connect is [New], [Client.Start] and [Client.Ready]. If the connection does
// not come before ctx ends, the client is stopped.
func Connect(ctx context.Context, o Options) (*Client, error) {
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	c.Start()
	if err := c.Ready(ctx); err != nil {
		c.Stop(endedContext)
		return nil, err
	}
	return c, nil
}

// Start begins to connect, and goes on until Stop. It does not wait. A second
// call changes nothing, and neither does one after Stop.
func (c *Client) Start() {
	c.mu.Lock()
	begin := !c.mu.started && !c.mu.stopping
	c.mu.started = true
	c.mu.Unlock()
	if begin {
		go c.run() // ends with Stop, or after MaxAttempts; Stop waits for it
	}
}

// Stop ends the client for good. Nothing more is enqueued, and what is in the
// send queue is sent first: also once a connection comes back, until ctx ends;
// the rest is dropped and counted. Then the connection is closed with 1000, and
// every waiter is told [ErrStopped]. Stop returns when all of that is done and
// the last callback has returned, with the final statistics, or a little after
// ctx has ended: the close takes up to Options.CloseTimeout, and twice that where
// an OnSend, a Token or a Dial does not return. Any goroutine may call it, again
// too. Called from a callback it would wait for itself until ctx ends: use a
// goroutine.
func (c *Client) Stop(ctx context.Context) Stats {
	c.mu.Lock()
	started, first := c.mu.started, !c.mu.stopping
	c.mu.stopping = true
	c.mu.Unlock()
	switch {
	case first && !started:
		c.finish(ErrStopped)
	case first:
		c.out.stop(ctx)
		c.cancel(ErrStopped)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if started {
			c.cancel(ErrStopped)
			c.in.stop(ErrStopped) // the connector may be waiting for a callback that does not return
			late := make(chan struct{})
			t := c.opts.Clock.AfterFunc(2*c.opts.CloseTimeout, func() { close(late) })
			defer t.Stop()
			select {
			case <-c.done:
			case <-late: // and now for something of the application that nobody can end
			}
		}
	}
	c.in.wait(ctx)
	return c.Stats()
}

// finish is the end of the client, on its last goroutine.
func (c *Client) finish(err error) {
	c.out.stop(endedContext)
	c.calls.fail(ErrStopped, true)
	c.in.stop(ErrStopped)
	c.setStatus(func(s *Status) { *s = Status{State: Stopped, Session: s.Session, Attempt: s.Attempt, Err: err} })
	close(c.done)
}

// Closed returns a channel that is closed when the client has ended: after Stop,
// or when it has given up. [Client.Err] says which.
func (c *Client) Closed() <-chan struct{} { return c.done }

// Err returns nil while the client lives, then what matches [ErrStopped],
// [ErrAttempts] or [ErrKicked].
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.Status().Err
	default:
		return nil
	}
}

// report gives err to OnError, in its turn.
func (c *Client) report(err error) {
	if c.opts.OnError == nil {
		return
	}
	if c.errors.Add(1) > maxReports {
		c.errors.Add(-1)
		c.counts.unreported.Add(1)
		return
	}
	c.in.post(func() {
		c.errors.Add(-1)
		c.opts.OnError(c, err)
	})
}

// maxReports bounds the errors that wait for OnError: a server that sends
// nothing but nonsense to an application that stands still fills no memory.
const maxReports = 100

// endedContext has ended, for a stop that does not wait.
var endedContext = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// pause waits for d by the client's clock. It reports whether the client goes on.
func (c *Client) pause(d time.Duration) bool {
	if d > 0 {
		over := make(chan struct{})
		t := c.opts.Clock.AfterFunc(d, func() { close(over) })
		defer t.Stop()
		select {
		case <-over:
		case <-c.ctx.Done():
		}
	}
	return c.ctx.Err() == nil
}
