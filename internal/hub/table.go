package hub

import (
	"iter"
	"sync"
)

// Table finds a connection by the 64 bits of its conn-id. All methods are
// safe for concurrent use.
type Table[C comparable] struct {
	shards [shardCount]struct {
		mu struct {
			sync.RWMutex
			conns map[uint64]C
		}
		_ [24]byte
	}
}

// NewTable returns an empty table.
func NewTable[C comparable]() *Table[C] {
	t := &Table[C]{}
	for i := range t.shards {
		t.shards[i].mu.conns = map[uint64]C{}
	}
	return t
}

// Put stores conn under key.
func (t *Table[C]) Put(key uint64, conn C) {
	s := &t.shards[key%shardCount]
	s.mu.Lock()
	s.mu.conns[key] = conn
	s.mu.Unlock()
}

// Delete removes key.
func (t *Table[C]) Delete(key uint64) {
	s := &t.shards[key%shardCount]
	s.mu.Lock()
	delete(s.mu.conns, key)
	s.mu.Unlock()
}

// Get returns the connection of key, or C's zero value.
func (t *Table[C]) Get(key uint64) C {
	s := &t.shards[key%shardCount]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.conns[key]
}

// All iterates over the connections, in no order and holding no lock meanwhile:
// what is put or deleted during that may or may not be among them.
func (t *Table[C]) All() iter.Seq[C] {
	return func(yield func(C) bool) {
		var some []C
		for i := range t.shards {
			s := &t.shards[i]
			some = some[:0]
			s.mu.RLock()
			for _, c := range s.mu.conns {
				some = append(some, c)
			}
			s.mu.RUnlock()
			for _, c := range some {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// Len returns the number of connections.
func (t *Table[C]) Len() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		n += len(s.mu.conns)
		s.mu.RUnlock()
	}
	return n
}
