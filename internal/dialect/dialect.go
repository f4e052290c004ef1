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
	Answer                // to what a backend asked: Command.Data, for Command.AnswerTo
	Refresh               // Command.Text is a new token
	BadEvent              // a legal value that is no event, of a dialect that has these
)

// Form is how messages are framed, of which a dialect may have several: those
// of the versions of Sente. Other dialects have the first alone.
type Form uint8

// The forms.
const (
	FormTwo      Form = iota // [value callback], where the callback may be nil: Sente 1.21 and later
	FormOne                  // [value] where there is no callback: Sente 1.18 to 1.20
	FormPrefixed             // the same behind a '+': Sente up to 1.17
)

// Command is one message of a client. Its slices are spans of the message, or
// belong to the parser: they are valid as long as the message is, until the
// parser is used again. What is in the message's format means the same in any
// other message of that format.
type Command struct {
	Op       Op
	Form     Form   // of the message as it was sent
	Event    []byte // the whole event, [id data]; of BadEvent, [:chsk/bad-event value]
	ID       []byte // its id as EDN text, a keyword with its colon
	Callback []byte // the callback's id in the message's format; nil where none was asked for

	// Of Subscribe, Unsubscribe, Publish and Answer. BadArgs is set where the
	// argument was no map; then the rest is empty.
	BadArgs bool
	Channel []byte // EDN text of the channel id; nil where it was missing, or cannot be one
	Sent    []byte // the channel id as it was sent; nil where it was missing

	// Of Publish and Answer.
	Data []byte // in the message's format; nil where the key was missing

	// Of Publish.
	ExcludeSender bool

	// Of Refresh: the token; nil where it was missing, or no string.
	Text []byte

	// Of Answer: the plain text of what was asked with; nil where it was missing,
	// or no string.
	AnswerTo []byte

	// Traced is what the client says of the trace that this belongs to; nil for
	// nearly all. The rest is as if it had come without.
	Traced *Traced
}

// Traced is the plain text of what came with a command in a [:hoshi/traced ..]:
// nil where it was missing, no string, or longer than MaxTraced. Nobody has looked
// into it yet.
type Traced struct {
	Parent, State []byte // traceparent and tracestate of W3C Trace Context
}

// MaxTraced bounds what is read of each part of a Traced, in bytes.
const MaxTraced = 512

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
	BadTraced    Refusal = "bad-traced-event"  // a :hoshi/traced without an event, or around another one
)

// Error makes a Refusal an error.
func (r Refusal) Error() string { return string(r) }
