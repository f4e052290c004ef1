package dialect

import (
	"bytes"

	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// Words is a format: how it words what nodes say in every dialect. Its methods
// are safe for concurrent use. What they append to dst is one value each, a part
// of a message or a message.
//
// Unless they say otherwise, texts given to it are in its own format and mean
// the same in any message, keywords are EDN text with their colon, and other
// strings are plain text.
type Words interface {
	// Format is the format of messages and of what is in them.
	Format() codec.Format

	// AppendValue appends a value given as EDN text, or nil where the format
	// cannot say it. AppendText appends a string, and AppendVector a vector of
	// values.
	AppendValue(dst, edn []byte) []byte
	AppendText(dst []byte, s string) []byte
	AppendVector(dst []byte, values ...[]byte) []byte

	// AppendName appends the name of a channel, EDN text, as clients know it.
	AppendName(dst, name []byte) []byte
	// AppendSubscribed appends the answer to a subscribe or unsubscribe that was
	// done. name is EDN text.
	AppendSubscribed(dst, name []byte) []byte
	// AppendRefused appends the answer to one that was not. channel is what the
	// client sent, nil where it sent none. An unsubscribe says nil rather than
	// false, as the reference does.
	AppendRefused(dst, channel []byte, keyword string, unsubscribe bool) []byte
	// AppendChannelMessage appends a message of a channel. name is EDN text; from
	// is the publisher's conn-id, empty where a backend published.
	AppendChannelMessage(dst, name, data []byte, from string) []byte
	// AppendDropped appends what a client is told when its queue had no room for
	// count messages.
	AppendDropped(dst []byte, count int) []byte

	// AppendReply appends the answer to a callback, AppendError what it gets
	// instead of one, and AppendResult the answer to a channel operation that was
	// sent with a callback, where an empty keyword says that it was done.
	AppendReply(dst, value, callback []byte) []byte
	AppendError(dst []byte, keyword string, callback []byte) []byte
	AppendResult(dst []byte, keyword string, callback []byte) []byte
}

// Voice is a dialect in one format: it reads what clients say, words what the
// node says to them, and frames it. It is stateless, and its methods are safe for
// concurrent use.
//
// Events that it appends, AppendSubscribed, AppendRefused, AppendChannelMessage,
// AppendDropped, AppendEvent and AppendAsk, are parts of a push: AppendPush makes
// a message of them. Replies, and what AppendPong and AppendHandshake append, are
// messages but for their form: see AppendFramed.
type Voice interface {
	Words

	// Dialect is the dialect's name.
	Dialect() string
	// NewParser returns a parser of its messages.
	NewParser() Parser

	// AppendHandshake appends the first message of a connection, which has the same
	// form for everyone. uid is EDN text. data, a value of the format, is what a
	// backend has to say to the client; nil where there is nothing.
	AppendHandshake(dst, uid []byte, connID, version string, data []byte) []byte
	// Ping is a message that never changes.
	Ping(form Form) string
	// AppendPong appends the answer to a ping, which is nothing where the dialect
	// has none. callback is that of the ping, nil where there was none.
	AppendPong(dst, callback []byte) []byte

	// AppendEvent appends a backend's event.
	AppendEvent(dst, event []byte) []byte
	// AppendAsk appends an event with which a backend asks. callback is plain text
	// of letters, digits and hyphens.
	AppendAsk(dst, event []byte, callback []byte) []byte

	// AppendPush appends the message that these events are. sente-lite has one event
	// in a message.
	AppendPush(dst []byte, form Form, events ...[]byte) []byte
	// AppendFramed appends a message, a reply or a pong, in a form.
	AppendFramed(dst []byte, form Form, msg []byte) []byte
}

// Parser reads the messages of one [Voice]. It is not for concurrent use.
type Parser interface {
	// Parse reads one message into cmd. It allocates nothing but scratch, of which
	// it keeps a bounded amount. A message that is no event, or not legal in its
	// format, is a *codec.Error; an id in a reserved namespace that the dialect does
	// not know is [ReservedID], a callback that is too long [LongCallback], and for
	// these two cmd.Form and cmd.Callback are still set.
	Parse(msg []byte, cmd *Command) error
	// SetMaxDepth makes messages illegal whose values nest deeper than so many
	// levels, the vectors of the message counted; 0 is what every format allows.
	SetMaxDepth(n int)
}

// Keywords for the error of an answer to a channel operation, as EDN text.
const (
	MaxSubscriptionsPerConn = ":max-subscriptions-per-conn"
	MaxSubscribersReached   = ":max-subscribers-reached"
	ChannelNotFound         = ":channel-not-found"
	NotSubscribed           = ":not-subscribed"
	BadRequest              = ":bad-request"
	Unavailable             = ":unavailable"
	Forbidden               = ":forbidden"
	InvalidToken            = ":invalid-token"
	RateLimited             = ":rate-limited"
)

// reserved are the namespaces in which clients and backends cannot speak
// beyond what the dialect knows.
var reserved = [...]string{"chsk", "sente", "sente-lite", "hoshi"}

// Reserved reports whether an event id, a keyword with its colon, is in a
// namespace kept for the protocol: chsk, sente, sente-lite, hoshi, and those
// below them, such as chsk.x.
func Reserved(id []byte) bool {
	if len(id) == 0 {
		return false
	}
	for _, ns := range reserved {
		if rest, ok := bytes.CutPrefix(id[1:], []byte(ns)); ok && len(rest) > 0 && (rest[0] == '/' || rest[0] == '.') {
			return true
		}
	}
	return false
}
