package edge

import (
	"fmt"
	"slices"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// Overflow says what becomes of a push or a channel message for which the send
// queue of a slow reader has no room. Answers are never dropped: they take the
// room of what may be. Every drop is counted, and the client is told with
// [:sente-lite/dropped ..], once a second at most.
type Overflow string

// The policies. The zero value of [Overflow] means [Disconnect].
const (
	Disconnect Overflow = "disconnect"  // closes the connection with 1013
	DropOldest Overflow = "drop-oldest" // drops what has waited longest
	DropNewest Overflow = "drop-newest" // drops what comes
	// LatestOnly keeps one message of each channel, the newest, whether there
	// is room or not. Pushes have no channel: for them it is DropOldest.
	LatestOnly Overflow = "latest-only"
)

// Overflows lists the policies.
var Overflows = []Overflow{Disconnect, DropOldest, DropNewest, LatestOnly}

// ChannelOverflow is the policy of the channels that match a pattern, which is
// as in [ChannelOptions].
type ChannelOverflow struct {
	Pattern  string
	Overflow Overflow
}

func (o Overflow) check() error {
	if o == "" || slices.Contains(Overflows, o) {
		return nil
	}
	return fmt.Errorf("overflow policy must be one of %q, not %q", Overflows, string(o))
}

func (o Overflow) policy() wsconn.Policy {
	switch o {
	case DropOldest:
		return wsconn.DropOldest
	case DropNewest:
		return wsconn.DropNewest
	case LatestOnly:
		return wsconn.LatestOnly
	default:
		return wsconn.Disconnect
	}
}

// checkOverflow reports every wrong policy of o.
func (o *Options) checkOverflow() (errs []error) {
	if err := o.Overflow.check(); err != nil {
		errs = append(errs, err)
	}
	for _, rule := range o.Channels.Overflow {
		if err := rule.Overflow.check(); err != nil {
			errs = append(errs, fmt.Errorf("channels %q: %w", rule.Pattern, err))
		}
	}
	for i := range o.Channels.Batch {
		if err := o.Channels.Batch[i].check(); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// ChannelBatch lets the messages of the channels that match a pattern wait for
// others, so that they leave together: until 16 messages or 16 KiB wait for a
// connection, and at most for Delay, from 0 to a minute, in whole milliseconds.
type ChannelBatch struct {
	Pattern string
	Delay   time.Duration
}

func (b *ChannelBatch) check() error {
	if b.Delay < 0 || b.Delay > time.Minute || b.Delay%time.Millisecond != 0 {
		return fmt.Errorf("channels %q: Delay must be from 0 to 1m in whole milliseconds, not %v", b.Pattern, b.Delay)
	}
	return nil
}

// setUpOverflow fixes the class of pushes, and returns what classifies
// channels: nil where that would say Disconnect, at once, of all.
func (n *Node) setUpOverflow() func(token string) uint64 {
	n.pushes = wsconn.NewClass(n.opts.Overflow.policy(), 0)
	if n.pushes == 0 && len(n.opts.Channels.Overflow) == 0 && len(n.opts.Channels.Batch) == 0 {
		return nil
	}
	return n.classify
}

// classify returns the wsconn.Class of a channel's messages. It is asked once
// for each topic of the hub, by the loop of its first subscriber.
func (n *Node) classify(token string) uint64 {
	rules := &n.opts.Channels
	overflow, text := n.opts.Overflow, displayName(token)
	if i := slices.IndexFunc(rules.Overflow, func(r ChannelOverflow) bool { return matches(r.Pattern, text) }); i >= 0 {
		overflow = rules.Overflow[i].Overflow
	}
	var delay time.Duration
	if i := slices.IndexFunc(rules.Batch, func(r ChannelBatch) bool { return matches(r.Pattern, text) }); i >= 0 {
		delay = rules.Batch[i].Delay
	}
	var slot uint32
	if overflow == LatestOnly {
		// Two channels of one connection share a slot only if exactly so many
		// others were made between them that the numbers have come round.
		for slot == 0 {
			slot = n.slots.Add(1)
		}
	}
	return uint64(wsconn.NewClass(overflow.policy(), slot).Within(delay))
}
