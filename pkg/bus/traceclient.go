package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Trace asks all nodes to tell what passes for a user, a tab, a connection or a
// channel, and hands each message of theirs to each, one after the other, until the
// time is over on all of them, or ctx ends: then it returns nil. No payload is told.
// NATS must let the client publish on hoshi.api.trace, and on _INBOX.>, since nodes ask
// again and again whether somebody still listens.
//
// What has been left out is told with the next message. Nodes that come, or come back,
// meanwhile are not asked. Errors: as of [Client.Nodes] where no node has begun,
// [ErrUnavailable] where the connection has been lost.
func (c *Client) Trace(ctx context.Context, q TraceQuery, each func(TraceBatch)) error {
	if err := q.complete(); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	a, err := c.askNodes(ctx, APITrace, "", q.append(nil))
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	defer a.end()
	if err := c.listen(ctx, a, q.Time, each); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}

// listen takes what nodes tell.
func (c *Client) listen(ctx context.Context, a *asker, lasts time.Duration, each func(TraceBatch)) error {
	began, over := 0, 0
	refused := ""
	begin := time.NewTimer(SurveyTime)
	defer begin.Stop()
	end := time.NewTimer(lasts + SurveyTime) // if nodes do not say so
	defer end.Stop()
	lost := time.NewTicker(time.Second)
	defer lost.Stop()
	for {
		select {
		case m := <-a.ch:
			if isNoResponders(m) {
				return fmt.Errorf("%w: %w", ErrNobody, ErrNoResponders)
			}
			node := answering(m)
			if node == "" {
				c.invalid.Add(1)
				break
			}
			delete(a.waits, node)
			if v := m.Header[HeaderError]; len(v) > 0 {
				refused = v[0]
				break
			}
			if m.Reply != "" {
				if err := m.Respond(nil); err != nil {
					return ErrUnavailable
				}
				break
			}
			var b TraceBatch
			if err := json.Unmarshal(m.Data, &b); err != nil || b.Node != node {
				c.invalid.Add(1)
				break
			}
			if b.Began {
				began++
			}
			if b.Over != "" {
				over++
			}
			each(b)
		case <-begin.C:
			switch {
			case began > 0:
			case refused != "":
				return &RemoteError{Keyword: refused}
			case len(a.waits) > 0:
				return ErrSilent
			default:
				return ErrNobody
			}
		case <-lost.C:
			if a.nc.IsClosed() {
				return ErrUnavailable
			}
		case <-end.C:
			return nil
		case <-ctx.Done():
			return nil
		}
		if began > 0 && over == began && len(a.waits) == 0 {
			return nil
		}
		if began == 0 && refused != "" && len(a.waits) == 0 && a.known {
			return &RemoteError{Keyword: refused}
		}
	}
}
