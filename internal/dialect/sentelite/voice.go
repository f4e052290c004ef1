package sentelite

import (
	"strconv"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/reading"
	"github.com/hoshi-ws/hoshi/internal/dialect/words"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// ProtocolVersion is what the handshake announces: the version that clients of
// the reference know.
const ProtocolVersion = "2.0.0"

// Name is the name of the dialect.
const Name = "sente-lite"

// Voice is the dialect in one format: [dialect.Voice]. It has one form, and pushes
// of one event. Fixed after New.
type Voice struct {
	dialect.Words
	wrap      words.Phrase // around every event but those of namespace chsk
	handshake words.Phrase
	welcome   words.Phrase // the handshake with a backend's data
	ping      string
	pong      words.Phrase
}

var _ dialect.Voice = (*Voice)(nil)

// New returns the voice of a format. wrap puts every event but those of namespace
// chsk into [:chsk/recv ..], for clients set to wrap-recv-evs?.
func New(f codec.Format, wrap bool) *Voice {
	v := &Voice{
		Words:     words.New(f),
		wrap:      words.Phrase{"", ""},
		handshake: words.NewPhrase(f, `[:chsk/handshake [% nil {:sente-lite-version "`+ProtocolVersion+`", :conn-id %, :hoshi %} true]]`),
		welcome:   words.NewPhrase(f, `[:chsk/handshake [% nil {:sente-lite-version "`+ProtocolVersion+`", :conn-id %, :hoshi %, :handshake-data %} true]]`),
		ping:      string(words.NewPhrase(f, "[:chsk/ws-ping]").Append(nil)),
		pong:      words.NewPhrase(f, "[:chsk/ws-pong]"),
	}
	if wrap {
		v.wrap = words.NewPhrase(f, "[:chsk/recv %]")
	}
	return v
}

// Dialect returns [Name].
func (*Voice) Dialect() string { return Name }

// NewParser returns a parser of the format.
func (v *Voice) NewParser() dialect.Parser {
	return &parser{reading.Reader{Format: v.Format()}}
}

// AppendHandshake appends the first message of a connection.
func (v *Voice) AppendHandshake(dst, uid []byte, connID, version string, data []byte) []byte {
	p := v.handshake
	if data != nil {
		p = v.welcome
	}
	dst = v.AppendValue(append(dst, p[0]...), uid)
	dst = v.AppendText(append(dst, p[1]...), connID)
	dst = append(v.AppendText(append(dst, p[2]...), version), p[3]...)
	if data != nil {
		dst = append(append(dst, data...), p[4]...)
	}
	return dst
}

// Ping returns the ping.
func (v *Voice) Ping(dialect.Form) string { return v.ping }

// AppendPong appends the answer to a ping, which is the same with a callback.
func (v *Voice) AppendPong(dst, _ []byte) []byte { return v.pong.Append(dst) }

func (v *Voice) open(dst []byte) []byte { return append(dst, v.wrap[0]...) }

func (v *Voice) close(dst []byte) []byte { return append(dst, v.wrap[1]...) }

// AppendSubscribed appends the answer to a subscribe or unsubscribe that was done.
func (v *Voice) AppendSubscribed(dst, name []byte) []byte {
	return v.close(v.Words.AppendSubscribed(v.open(dst), name))
}

// AppendRefused appends the answer to one that was not.
func (v *Voice) AppendRefused(dst, channel []byte, keyword string, unsubscribe bool) []byte {
	return v.close(v.Words.AppendRefused(v.open(dst), channel, keyword, unsubscribe))
}

// AppendChannelMessage appends a message of a channel.
func (v *Voice) AppendChannelMessage(dst, name, data []byte, from string) []byte {
	return v.close(v.Words.AppendChannelMessage(v.open(dst), name, data, from))
}

// AppendDropped appends what a client is told when its queue had no room.
func (v *Voice) AppendDropped(dst []byte, count int) []byte {
	return v.close(v.Words.AppendDropped(v.open(dst), count))
}

// AppendEvent appends a backend's event: as it came unless it is to be wrapped.
func (v *Voice) AppendEvent(dst, event []byte) []byte {
	return v.close(append(v.open(dst), event...))
}

// AppendAsk appends an event with a callback, as clients send them.
func (v *Voice) AppendAsk(dst, event, callback []byte) []byte {
	return v.AppendReply(dst, event, v.AppendText(nil, string(callback)))
}

// AppendPush appends the one event, which another Append method has made.
func (*Voice) AppendPush(dst []byte, _ dialect.Form, events ...[]byte) []byte {
	return append(dst, events[0]...)
}

// AppendFramed appends the message.
func (*Voice) AppendFramed(dst []byte, _ dialect.Form, msg []byte) []byte { return append(dst, msg...) }

// AppendEcho appends the event that the built-in demo backend answers with, in EDN:
// id and data are EDN text.
func AppendEcho(dst, id, data []byte, connID string, unixMilli int64) []byte {
	dst = append(dst, "[:sente-lite/echo {:original-event-id "...)
	dst = append(dst, id...)
	dst = append(dst, ", :original-data "...)
	if data == nil {
		dst = append(dst, "nil"...)
	} else {
		dst = append(dst, data...)
	}
	dst = append(dst, `, :conn-id "`...)
	dst = append(dst, connID...)
	dst = append(dst, `", :timestamp `...)
	dst = strconv.AppendInt(dst, unixMilli, 10)
	return append(dst, "}]"...)
}
