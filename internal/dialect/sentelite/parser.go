package sentelite

import (
	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/reading"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// parser is a dialect.Parser: a message is an event, or an event in a vector with a
// callback.
type parser struct {
	reading.Reader
}

// Parse reads one message.
func (p *parser) Parse(msg []byte, cmd *dialect.Command) error {
	*cmd = dialect.Command{}
	var env codec.Envelope
	if err := p.Codec.Parse(p.Format, msg, &env); err != nil {
		return err
	}
	return p.Command(&env, cmd)
}
