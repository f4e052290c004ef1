package bus

import "sync/atomic"

// counts are counters by reason. A reason is a small enumeration, so the set
// of labels is fixed.
type counts[R ~uint8] struct{ n [16]atomic.Uint64 }

func (c *counts[R]) add(r R) { c.n[r].Add(1) }

// snapshot returns all counters, also those at zero, by name.
func (c *counts[R]) snapshot(names []string) map[string]uint64 {
	m := make(map[string]uint64, len(names))
	for i, name := range names {
		m[name] = c.n[i].Load()
	}
	return m
}
