package bus

import (
	"sync"

	"github.com/nats-io/nats.go"
)

// slowSubs counts what nats.go dropped because a Go channel was full. It calls
// back once for a whole run of drops, and only the subscription knows how many
// there were, so the subscriptions that ever dropped are kept and asked.
type slowSubs struct {
	mu struct {
		sync.Mutex
		subs  map[*nats.Subscription]int // drops that are in total already
		total uint64
	}
}

func (s *slowSubs) add(sub *nats.Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.subs == nil {
		s.mu.subs = map[*nats.Subscription]int{}
	}
	if _, known := s.mu.subs[sub]; !known {
		s.mu.subs[sub] = 0
	}
	s.countLocked(sub)
}

// forget counts for the last time; it comes before Unsubscribe, after which
// the subscription tells no more.
func (s *slowSubs) forget(sub *nats.Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.mu.subs[sub]; known {
		s.countLocked(sub)
		delete(s.mu.subs, sub)
	}
}

// total counts anew. What was dropped between the last count and the loss of
// the connection is not in it.
func (s *slowSubs) total() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.mu.subs {
		s.countLocked(sub)
		if !sub.IsValid() {
			delete(s.mu.subs, sub)
		}
	}
	return s.mu.total
}

func (s *slowSubs) countLocked(sub *nats.Subscription) {
	n, err := sub.Dropped()
	if err != nil {
		return
	}
	if d := n - s.mu.subs[sub]; d > 0 {
		s.mu.total += uint64(d)
		s.mu.subs[sub] = n
	}
}
