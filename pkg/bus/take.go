package bus

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// takeQueue is how many messages may wait for a subscription's handler.
const takeQueue = 65536

// Header is a message's headers. The keys are as the sender wrote them.
type Header map[string][]string

// Event is what a client sent, as a backend takes it. It may be kept.
type Event struct {
	// ID is the event's id, a keyword's text with its colon.
	ID []byte
	// Data is the EDN text of the event's data, nil when it has none.
	Data []byte
	// Event is the EDN text of the whole event, [id data].
	Event []byte
	// Format is the one that the client speaks. Where it is not EDN, Data and
	// Event have been converted.
	Format codec.Format
	// RawData and RawEvent are Data and Event as they came, in Format: for a
	// client that speaks JSON, what encoding/json reads.
	RawData, RawEvent []byte
	// Conn is the sender's conn-id.
	Conn string
	// UID is the sender's uid as EDN text; a uid that nobody has vouched for is
	// the conn-id, a string.
	UID []byte
	// Client is the client-id, empty where there is none.
	Client string
	// Subject is where it came from, hoshi.event.…
	Subject string
	// Trace is the trace that it belongs to, usually none: see [Event.Context].
	Trace TraceContext

	client *Client
	reply  string
}

// WantsReply says whether the sender waits for a reply.
func (e *Event) WantsReply() bool { return e.reply != "" }

// Reply answers with a value, in EDN unless [ContentType] declares another
// format; it need not be the client's, who gets it in its own. Other options but
// [Traced] do nothing here. The first valid reply is taken, later ones are counted and
// dropped. Errors: [ErrNoReply] when none is wanted, [ErrBadBody],
// [ErrUnavailable], [ErrTooLarge].
func (e *Event) Reply(value []byte, opts ...PublishOption) error {
	if e.reply == "" {
		return ErrNoReply
	}
	var o publishOptions
	for _, opt := range opts {
		opt(&o)
	}
	if err := e.client.check(value, false, o.contentType); err != nil {
		return fmt.Errorf("reply to %s: %w", e.ID, err)
	}
	m := &nats.Msg{Subject: e.reply, Data: value}
	if o.contentType != "" && o.contentType != ContentTypeEDN {
		setHeader(m, HeaderContentType, o.contentType)
	}
	o.trace.set(func(key, value string) { setHeader(m, key, value) })
	return e.send(m)
}

// ReplyError answers with an error: the client's callback gets the keyword,
// given with its colon.
func (e *Event) ReplyError(keyword string) error {
	if e.reply == "" {
		return ErrNoReply
	}
	var sc edn.Scanner
	if !goodKeyword(&sc, keyword) {
		return fmt.Errorf("reply to %s: %w: %q is no keyword", e.ID, ErrBadBody, keyword)
	}
	return e.send(&nats.Msg{Subject: e.reply, Header: nats.Header{HeaderError: []string{keyword}}})
}

func (e *Event) send(m *nats.Msg) error {
	nc, err := e.client.conn()
	if err != nil {
		return err
	}
	return mapErr(m.Subject, nc.PublishMsg(m))
}

// Subscription is a Take or a Tap.
type Subscription struct {
	// Fixed.
	client *Client
	own    *ownQueue
	handle func(*nats.Msg)
	quit   chan struct{}
	done   chan struct{} // closed when the handler will not be called again

	mu struct {
		sync.Mutex
		ended bool
		rest  bool // handle what is queued before the end
	}
}

// Take takes the events whose subject matches pattern. The pattern is the
// levels after hoshi.event., as in "my.app.>" or ">" for all; a whole subject
// with the prefix is taken too. Of all who take with the same group, one gets
// each event; an empty group gets every event. A group has at most [MaxToken]
// bytes. fn is called in order, on one
// goroutine for each Take, and may publish and reply but not stop the client.
//
// Take returns after the barrier: an event that is sent later on any server
// with a node finds the taker. Errors: [ErrBadSubject], [ErrUnavailable],
// [ErrStopped], or ctx's cause.
func (c *Client) Take(ctx context.Context, pattern, group string, fn func(*Event)) (*Subscription, error) {
	subject := pattern
	if !strings.HasPrefix(pattern, c.o.Prefix+".") {
		subject = c.subjects.eventDot + pattern
	}
	var reader eventReader // used on the subscription's goroutine only
	return c.subscribe(ctx, subject, group, func(m *nats.Msg) {
		e, err := c.event(m, &reader)
		if err != nil {
			c.invalid.Add(1)
			c.sampled.Warn().Str("subject", m.Subject).Err(err).Msg("event not taken")
			return
		}
		fn(e)
	})
}

// eventReader reads the bodies of events.
type eventReader struct {
	parser  codec.Parser
	convert codec.Converter
}

// read fills in what the body says.
func (r *eventReader) read(e *Event, contentType string, body []byte) error {
	f, ok := formatOf(contentType, true, body)
	if !ok {
		return fmt.Errorf("content type %q", contentType)
	}
	var env codec.Envelope
	if err := r.parser.Parse(f, body, &env); err != nil {
		return err
	}
	e.Format, e.RawData, e.RawEvent = f, env.Data, env.Event
	if f != codec.EDN && f != codec.JSON { // they may be the parser's
		e.RawData, e.RawEvent = bytes.Clone(env.Data), bytes.Clone(env.Event)
	}
	if f == codec.EDN {
		e.ID, e.Data, e.Event = env.ID, env.Data, env.Event
		return nil
	}
	e.ID = bytes.Clone(env.ID) // the parser's
	event, err := r.convert.AppendEvent(nil, &env, f, codec.EDN)
	if err != nil {
		return err
	}
	e.Event = event
	if env.Data != nil {
		e.Data = event[len(e.ID)+2 : len(event)-1] // [id data]
	}
	return nil
}

// event reads an event off a message.
func (c *Client) event(m *nats.Msg, r *eventReader) (*Event, error) {
	e := &Event{Subject: m.Subject, client: c, reply: m.Reply}
	if err := r.read(e, first(m.Header[HeaderContentType]), m.Data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadEvent, err)
	}
	if h := m.Header; h != nil {
		var bad bool
		if e.Trace, bad = readTrace(h); bad {
			c.badTraces.Add(1)
		}
		if e.Conn = first(h[HeaderConn]); !connOrNone(e.Conn) {
			return nil, fmt.Errorf("header %s: %w: no conn-id", HeaderConn, ErrBadEvent)
		}
		if t := first(h[HeaderUID]); t != "" {
			uid, err := ParseToken(t)
			if err != nil {
				return nil, fmt.Errorf("header %s: %w", HeaderUID, err)
			}
			e.UID = uid
		}
		if t := first(h[HeaderClient]); t != "" {
			text, err := ParseToken(t)
			if err != nil {
				return nil, fmt.Errorf("header %s: %w", HeaderClient, err)
			}
			// A client-id is a string; anything else is shown as it is.
			if s, err := edn.Unquote(nil, text); err == nil {
				text = s
			}
			e.Client = string(text)
		}
	}
	if e.UID == nil && e.Conn != "" {
		e.UID = edn.AppendString(nil, e.Conn)
	}
	return e, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// Tap hears every message whose subject matches pattern, a whole subject as in
// "hoshi.>", beside those for whom it is meant. It returns after the barrier.
// fn is called in order on one goroutine and may keep what it gets. Errors as
// of Take.
func (c *Client) Tap(ctx context.Context, pattern string, fn func(subject string, h Header, body []byte)) (*Subscription, error) {
	return c.subscribe(ctx, pattern, "", func(m *nats.Msg) { fn(m.Subject, Header(m.Header), m.Data) })
}

func (c *Client) subscribe(ctx context.Context, subject, group string, handle func(*nats.Msg)) (*Subscription, error) {
	if !goodPattern(subject) || len(group) > MaxToken || (group != "" && !goodLevels(group, true)) {
		return nil, fmt.Errorf("subscribe %q: %w", subject, ErrBadSubject)
	}
	s := &Subscription{
		client: c,
		own:    &ownQueue{key: c.nextKey(), group: group, ch: make(chan *nats.Msg, takeQueue)},
		handle: handle,
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	c.mu.Lock()
	if c.mu.stopped {
		c.mu.Unlock()
		return nil, ErrStopped
	}
	c.mu.subs[s] = struct{}{}
	c.mu.Unlock()
	go s.run() // ends in Stop, in Drain, or with the client

	answer := make(chan error, 1)
	cmd := command{op: opWant, subject: subject, own: s.own, done: func(err error) { answer <- err }}
	if !c.control.push(cmd) {
		cmd.done(ErrStopped)
	}
	var err error
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if nc, away := c.conn(); err == nil && away == nil && denied(nc, subscribing, subject) {
		err = &DeniedError{subject}
	}
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("subscribe %q: %w", subject, err)
	}
	return s, nil
}

// run calls the handler until the end.
func (s *Subscription) run() {
	defer close(s.done)
	defer s.leave() // not before: Client.Stop waits for all that are still there
	for {
		select {
		case m := <-s.own.ch:
			s.call(m)
		case <-s.quit:
			s.mu.Lock()
			rest := s.mu.rest
			s.mu.Unlock()
			for rest {
				select {
				case m := <-s.own.ch:
					s.call(m)
				default:
					return
				}
			}
			return
		}
	}
}

// call calls the handler; a panic there costs one message.
func (s *Subscription) call(m *nats.Msg) {
	defer func() {
		if r := recover(); r != nil {
			s.client.panics.Add(1)
			s.client.sampled.Error().Str("subject", m.Subject).Interface("panic", r).Msg("handler panicked")
		}
	}()
	s.handle(m)
}

// end makes run end; with rest after what is queued.
func (s *Subscription) end(rest bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mu.ended {
		s.mu.ended, s.mu.rest = true, rest
		close(s.quit)
	}
}

// Stop ends the subscription at once; messages that wait are not handled. It
// does not wait for a handler that is running, so a handler may call it.
func (s *Subscription) Stop() {
	s.client.control.push(command{op: opUnwant, subject: s.own.key})
	s.end(false)
}

// Drain ends the subscription after everything that the server had sent to it
// has been handled. It must not be called from a handler. ctx bounds the
// waiting; its end stops the subscription at once.
func (s *Subscription) Drain(ctx context.Context) error {
	drained := make(chan error, 1)
	ok := s.client.control.push(command{op: opCall, fn: func() {
		drained <- s.client.control.drain(s.own.key)
	}})
	if !ok {
		return ErrStopped
	}
	var err error
	select {
	case err = <-drained:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err == nil {
		// Behind the UNSUB: what the server had sent before comes before this
		// answer.
		err = s.client.Flush(ctx)
	}
	s.client.control.push(command{op: opUnwant, subject: s.own.key})
	s.end(err == nil)
	if err != nil {
		return err
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Subscription) leave() {
	s.client.mu.Lock()
	delete(s.client.mu.subs, s)
	s.client.mu.Unlock()
}

// goodPattern checks a subject with wildcards.
func goodPattern(s string) bool {
	if s == "" || len(s) > MaxSubject {
		return false
	}
	levels := strings.Split(s, ".")
	for i, l := range levels {
		if l == "*" || (l == ">" && i == len(levels)-1) {
			continue
		}
		if !goodLevels(l, false) {
			return false
		}
	}
	return true
}
