package hub

import "iter"

// All iterates over the keys and their numbers of living subscribers, in no order
// and holding no lock meanwhile: what comes or goes during that may or may not be among
// them.
func (h *Hub[C]) All() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		type one struct {
			key  string
			live int
		}
		var some []one
		for i := range h.shards {
			s := &h.shards[i]
			some = some[:0]
			s.mu.RLock()
			for key, t := range s.mu.topics {
				some = append(some, one{key, t.live})
			}
			s.mu.RUnlock()
			for _, o := range some {
				if !yield(o.key, o.live) {
					return
				}
			}
		}
	}
}
