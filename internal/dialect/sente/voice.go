package sente

import (
	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/reading"
	"github.com/hoshi-ws/hoshi/internal/dialect/words"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// Name is the name of the dialect.
const Name = "sente"

// NilUID is the uid, as EDN text, that the handshake tells a client who has none.
const NilUID = ":sente/nil-uid"

// Voice is the dialect in one format: [dialect.Voice]. Fixed after New.
type Voice struct {
	dialect.Words
	handshake words.Phrase
	welcome   words.Phrase // the handshake with a backend's data in place of ours
	pings     [3]string    // by form
	pong      words.Phrase
	ask       words.Phrase
	two, one  words.Phrase // around the events of a push
}

var _ dialect.Voice = (*Voice)(nil)

// New returns the voice of a format.
func New(f codec.Format) *Voice {
	v := &Voice{
		Words:     words.New(f),
		handshake: words.NewPhrase(f, "[[:chsk/handshake [% nil {:conn-id %, :hoshi %}]] nil]"),
		welcome:   words.NewPhrase(f, "[[:chsk/handshake [% nil %]] nil]"),
		pong:      words.NewPhrase(f, `["pong" %]`),
		ask:       words.NewPhrase(f, "[:hoshi/ask {:cb-uuid %, :event %}]"),
		two:       words.NewPhrase(f, "[% nil]"),
		one:       words.NewPhrase(f, "[%]"),
	}
	for form, text := range [...]string{
		dialect.FormTwo: "[:chsk/ws-ping nil]", dialect.FormOne: "[:chsk/ws-ping]", dialect.FormPrefixed: "[:chsk/ws-ping]",
	} {
		ping := words.NewPhrase(f, text).Append(nil)
		v.pings[form] = string(v.AppendFramed(nil, dialect.Form(form), ping))
	}
	return v
}

// Dialect returns [Name].
func (*Voice) Dialect() string { return Name }

// NewParser returns a parser of the format.
func (v *Voice) NewParser() dialect.Parser {
	return &parser{Reader: reading.Reader{Format: v.Format()}, bad: words.NewPhrase(v.Format(), "[:chsk/bad-event %]")}
}

// AppendHandshake appends the first message of a connection. In EDN every version
// of Sente reads it; what a client's version is shows with its first message. A
// backend's data is all that the client's application is given, as in the reference.
func (v *Voice) AppendHandshake(dst, uid []byte, connID, version string, data []byte) []byte {
	if data != nil {
		p := v.welcome
		dst = v.AppendValue(append(dst, p[0]...), uid)
		return append(append(append(dst, p[1]...), data...), p[2]...)
	}
	p := v.handshake
	dst = v.AppendValue(append(dst, p[0]...), uid)
	dst = v.AppendText(append(dst, p[1]...), connID)
	dst = v.AppendText(append(dst, p[2]...), version)
	return append(dst, p[3]...)
}

// Ping returns the ping.
func (v *Voice) Ping(form dialect.Form) string { return v.pings[form] }

// AppendPong appends the answer to a ping with a callback. Versions that ping
// without one expect none.
func (v *Voice) AppendPong(dst, callback []byte) []byte {
	if callback == nil {
		return dst
	}
	return v.pong.Append(dst, callback)
}

// AppendEvent appends a backend's event, as it came.
func (*Voice) AppendEvent(dst, event []byte) []byte { return append(dst, event...) }

// AppendAsk appends the event that a backend's question is: Sente's clients cannot
// answer their server, so that an application answers with :chsk/reply.
func (v *Voice) AppendAsk(dst, event, callback []byte) []byte {
	p := v.ask
	dst = v.AppendText(append(dst, p[0]...), string(callback))
	dst = append(append(dst, p[1]...), event...)
	return append(dst, p[2]...)
}

// AppendPush appends the message that these events are, each made by another Append
// method.
func (v *Voice) AppendPush(dst []byte, form dialect.Form, events ...[]byte) []byte {
	p := v.one
	if form == dialect.FormTwo {
		p = v.two
	}
	dst = append(v.prefix(dst, form), p[0]...)
	return append(v.AppendVector(dst, events...), p[1]...)
}

// AppendFramed appends a message in a form.
func (v *Voice) AppendFramed(dst []byte, form dialect.Form, msg []byte) []byte {
	return append(v.prefix(dst, form), msg...)
}

// prefix appends what is before a message. The versions that have a prefix know
// no binary formats.
func (v *Voice) prefix(dst []byte, form dialect.Form) []byte {
	if form == dialect.FormPrefixed && !v.Format().Binary() {
		return append(dst, '+')
	}
	return dst
}
