package client

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// everyID as an event id stands for all of them.
const everyID = ":*"

// Handler says which messages are wanted and what is to be done with them.
//
// A message goes to every handler without Take that matches, in the order in
// which they were registered. Then the first with Take, a waiter, takes it; if
// there is none, the message goes to the buffer (Options.ReceiveBuffer), where
// waiters to come look first. So handlers watch, waiters consume: a client with
// handlers only needs no buffer.
type Handler struct {
	// ID is the event id, its colon may be left out. "" and "*" mean every event.
	ID string

	// Match, if set, says which messages are wanted, and ID does not: that is then
	// only a name for [Client.Off]. It runs on the same goroutine as Func, for every
	// message, also those that wait in the buffer. A panic counts as false.
	Match func(Message) bool

	// Take makes a waiter: it takes the message, later waiters and the buffer never
	// see it.
	Take bool

	// Once ends the registration with its first message.
	Once bool

	// Timeout, for Once and Take, ends the registration with [ErrTimeout] if no
	// message has come for so long. 0 means never; with less a waiter takes what is
	// in the buffer or nothing.
	Timeout time.Duration

	// Func is called with each message and a nil error. With Once or Take it belongs
	// to the connection that there is, or else to the next, and is called a last
	// time, with the zero Message, when no message will come: [ErrTimeout]; a
	// [*Disconnect], which matches [ErrClosed], when the connection has ended;
	// [ErrStopped]. After Remove it is not called.
	//
	// All callbacks of a client run on one goroutine, one after the other: a slow
	// one holds up the others, and then the server. They may call every method of
	// the client that does not wait for a message.
	Func func(Message, error)
}

// Registration is a registered [Handler].
type Registration struct {
	// Fixed after register.
	q         *inbox
	id        string // the event id with its colon, everyID, or "" (a predicate without a name)
	channel   EDN    // the canonical channel id where onChannel is set
	match     func(Message) bool
	f         func(Message, error)
	onChannel func(ChannelMessage) // instead of f
	onRemove  func()               // called by who removes it; may be nil
	timeout   time.Duration
	take      bool
	once      bool
	call      bool   // of a call that waits: Off is not for it
	epoch     uint64 // where it is bound: the connection it belongs to

	// Owned by the dispatcher.
	seq    uint64
	last   time.Time // of a lasting waiter with a timeout: when it last got a message
	listed bool      // in its table, and not dropped from it

	ended atomic.Bool
	timer atomic.Pointer[Timer]
}

// Remove ends the registration: Func is not called any more, except by a
// callback under way. It reports whether the registration had not ended before.
// Any goroutine may call it, also Func itself; it does not wait for Func.
func (r *Registration) Remove() bool {
	if !r.end() {
		return false
	}
	r.q.box.postFirst(func() { r.q.drop(r) })
	if r.onRemove != nil {
		r.onRemove()
	}
	return true
}

// bound reports whether r belongs to one connection, and ends with it.
func (r *Registration) bound() bool { return r.take || r.once }

func (r *Registration) active() bool { return !r.ended.Load() }

// end reports whether the caller is the one who ends r.
func (r *Registration) end() bool {
	if !r.ended.CompareAndSwap(false, true) {
		return false
	}
	if t := r.timer.Load(); t != nil {
		(*t).Stop()
	}
	r.q.forget(r)
	return true
}

// arm starts the timer.
func (r *Registration) arm(d time.Duration) {
	t := r.q.clock.AfterFunc(d, func() {
		if r.active() {
			r.q.post(func() { r.q.expire(r) })
		}
	})
	r.timer.Store(&t)
	if !r.active() { // ended before it could see the timer
		t.Stop()
	}
}

// wants reports whether m is of r's event id or channel.
func (r *Registration) wants(m Message) bool {
	return r.match != nil || r.id == everyID || r.id == m.ID
}

// Handle registers h. It sees every message whose turn comes after the call, and
// a waiter what is in the buffer. Any goroutine may call it, also a callback: the
// message at hand is not shown to h, the next one is. It does not block, and it
// panics if h.Func is nil.
func (c *Client) Handle(h Handler) *Registration { return c.in.register(newRegistration(h)) }

func newRegistration(h Handler) *Registration {
	if h.Func == nil {
		panic("client: a Handler needs a Func")
	}
	r := &Registration{match: h.Match, f: h.Func, take: h.Take, once: h.Once}
	if r.bound() {
		r.timeout = h.Timeout
	}
	if h.Match == nil || h.ID != "" {
		r.id = eventID(h.ID)
	}
	return r
}

// eventID returns id as messages have it.
func eventID(id string) string {
	id = strings.TrimPrefix(id, ":")
	if id == "" {
		return everyID
	}
	return ":" + id
}

// On calls f with every message of an event id, until it is removed. See
// [Handler].
func (c *Client) On(id string, f func(Message)) *Registration {
	if f == nil {
		panic("client: On needs a function")
	}
	return c.Handle(Handler{ID: id, Func: func(m Message, err error) {
		if err == nil {
			f(m)
		}
	}})
}

// OnChannel calls f with what is published on a channel, until it is removed. To
// have it sent, [Client.Subscribe]. channel is an [EDN] text, a [Keyword], a
// string, or any value that can be written in EDN; the error matches
// [ErrBadEvent]. For [Client.Off] it is registered as [ChannelMessageID].
func (c *Client) OnChannel(channel any, f func(ChannelMessage)) (*Registration, error) {
	if f == nil {
		panic("client: OnChannel needs a function")
	}
	name, err := channelID(channel)
	if err != nil {
		return nil, err
	}
	return c.in.register(&Registration{id: ChannelMessageID, channel: name, onChannel: f}), nil
}

// Once calls f with the next message of an event id, or with the error that says
// that there will be none; see [Handler].
func (c *Client) Once(id string, timeout time.Duration, f func(Message, error)) *Registration {
	return c.Handle(Handler{ID: id, Once: true, Timeout: timeout, Func: f})
}

// Take waits for a message that matches and takes it; a nil match takes any. The
// error is ctx's cause, a [*Disconnect] or [ErrStopped]. It must not be called
// from a callback, which would keep messages from coming. [Client.Off] does not
// end it, ctx does.
func (c *Client) Take(ctx context.Context, match func(Message) bool) (Message, error) {
	if ctx.Err() != nil {
		return Message{}, context.Cause(ctx)
	}
	taken := make(chan Taken, 1)
	r := newRegistration(Handler{Match: match, Take: true, Once: true, Func: func(m Message, err error) {
		taken <- Taken{m, err}
	}})
	r.call = true
	c.in.register(r)
	select {
	case t := <-taken:
		return t.Message, t.Err
	case <-ctx.Done():
		if r.Remove() {
			return Message{}, context.Cause(ctx)
		}
		t := <-taken // it is being handed over
		return t.Message, t.Err
	}
}

// Taken is the outcome of a waiter.
type Taken struct {
	Message Message
	Err     error // as of [Handler]
}

// TakeChan is a waiter whose outcome comes from the channel: one Taken, then the
// channel is closed. After Remove it is closed without one. A nil match takes
// any message; a timeout of 0 means none.
func (c *Client) TakeChan(match func(Message) bool, timeout time.Duration) (<-chan Taken, *Registration) {
	taken := make(chan Taken, 1)
	r := newRegistration(Handler{Match: match, Take: true, Once: true, Timeout: timeout, Func: func(m Message, err error) {
		taken <- Taken{m, err}
		close(taken)
	}})
	r.onRemove = func() { close(taken) }
	return taken, c.in.register(r)
}

// Off removes everything that is registered for an event id, or with "" or "*"
// what is registered for every event, and returns how many that were. Any
// goroutine may call it.
func (c *Client) Off(id string) int {
	id = eventID(id)
	return c.in.remove(func(r *Registration) bool { return r.id == id && !r.call })
}

// OffAll removes everything that is registered, and returns how many that were.
// Any goroutine may call it.
func (c *Client) OffAll() int {
	return c.in.remove(func(r *Registration) bool { return !r.call })
}

// Handlers returns how many handlers and waiters are registered.
func (c *Client) Handlers() int {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return len(c.in.mu.all)
}

// RPCWaiter returns a waiter for the message whose data is a map with
// :request-id requestID.
func RPCWaiter(requestID string, timeout time.Duration, f func(Message, error)) Handler {
	want := string(edn.AppendString(nil, requestID))
	return Handler{Take: true, Once: true, Timeout: timeout, Func: f, Match: func(m Message) bool {
		// Of many waiters all but one say no: without parsing, except where an escape may hide it.
		data := string(m.Data)
		if !strings.Contains(data, requestID) && !strings.Contains(data, `\`) {
			return false
		}
		value := m.get(":request-id")
		if len(value) == 0 || value[0] != '"' {
			return false
		}
		if string(value) == want {
			return true
		}
		plain, err := edn.Unquote(nil, value)
		return err == nil && string(plain) == requestID
	}}
}

// MatchID returns a predicate for an event id; "" and "*" match every event.
func MatchID(id string) func(Message) bool {
	id = eventID(id)
	return func(m Message) bool { return id == everyID || id == m.ID }
}

// MatchChannel returns a predicate for what is published on a channel; see
// [Client.OnChannel].
func MatchChannel(channel any) (func(Message) bool, error) {
	name, err := channelID(channel)
	if err != nil {
		return nil, err
	}
	plain := isPlain(name)
	return func(m Message) bool {
		// Of many channels all but one say no: without parsing, where there is one way to write it.
		if plain && !strings.Contains(string(m.Data), string(name)) && !strings.Contains(string(m.Data), `\`) {
			return false
		}
		c, ok := m.Channel()
		return ok && c.Channel == name
	}, nil
}

// channelID returns a channel's canonical id.
func channelID(channel any) (EDN, error) {
	if channel == nil {
		return "", fmt.Errorf("%w: channel is nil", ErrBadEvent)
	}
	name, err := canonical(channel)
	if err != nil {
		return "", fmt.Errorf("%w: channel: %w", ErrBadEvent, err)
	}
	return name, nil
}
