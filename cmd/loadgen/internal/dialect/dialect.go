package dialect

// MarkLen is the length in bytes of the mark that a payload holds: letters and
// digits, at the same distance from the beginning of every message of a channel.
const MarkLen = 16

// Dialect is what clients of one kind say and hear. Its methods may be called from
// any goroutine; texts are whole WebSocket text messages.
type Dialect interface {
	// Name is what the command line calls it.
	Name() string
	// Query is what its upgrade says in the query, "" for nothing.
	Query() string
	// MinSize is the length in bytes of its smallest payload.
	MinSize() int
	// AppendSubscribe appends the text that subscribes to a channel: letters,
	// digits and hyphens.
	AppendSubscribe(dst []byte, channel string) []byte
	// AppendPublish appends the text that publishes a payload of size bytes, at
	// least MinSize, with the mark in it.
	AppendPublish(dst []byte, channel string, mark [MarkLen]byte, size int) []byte
	// AppendPing and AppendPong append the application's ping, and its answer.
	AppendPing(dst []byte) []byte
	AppendPong(dst []byte) []byte
	// Read tells what a text from the server is. It keeps nothing of it.
	Read(text []byte) Message
}

// Kind is what a text from the server is.
type Kind uint8

// The kinds.
const (
	Other      Kind = iota // anything else
	Handshake              // the first one
	Subscribed             // the answer to a subscribe: it is in force
	Refused                // the answer to a subscribe: it is not
	Ping                   // wants a pong
	Pong                   // the answer to a ping
	Fault                  // an error as the answer to something
	Dropped                // Count messages were dropped on the way
)

// Message is what [Dialect.Read] has found.
type Message struct {
	Kind  Kind
	Count int64 // of Dropped
}
