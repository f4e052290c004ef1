package edge

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// echoGroup is the queue group of the demo backend: of all the nodes that run
// it one answers.
const echoGroup = "echo"

// startEcho runs the demo backend, an ordinary client of the bus: it answers a
// callback with the event's own data, and an event without one with
// :sente-lite/echo to the socket that sent it.
func (n *Node) startEcho(ctx context.Context) error {
	o := n.opts.Bus
	o.Name = "hoshi-echo-" + n.opts.ID.String()
	quiet := n.opts.Logger.Level(zerolog.ErrorLevel) // the node's own connection tells of NATS
	o.Logger = &quiet
	c, err := bus.Connect(ctx, o)
	if err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	n.echo = c
	_, err = c.Take(ctx, ">", echoGroup, func(e *bus.Event) { n.answerEcho(c, e) })
	if err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	return nil
}

func (n *Node) answerEcho(c *bus.Client, e *bus.Event) {
	if dialect.Reserved(e.ID) {
		return // conn-open and conn-close
	}
	var err error
	if e.WantsReply() {
		data := e.Data
		if data == nil {
			data = []byte("nil")
		}
		err = e.Reply(data)
	} else {
		err = c.PublishConn(e.Conn, sentelite.AppendEcho(nil, e.ID, e.Data, e.Conn, n.now().UnixMilli()))
	}
	if err != nil {
		n.badPush.Warn().Err(err).Msg("echo not sent")
	}
}
