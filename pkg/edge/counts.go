package edge

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// Reasons for which something of a client is refused, beside those of packages
// codec and dialect. They label a counter, so the set is bounded.
const (
	refusedBinary      = string(dialect.Binary)
	refusedText        = "text-message"
	refusedPublish     = "publish-refused"
	refusedPublishSize = "publish-too-large"
	refusedPublishRate = "publish-rate-limited"
	refusedSubscribe   = "subscribe-refused"
	refusedUnsubscribe = "unsubscribe-refused"
	refusedEventID     = "event-subject"
	refusedUnavailable = "unavailable"
	refusedTooLarge    = "too-large-for-nats"
	refusedPending     = "too-many-requests"
	refusedOther       = "other"
	refusedForbidden   = "event-forbidden"
	refusedRefresh     = "token-refresh"
)

// Faults of a backend's push that the bus does not find itself.
var (
	errCallback = errors.New("push-with-callback")
	errReserved = errors.New("push-reserved-id")

	// Of a client's message.
	errWrapper = errors.New("bad-gzip-wrapper")
)

// closedByBackend is the close reason of a socket that a :chsk/close ended.
const closedByBackend = "closed by backend"

// counts counts what was refused, by reason. Safe for concurrent use; refusals
// are rare, so one lock serves.
type counts struct {
	clocksAhead, clocksFar atomic.Uint64 // see ageOf

	mu struct {
		sync.Mutex
		messages map[string]uint64 // of clients
		requests map[string]uint64 // upgrades
		pushes   map[string]uint64 // of backends
		lost     map[string]uint64 // of ours: events about sockets that NATS did not take
	}
}

func newCounts() *counts {
	c := &counts{}
	c.mu.messages = map[string]uint64{}
	c.mu.requests = map[string]uint64{}
	c.mu.pushes = map[string]uint64{}
	c.mu.lost = map[string]uint64{}
	return c
}

func (c *counts) refused(reason string) {
	c.mu.Lock()
	c.mu.messages[reason]++
	c.mu.Unlock()
}

func (c *counts) refusedRequest(reason string) {
	c.mu.Lock()
	c.mu.requests[reason]++
	c.mu.Unlock()
}

func (c *counts) refusedPush(reason string) {
	c.mu.Lock()
	c.mu.pushes[reason]++
	c.mu.Unlock()
}

func (c *counts) lostEvent(reason string) {
	c.mu.Lock()
	c.mu.lost[reason]++
	c.mu.Unlock()
}

func (c *counts) fill(s *Stats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.RefusedMessages = maps.Clone(c.mu.messages)
	s.RefusedUpgrades = maps.Clone(c.mu.requests)
	s.RefusedPushes = maps.Clone(c.mu.pushes)
	s.LostEvents = maps.Clone(c.mu.lost)
}

// refusedKind is the reason for which a message of the other kind is refused: a
// voice has text messages or binary ones.
func refusedKind(v *voice) string {
	if v.binary {
		return refusedText
	}
	return refusedBinary
}

// reasonOf returns the label for an error about a message.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*codec.Error](err); ok {
		return e.Label()
	}
	if r, ok := errors.AsType[dialect.Refusal](err); ok {
		return string(r)
	}
	switch {
	case errors.Is(err, errCallback), errors.Is(err, errReserved), errors.Is(err, errWrapper):
		return err.Error()
	case errors.Is(err, bus.ErrUnavailable), errors.Is(err, bus.ErrStopped):
		return refusedUnavailable
	case errors.Is(err, bus.ErrTooLarge):
		return refusedTooLarge
	case errors.Is(err, bus.ErrTooManyRequests):
		return refusedPending
	case errors.Is(err, bus.ErrBadSubject), errors.Is(err, bus.ErrBadName):
		return refusedEventID
	}
	return refusedOther
}
