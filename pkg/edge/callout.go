package edge

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth/rules"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// Defaults of [CalloutOptions].
const (
	DefaultCalloutTimeout = time.Second
	DefaultCalloutCache   = 5 * time.Second
)

// maxCalloutTimeout keeps the answer to a request of Ajax within its deadlines.
const maxCalloutTimeout = 5 * time.Second

// CalloutOptions say what backends are asked by NATS requests before clients may
// do it (docs/callouts.md). The zero value asks nothing. What is denied, what
// nobody answers in time, and what is answered in a way that is not understood is
// refused.
type CalloutOptions struct {
	// Connect asks on hoshi.auth.connect about every upgrade, poll and send.
	Connect bool

	// Subscribe and Publish are patterns, as in rules, of channels of which each
	// subscribe is asked on hoshi.auth.subscribe, and each publish on
	// hoshi.auth.publish. Rules come first.
	Subscribe, Publish []string

	// Timeout bounds the wait for an answer; default [DefaultCalloutTimeout], at
	// most 5 s.
	Timeout time.Duration

	// Cache is how long an answer about a channel is good for the same user and
	// the same channel, and one about a poll for the next one that is the same but
	// for its time. Default [DefaultCalloutCache], negative for none.
	Cache time.Duration

	// Headers are names of those of the request that the backend is told.
	Headers []string

	// Format is what backends are asked in: EDN, the default, or JSON. They answer
	// in any that they declare.
	Format codec.Format
}

// check fills the zero fields and reports every wrong one.
func (o *CalloutOptions) check() []error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf("Callouts."+format, args...)) }
	if o.Timeout == 0 {
		o.Timeout = DefaultCalloutTimeout
	}
	if o.Timeout < 0 || o.Timeout > maxCalloutTimeout {
		fault("Timeout must be from 0 to %v, not %v", maxCalloutTimeout, o.Timeout)
	}
	if o.Cache == 0 {
		o.Cache = DefaultCalloutCache
	}
	if o.Format != codec.EDN && o.Format != codec.JSON {
		fault("Format must be EDN or JSON, not %v", o.Format)
	}
	for _, name := range o.Headers {
		if name == "" || strings.ContainsAny(name, " \t:,;\"") {
			fault("Headers: %q is no name of a header", name)
		}
	}
	for _, list := range [][]string{o.Subscribe, o.Publish} {
		if _, err := matcherOf(list); err != nil {
			fault("patterns: %w", err)
		}
	}
	return errs
}

// matcherOf makes a policy whose decision has a rule where a pattern matches; nil
// without patterns.
func matcherOf(patterns []string) (*rules.Policy, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	list := make([]rules.Rule, len(patterns))
	for i, p := range patterns {
		list[i].Pattern = p
	}
	return rules.New(list, nil)
}

// callouts asks backends. Safe for concurrent use.
type callouts struct {
	// Fixed after newCallouts.
	node     *Node
	opts     *CalloutOptions
	words    *voice // of the format in which backends are asked; its dialect does not matter
	headers  []string
	channels [bus.CalloutKinds]*rules.Policy // of those that are asked about; nil for none

	cache   calloutCache
	waiting atomic.Int64
	counts  [bus.CalloutKinds][calloutEnds]atomic.Uint64
}

// calloutEnd is how a call-out ends.
type calloutEnd uint8

const (
	calloutAllowed calloutEnd = iota
	calloutDenied
	calloutTimeout
	calloutNoResponders
	calloutMalformed   // no answer by docs/callouts.md
	calloutFailed      // Hoshi-Error
	calloutUnavailable // NATS is away, or too much waits
	calloutCached      // counted beside what it was
	calloutEnds        = iota
)

var calloutEndNames = [calloutEnds]string{"allowed", "denied", "timeout", "no-responders", "malformed", "error", "unavailable", "cached"}

// ruling is what comes of a call-out: only with calloutAllowed something is
// granted, of connect alone. It is shared and must not be changed.
type ruling struct {
	end     calloutEnd
	granted *granted
}

// callout is one that waits.
type callout struct {
	// Fixed.
	kind bus.CalloutKind
	key  string // in the cache; empty where the answer is not kept
	then func(ruling)

	timer atomic.Pointer[time.Timer]
	ended atomic.Bool
}

// newCallouts takes options that have been checked.
func newCallouts(n *Node) *callouts {
	o := &n.opts.Callouts
	c := &callouts{node: n, opts: o, words: n.voices[voiceNumber(false, o.Format, false)]}
	for _, name := range o.Headers {
		c.headers = append(c.headers, strings.ToLower(name))
	}
	c.channels[bus.CalloutSubscribe], _ = matcherOf(o.Subscribe)
	c.channels[bus.CalloutPublish], _ = matcherOf(o.Publish)
	c.cache.keep = o.Cache
	return c
}

// about reports whether backends are asked about a channel, by its token.
func (c *callouts) about(kind bus.CalloutKind, token string) bool {
	m := c.channels[kind]
	return m != nil && m.Channel(rules.Grant{}, rules.Subscribe, displayName(token)).Rule >= 0
}

// ask asks a backend. then hears the ruling once, on any goroutine; not at all
// where ask returns an error, which is of the bus. It waits for nothing.
func (c *callouts) ask(kind bus.CalloutKind, body []byte, key string, then func(ruling)) error {
	q := &callout{kind: kind, key: key, then: then}
	b := c.node.bus
	c.waiting.Add(1)
	id, err := b.Call(b.Subjects().Callout(kind), c.opts.Format, body, q)
	if err != nil {
		c.waiting.Add(-1)
		if !errors.Is(err, bus.ErrFull) { // after which it is asked again, or given up
			c.counts[kind][calloutUnavailable].Add(1)
		}
		return err
	}
	// A timer stands for no goroutine until it ends.
	q.timer.Store(time.AfterFunc(c.opts.Timeout, func() {
		if b.Cancel(id) {
			c.end(q, ruling{end: calloutTimeout})
		}
	}))
	if q.ended.Load() {
		q.timer.Load().Stop()
	}
	return nil
}

// replied takes what the bus has brought.
func (c *callouts) replied(q *callout, r bus.Reply) {
	if r.Err != nil {
		c.end(q, ruling{end: calloutEndOf(r.Err)})
		return
	}
	answer, err := readAnswer(q.kind, r.Body, r.Format, c.node.opts.Channels.MaxSubscriptionsPerConn)
	if err != nil {
		c.node.badPush.Warn().Err(err).Stringer("callout", q.kind).Msg("answer to a call-out not understood")
		answer = ruling{end: calloutMalformed}
	}
	c.end(q, answer)
}

func calloutEndOf(err error) calloutEnd {
	if _, ok := errors.AsType[*bus.RemoteError](err); ok {
		return calloutFailed
	}
	switch {
	case errors.Is(err, bus.ErrTimeout):
		return calloutTimeout
	case errors.Is(err, bus.ErrNoResponders):
		return calloutNoResponders
	}
	return calloutUnavailable
}

// end is called once for each call-out that was asked.
func (c *callouts) end(q *callout, r ruling) {
	q.ended.Store(true)
	if t := q.timer.Load(); t != nil {
		t.Stop()
	}
	c.waiting.Add(-1)
	c.counts[q.kind][r.end].Add(1)
	if q.key != "" {
		c.cache.put(q.key, r, time.Now())
	}
	q.then(r)
}

// cached returns what is known still.
func (c *callouts) cached(kind bus.CalloutKind, key string) (ruling, bool) {
	r, ok := c.cache.get(key, time.Now())
	if ok {
		c.counts[kind][calloutCached].Add(1)
	}
	return r, ok
}

// CalloutStats is about call-outs.
type CalloutStats struct {
	Waiting int64 `json:"waiting"` // for an answer
	Cached  int   `json:"cached"`  // answers that are kept

	// How they have ended, by kind: allowed, denied, timeout, no-responders,
	// malformed, error, unavailable; and those of which the answer was known,
	// cached.
	Connect   map[string]uint64 `json:"connect"`
	Subscribe map[string]uint64 `json:"subscribe"`
	Publish   map[string]uint64 `json:"publish"`
}

func (c *callouts) stats() CalloutStats {
	of := func(kind bus.CalloutKind) map[string]uint64 {
		m := map[string]uint64{}
		for end := range c.counts[kind] {
			if v := c.counts[kind][end].Load(); v > 0 {
				m[calloutEndNames[end]] = v
			}
		}
		return m
	}
	return CalloutStats{
		Waiting: c.waiting.Load(), Cached: c.cache.len(),
		Connect: of(bus.CalloutConnect), Subscribe: of(bus.CalloutSubscribe), Publish: of(bus.CalloutPublish),
	}
}
