package hub

import (
	"hash/maphash"
	"sync"
)

// shardCount bounds how often two loops that subscribe meet at one lock.
const shardCount = 64

// Hub maps keys to the connections that listen to them. C is a pointer to a
// connection. All methods are safe for concurrent use.
type Hub[C comparable] struct {
	// Fixed after New.
	seed     maphash.Seed
	classify func(key string) uint64

	shards [shardCount]shard[C]
}

type shard[C comparable] struct {
	mu struct {
		sync.RWMutex
		topics map[string]*Topic[C]
	}
	_ [24]byte // own cache line for each lock
}

// New returns an empty hub. classify, which may be nil, is called by
// [Hub.Join], without a lock, for what the owner wants to know of a topic with
// each delivery ([Topic.Class]): mostly once for each topic.
func New[C comparable](classify func(key string) uint64) *Hub[C] {
	h := &Hub[C]{seed: maphash.MakeSeed(), classify: classify}
	for i := range h.shards {
		h.shards[i].mu.topics = map[string]*Topic[C]{}
	}
	return h
}

func (h *Hub[C]) shard(key string) *shard[C] {
	return &h.shards[maphash.String(h.seed, key)%shardCount]
}

// Joined says what [Hub.Join] found.
type Joined uint8

const (
	// Created: the topic is new; the caller must ask for its interest and
	// call [Hub.Confirm] or [Hub.Abandon] with the answer.
	Created Joined = iota
	// Pending: somebody else has asked already; the subscriber waits with it.
	Pending
	// Confirmed: the interest is in force; the gate may be opened now.
	Confirmed
	// Full: the topic has max subscribers already; nothing was added.
	Full
)

// Join adds conn to the topic of key and returns its subscription, whose gate
// is closed. The caller makes sure that conn is not in that topic already. A
// max above 0 bounds the living subscribers of the topic: beyond it nothing is
// added and the answer is (nil, [Full]).
//
// A subscription that is [Created] or [Pending] is handed out by
// [Hub.Confirm] or [Hub.Abandon], unless it leaves before.
func (h *Hub[C]) Join(key string, conn C, max int) (*Sub[C], Joined) {
	s := h.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.mu.topics[key]
	if !ok {
		var class uint64
		if h.classify != nil {
			s.mu.Unlock()
			class = h.classify(key)
			s.mu.Lock()
			t, ok = s.mu.topics[key]
		}
		if !ok {
			t = &Topic[C]{key: key, class: class}
			s.mu.topics[key] = t
		}
	}
	if max > 0 && t.live >= max {
		return nil, Full
	}
	sub := &Sub[C]{Conn: conn, topic: t}
	t.appendLocked(sub)
	switch {
	case t.confirmed:
		return sub, Confirmed
	case ok:
		return sub, Pending
	default:
		return sub, Created
	}
}

// Leave removes sub. It reports whether that was the last subscriber of the
// topic, which then is no more: the caller gives its interest back. A second
// Leave of the same subscription changes nothing and reports false. The gate
// is the caller's to close, before or after.
func (h *Hub[C]) Leave(sub *Sub[C]) (last bool) {
	t := sub.topic
	s := h.shard(t.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.left {
		return false
	}
	sub.left = true
	t.removeLocked()
	if t.live > 0 {
		return false
	}
	if t.gone {
		return false // abandoned: nobody holds an interest for it
	}
	t.gone = true
	delete(s.mu.topics, t.key)
	return true
}

// Confirm marks the topic's interest as in force and returns the
// subscriptions that waited for it and have not left; it is the caller's to
// open their gates. A topic that is gone returns none.
func (h *Hub[C]) Confirm(t *Topic[C]) []*Sub[C] {
	s := h.shard(t.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.gone || t.confirmed {
		return nil
	}
	t.confirmed = true
	return t.livingLocked()
}

// Abandon takes the topic away, because its interest cannot be had, and
// returns the subscriptions that waited for it; each still has to
// [Hub.Leave], which never reports them as the last.
func (h *Hub[C]) Abandon(t *Topic[C]) []*Sub[C] {
	s := h.shard(t.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.gone {
		return nil
	}
	t.gone = true
	delete(s.mu.topics, t.key)
	return t.livingLocked()
}

// Snapshot returns the subscribers of key as they are now, nil where there
// are none; all are of one topic. The slice is read-only, may hold subscriptions that have left
// since or are not open yet, and stays valid for as long as the caller wants.
func (h *Hub[C]) Snapshot(key string) []*Sub[C] {
	s := h.shard(key)
	s.mu.RLock()
	t := s.mu.topics[key]
	s.mu.RUnlock()
	if t == nil {
		return nil
	}
	return t.snapshot()
}

// Subscribers returns how many living subscriptions key has.
func (h *Hub[C]) Subscribers(key string) int {
	s := h.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.mu.topics[key]; t != nil {
		return t.live
	}
	return 0
}

// Len returns the number of topics.
func (h *Hub[C]) Len() int {
	n := 0
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.RLock()
		n += len(s.mu.topics)
		s.mu.RUnlock()
	}
	return n
}

// Topics returns the keys and their numbers of living subscribers, at most
// limit of them, in no order. Each shard is consistent, the whole is not.
func (h *Hub[C]) Topics(limit int) map[string]int {
	out := map[string]int{}
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.RLock()
		for key, t := range s.mu.topics {
			if len(out) >= limit {
				break
			}
			out[key] = t.live
		}
		s.mu.RUnlock()
	}
	return out
}
