package sentelite

import (
	"bytes"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Parser reads what clients say in EDN. The zero value is ready; it is not for
// concurrent use.
type Parser struct {
	codec codec.Parser
	scan  edn.Scanner
}

// Parse reads one text message into cmd. It allocates nothing; cmd borrows
// from msg. A message that is no event, or that Clojure's reader would refuse,
// is a *codec.Error; an id in a reserved namespace that this dialect does not
// know is [dialect.ReservedID], a callback that is too long
// [dialect.LongCallback], and for these two cmd.Callback is still set.
func (p *Parser) Parse(msg []byte, cmd *dialect.Command) error {
	*cmd = dialect.Command{}
	var env codec.Envelope
	if err := p.codec.EDN(msg, &env); err != nil {
		return err
	}
	hasArgs, err := command(&env, cmd)
	if hasArgs {
		p.args(env.Data, cmd)
	}
	return err
}

// command fills in what an envelope of any format says, and reports whether the
// data holds the arguments of a channel operation.
func command(env *codec.Envelope, cmd *dialect.Command) (hasArgs bool, err error) {
	cmd.Event, cmd.ID, cmd.Callback = env.Event, env.ID, env.Callback
	if len(cmd.Callback) > dialect.MaxCallback {
		return false, dialect.LongCallback
	}
	if !dialect.Reserved(env.ID) {
		return false, nil
	}
	switch string(env.ID) {
	case ":chsk/ws-ping":
		cmd.Op = dialect.Ping
	case ":chsk/ws-pong":
		cmd.Op = dialect.Pong
	case ":sente-lite/subscribe":
		cmd.Op, hasArgs = dialect.Subscribe, true
	case ":sente-lite/unsubscribe":
		cmd.Op, hasArgs = dialect.Unsubscribe, true
	case ":sente-lite/publish":
		cmd.Op, hasArgs = dialect.Publish, true
	default:
		return false, dialect.ReservedID
	}
	return hasArgs, nil
}

// args reads the map of a channel operation. Keys that it does not know are
// ignored, as the reference does.
func (p *Parser) args(data []byte, cmd *dialect.Command) {
	form, err := p.scan.Form(data, 0)
	if err != nil || form.Kind != edn.Map {
		cmd.BadArgs = true
		return
	}
	entries := edn.EntriesOf(data, form)
	for {
		key, value, ok := entries.Next()
		if !ok {
			return
		}
		text := data[value.Start:value.End]
		switch {
		case entries.KeyIs(key, ":channel-id"):
			cmd.Channel, cmd.Sent = text, text
		case entries.KeyIs(key, ":data"):
			cmd.Data = text
		case entries.KeyIs(key, ":exclude-sender?"):
			cmd.ExcludeSender = value.Kind != edn.Nil && !bytes.Equal(value.Text(data), []byte("false"))
		}
	}
}
