package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/hoshi-ws/hoshi/internal/id"
)

// Survey is what nodes have answered to a question.
type Survey[T any] struct {
	// Nodes are the answers, by node-id.
	Nodes map[string]T `json:"nodes"`
	// Silent are those that are there, and have not answered in time.
	Silent []string `json:"silent,omitempty"`
	// Refused are the keywords with which nodes have refused, by node-id.
	Refused map[string]string `json:"refused,omitempty"`
}

// SurveyTime is how long nodes are waited for, unless ctx ends before.
const SurveyTime = 2 * time.Second

// Nodes asks all nodes, or the one with that node-id, how they are. NATS must let the
// client publish on hoshi.api.stats, or on hoshi.api.stats.<node-id>.
//
// Of this, Who and Channels: the call returns when all nodes that are known to be
// there have answered, after [SurveyTime], or when ctx ends: then who has not answered
// is silent. The error is nil if anybody has answered; else [ErrNobody] where no node is
// there, [ErrSilent], a [*RemoteError] where one has refused, [ErrDenied],
// [ErrBadBody], [ErrUnavailable], [ErrStopped]. What is known is returned with it.
func (c *Client) Nodes(ctx context.Context, node string, q StatsQuery) (Survey[NodeView], error) {
	if err := q.complete(); err != nil {
		return Survey[NodeView]{}, asking("ask nodes", err)
	}
	s, err := survey[NodeView](ctx, c, APIStats, node, q.append(nil))
	return s, asking("ask nodes", err)
}

// Who asks all nodes for the connections of a user or a tab, or for one connection.
// NATS must let the client publish on hoshi.api.who. It returns as Nodes.
func (c *Client) Who(ctx context.Context, q WhoQuery) (Survey[WhoView], error) {
	if err := q.complete(); err != nil {
		return Survey[WhoView]{}, asking("ask who is here", err)
	}
	s, err := survey[WhoView](ctx, c, APIWho, "", q.append(nil))
	return s, asking("ask who is here", err)
}

// Channels asks all nodes for their channels. NATS must let the client publish on
// hoshi.api.channels. It returns as Nodes.
func (c *Client) Channels(ctx context.Context, q ChannelsQuery) (Survey[ChannelsView], error) {
	if err := q.complete(); err != nil {
		return Survey[ChannelsView]{}, asking("ask for channels", err)
	}
	s, err := survey[ChannelsView](ctx, c, APIChannels, "", q.append(nil))
	return s, asking("ask for channels", err)
}

// DrainNode has one node stop as if it had been sent SIGTERM, and returns when it has
// begun. NATS must let the client publish on hoshi.api.drain.<node-id>. Errors as of
// Nodes.
func (c *Client) DrainNode(ctx context.Context, node string) error {
	var err error
	if node == "" { // which would be all
		err = fmt.Errorf("%w: no node-id", ErrBadBody)
	} else {
		_, err = survey[struct{}](ctx, c, APIDrain, node, nil)
	}
	return asking("drain "+node, err)
}

// LogLevel has one node log at another level, for a time or for good, or with an empty
// node all, for a time. Which have, and which have refused or are silent, is returned:
// where all are asked the error is nil if one has. Errors as of Nodes. NATS must let the
// client publish on hoshi.api.log-level.<node-id>, or on hoshi.api.log-level, and as of all
// that all nodes are asked on hoshi.api.nodes and hoshi.api.sync.*, by which it is known
// who must answer.
func (c *Client) LogLevel(ctx context.Context, node string, q LevelQuery) (Survey[struct{}], error) {
	what := "log-level of all nodes"
	if node != "" {
		what = "log-level of " + node
	}
	if err := q.completeFor(node == ""); err != nil {
		return Survey[struct{}]{}, asking(what, err)
	}
	s, err := survey[struct{}](ctx, c, APILogLevel, node, q.append(nil))
	return s, asking(what, err)
}

func asking(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// apiOf is the subject of an endpoint, of one node where it is named.
func (c *Client) apiOf(endpoint, node string) string {
	subject := c.subjects.API(endpoint)
	if node != "" {
		subject += "." + node
	}
	return subject
}

// asker waits for the answers of nodes to one request. It belongs to the goroutine
// that asks.
type asker struct {
	nc      *nats.Conn
	subject string
	ch      chan *nats.Msg
	sub     *nats.Subscription
	waits   map[string]bool // nodes that have not answered
	known   bool            // waits is all there are
	refusal error           // of the first node that has refused
}

// askNodes sends a request to all nodes, or to one. end must follow where there is no
// error.
func (c *Client) askNodes(ctx context.Context, endpoint, node string, body []byte) (*asker, error) {
	if node != "" && !goodToken(node) {
		return nil, fmt.Errorf("%w: %q is no node-id", ErrBadBody, node)
	}
	a := &asker{subject: c.apiOf(endpoint, node), ch: make(chan *nats.Msg, maxKnown), waits: map[string]bool{}}
	// All nodes are known when their answers to the first question have come; those
	// that come later are heard of.
	if connects := c.control.link.connects.Load(); node == "" && c.surveyed.Load() != connects {
		if err := c.Barrier(ctx); err != nil {
			return nil, err
		}
		c.surveyed.Store(connects)
	}
	var err error
	if a.nc, err = c.conn(); err != nil {
		return nil, err
	}
	m := &nats.Msg{Subject: a.subject, Reply: nats.NewInbox(), Data: body}
	if a.sub, err = a.nc.ChanSubscribe(m.Reply, a.ch); err != nil {
		return nil, mapErr(m.Subject, err)
	}
	if err := a.nc.PublishMsg(m); err != nil {
		a.end()
		return nil, mapErr(m.Subject, err)
	}
	// That it is not permitted the server says before it answers this.
	err = flush(ctx, a.nc)
	if err == nil && denied(a.nc, publishing, a.subject) {
		err = &DeniedError{a.subject}
	}
	if err != nil {
		a.end()
		return nil, mapErr(m.Subject, err)
	}
	if node != "" {
		a.waits[node] = true
	} else {
		for _, other := range c.control.others() {
			a.waits[other] = true
		}
	}
	a.known = len(a.waits) > 0
	return a, nil
}

func (a *asker) end() { _ = a.sub.Unsubscribe() } // fails only on a lost connection

// silent are those that have not answered, in order.
func (a *asker) silent() []string {
	var list []string
	for node := range a.waits {
		list = append(list, node)
	}
	slices.Sort(list)
	return list
}

func survey[T any](ctx context.Context, c *Client, endpoint, node string, body []byte) (Survey[T], error) {
	s := Survey[T]{Nodes: map[string]T{}, Refused: map[string]string{}}
	a, err := c.askNodes(ctx, endpoint, node, body)
	if err != nil {
		return s, err
	}
	defer a.end()
	err = gatherSurvey(ctx, c, a, &s)
	s.Silent = a.silent()
	switch {
	case len(s.Nodes) > 0:
		return s, nil
	case errors.Is(err, ErrNobody):
		return s, err
	}
	switch {
	case a.refusal != nil:
		return s, a.refusal
	case len(s.Silent) > 0:
		return s, ErrSilent
	case ctx.Err() != nil:
		return s, context.Cause(ctx)
	}
	return s, ErrNobody
}

// gatherSurvey takes answers until nobody is waited for.
func gatherSurvey[T any](ctx context.Context, c *Client, a *asker, s *Survey[T]) error {
	over := time.NewTimer(SurveyTime)
	defer over.Stop()
	quiet := time.NewTimer(SurveyTime)
	defer quiet.Stop()
	for {
		select {
		case m := <-a.ch:
			if isNoResponders(m) {
				clear(a.waits)
				return fmt.Errorf("%w: %w", ErrNobody, ErrNoResponders)
			}
			takeAnswer(c, a, s, m)
		case <-quiet.C:
			return nil
		case <-over.C:
			return nil
		case <-ctx.Done():
			return nil
		}
		if !a.known {
			quiet.Reset(DefaultSettle)
		} else if len(a.waits) == 0 {
			return nil
		}
	}
}

// answering is the node-id of who answers, "" where there is none: then it is no node,
// and nobody is to see its name.
func answering(m *nats.Msg) string {
	node := first(m.Header[HeaderNode])
	if _, err := id.ParseNode(node); err != nil {
		return ""
	}
	return node
}

// maxRefusal bounds what of a node's words is kept, in bytes.
const maxRefusal = 256

// refused takes the refusal of a node into a map of keywords, and reports whether it is
// one.
func (a *asker) refused(node string, m *nats.Msg, keywords map[string]string) bool {
	v := m.Header[HeaderError]
	if len(v) == 0 {
		return false
	}
	delete(a.waits, node)
	keywords[node] = v[0]
	if a.refusal == nil {
		text := first(m.Header[micro.ErrorHeader])
		if text == saysNothing {
			text = ""
		}
		a.refusal = &RemoteError{Keyword: v[0], Text: text[:min(len(text), maxRefusal)]}
	}
	return true
}

// takeAnswer takes the answer of one node.
func takeAnswer[T any](c *Client, a *asker, s *Survey[T], m *nats.Msg) {
	node := answering(m)
	if node != "" && a.refused(node, m, s.Refused) {
		return
	}
	var v T
	if err := json.Unmarshal(m.Data, &v); node == "" || err != nil {
		c.invalid.Add(1)
		c.sampled.Warn().Str("subject", m.Subject).Msg("answer not taken")
		return
	}
	s.Nodes[node] = v
	delete(a.waits, node)
}
