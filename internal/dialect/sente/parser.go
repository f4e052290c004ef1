package sente

import (
	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/reading"
	"github.com/hoshi-ws/hoshi/internal/dialect/words"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// parser is a dialect.Parser: a message is [event callback], [event], either of
// them behind a '+', or an event behind a '-'.
type parser struct {
	reading.Reader
	bad words.Phrase

	// Scratch, kept between calls within bounds.
	event    []byte // that something bad was made
	callback []byte
}

// keepEvent bounds the scratch, in bytes.
const keepEvent = 4 << 10

// Parse reads one message.
func (p *parser) Parse(msg []byte, cmd *dialect.Command) error {
	*cmd = dialect.Command{}
	wrapped := true
	if len(msg) > 0 && (msg[0] == '+' || msg[0] == '-') && !p.Format.Binary() {
		wrapped = msg[0] == '+'
		cmd.Form = dialect.FormPrefixed
		msg = msg[1:]
	}
	var env codec.Envelope
	if !wrapped {
		if err := p.Codec.ParseBare(p.Format, msg, &env); err != nil {
			return err
		}
	} else {
		elements, err := p.Codec.ParseWrapped(p.Format, msg, &env)
		if err != nil {
			return err
		}
		if elements == 1 && cmd.Form == dialect.FormTwo {
			cmd.Form = dialect.FormOne
		}
	}
	if env.ID == nil {
		return p.badEvent(&env, cmd)
	}
	return p.Command(&env, cmd)
}

// badEvent makes an event of a value that is none, as Sente's server does.
func (p *parser) badEvent(env *codec.Envelope, cmd *dialect.Command) error {
	if len(env.Callback) > dialect.MaxCallback {
		cmd.Callback = env.Callback
		return dialect.LongCallback
	}
	if cap(p.event) > keepEvent {
		p.event = nil
	}
	p.event = p.bad.Append(p.event[:0], env.Event)
	if env.Callback != nil { // it may be the codec's, which is used again
		p.callback = append(p.callback[:0], env.Callback...)
		cmd.Callback = p.callback
	}
	// Within the event the value may nest too deep.
	if err := p.Codec.Parse(p.Format, p.event, env); err != nil {
		return err
	}
	cmd.Op, cmd.Event, cmd.ID = dialect.BadEvent, env.Event, env.ID
	return nil
}
