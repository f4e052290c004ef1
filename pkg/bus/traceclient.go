package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
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
// time is over on all of them, or ctx ends: then it returns nil. A node that stops says
// so, and of one that is not heard of any more it is said: see Over of [TraceBatch]. No
// payload is told.
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
		began: map[string]struct{}{}, over: map[string]string{}, keywords: map[string]string{},
		told: map[string]int{}, heard: map[string]time.Time{},
	}
	if err := c.listen(ctx, &l, q.Time); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}

// listener takes what nodes tell. It belongs to the goroutine that traces.
type listener struct {
	*asker

	each     func(TraceBatch)
	begun    func(Survey[struct{}]) // nil when it has been called
	began    map[string]struct{}    // nodes that tell, or have told
	over     map[string]string      // those of them that do no more, with why
	keywords map[string]string      // of those that have refused
	told     map[string]int         // lines, by node, which it has told or suppressed, or which are lost
	heard    map[string]time.Time   // of those that have begun
	late     bool                   // who has not answered is not waited for any more
}

// traceSilent is how long a node that traces says nothing until it is taken for gone:
// without an answer it asks for the third time then.
const traceSilent = 2 * (traceBeat + traceAnswer)

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
	if l.refused(node, m, l.keywords) {
		return nil
	}
	l.heard[node] = time.Now()
	if l.over[node] == OverSilent {
		delete(l.over, node) // it has stood still
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
		l.over[node] = b.Over
	}
	told := b.Before + len(b.Lines) + b.Suppressed
	b.Suppressed += max(b.Before-l.told[node], 0)
	l.told[node] = max(told, l.told[node])
	l.each(b)
	return nil
}

// giveUp ends those nodes of which nothing has been heard since then.
func (l *listener) giveUp(since time.Time) {
	if len(l.ch) > 0 {
		return // what they have said is there
	}
	for _, node := range slices.Sorted(maps.Keys(l.began)) {
		if l.over[node] == "" && l.heard[node].Before(since) {
			l.over[node] = OverSilent
			l.each(TraceBatch{Node: node, Before: l.told[node], Over: OverSilent})
		}
	}
}

// tellBegun says which nodes have begun, if some have, once.
func (l *listener) tellBegun() {
	if l.begun == nil || len(l.began) == 0 {
		return
	}
	l.begun(Survey[struct{}]{Nodes: maps.Clone(l.began), Silent: l.silent(), Refused: maps.Clone(l.keywords)})
	l.begun = nil
}

// fault is why no node has begun.
func (l *listener) fault() error {
	switch {
	case l.refusal != nil:
		return l.refusal
	case len(l.waits) > 0:
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
			l.late = true
		case <-lost.C:
			if l.nc.IsClosed() {
				return ErrUnavailable
			}
			l.giveUp(time.Now().Add(-traceSilent))
		case <-end.C:
			l.giveUp(time.Now())
			return nil
		case <-ctx.Done():
			return nil
		}
		if len(l.waits) > 0 && !l.late {
			continue
		}
		if l.known {
			l.tellBegun()
		}
		switch {
		case len(l.began) > 0 && len(l.over) == len(l.began):
			l.tellBegun()
			return nil
		case len(l.began) == 0 && len(l.keywords) > 0 && l.known:
			return l.fault()
		}
	}
}
