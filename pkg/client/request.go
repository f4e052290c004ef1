package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Request sends e with a callback, behind what is enqueued already, and returns
// the value that the backend answers. Without a connection it waits for one. It
// leaves at once, not after FlushInterval.
//
// The errors: a [*ReplyError] where the answer is a keyword of namespace chsk,
// such as :chsk/timeout; a [*Disconnect], which matches [ErrClosed], where the
// connection ended after the request had been sent, so that nobody knows what
// became of it; ctx's cause, and then the request is not sent if it has not
// been; [ErrStopped]; [ErrBadEvent] and [ErrTooLarge].
//
// A callback may call it: the answer needs no other callback to return, as long
// as no more than eight times Options.Backlog messages come before it. So it may
// overtake messages that came before it and wait for their callbacks.
func (c *Client) Request(ctx context.Context, e Event) (EDN, error) {
	value, err := c.request(ctx, c.traced(ctx, e))
	if err != nil {
		return "", fmt.Errorf("request %s: %w", e.id(), err)
	}
	return value, nil
}

func (c *Client) request(ctx context.Context, e Event) (EDN, error) {
	if err := c.Ready(ctx); err != nil {
		return "", err
	}
	c.in.expect(1) // the answer comes behind messages that a callback, if it asks, keeps from being handled
	defer c.in.expect(-1)
	call := c.calls.add()
	if err := c.out.waitCall(ctx, e, call); err != nil {
		c.calls.giveUp(call)
		return "", err
	}
	select {
	case o := <-call.answer:
		return o.value, o.err
	case <-ctx.Done():
		c.calls.giveUp(call)
		return "", context.Cause(ctx)
	}
}

// calls are the requests that wait for an answer.
type calls struct {
	prefix string // fixed after New

	last  atomic.Uint64
	count atomic.Int32 // of mu.byID, read without the lock

	mu struct {
		sync.Mutex
		byID map[string]*call
	}
}

// newCallPrefix begins the callback ids of one client; what follows counts.
func newCallPrefix() string { return "rq-" + strings.ToLower(rand.Text()[:8]) + "-" }

// call is one request.
type call struct {
	id     string
	answer chan outcome // has room for the one that comes
	state  atomic.Uint32
}

type outcome struct {
	value EDN
	err   error
}

const (
	callQueued uint32 = iota
	callSent          // it is in a write, or was: the server may have it
	callOver          // answered, failed or given up
)

// begin reports whether the request is still wanted, right before it leaves.
func (c *call) begin() bool {
	return c.state.CompareAndSwap(callQueued, callSent) || c.state.Load() == callSent
}

// appendPayload appends the message that asks for the answer.
func (c *call) appendPayload(dst []byte, e Event) []byte {
	dst = append(dst, '[')
	dst = append(dst, e.text...)
	dst = append(dst, ` "`...)
	dst = append(dst, c.id...)
	return append(dst, `"]`...)
}

func (cs *calls) add() *call {
	c := &call{id: cs.prefix + strconv.FormatUint(cs.last.Add(1), 36), answer: make(chan outcome, 1)}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.mu.byID == nil {
		cs.mu.byID = map[string]*call{}
	}
	cs.mu.byID[c.id] = c
	cs.count.Add(1)
	return c
}

// take removes the request, and reports whether it was still there: whoever
// takes it ends it.
func (cs *calls) take(id string) *call {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.mu.byID[id]
	if c != nil {
		delete(cs.mu.byID, id)
		cs.count.Add(-1)
	}
	return c
}

func (cs *calls) giveUp(c *call) {
	if cs.take(c.id) != nil {
		c.state.Store(callOver)
	}
}

// fail ends the requests that were sent, or all, with err.
func (cs *calls) fail(err error, all bool) {
	cs.mu.Lock()
	var ended []*call
	for id, c := range cs.mu.byID {
		if all || c.state.Load() == callSent {
			delete(cs.mu.byID, id)
			cs.count.Add(-1)
			ended = append(ended, c)
		}
	}
	cs.mu.Unlock()
	for _, c := range ended {
		c.state.Store(callOver)
		c.answer <- outcome{err: err}
	}
}

func (cs *calls) waiting() bool { return cs.count.Load() > 0 }

// reply reports whether p is the answer to a request, [value "id"], and hands
// it over.
func (cs *calls) reply(scan *edn.Scanner, p []byte) bool {
	var elems [2]edn.Form
	whole, n, err := scan.Split(p, elems[:])
	if err != nil || whole.Kind != edn.Vector || n != 2 || elems[1].Kind != edn.String {
		return false
	}
	id := elems[1].Text(p)
	c := cs.take(string(id[1 : len(id)-1])) // ours have nothing that is escaped
	if c == nil {
		return false
	}
	c.state.Store(callOver)
	value := EDN(p[elems[0].Start:elems[0].End])
	if elems[0].Kind == edn.Keyword && strings.HasPrefix(string(value), ":chsk/") {
		c.answer <- outcome{err: &ReplyError{Keyword: string(value)}}
		return true
	}
	c.answer <- outcome{value: value}
	return true
}
