package bus

import "errors"

// Errors of the node and the client. Match with [errors.Is].
var (
	// ErrUnavailable: NATS is away, or back and not yet behind the first
	// barrier. Nothing was handed over.
	ErrUnavailable = errors.New("bus: NATS is not available")
	// ErrFull: the publish queue has no room. Nothing was handed over;
	// [Handler.Room] follows once there is room.
	ErrFull = errors.New("bus: publish queue is full")
	// ErrTooLarge: body and headers exceed the server's max_payload.
	ErrTooLarge = errors.New("bus: message exceeds the max_payload of NATS")
	// ErrBadSubject: the subject would be empty, malformed, or longer than
	// [MaxSubject]. One that is too long would end the NATS connection.
	ErrBadSubject = errors.New("bus: bad subject")
	// ErrTooManyRequests: as many requests wait for a reply as are allowed.
	ErrTooManyRequests = errors.New("bus: too many requests are waiting")
	// ErrNoResponders: nobody takes the subject, says NATS. A hint, see
	// the package page.
	ErrNoResponders = errors.New("bus: no responders")
	// ErrTimeout: no valid reply came in time.
	ErrTimeout = errors.New("bus: request timed out")
	// ErrStopped: the node or client has been stopped.
	ErrStopped = errors.New("bus: stopped")
	// ErrBadBody: a body is not valid in its declared format.
	ErrBadBody = errors.New("bus: bad body")
	// ErrBadEvent: a body is valid but no event [id data].
	ErrBadEvent = errors.New("bus: not an event")
	// ErrNoReply: the event asks for no reply.
	ErrNoReply = errors.New("bus: event wants no reply")
	// ErrDenied: the user that we log in to NATS as may not publish, or
	// subscribe, there; a [*DeniedError] says where.
	ErrDenied = errors.New("bus: NATS does not permit it")
	// ErrBadOption: an option makes no sense.
	ErrBadOption = errors.New("bus: bad option")
)

// RemoteError is a reply that carries the Hoshi-Error header: the backend, or
// a node, refused.
type RemoteError struct {
	Keyword string // EDN keyword text, with the colon
	Text    string // why, in words of a node; mostly empty
}

func (e *RemoteError) Error() string {
	text := "bus: remote error " + e.Keyword
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}
