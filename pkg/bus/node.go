package bus

import "context"

// Node is a node's end of the bus: one NATS connection, its interests, its
// publisher. All methods are safe for concurrent use.
type Node struct {
	subjects Subjects
}

// StartNode connects to NATS and returns when the node's own first barrier has
// gone through, so that it may take clients. It fails when NATS cannot be
// reached within ConnectTimeout; later losses are repaired. ctx bounds only the
// start.
func StartNode(ctx context.Context, o NodeOptions) (*Node, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	return &Node{subjects: NewSubjects(o.Prefix)}, ctx.Err()
}

// Subjects makes the subjects of this node's prefix.
func (n *Node) Subjects() *Subjects { return &n.subjects }

// Want counts one more reference to the interest in a user, client or channel.
// done is called exactly once, on the control goroutine: with nil when a
// barrier has confirmed the interest (at once when it is confirmed or lingers),
// with ErrUnavailable when the node is not ready, ErrBadSubject, or ErrStopped;
// on an error nothing was counted, so no Unwant must follow. A wait that was
// accepted outlasts a lost connection. done must not block; it may call Want
// and Unwant. Want never blocks.
func (n *Node) Want(k Kind, token string, done func(error)) {}

// Unwant gives back one reference of a Want that did not fail. It may follow
// Want before done was called. It never blocks.
func (n *Node) Unwant(k Kind, token string) {}

// Publish hands a message or event to the publisher. It never blocks. Order is
// kept with everything that the same goroutine hands over, requests included.
// Errors: ErrFull (Room follows), ErrUnavailable, ErrTooLarge, ErrBadSubject,
// ErrStopped.
func (n *Node) Publish(p *Outgoing) error { return ErrUnavailable }

// Request publishes an event whose sender waits for a reply.
// Handler.Reply gets key exactly once if Request returns nil, never otherwise.
// Errors as of Publish, and ErrTooManyRequests. It never blocks.
func (n *Node) Request(p *Outgoing, key any) error { return ErrUnavailable }

// ReplyError answers a message that asked for a reply with Hoshi-Error. keyword
// is EDN text with the colon. It is dropped, and counted, when the publish
// queue has no room.
func (n *Node) ReplyError(replyTo, keyword string) {}

// Ready says whether the node may take clients and publishes.
func (n *Node) Ready() bool { return false }

// Barrier returns when everything that was published and subscribed through
// this node before the call is in force on every server that has a node.
func (n *Node) Barrier(ctx context.Context) error { return ErrUnavailable }

// MaxPayload is the server's max_payload in bytes, headers included. It may
// change with each reconnect; [Handler.State] tells of those.
func (n *Node) MaxPayload() int { return 0 }

// Stats is a snapshot of the counters.
func (n *Node) Stats() Stats { return Stats{} }

// Interests lists the subjects that the node holds an interest in for its
// clients, lingering ones included, sorted.
func (n *Node) Interests(ctx context.Context) ([]string, error) { return nil, ErrStopped }

// Stop takes no more publishes, sends what was accepted, waits for a barrier so
// that every server has it, delivers what was under way to this node, and
// closes the connection. ctx bounds the waiting; its end closes at once and is
// returned, with what was lost counted. Requests that still wait get ErrStopped.
func (n *Node) Stop(ctx context.Context) error { return nil }
