package main

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

const (
	group     = "example" // of several of these backends one gets each event
	counterIn = "counter" // the channel that hears of the counter
	// heardTime is how long NATS may take to say whether a user is there.
	heardTime = 2 * time.Second
	// maxText is the longest whisper in bytes.
	maxText = 2000
)

// backend takes what clients send. Its methods run on the goroutines of Take.
type backend struct {
	// Fixed.
	bus *bus.Client
	log zerolog.Logger

	count atomic.Int64 // of this process: it begins at zero with it
}

// take returns when events find this backend from every node.
func (b *backend) take(ctx context.Context) error {
	for pattern, fn := range map[string]func(*bus.Event) error{
		"example.add":     b.add,
		"example.count":   b.say,
		"example.whisper": b.whisper,
		"chsk.conn-open":  b.welcome,
	} {
		_, err := b.bus.Take(ctx, pattern, group, func(e *bus.Event) {
			if err := fn(e); err != nil {
				b.log.Warn().Err(err).Str("subject", e.Subject).Msg("event was not handled")
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// counted is what a channel and an answer say of the counter.
type counted struct {
	N  int64  `json:"n"`
	By string `json:"by,omitempty"`
	// Conn names the connection, and so the node, through which it has come.
	Conn string `json:"conn,omitempty"`
}

// add counts one more and tells all who watch, on whichever nodes they are.
func (b *backend) add(e *bus.Event) error {
	c := counted{N: b.count.Add(1), By: who(e), Conn: e.Conn}
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := b.bus.PublishChannel(bus.String(counterIn), data, bus.ContentType(bus.ContentTypeJSON)); err != nil {
		return err
	}
	return reply(e, c)
}

func (b *backend) say(e *bus.Event) error { return reply(e, counted{N: b.count.Load()}) }

// whisper pushes to every connection of another user.
func (b *backend) whisper(e *bus.Event) error {
	var asked struct {
		To   string `json:"to"`
		Text string `json:"text"`
	}
	if json.Unmarshal(e.RawData, &asked) != nil || !goodName(asked.To) || asked.Text == "" || len(asked.Text) > maxText {
		return refuse(e, ":bad-request")
	}
	heard, err := b.push(asked.To, "example/whisper", map[string]string{"from": who(e), "text": asked.Text})
	if err != nil {
		return err
	}
	return reply(e, map[string]bool{"heard": heard})
}

// welcome pushes to a user whose connection has just opened.
func (b *backend) welcome(e *bus.Event) error {
	uid := who(e)
	if uid == e.Conn {
		return nil // nobody has vouched for a name
	}
	_, err := b.push(uid, "example/welcome", map[string]string{"conn": e.Conn})
	return err
}

// push sends an event to a user and says whether anybody is there to hear it.
func (b *backend) push(uid, id string, data any) (heard bool, err error) {
	event, err := json.Marshal([]any{id, data})
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), heardTime)
	defer cancel()
	err = b.bus.PublishUser(bus.String(uid), event, bus.ContentType(bus.ContentTypeJSON), bus.Heard(ctx, &heard))
	return heard, err
}

// who is the sender's name. In EDN and in JSON a plain string is written alike; what
// is none is shown as it stands.
func who(e *bus.Event) string {
	var name string
	if json.Unmarshal(e.UID, &name) != nil {
		return string(e.UID)
	}
	return name
}

func reply(e *bus.Event, v any) error {
	if !e.WantsReply() {
		return nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.Reply(data, bus.ContentType(bus.ContentTypeJSON))
}

func refuse(e *bus.Event, keyword string) error {
	if !e.WantsReply() {
		return nil
	}
	return e.ReplyError(keyword)
}
