package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// Client is a backend's end of the bus: it pushes to users, connections,
// channels and everyone, asks them and gathers their answers, takes the events of
// clients and answers them. It
// keeps its connection and its subscriptions over losses. All methods are safe
// for concurrent use.
type Client struct {
	// Fixed after Connect.
	o        Options
	subjects Subjects
	control  *control
	sampled  zerolog.Logger
	checkers sync.Pool // *checker

	serial  atomic.Uint64
	invalid atomic.Uint64
	panics  atomic.Uint64

	surveyed atomic.Uint64 // the connection of which all nodes have been heard

	badTraces atomic.Uint64

	mu struct {
		sync.Mutex
		subs    map[*Subscription]struct{}
		stopped bool
	}
}

// ClientStats is a snapshot of a client's counters.
type ClientStats struct {
	Connected bool   `json:"connected"`
	Connects  uint64 `json:"connects"`
	// Dropped messages found a subscription's queue full.
	Dropped uint64 `json:"dropped"`
	// Invalid events were not delivered.
	Invalid uint64 `json:"invalid"`
	// Panics of handlers, each of which cost one message.
	Panics uint64 `json:"panics"`
	// BadTraces are events whose traceparent is malformed; delivered all the same.
	BadTraces uint64 `json:"bad_traces"`
}

// Connect connects to NATS. It fails when no server can be reached within
// ConnectTimeout, or when ctx ends; later losses are repaired.
func Connect(ctx context.Context, o Options) (*Client, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	c := &Client{o: o, subjects: NewSubjects(o.Prefix)}
	c.checkers.New = func() any { return new(checker) }
	c.sampled = o.Logger.With().Str("component", "bus").Logger().
		Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second})
	c.mu.subs = map[*Subscription]struct{}{}
	up := make(chan struct{})
	var once sync.Once
	c.control = newControl(controlOptions{
		Options:  &c.o,
		subjects: c.subjects,
		early:    true,
		base: func(*nats.Conn) error {
			once.Do(func() { close(up) })
			return nil
		},
		state: func(*nats.Conn) {},
	})
	if err := c.control.link.start(ctx); err != nil {
		return nil, err
	}
	go c.control.run() // ends in Stop
	select {
	case <-up:
		// The connection is stored right behind base, on the control goroutine.
		if err := c.onControl(ctx); err != nil {
			c.Stop()
			return nil, err
		}
		return c, nil
	case <-ctx.Done():
		c.Stop()
		return nil, context.Cause(ctx)
	}
}

// onControl waits until the control goroutine has done what it is doing.
func (c *Client) onControl(ctx context.Context) error {
	done := make(chan struct{})
	if !c.control.push(command{op: opCall, fn: func() { close(done) }}) {
		return ErrStopped
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Connected says whether there is a connection to NATS now.
func (c *Client) Connected() bool { return c.control.current.Load() != nil }

// Stats is a snapshot of the counters.
func (c *Client) Stats() ClientStats {
	return ClientStats{
		Connected: c.Connected(),
		Connects:  c.control.link.connects.Load(),
		Dropped:   c.control.slow.total(),
		Invalid:   c.invalid.Load(),
		Panics:    c.panics.Load(),
		BadTraces: c.badTraces.Load(),
	}
}

// MaxPayload is the server's max_payload in bytes, headers included; 0 when
// NATS is away.
func (c *Client) MaxPayload() int {
	if nc := c.control.current.Load(); nc != nil {
		return int(nc.MaxPayload())
	}
	return 0
}

// conn is the connection now.
func (c *Client) conn() (*nats.Conn, error) {
	nc := c.control.current.Load()
	if nc == nil {
		c.mu.Lock()
		stopped := c.mu.stopped
		c.mu.Unlock()
		if stopped {
			return nil, ErrStopped
		}
		return nil, ErrUnavailable
	}
	return nc, nil
}

// publishOptions is what a PublishOption changes.
type publishOptions struct {
	exclude     string
	contentType string
	heardCtx    context.Context
	heard       *bool
	flush       bool
	timed       bool
	trace       TraceContext
	ask         askOptions // of an ask alone
}

// PublishOption changes one publish.
type PublishOption func(*publishOptions)

// Exclude keeps the message from one connection, by its conn-id.
func Exclude(connID string) PublishOption {
	return func(o *publishOptions) { o.exclude = connID }
}

// ContentType declares a body that is not EDN: [ContentTypeJSON],
// [ContentTypeTransit] or [ContentTypeMessagePack]. In JSON an event is
// ["ns/name", data].
func ContentType(t string) PublishOption {
	return func(o *publishOptions) { o.contentType = t }
}

// Flush has the push leave at once, and before it what the node has gathered for
// a client whose pushes it gathers, as those of Sente are.
func Flush() PublishOption {
	return func(o *publishOptions) { o.flush = true }
}

// Heard asks NATS whether anybody takes the subject. The publish waits for the
// server then, until ctx ends, and *heard tells what it said; that it does not
// permit the publish is [ErrDenied] then. *heard is a hint: a
// tap or a stream on the subject counts as somebody, and one that has just
// subscribed on another server may not count yet.
func Heard(ctx context.Context, heard *bool) PublishOption {
	return func(o *publishOptions) { o.heardCtx, o.heard = ctx, heard }
}

// PublishUser pushes an event [id data] to every socket of a user, on every
// node. A uid in the shape of a conn-id goes to that connection.
//
// Of this and all Publish methods: the body is scanned before it is sent, and
// the error says where the fault is (it matches [ErrBadBody] or [ErrBadEvent],
// and the *edn.Error or *json.Error of package codec is in it). The body may be used again when the call returns.
// A nil error means that it was handed to NATS, not that anybody has it. A call
// may block while the server does not read, for at most 10 s: then the
// connection is given up. Other errors: [ErrBadName], [ErrUnavailable], [ErrTooLarge], [ErrStopped].
func (c *Client) PublishUser(uid Name, event []byte, opts ...PublishOption) error {
	subject, err := c.subjects.user(uid)
	if err != nil {
		return fmt.Errorf("publish to user: %w", err)
	}
	return c.publish(subject, event, true, opts)
}

// PublishConn pushes an event to one socket.
func (c *Client) PublishConn(connID string, event []byte, opts ...PublishOption) error {
	conn, ok := id.ParseConn(connID)
	if !ok {
		return fmt.Errorf("publish to connection: %w: %q is no conn-id", ErrBadName, connID)
	}
	return c.publish(c.subjects.Conn(conn), event, true, opts)
}

// PublishClient pushes an event to one tab of a Sente client.
func (c *Client) PublishClient(clientID string, event []byte, opts ...PublishOption) error {
	token, err := StringToken(clientID)
	if err != nil {
		return fmt.Errorf("publish to client: %w", err)
	}
	return c.publish(c.subjects.Client(token), event, true, opts)
}

// PublishChannel publishes data, any EDN value, to a channel's subscribers.
func (c *Client) PublishChannel(ch Name, data []byte, opts ...PublishOption) error {
	token, err := ch.Token()
	if err != nil {
		return fmt.Errorf("publish to channel: %w", err)
	}
	return c.publish(c.subjects.Chan(token), data, false, opts)
}

// PublishAll pushes an event to everyone.
func (c *Client) PublishAll(event []byte, opts ...PublishOption) error {
	return c.publish(c.subjects.All(), event, true, opts)
}

func (c *Client) publish(subject string, body []byte, event bool, opts []PublishOption) error {
	var o publishOptions
	for _, opt := range opts {
		opt(&o)
	}
	m, err := c.message(subject, body, event, &o)
	if err != nil {
		return fmt.Errorf("publish on %s: %w", subject, err)
	}
	nc, err := c.conn()
	if err != nil {
		return err
	}
	if o.heard == nil {
		return mapErr(subject, nc.PublishMsg(m))
	}
	*o.heard, err = heard(o.heardCtx, nc, m)
	if err == nil && denied(nc, publishing, subject) {
		*o.heard = false
		return fmt.Errorf("publish on %s: %w", subject, &DeniedError{subject})
	}
	return mapErr(subject, err)
}

// message checks what is to be published and makes its headers, nil where it
// needs none.
func (c *Client) message(subject string, body []byte, event bool, o *publishOptions) (*nats.Msg, error) {
	if err := c.check(body, event, o.contentType); err != nil {
		return nil, err
	}
	m := &nats.Msg{Subject: subject, Data: body}
	set := func(key, value string) { setHeader(m, key, value) }
	if o.exclude != "" {
		if _, ok := id.ParseConn(o.exclude); !ok {
			return nil, fmt.Errorf("exclude: %w: %q is no conn-id", ErrBadName, o.exclude)
		}
		set(HeaderExclude, o.exclude)
	}
	if o.contentType != "" && o.contentType != ContentTypeEDN {
		set(HeaderContentType, o.contentType)
	}
	if o.flush {
		set(HeaderFlush, "1")
	}
	if o.timed {
		set(HeaderTime, timeText(time.Now().UnixMicro()))
	}
	o.trace.set(set)
	return m, nil
}

func setHeader(m *nats.Msg, key, value string) {
	if m.Header == nil {
		m.Header = nats.Header{}
	}
	m.Header[key] = []string{value}
}

// checker is what check needs.
type checker struct {
	scan   codec.Scanner
	parser codec.Parser
}

// check scans a body as its content type declares it.
func (c *Client) check(body []byte, event bool, contentType string) error {
	f, ok := formatOf(contentType, false, nil) // an SDK's caller declares
	if !ok {
		return fmt.Errorf("%w: content type %q", ErrBadBody, contentType)
	}
	p := c.checkers.Get().(*checker)
	defer c.checkers.Put(p)
	if _, err := p.scan.Value(f, body); err != nil {
		return fmt.Errorf("%w: %w", ErrBadBody, err)
	}
	if !event {
		return nil
	}
	var e codec.Envelope
	if err := p.parser.Parse(f, body, &e); err != nil {
		return fmt.Errorf("%w: %w", ErrBadEvent, err)
	}
	if len(e.Event) == 0 || e.Callback != nil {
		return fmt.Errorf("%w: a push has no callback", ErrBadEvent)
	}
	return nil
}

// heard publishes with a reply subject. The server's 503 comes on the same
// connection before the answer to the flush, so nothing is waited for beyond it.
func heard(ctx context.Context, nc *nats.Conn, m *nats.Msg) (bool, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	m.Reply = nats.NewInbox()
	ch := make(chan *nats.Msg, 4)
	sub, err := nc.ChanSubscribe(m.Reply, ch)
	if err != nil {
		return false, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only on a lost connection
	if err := nc.PublishMsg(m); err != nil {
		return false, err
	}
	if err := flush(ctx, nc); err != nil {
		return false, err
	}
	for {
		select {
		case r := <-ch:
			if isNoResponders(r) {
				return false, nil
			}
			if v := r.Header[HeaderError]; len(v) > 0 {
				return true, &RemoteError{Keyword: v[0]}
			}
		default:
			return true, nil
		}
	}
}

func flush(ctx context.Context, nc *nats.Conn) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, writeDeadline)
		defer cancel()
	}
	return nc.FlushWithContext(ctx)
}

// mapErr turns nats.go's errors into this package's.
func mapErr(subject string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrMaxPayload):
		err = ErrTooLarge
	case errors.Is(err, nats.ErrBadSubject):
		err = ErrBadSubject
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrReconnectBufExceeded):
		err = ErrUnavailable
	}
	return fmt.Errorf("publish on %s: %w", subject, err)
}

// Flush returns when the server has everything that was published before the
// call. It waits until ctx ends, 10 s when ctx has no deadline.
func (c *Client) Flush(ctx context.Context) error {
	nc, err := c.conn()
	if err != nil {
		return err
	}
	return mapErr("flush", flush(ctx, nc))
}

// Barrier returns when every server that has a node has everything that was
// published before the call, and every subscription whose Take or Tap had
// returned. Errors: [ErrUnavailable],
// [ErrStopped], or ctx's cause.
func (c *Client) Barrier(ctx context.Context) error {
	answer := make(chan error, 1)
	if !c.control.push(command{op: opBarrier, done: func(err error) { answer <- err }}) {
		return ErrStopped
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Drain ends every subscription after what was under way to it has been
// handled, waits until everything that was published has reached every server
// with a node, and stops. ctx bounds the waiting; its end stops at once.
func (c *Client) Drain(ctx context.Context) error {
	defer c.Stop()
	// Messages that other servers have sent already come before their answers.
	if err := c.Barrier(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	subs := make([]*Subscription, 0, len(c.mu.subs))
	for s := range c.mu.subs {
		subs = append(subs, s)
	}
	c.mu.Unlock()
	for _, s := range subs {
		if err := s.Drain(ctx); err != nil {
			return err
		}
	}
	return c.Barrier(ctx)
}

// Stop closes the connection at once and returns when every handler has
// returned; it must not be called from one. More than one call does no harm.
func (c *Client) Stop() {
	c.mu.Lock()
	if c.mu.stopped {
		c.mu.Unlock()
		return
	}
	c.mu.stopped = true
	subs := c.mu.subs
	c.mu.subs = nil
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.control.stop(ctx)
	for s := range subs {
		s.end(false)
	}
	for s := range subs {
		<-s.done
	}
}

// nextKey names a subscription in the control.
func (c *Client) nextKey() string { return "#" + strconv.FormatUint(c.serial.Add(1), 10) }
