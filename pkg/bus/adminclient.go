package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Revoke takes trust back from a user, a token, or all that was issued before a
// time: no node believes it any more, and connections that have come with it are
// closed. NATS must let the client publish on hoshi.api.revoke.
//
// Of this and Kick: the call returns when all nodes that are known to be there have
// answered, after [AdminTime], or when ctx ends. A nil error means that none has
// refused and none is silent. Errors: [ErrNobody] where no node is there,
// [ErrSilent], a [*RemoteError] where a node has refused, [ErrBadBody],
// [ErrUnavailable], [ErrStopped], ctx's cause; what is known is returned with them.
// It may be repeated: that does no harm.
func (c *Client) Revoke(ctx context.Context, r Revocation) (Administered, error) {
	if err := r.Complete(time.Now()); err != nil {
		return Administered{}, fmt.Errorf("revoke: %w", err)
	}
	result, err := c.administer(ctx, APIRevoke, r.append(nil))
	if err != nil {
		err = fmt.Errorf("revoke: %w", err)
	}
	return result, err
}

// Kick closes the connections of a user, a tab, or one connection, on whichever
// node they are; a client that polls is told with its poll. What waits for them is
// dropped. Who has been kicked may come back, unless his token has been revoked.
// NATS must let the client publish on hoshi.api.kick. It returns as Revoke.
func (c *Client) Kick(ctx context.Context, k Kick) (Administered, error) {
	if err := k.Complete(); err != nil {
		return Administered{}, fmt.Errorf("kick: %w", err)
	}
	result, err := c.administer(ctx, APIKick, k.append(nil))
	if err != nil {
		err = fmt.Errorf("kick: %w", err)
	}
	return result, err
}

// Administered is what has become of a request to all nodes.
type Administered struct {
	// Nodes are those that have done it, by node-id, with the number of connections
	// that each has closed.
	Nodes map[string]int
	// Silent are those that are there, and have not said so in time.
	Silent []string
	// Refused are the keywords with which nodes have refused, such as
	// :too-many-revocations, and how many nodes each; nil where none has.
	Refused map[string]int
}

// Closed is the number of connections that all nodes have closed.
func (a *Administered) Closed() (sum int) {
	for _, n := range a.Nodes {
		sum += n
	}
	return sum
}

// AdminTime is how long nodes are waited for.
const AdminTime = 2 * time.Second

// ErrSilent: a node that is known to be there has not answered.
var ErrSilent = errors.New("bus: a node has not answered")

// administer asks all nodes, and returns when those that are known have answered.
func (c *Client) administer(ctx context.Context, token string, body []byte) (Administered, error) {
	var result Administered
	// Nodes are known when their answers to the first question have come.
	if err := c.Barrier(ctx); err != nil {
		return result, err
	}
	nc, err := c.conn()
	if err != nil {
		return result, err
	}
	m := &nats.Msg{Subject: c.subjects.API(token), Reply: nats.NewInbox(), Data: body}
	ch := make(chan *nats.Msg, maxKnown)
	sub, err := nc.ChanSubscribe(m.Reply, ch)
	if err != nil {
		return result, mapErr(m.Subject, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only on a lost connection
	if err := nc.PublishMsg(m); err != nil {
		return result, mapErr(m.Subject, err)
	}
	waits := map[string]bool{}
	for _, node := range c.control.others() {
		waits[node] = true
	}
	g := &administering{client: c, result: &result, waits: waits, settle: len(waits) == 0}
	err = g.gather(ctx, ch)
	for node := range waits {
		result.Silent = append(result.Silent, node)
	}
	slices.Sort(result.Silent)
	if len(result.Nodes) == 0 && denied(nc, publishing, m.Subject) {
		err = fmt.Errorf("publish on %s: %w", m.Subject, &DeniedError{m.Subject}) // and so nobody has answered
	}
	return result, err
}

// administering gathers the answers to one request. It belongs to the goroutine
// that asks.
type administering struct {
	client   *Client
	result   *Administered
	waits    map[string]bool // nodes that have not answered
	settle   bool            // no node is known: silence tells
	nameless int             // refusals that do not say by whom
	scan     edn.Scanner
	parser   codec.Parser
}

// gather takes answers until nobody is waited for.
func (g *administering) gather(ctx context.Context, ch <-chan *nats.Msg) error {
	quiet := time.NewTimer(time.Hour)
	defer quiet.Stop()
	over := time.NewTimer(AdminTime)
	defer over.Stop()
	for {
		select {
		case m := <-ch:
			if isNoResponders(m) {
				clear(g.waits)
				return fmt.Errorf("%w: %w", ErrNobody, ErrNoResponders)
			}
			g.read(m)
		case <-quiet.C:
			return g.verdict()
		case <-over.C:
			return g.verdict()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		switch {
		case g.settle:
			quiet.Reset(DefaultSettle)
		case len(g.waits) <= g.nameless:
			return g.verdict()
		}
	}
}

// read takes one answer.
func (g *administering) read(m *nats.Msg) {
	node := answering(m)
	if v := m.Header[HeaderError]; len(v) > 0 {
		if g.result.Refused == nil {
			g.result.Refused = map[string]int{}
		}
		g.result.Refused[v[0]]++
		if node == "" {
			g.nameless++
		}
		delete(g.waits, node)
		return
	}
	closed, ok := g.closed(m.Data)
	if node == "" || !ok {
		g.client.invalid.Add(1)
		g.client.sampled.Warn().Str("subject", m.Subject).Msg("answer not taken")
		return
	}
	if g.result.Nodes == nil {
		g.result.Nodes = map[string]int{}
	}
	g.result.Nodes[node] = closed
	delete(g.waits, node)
}

// closed reads {:closed 3}.
func (g *administering) closed(body []byte) (int, bool) {
	var values [1][]byte
	if g.scan.Check(body) != nil || !g.parser.Fields(codec.EDN, body, []string{":closed"}, values[:]) {
		return 0, false
	}
	return parseCount(string(values[0]))
}

// verdict is the error of a request that has come to its end.
func (g *administering) verdict() error {
	for keyword := range g.result.Refused {
		return &RemoteError{Keyword: keyword}
	}
	switch {
	case len(g.waits) > 0:
		return ErrSilent
	case len(g.result.Nodes) == 0:
		return ErrNobody
	}
	return nil
}
