package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Defaults of asks.
const (
	DefaultAskTime = 5 * time.Second
	DefaultSettle  = 100 * time.Millisecond
)

// askSlack is how long after its time an ask still listens, for what nodes say
// in the last moment.
const askSlack = 250 * time.Millisecond

// ErrNobody: an ask has reached nobody. [ErrNoResponders] is in the chain where
// NATS has said so.
var ErrNobody = errors.New("bus: nobody was asked")

// Answer is what one connection has answered. It may be kept.
type Answer struct {
	// Conn is the conn-id of who answers.
	Conn string
	// UID is the uid as EDN text; one that nobody has vouched for is the conn-id,
	// a string.
	UID []byte
	// Client is the client-id, empty where there is none.
	Client string
	// Node is the node-id.
	Node string
	// Data is the answer as EDN text.
	Data []byte
	// Format is the one that the client speaks. Where it is not EDN, Data has been
	// converted.
	Format codec.Format
	// RawData is Data as it came, in Format.
	RawData []byte
}

// Decode puts the answer into v, a pointer, by the rules of olympos.io/encoding/edn.
func (a *Answer) Decode(v any) error {
	if err := edn.Decode(a.Data, v); err != nil {
		return fmt.Errorf("decode answer of %s: %w", a.Conn, err)
	}
	return nil
}

// Answers is what has become of an ask.
type Answers struct {
	// All are the answers in the order in which they came.
	All []Answer
	// Asked is how many connections have been asked, by the nodes that have said
	// so. Missing is how many of them are not in All.
	Asked, Missing int
	// Refused are the keywords with which nodes have refused to ask, such as
	// :too-many-asks, and how many nodes each; nil where none has.
	Refused map[string]int
}

// askOptions is what options of an ask change.
type askOptions struct {
	time, settle time.Duration
	enough       int
	each         func(*Answer)
}

// AskTime is how long clients may take to answer, [MinAsk] to [MaxAsk], rounded
// to milliseconds. The default is [DefaultAskTime]; a context that ends earlier
// shortens it.
func AskTime(d time.Duration) PublishOption {
	return func(o *publishOptions) { o.ask.time = d }
}

// Settle is how long an ask whose every known connection has answered waits for
// nodes that have not spoken yet: nobody knows how many there are who will, so
// only silence tells. It should exceed by far what a message takes from the
// farthest node. The default is [DefaultSettle]; 0 or less waits for the whole
// time.
func Settle(d time.Duration) PublishOption {
	return func(o *publishOptions) { o.ask.settle = d }
}

// Enough is the number of answers with which an ask ends at once. The default
// is 1 for a connection, and no number for the others.
func Enough(n int) PublishOption {
	return func(o *publishOptions) { o.ask.enough = n }
}

// EachAnswer has fn called with each answer as it comes, on the goroutine that
// asks.
func EachAnswer(fn func(*Answer)) PublishOption {
	return func(o *publishOptions) { o.ask.each = fn }
}

// AskUser asks every socket of a user, on every node, with an event [id data],
// and gathers what the clients answer. A uid in the shape of a conn-id is that
// connection.
//
// Of this and all Ask methods: the call returns when every connection that was
// asked has answered or closed and nothing new has come for a while ([Settle]),
// when the answers are [Enough], when the time is over ([AskTime]), or when ctx
// ends. Silence of clients is no error: Missing tells. What comes after the end is
// lost. A client that knows nothing of asks never answers.
//
// Errors: [ErrNobody]; a [*RemoteError] where nodes have refused and nobody else
// was asked; ctx's cause, and [ErrUnavailable] where the connection to NATS was
// lost, both with the answers so far; [ErrBadOption]; those of the Publish
// methods. The options of those count here too, but for [Heard].
func (c *Client) AskUser(ctx context.Context, uid Name, event []byte, opts ...PublishOption) (Answers, error) {
	subject, err := c.subjects.user(uid)
	if err != nil {
		return Answers{}, fmt.Errorf("ask user: %w", err)
	}
	kind, _ := parseSubject(c.o.Prefix, subject)
	return c.ask(ctx, subject, event, kind, opts)
}

// AskConn asks one socket.
func (c *Client) AskConn(ctx context.Context, connID string, event []byte, opts ...PublishOption) (Answers, error) {
	conn, ok := id.ParseConn(connID)
	if !ok {
		return Answers{}, fmt.Errorf("ask connection: %w: %q is no conn-id", ErrBadName, connID)
	}
	return c.ask(ctx, c.subjects.Conn(conn), event, KindConn, opts)
}

// AskClient asks one tab of a Sente client.
func (c *Client) AskClient(ctx context.Context, clientID string, event []byte, opts ...PublishOption) (Answers, error) {
	token, err := StringToken(clientID)
	if err != nil {
		return Answers{}, fmt.Errorf("ask client: %w", err)
	}
	return c.ask(ctx, c.subjects.Client(token), event, KindClient, opts)
}

// AskChannel asks a channel's subscribers with data, any value.
func (c *Client) AskChannel(ctx context.Context, ch Name, data []byte, opts ...PublishOption) (Answers, error) {
	token, err := ch.Token()
	if err != nil {
		return Answers{}, fmt.Errorf("ask channel: %w", err)
	}
	return c.ask(ctx, c.subjects.Chan(token), data, KindChan, opts)
}

func (c *Client) ask(ctx context.Context, subject string, body []byte, kind Kind, opts []PublishOption) (Answers, error) {
	o := publishOptions{ask: askOptions{time: DefaultAskTime, settle: DefaultSettle}}
	if kind == KindConn {
		o.ask.enough = 1
	}
	for _, opt := range opts {
		opt(&o)
	}
	if o.trace.Parent == "" {
		o.trace = TraceContextOf(ctx)
	}
	m, err := c.message(subject, body, kind != KindChan, &o)
	if err != nil {
		return Answers{}, fmt.Errorf("ask on %s: %w", subject, err)
	}
	ms := o.ask.time.Round(time.Millisecond)
	if ms < MinAsk || ms > MaxAsk {
		return Answers{}, fmt.Errorf("ask on %s: %w: a time of %v", subject, ErrBadOption, o.ask.time)
	}
	if deadline, ok := ctx.Deadline(); ok {
		// Nodes need not gather for nobody.
		ms = min(ms, max(time.Until(deadline).Round(time.Millisecond), MinAsk))
	}
	if m.Header == nil {
		m.Header = nats.Header{}
	}
	m.Header[HeaderAsk] = []string{strconv.FormatInt(ms.Milliseconds(), 10)}
	nc, err := c.conn()
	if err != nil {
		return Answers{}, err
	}
	g := newGathering(c, &o.ask, ms, kind == KindConn)
	err = g.run(ctx, nc, m)
	answers := g.answers()
	if answers.Asked == 0 && denied(nc, publishing, subject) {
		err = &DeniedError{subject} // and so nobody has answered
	}
	if err != nil {
		err = fmt.Errorf("ask on %s: %w", subject, err)
	}
	return answers, err
}
