package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
)

// TraceOption changes one [Client.Trace].
type TraceOption func(*traceOptions)

type traceOptions struct {
	begun func(Survey[struct{}])
}

// TraceBegun has f called once, on the goroutine that traces, when all nodes that are
// known to be there have answered, or after [SurveyTime], with those that have begun:
// what passes on others is not told. One that begins later says so in its [TraceBatch].
// It is not called where the trace ends before, or no node has begun.
func TraceBegun(f func(Survey[struct{}])) TraceOption {
	return func(o *traceOptions) { o.begun = f }
}

// Trace asks all nodes to tell what passes for a user, a tab, a connection or a
// channel, and hands each message of theirs to each, one after the other, until the
// time is over on all of them, or ctx ends: then it returns nil. No payload is told.
// NATS must let the client publish on hoshi.api.trace, and on _INBOX.>, since nodes ask
// again and again whether somebody still listens.
//
// What has been left out is told with the next message. Nodes that come, or come back,
// meanwhile are not asked. Errors: as of [Client.Nodes] where no node has begun,
// [ErrUnavailable] where the connection has been lost.
func (c *Client) Trace(ctx context.Context, q TraceQuery, each func(TraceBatch), opts ...TraceOption) error {
	if err := q.complete(); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	var o traceOptions
	for _, opt := range opts {
		opt(&o)
	}
	a, err := c.askNodes(ctx, APITrace, "", q.append(nil))
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	defer a.end()
	l := listener{
		asker: a, each: each, begun: o.begun,
		began: map[string]struct{}{}, over: map[string]bool{}, refused: map[string]string{},
	}
	if err := c.listen(ctx, &l, q.Time); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}

// listener takes what nodes tell. It belongs to the goroutine that traces.
type listener struct {
	*asker

	each    func(TraceBatch)
	begun   func(Survey[struct{}]) // nil when it has been called
	began   map[string]struct{}    // nodes that tell, or have told
	over    map[string]bool        // those of them that do no more
	refused map[string]string      // keywords, by node
}

// take takes one message.
func (l *listener) take(c *Client, m *nats.Msg) error {
	if isNoResponders(m) {
		return fmt.Errorf("%w: %w", ErrNobody, ErrNoResponders)
	}
	node := answering(m)
	if node == "" {
		c.invalid.Add(1)
		return nil
	}
	delete(l.waits, node)
	if v := m.Header[HeaderError]; len(v) > 0 {
		l.refused[node] = v[0]
		return nil
	}
	if m.Reply != "" {
		if err := m.Respond(nil); err != nil {
			return ErrUnavailable
		}
		return nil
	}
	var b TraceBatch
	if err := json.Unmarshal(m.Data, &b); err != nil || b.Node != node {
		c.invalid.Add(1)
		return nil
	}
	l.began[node] = struct{}{}
	if b.Over != "" {
		l.over[node] = true
	}
	l.each(b)
	return nil
}

// tellBegun says which nodes have begun, if some have, once.
func (l *listener) tellBegun() {
	if l.begun == nil || len(l.began) == 0 {
		return
	}
	l.begun(Survey[struct{}]{Nodes: maps.Clone(l.began), Silent: l.silent(), Refused: maps.Clone(l.refused)})
	l.begun = nil
}

// fault is why no node has begun.
func (l *listener) fault() error {
	for _, keyword := range l.refused {
		return &RemoteError{Keyword: keyword}
	}
	if len(l.waits) > 0 {
		return ErrSilent
	}
	return ErrNobody
}

// listen takes what nodes tell, until they have told all.
func (c *Client) listen(ctx context.Context, l *listener, lasts time.Duration) error {
	begin := time.NewTimer(SurveyTime)
	defer begin.Stop()
	end := time.NewTimer(lasts + SurveyTime) // if nodes do not say so
	defer end.Stop()
	lost := time.NewTicker(time.Second)
	defer lost.Stop()
	for {
		select {
		case m := <-l.ch:
			if err := l.take(c, m); err != nil {
				return err
			}
		case <-begin.C:
			if len(l.began) == 0 {
				return l.fault()
			}
			l.tellBegun()
		case <-lost.C:
			if l.nc.IsClosed() {
				return ErrUnavailable
			}
		case <-end.C:
			return nil
		case <-ctx.Done():
			return nil
		}
		if len(l.waits) > 0 {
			continue
		}
		if l.known {
			l.tellBegun()
		}
		switch {
		case len(l.began) > 0 && len(l.over) == len(l.began):
			l.tellBegun()
			return nil
		case len(l.began) == 0 && len(l.refused) > 0 && l.known:
			return l.fault()
		}
	}
}
