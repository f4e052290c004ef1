package dialect

// Op is what a client wants.
type Op uint8

// The operations.
const (
	Event       Op = iota // an event for the backends
	Ping                  // an application-level ping, to be answered
	Pong                  // the answer to ours
	Subscribe             // to Command.Channel
	Unsubscribe           // from Command.Channel
	Publish               // Command.Data to Command.Channel
)

// Command is one message of a client. Its slices are spans of the message, or
// belong to the parser: they are valid as long as the message is, until the
// parser is used again.
type Command struct {
	Op       Op
	Event    []byte // the whole event, [id data], as it was sent
	ID       []byte // its id as EDN text, a keyword with its colon
	Callback []byte // the callback's id in the message's format; nil where none was asked for

	// Of Subscribe, Unsubscribe and Publish. BadArgs is set where the argument
	// was no map; then the rest is empty.
	BadArgs bool
	Channel []byte // EDN text of the channel id; nil where it was missing, or cannot be one
	Sent    []byte // the channel id as it was sent; nil where it was missing

	// Of Publish.
	Data          []byte // in the message's format; nil where the key was missing
	ExcludeSender bool
}

// MaxCallback bounds Command.Callback, in bytes: it is kept for as long as the
// answer takes. Clients use some ten to forty.
const MaxCallback = 1024

// Refusal is why a message of a client is not taken. The set is bounded: it
// labels a counter.
type Refusal string

// The reasons that dialects give.
const (
	ReservedID   Refusal = "reserved-event-id" // a namespace that clients cannot speak in
	LongCallback Refusal = "callback-too-long" // beyond MaxCallback
	Binary       Refusal = "binary-message"    // the format has text messages only
)

// Error makes a Refusal an error.
func (r Refusal) Error() string { return string(r) }
