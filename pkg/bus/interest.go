package bus

import (
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

// interestState is where an interest stands with NATS.
type interestState uint8

const (
	// interestQueued: to be subscribed before the next barrier that has room.
	interestQueued interestState = iota
	// interestPending: subscribed, its barrier is in flight.
	interestPending
	// interestConfirmed: in force wherever a node's server is.
	interestConfirmed
	// interestGone: unsubscribed; must not be subscribed again before a barrier
	// that began later has gone through, since a quick UNSUB and SUB of one
	// subject can leave a route that loses every message of it.
	interestGone
)

// interest is one subject that this process has subscribed, or will, or just
// has not any more. Everything is owned by the control goroutine. A node may
// hold a million: what only few need is behind a pointer.
type interest struct {
	subject  string
	sub      *nats.Subscription
	own      *ownQueue // nil: the shard of the subject
	waiters  []func(error)
	unsubbed uint64 // barriers begun when it was unsubscribed
	lingers  uint64 // number of its entry in the linger queue, 0 none
	refs     int32
	state    interestState
}

// ownQueue is where an SDK subscription's messages go.
type ownQueue struct {
	key   string // in control.interests; several may have one subject
	group string
	ch    chan *nats.Msg
}

// key is where the interest stands in control.interests.
func (in *interest) key() string {
	if in.own != nil {
		return in.own.key
	}
	return in.subject
}

// lingering is an entry of the linger queue. Its number tells whether it is
// still the latest of its interest.
type lingering struct {
	in       *interest
	number   uint64
	deadline time.Time
}

// want counts a reference and answers at once or when a barrier has confirmed.
func (c *control) want(subject string, own *ownQueue, done func(error)) {
	key := subject
	if own != nil {
		key = own.key
	}
	in := c.interests[key]
	if in == nil {
		in = &interest{subject: subject, own: own}
		c.interests[key] = in
		if own != nil && c.isGone(subject) {
			// Another subscription of the same subject has just ended.
			in.state, in.unsubbed = interestGone, c.begun
			c.gone = append(c.gone, in)
		} else {
			c.queue = append(c.queue, in)
		}
	}
	in.refs++
	if in.lingers != 0 {
		in.lingers = 0
		c.lingerCount--
	}
	if in.state == interestConfirmed {
		done(nil)
		return
	}
	in.waiters = append(in.waiters, done)
}

// isGone says whether a subject was unsubscribed and waits for its barrier. It
// looks at all of them: only the SDK's subscriptions, of which there are few,
// have keys that do not tell.
func (c *control) isGone(subject string) bool {
	return slices.ContainsFunc(c.gone, func(in *interest) bool { return in.subject == subject })
}

// unwant gives a reference back; the last one lingers.
func (c *control) unwant(key string) {
	in := c.interests[key]
	if in == nil || in.refs == 0 {
		return
	}
	in.refs--
	if in.refs == 0 && in.state == interestConfirmed {
		c.linger(in)
	}
}

func (c *control) linger(in *interest) {
	if c.o.linger <= 0 {
		c.unsubscribe(in)
		return
	}
	c.lingerNumber++
	in.lingers = c.lingerNumber
	c.lingerCount++
	c.lingers = append(c.lingers, lingering{in, c.lingerNumber, c.now.Add(c.o.linger)})
}

// expire unsubscribes what has lingered long enough.
func (c *control) expire() {
	n := 0
	for _, l := range c.lingers {
		if l.deadline.After(c.now) && l.in.lingers == l.number {
			break
		}
		n++
		if l.in.lingers == l.number {
			l.in.lingers = 0
			c.lingerCount--
			c.unsubscribe(l.in)
		}
	}
	c.lingers = cutFront(c.lingers, n)
}

// unsubscribe takes an interest out of force. The barrier that follows allows
// the subject to be subscribed again, or its entry to be forgotten.
func (c *control) unsubscribe(in *interest) {
	if in.sub != nil {
		c.slow.forget(in.sub)
		if err := in.sub.Unsubscribe(); err != nil {
			c.log.Debug().Err(err).Msg("unsubscribe on a lost connection")
		}
		in.sub = nil
	}
	c.wentAway(in)
}

// wentAway notes that the UNSUB of an interest was sent.
func (c *control) wentAway(in *interest) {
	in.state = interestGone
	in.unsubbed = c.begun
	c.gone = append(c.gone, in)
}

// drain sends the UNSUB of an SDK subscription, which keeps taking what the
// server has sent before. The reference is given back.
func (c *control) drain(key string) error {
	in := c.interests[key]
	if in == nil || in.sub == nil {
		return nil
	}
	c.slow.forget(in.sub)
	if err := in.sub.Drain(); err != nil {
		return err
	}
	for _, done := range in.waiters {
		done(ErrStopped)
	}
	in.sub, in.waiters, in.refs = nil, nil, 0
	c.wentAway(in)
	return nil
}

// settleGone lets go of the subjects whose UNSUB is older than barrier number.
func (c *control) settleGone(number uint64) {
	n := 0
	for _, in := range c.gone {
		if in.unsubbed >= number {
			break // the list is in the order of unsubbed
		}
		n++
		if in.refs > 0 || len(in.waiters) > 0 {
			in.state = interestQueued
			c.queue = append(c.queue, in)
		} else {
			c.forget(in)
		}
	}
	c.gone = cutFront(c.gone, n)
}

func (c *control) forget(in *interest) {
	delete(c.interests, in.key())
}

// subscribe issues the SUB of an interest.
func (c *control) subscribe(in *interest) error {
	var err error
	if in.own != nil {
		if in.own.group != "" {
			in.sub, err = c.nc.ChanQueueSubscribe(in.subject, in.own.group, in.own.ch)
		} else {
			in.sub, err = c.nc.ChanSubscribe(in.subject, in.own.ch)
		}
		return err
	}
	in.sub, err = c.nc.ChanSubscribe(in.subject, c.o.shardOf(in.subject))
	return err
}

// confirm answers everyone who waits for an interest whose barrier has gone
// through.
func (c *control) confirm(in *interest) {
	if in.state != interestPending {
		return
	}
	in.state = interestConfirmed
	waiters := in.waiters
	in.waiters = nil
	for _, done := range waiters {
		done(nil)
	}
	if in.refs == 0 && in.lingers == 0 && in.state == interestConfirmed {
		c.linger(in)
	}
}

// voidInterests is called when the connection is gone: every interest that is
// still wanted is queued for the next one, the rest is forgotten.
func (c *control) voidInterests() {
	c.queue = nil
	c.gone = nil
	c.lingers = nil
	c.lingerCount = 0
	for key, in := range c.interests {
		in.sub = nil
		in.lingers = 0
		if in.refs == 0 {
			delete(c.interests, key)
			for _, done := range in.waiters {
				done(ErrUnavailable)
			}
			in.waiters = nil
			continue
		}
		in.state = interestQueued
		c.queue = append(c.queue, in)
	}
}

// cutFront drops n elements, and the array with them when that is worth it.
func cutFront[T any](s []T, n int) []T {
	if n == 0 {
		return s
	}
	if n == len(s) {
		return nil
	}
	clear(s[:n])
	return s[n:]
}
