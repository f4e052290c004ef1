package client

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// Errors of answers. Match with [errors.Is].
var (
	// ErrNotAsked: the message asks for no answer.
	ErrNotAsked = errors.New("client: message asks for no answer")
	// ErrAnswered: it has been answered.
	ErrAnswered = errors.New("client: message has been answered")
)

// answerID is the id of the event that carries an answer.
const answerID = ":chsk/reply"

// question is what a message that asks for an answer brings with it. The answer
// belongs to the connection on which it came: the next one has not been asked.
type question struct {
	link     *link
	callback string // as it was sent
	answered atomic.Bool
}

// newQuestion returns nil for a message without a callback.
func newQuestion(l *link, callback []byte) *question {
	if callback == nil {
		return nil
	}
	return &question{link: l, callback: string(callback)}
}

// Asks reports whether a backend asks for an answer to m: see [Message.Answer].
func (m Message) Asks() bool { return m.question != nil }

// Answer answers the backend that has sent m, if m.Asks: once, with an [EDN]
// text, a [Keyword], a string, or any value that olympos.io/encoding/edn encodes;
// nil is nil. The answer leaves at once, behind what is enqueued already. Nil
// means that it is in the send queue, not that it comes in time: a backend waits
// for as long as it likes, and is not told of those who are late. Any goroutine
// may call it, also after the callback that was given m.
//
// It waits for room in the send queue, until ctx ends. The errors: [ErrNotAsked];
// [ErrAnswered]; [ErrClosed] where the connection that m came on has ended, and an
// answer that is still in the queue then is dropped; [ErrBadEvent] and
// [ErrTooLarge], after which another value may be given; [ErrStopped]; ctx's cause.
func (m Message) Answer(ctx context.Context, value any) error { return m.question.answer(ctx, value) }

// Asks reports whether a backend asks for an answer to m: see [Message.Answer].
func (m ChannelMessage) Asks() bool { return m.question != nil }

// Answer answers who has published m, if m.Asks: see [Message.Answer].
func (m ChannelMessage) Answer(ctx context.Context, value any) error {
	return m.question.answer(ctx, value)
}

func (q *question) answer(ctx context.Context, value any) error {
	if q == nil {
		return ErrNotAsked
	}
	e, err := q.event(value)
	if err != nil {
		return fmt.Errorf("answer %s: %w", clip(q.callback), err)
	}
	if !q.begin() {
		return fmt.Errorf("answer %s: %w", clip(q.callback), ErrClosed)
	}
	if !q.answered.CompareAndSwap(false, true) {
		return fmt.Errorf("answer %s: %w", clip(q.callback), ErrAnswered)
	}
	if err := q.link.c.out.waitCall(ctx, e, q); err != nil {
		q.answered.Store(false)
		return fmt.Errorf("answer %s: %w", clip(q.callback), err)
	}
	return nil
}

// event returns the event that carries the answer.
func (q *question) event(value any) (Event, error) {
	b := append(make([]byte, 0, 96), "["+answerID+" {:cb-uuid "...)
	b = append(b, q.callback...)
	b = append(b, ", :data "...)
	if value == nil {
		return Event{string(append(b, "nil}]"...))}, nil
	}
	b, err := appendValue(b, value)
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrBadEvent, err)
	}
	return Event{string(append(b, "}]"...))}, nil
}

// begin implements pending: the answer leaves on the connection that was asked,
// or not at all.
func (q *question) begin() bool { return !q.link.ending.Load() }

// appendPayload implements pending.
func (q *question) appendPayload(dst []byte, e Event) []byte { return append(dst, e.text...) }
