package edge

import (
	"fmt"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth/rules"
)

// ChannelLimits are what a rule for channels says beside who may: [Rule].Limits is
// one of these, or nil. The zero value limits nothing.
type ChannelLimits struct {
	// MaxSubscribers bounds the subscribers of each channel on this node, in place
	// of ChannelOptions.MaxSubscribers; beyond it :max-subscribers-reached.
	MaxSubscribers int

	// MaxMessage bounds the data of what clients publish, in bytes as they are
	// sent; beyond it :bad-request.
	MaxMessage int

	// PublishRate bounds how often one connection publishes in all the channels of
	// the rule together, in messages a second, as many of which may come at once;
	// beyond it :rate-limited.
	PublishRate int
}

// checkLimits reports what the limits of rules cannot be.
func checkLimits(list []Rule) error {
	for i, r := range list {
		l, ok := r.Limits.(*ChannelLimits)
		switch {
		case r.Limits == nil:
		case !ok:
			return fmt.Errorf("%w %d for channels, %q: Limits is a %T, and not *ChannelLimits", rules.ErrBadRule, i+1, r.Pattern, r.Limits)
		case l.MaxSubscribers < 0 || l.MaxMessage < 0 || l.PublishRate < 0 || l.PublishRate > maxPublishRate:
			return fmt.Errorf("%w %d for channels, %q: limits from 0, and a PublishRate to %d", rules.ErrBadRule, i+1, r.Pattern, maxPublishRate)
		}
	}
	return nil
}

// maxPublishRate is the largest that is told from none.
const maxPublishRate = 1_000_000

// noLimits are those where no rule says any.
var noLimits = &ChannelLimits{}

// decide asks the rules whether the session may subscribe to or publish in the
// channel with that token, and within which limits. Loop only.
func (s *session) decide(op rules.Op, token string) (bool, *ChannelLimits) {
	policy := s.node.access.policy
	if !policy.Restricts() {
		return true, noLimits
	}
	d := policy.Channel(s.grant(), op, displayName(token))
	if l, ok := d.Limits.(*ChannelLimits); ok && l != nil {
		return d.Allowed, l
	}
	return d.Allowed, noLimits
}

// rates are how often a session has published lately, by rule: there are as many
// as it has met rules with a rate. Owned by the session's loop.
type rates struct{ list []rate }

type rate struct {
	of *ChannelLimits
	// next is when the session would have published so much if it had done so
	// evenly: a second ahead of now is the most.
	next time.Time
}

// step is the time that one message takes of the rate.
func (l *ChannelLimits) step() time.Duration { return time.Second / time.Duration(l.PublishRate) }

// spend takes one message of the rate, and reports false where there is none left.
// Loop only.
func (s *session) spend(l *ChannelLimits, now time.Time) bool {
	if l.PublishRate == 0 {
		return true
	}
	r := s.rate(l)
	if r.next.Before(now) {
		r.next = now
	}
	if r.next.Add(l.step()).Sub(now) > time.Second {
		return false
	}
	r.next = r.next.Add(l.step())
	return true
}

// giveBack undoes spend for a message that will be taken again. Loop only.
func (s *session) giveBack(l *ChannelLimits) {
	if l.PublishRate > 0 {
		r := s.rate(l)
		r.next = r.next.Add(-l.step())
	}
}

// rate finds that of a rule. Loop only.
func (s *session) rate(l *ChannelLimits) *rate {
	x := s.more()
	if x.rates == nil {
		x.rates = &rates{}
	}
	list := x.rates.list
	for i := range list {
		if list[i].of == l {
			return &list[i]
		}
	}
	x.rates.list = append(list, rate{of: l})
	return &x.rates.list[len(list)]
}
