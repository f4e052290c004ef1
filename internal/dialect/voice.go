package dialect

import (
	"bytes"

	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// Voice is a dialect in one format: it reads what clients say and words what
// the node says to them. It is stateless, and its methods are safe for
// concurrent use. What it appends to dst is one message each.
//
// Unless they say otherwise, texts given to it are in its own format, keywords
// are EDN text with their colon, and other strings are plain text.
type Voice interface {
	// Dialect is the dialect's name.
	Dialect() string
	// Format is the format of its messages and of what is in them.
	Format() codec.Format
	// NewParser returns a parser of its messages.
	NewParser() Parser

	// Ping and Pong are messages that never change.
	Ping() string
	Pong() string
	// AppendHandshake appends the first message of a connection. uid is EDN
	// text.
	AppendHandshake(dst, uid []byte, connID, version string) []byte

	// AppendName appends the name of a channel, EDN text, as clients know it.
	AppendName(dst, name []byte) []byte
	// AppendSubscribed appends the answer to a subscribe or unsubscribe that was
	// done. name is EDN text.
	AppendSubscribed(dst, name []byte) []byte
	// AppendRefused appends the answer to one that was not. channel is what the
	// client sent, nil where it sent none.
	AppendRefused(dst, channel []byte, keyword string, unsubscribe bool) []byte
	// AppendChannelMessage appends a message of a channel. name is EDN text; from
	// is the publisher's conn-id, empty where a backend published.
	AppendChannelMessage(dst, name, data []byte, from string) []byte
	// AppendEvent appends a backend's event.
	AppendEvent(dst, event []byte) []byte

	// AppendReply appends the answer to a callback, AppendError what it gets
	// instead of one, and AppendResult the answer to a channel operation that was
	// sent with a callback, where an empty keyword says that it was done.
	AppendReply(dst, value, callback []byte) []byte
	AppendError(dst []byte, keyword string, callback []byte) []byte
	AppendResult(dst []byte, keyword string, callback []byte) []byte

	// AppendDropped appends what a client is told when its queue had no room for
	// count messages.
	AppendDropped(dst []byte, count int) []byte
}

// Parser reads the messages of one [Voice]. It is not for concurrent use.
type Parser interface {
	// Parse reads one text message into cmd. A message that is no event, or not
	// legal in its format, is a *codec.Error; an id in a reserved namespace that
	// the dialect does not know is [ReservedID], a callback that is too long
	// [LongCallback], and for these two cmd.Callback is still set.
	Parse(msg []byte, cmd *Command) error
}

// Keywords for the error of an answer to a channel operation, as EDN text.
const (
	MaxSubscriptionsPerConn = ":max-subscriptions-per-conn"
	MaxSubscribersReached   = ":max-subscribers-reached"
	ChannelNotFound         = ":channel-not-found"
	NotSubscribed           = ":not-subscribed"
	BadRequest              = ":bad-request"
	Unavailable             = ":unavailable"
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
