package reading

import (
	"bytes"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Reader reads the commands of one format. A parser sets Format and uses Codec
// to take messages apart.
type Reader struct {
	Format codec.Format
	Codec  codec.Parser

	convert codec.Converter
	values  [len(arguments)][]byte // of one call

	// Scratch, kept between calls within bounds.
	name   []byte // EDN text of the channel
	word   []byte // EDN text of something short
	answer []byte // what an answer is for
	traced *traced
}

// SetMaxDepth is [dialect.Parser.SetMaxDepth].
func (r *Reader) SetMaxDepth(n int) { r.Codec.SetMaxDepth(n) }

// keepText bounds each kind of scratch, in bytes. What is longer is no name
// anyway, and no token.
const keepText = 4 << 10

// The keys of arguments.
const (
	argChannel = iota
	argData
	argExclude
	argAnswerTo
	argToken
)

var arguments = [...]string{argChannel: ":channel-id", argData: ":data", argExclude: ":exclude-sender?", argAnswerTo: ":cb-uuid", argToken: ":token"}

// Command fills in what the event of an envelope, which must have an ID, wants.
// Its errors are [dialect.ReservedID], [dialect.LongCallback] and [dialect.BadTraced].
func (r *Reader) Command(env *codec.Envelope, cmd *dialect.Command) error {
	cmd.Event, cmd.ID, cmd.Callback = env.Event, env.ID, env.Callback
	if len(cmd.Callback) > dialect.MaxCallback {
		return dialect.LongCallback
	}
	if !dialect.Reserved(env.ID) {
		return nil
	}
	switch string(env.ID) {
	case ":chsk/ws-ping":
		cmd.Op = dialect.Ping
	case ":chsk/ws-pong":
		cmd.Op = dialect.Pong
	case ":sente-lite/subscribe":
		cmd.Op = dialect.Subscribe
		r.args(env.Data, cmd)
	case ":sente-lite/unsubscribe":
		cmd.Op = dialect.Unsubscribe
		r.args(env.Data, cmd)
	case ":sente-lite/publish":
		cmd.Op = dialect.Publish
		r.args(env.Data, cmd)
	case ":chsk/reply":
		cmd.Op = dialect.Answer
		r.args(env.Data, cmd)
	case ":hoshi/traced":
		return r.unwrap(env.Data, cmd)
	case ":hoshi/refresh":
		cmd.Op = dialect.Refresh
		r.args(env.Data, cmd)
	default:
		return dialect.ReservedID
	}
	return nil
}

// args reads the map of an operation. Keys that it does not know are ignored, as
// the reference does.
func (r *Reader) args(data []byte, cmd *dialect.Command) {
	defer clear(r.values[:])
	if !r.Codec.Fields(r.Format, data, arguments[:], r.values[:]) {
		cmd.BadArgs = true
		return
	}
	if cmd.Op == dialect.Refresh {
		cmd.Text = r.text(r.values[argToken])
		return
	}
	if cmd.Op != dialect.Subscribe && cmd.Op != dialect.Unsubscribe {
		cmd.Data = r.values[argData]
	}
	if cmd.Op == dialect.Answer {
		cmd.AnswerTo = r.text(r.values[argAnswerTo])
		return
	}
	if sent := r.values[argChannel]; sent != nil {
		cmd.Channel, cmd.Sent = r.channel(sent), sent
	}
	cmd.ExcludeSender = cmd.Op == dialect.Publish && r.truthy(r.values[argExclude])
}

// inEDN appends the value in EDN to scratch of a bounded size; it is nil where
// there is none.
func (r *Reader) inEDN(scratch, value []byte) []byte {
	if cap(scratch) > keepText {
		scratch = nil
	}
	out, err := r.convert.Append(scratch[:0], value, r.Format, codec.EDN)
	if err != nil {
		return nil
	}
	return out
}

// truthy tells whether Clojure takes the value for true; one that is missing is
// not.
func (r *Reader) truthy(value []byte) bool {
	if value == nil {
		return false
	}
	text := value
	if r.Format != codec.EDN {
		r.word = r.inEDN(r.word, value)
		text = r.word
	}
	return !bytes.Equal(text, []byte("nil")) && !bytes.Equal(text, []byte("false"))
}

// channel returns the EDN text of a channel's name, nil where there is none. In
// JSON a string that begins with a colon is a keyword.
func (r *Reader) channel(value []byte) []byte {
	if r.Format == codec.EDN {
		return value
	}
	text := value
	escaped := bytes.IndexByte(value, '\\') >= 0
	if escaped || !r.literal(value) {
		r.name = r.inEDN(r.name, value)
		if text = r.name; text == nil {
			return nil
		}
		if escaped && r.Format != codec.MessagePack && bytes.ContainsRune(text, utf8.RuneError) {
			return nil // half of a surrogate pair, or what it would be mistaken for
		}
	}
	if r.Format != codec.JSON || len(text) < 3 || text[0] != '"' || text[1] != ':' {
		return text
	}
	if keyword := text[1 : len(text)-1]; edn.IsKeyword(keyword) {
		return keyword
	}
	return nil
}

// literal tells whether a value is a string that EDN writes in the same way, unless
// it has escapes.
func (r *Reader) literal(value []byte) bool {
	switch r.Format {
	case codec.JSON:
		return value[0] == '"'
	case codec.Transit, codec.TransitVerbose:
		return value[0] == '"' && bytes.IndexByte([]byte("~^`"), value[1]) < 0
	default:
		return false
	}
}

// text returns the plain text of a string, nil where the value is none.
func (r *Reader) text(value []byte) []byte {
	if value == nil {
		return nil
	}
	literal := value
	if r.Format != codec.EDN {
		r.word = r.inEDN(r.word, value)
		literal = r.word
	}
	if len(literal) == 0 || literal[0] != '"' {
		return nil
	}
	if cap(r.answer) > keepText {
		r.answer = nil
	}
	out, err := edn.Unquote(r.answer[:0], literal)
	if err != nil {
		return nil
	}
	r.answer = out
	return out
}
