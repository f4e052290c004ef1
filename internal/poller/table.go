package poller

import "iter"

const (
	chunkBits = 8
	chunkLen  = 1 << chunkBits
	none      = ^uint32(0)
)

// entry is what a loop keeps for a socket: 32 bytes. It is also the node of the timer wheel's lists.
type entry struct {
	h          Handler // nil when free
	gen        uint32  // grows with each drop, so that late events miss
	due        uint32  // tick at which the timer ends, 0 = unset
	next, prev uint32  // in the wheel's bucket; next is the free list when free
}

// table maps slots to handlers. Slots are dense and reused; memory grows in chunks, so that nothing is ever
// copied and a big table has no slack. Owned by the loop.
type table struct {
	chunks []*[chunkLen]entry
	free   uint32 // head of the free list plus one, 0 = empty
	size   uint32 // slots ever used
	used   int
}

func (t *table) at(slot uint32) *entry {
	return &t.chunks[slot>>chunkBits][slot&(chunkLen-1)]
}

// get returns the entry of an event, nil when the event is stale.
func (t *table) get(slot, gen uint32) *entry {
	if slot >= t.size {
		return nil
	}
	if e := t.at(slot); e.gen == gen && e.h != nil {
		return e
	}
	return nil
}

func (t *table) put(h Handler) uint32 {
	var slot uint32
	if t.free != 0 {
		slot = t.free - 1
		t.free = t.at(slot).next
	} else {
		slot = t.size
		if int(slot>>chunkBits) == len(t.chunks) {
			t.chunks = append(t.chunks, new([chunkLen]entry))
		}
		t.size++
	}
	e := t.at(slot)
	e.h, e.due, e.next, e.prev = h, 0, none, none
	t.used++
	return slot
}

func (t *table) drop(slot uint32) {
	e := t.at(slot)
	e.h = nil
	e.gen++
	e.next = t.free
	t.free = slot + 1
	t.used--
}

func (t *table) all() iter.Seq[Handler] {
	return func(yield func(Handler) bool) {
		for slot := uint32(0); slot < t.size; slot++ {
			if h := t.at(slot).h; h != nil && !yield(h) {
				return
			}
		}
	}
}
