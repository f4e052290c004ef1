package bus

import (
	"bytes"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// Kind says what a subject addresses.
type Kind uint8

// The kinds of subjects. A node is asked to Want only KindUser, KindClient and
// KindChan; it subscribes its own connections and everyone by itself.
const (
	KindNone Kind = iota
	KindUser
	KindConn
	KindClient
	KindChan
	KindAll
	KindEvent
	KindNode // between nodes, about a connection
	KindAPI  // an administrator's, to all nodes
)

var kindLevels = [...]string{KindNone: "", KindUser: "user", KindConn: "conn", KindClient: "client", KindChan: "chan", KindAll: "all", KindEvent: "event", KindNode: "node", KindAPI: "api"}

// String is the kind's level in a subject, as in hoshi.chan.x.
func (k Kind) String() string {
	if int(k) < len(kindLevels) {
		return kindLevels[k]
	}
	return "unknown"
}

// The headers of the contract. nats.go keeps the case of keys, so each is
// spelled in exactly one way.
const (
	HeaderContentType = "Content-Type"
	HeaderConn        = "Hoshi-Conn"
	HeaderUID         = "Hoshi-Uid"
	HeaderClient      = "Hoshi-Client"
	HeaderFrom        = "Hoshi-From"
	HeaderExclude     = "Hoshi-Exclude"
	HeaderError       = "Hoshi-Error"
	HeaderTab         = "Hoshi-Tab"   // between nodes only
	HeaderTime        = "Hoshi-Time"  // when it was published, in microseconds of Unix time
	HeaderID          = "Nats-Msg-Id" // NATS's own: tells equal pushes apart
)

// The content types that nodes take. EDN is the default.
const (
	ContentTypeEDN         = "application/edn"
	ContentTypeJSON        = "application/json"
	ContentTypeTransit     = "application/transit+json" // in its ordinary form and in its verbose one
	ContentTypeMessagePack = "application/msgpack"
)

var contentTypes = [codec.Formats]string{
	codec.EDN: ContentTypeEDN, codec.JSON: ContentTypeJSON, codec.Transit: ContentTypeTransit, codec.TransitVerbose: ContentTypeTransit,
	codec.MessagePack: ContentTypeMessagePack,
}

// formatOf returns the format of a body: as it is declared, and for what is not, EDN, or JSON for
// an event that begins with [".
func formatOf(contentType string, event bool, body []byte) (f codec.Format, ok bool) {
	if contentType == "" {
		if event && bytes.HasPrefix(body, jsonEvent) {
			return codec.JSON, true
		}
		return codec.EDN, true
	}
	for f, t := range contentTypes {
		if t == contentType {
			return codec.Format(f).Carried(), true
		}
	}
	return 0, false
}

var jsonEvent = []byte(`["`)

// contentTypeOf returns the declaration that a body needs, empty where formatOf knows without.
func contentTypeOf(f codec.Format, event bool, body []byte) string {
	if undeclared, _ := formatOf("", event, body); undeclared == f {
		return ""
	}
	return contentTypes[f]
}

// Message is what a node is handed by the bus: a push to a user, a
// connection, a client or everyone, whose body is an event, or a message of a
// channel, whose body is the data alone. The body is one valid value of its
// format, with nothing around it.
type Message struct {
	// Subject is what it was published on, for logs.
	Subject string
	Kind    Kind
	// Token is the last token of the subject: the uid, conn-id, client-id or
	// channel; empty for KindAll.
	Token string
	// Body may be kept by the receiver and must not be written.
	Body []byte
	// From is the conn-id of the publisher of a channel message; empty when a
	// backend published.
	From string
	// Exclude is a conn-id that must not get the message.
	Exclude string
	// ID is what the publisher has called the message, usually nothing.
	ID string
	// Tab is what another node has to say about a tab of a Sente client, on the
	// subject of the client or on one that only nodes may publish on, KindNode; empty for everything else. Then Body has
	// not been read: it is between the two nodes.
	Tab string
	// Format is what Body is written in.
	Format codec.Format
	// ReplyTo is where a refusal goes ([Node.ReplyError]), and the answers to an
	// ask; usually empty.
	ReplyTo string
	// Ask is the time in which answers are gathered, 0 for what asks nothing.
	Ask time.Duration
	// Flush says that a client's gathered messages leave with this one at once.
	Flush bool
	// Trace is the trace that the publisher says it belongs to, usually none.
	Trace TraceContext

	// Time is when it was published, by the publisher's clock, in microseconds of
	// Unix time; usually 0, which is unknown.
	Time int64

	badTrace bool // there was one, and it is malformed
	badTime  bool // the same
}

// Reply ends one [Node.Request].
type Reply struct {
	Key any // as given to Request
	// Body is one valid value of its format, with nothing around it, when Err is
	// nil. The receiver may keep it.
	Body   []byte
	Format codec.Format
	// Err is nil, ErrNoResponders, ErrTimeout, a *RemoteError, ErrUnavailable
	// (the connection to NATS was lost while waiting: nobody knows whether the
	// event arrived), ErrTooLarge or ErrStopped.
	Err error
}

// Handler is what a node does with what the bus brings. No method may block.
type Handler interface {
	// Deliver is called on the goroutine of the shard, in order for each
	// subject. m is valid until return, m.Body for as long as it is kept.
	Deliver(shard int, m *Message)
	// Flush follows Deliver, on the same goroutine, when the shard's queue is
	// empty for now, and at least every 256 messages.
	Flush(shard int)
	// Reply is called exactly once for each Request that returned nil, on any
	// goroutine of the bus, possibly before Request has returned.
	Reply(r Reply)
	// State is called on the control goroutine when the node becomes ready (its
	// barrier has gone through) and when it stops being so.
	State(up bool)
	// Room is called when the publish queue has room again after ErrFull; also
	// when NATS went away, so that whoever waits sees ErrUnavailable.
	Room()
}

// Outgoing is what a node publishes: a channel message or an event. Once it
// was accepted its strings and Body belong to the bus: nobody may write Body.
// Empty header fields are left out.
type Outgoing struct {
	// Subject comes from [Node.Subjects].
	Subject string
	// Body must have been scanned: the data of a channel message, or a whole
	// event.
	Body []byte
	// Format is what Body is written in. It is declared where the body does not
	// tell.
	Format codec.Format

	From    string // channel message: conn-id of the publisher
	Exclude string // channel message: conn-id that must not get it
	Conn    string // event: conn-id of the sender
	UID     string // event: token, empty when the uid is the conn-id
	Client  string // event: token, empty when there is none
	Tab     string // between nodes: see Message.Tab
	ID      string // between nodes: see Message.ID

	Trace TraceContext // event, channel message: that of whoever takes it from here
	Time  int64        // channel message: see Message.Time

	// Urgent is accepted whatever waits already: events about a socket's life,
	// of which there are few for each connection, and whose sender cannot wait.
	Urgent bool

	ask *askSaid // of what is said to who has asked
}
