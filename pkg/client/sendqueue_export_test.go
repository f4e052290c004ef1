package client

import (
	"context"
	"io"
	"time"

	"github.com/gobwas/ws"
)

// SendQueue is the send queue, for tests that need no connection.
type SendQueue struct{ q *sendQueue }

// SendOptions are its options; the zero fields are sensible.
type SendOptions struct {
	Messages int
	Interval time.Duration
	MaxSend  int
	Clock    Clock
	OnSend   func(Event) error
	OnError  func(error)
	Post     func(func())
}

// NewSendQueue returns an empty one.
func NewSendQueue(o SendOptions) *SendQueue {
	if o.Messages == 0 {
		o.Messages = DefaultQueueMessages
	}
	if o.MaxSend == 0 {
		o.MaxSend = DefaultMaxSend
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	return &SendQueue{newSendQueue(sendOptions{
		messages: o.Messages, interval: o.Interval, maxSend: o.MaxSend, clock: o.Clock,
		onSend: o.OnSend, onError: o.OnError, post: o.Post,
	})}
}

func (s *SendQueue) Enqueue(e Event) Result                        { return s.q.enqueue(e) }
func (s *SendQueue) Wait(ctx context.Context, e Event) error       { return s.q.wait(ctx, entry{event: e}) }
func (s *SendQueue) Async(e Event, d time.Duration, f func(error)) { s.q.async(e, d, f) }
func (s *SendQueue) Urgent(text string)                            { s.q.urgent(text) }
func (s *SendQueue) Pong(p []byte)                                 { s.q.pong(p) }
func (s *SendQueue) Attach(w io.Writer)                            { s.q.attach(w) }
func (s *SendQueue) Detach()                                       { s.q.detach() }
func (s *SendQueue) Stop(ctx context.Context) SendStats            { return s.q.stop(ctx) }
func (s *SendQueue) Stats() SendStats                              { return s.q.stats() }

// WaitCall enqueues a request whose message is made by payload, unless begin
// says that it is no longer wanted.
func (s *SendQueue) WaitCall(ctx context.Context, e Event, begin func() bool, payload func([]byte, Event) []byte) error {
	return s.q.waitCall(ctx, e, testCall{begin, payload})
}

type testCall struct {
	f       func() bool
	payload func([]byte, Event) []byte
}

func (c testCall) begin() bool                              { return c.f() }
func (c testCall) appendPayload(dst []byte, e Event) []byte { return c.payload(dst, e) }

// Holds reports whether the queue keeps any memory for entries.
func (s *SendQueue) Holds() bool {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	return s.q.mu.fresh.first != nil || s.q.taken.first != nil
}

// AppendFrame is appendFrame.
func AppendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	return appendFrame(dst, op, payload)
}
