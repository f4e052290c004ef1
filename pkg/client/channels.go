package client

import (
	"context"
	"fmt"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Subscribe subscribes this connection to a channel, and waits until the node
// says that it is: from then on no message of the channel is missed. Callbacks
// may see the first ones before Subscribe returns, so register them before. A
// channel id is any EDN value: a string, a [Keyword], an [EDN] text. The subscription
// ends with the connection; OnChannelReady is the place to make it again. The
// errors are those of [Client.Request], a [*ReplyError] such as :forbidden
// included.
func (c *Client) Subscribe(ctx context.Context, channel any) error {
	return c.membership(ctx, "subscribe", channel)
}

// Unsubscribe ends a subscription, and waits until the node says that it has.
// After that no message of the channel comes; what came before may still wait for
// its callback. The errors are those of
// [Client.Subscribe]; :not-subscribed is one.
func (c *Client) Unsubscribe(ctx context.Context, channel any) error {
	return c.membership(ctx, "unsubscribe", channel)
}

func (c *Client) membership(ctx context.Context, verb string, channel any) error {
	e, err := channelEvent("sente-lite/"+verb, channel, "")
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, e); err != nil {
		name, _ := appendValue(nil, channel)
		return fmt.Errorf("%s channel %s: %w", verb, clip(string(name)), err)
	}
	return nil
}

// PublishOption changes a publish.
type PublishOption struct{ text string }

// ExcludeSender keeps a message from the connection that publishes it.
func ExcludeSender() PublishOption { return PublishOption{" :exclude-sender? true"} }

// NewPublish returns the event that publishes data, any value as in [NewEvent],
// on a channel. The error matches [ErrBadEvent].
func NewPublish(channel, data any, options ...PublishOption) (Event, error) {
	b := append([]byte(nil), " :data "...)
	if data == nil {
		b = append(b, "nil"...)
	} else {
		var err error
		if b, err = appendValue(b, data); err != nil {
			return Event{}, fmt.Errorf("%w: data: %w", ErrBadEvent, err)
		}
	}
	for _, o := range options {
		b = append(b, o.text...)
	}
	return channelEvent("sente-lite/publish", channel, string(b))
}

// Publish enqueues a message for a channel, as [Client.Enqueue] does. The
// publisher need not be subscribed. The error matches [ErrBadEvent]; then
// nothing was enqueued.
func (c *Client) Publish(channel, data any, options ...PublishOption) (Result, error) {
	e, err := NewPublish(channel, data, options...)
	if err != nil {
		return Rejected, err
	}
	return c.Enqueue(e), nil
}

func channelEvent(id string, channel any, rest string) (Event, error) {
	b := append([]byte(nil), "{:channel-id "...)
	var err error
	if channel == nil {
		return Event{}, fmt.Errorf("%w: channel is nil", ErrBadEvent)
	}
	if b, err = appendValue(b, channel); err != nil {
		return Event{}, fmt.Errorf("%w: channel: %w", ErrBadEvent, err)
	}
	b = append(b, rest...)
	return NewEvent(id, EDN(append(b, '}')))
}

// Confirm is [Client.Request] for events that the node itself answers, with
// {:success true} or with the reason why not: subscribe, unsubscribe, and a
// publish of which one wants to know that the node has it. The reason is a
// [*ReplyError].
func (c *Client) Confirm(ctx context.Context, e Event) error {
	if err := c.confirm(ctx, c.traced(ctx, e)); err != nil {
		return fmt.Errorf("confirm %s: %w", e.id(), err)
	}
	return nil
}

func (c *Client) confirm(ctx context.Context, e Event) error {
	value, err := c.request(ctx, e)
	if err != nil {
		return err
	}
	p := []byte(value)
	entries := edn.EntriesOf(p, form(p))
	done, keyword := false, ":bad-answer"
	for {
		key, v, ok := entries.Next()
		if !ok {
			break
		}
		switch {
		case entries.KeyIs(key, ":success"):
			done = string(v.Text(p)) == "true"
		case entries.KeyIs(key, ":error") && v.Kind == edn.Keyword:
			keyword = string(v.Text(p))
		}
	}
	if !done {
		return &ReplyError{Keyword: keyword}
	}
	return nil
}
