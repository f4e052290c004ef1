package client

// kept holds the messages that no waiter has taken, oldest first. It grows on
// demand, and holds nothing while it is empty.
type kept struct {
	limit   int
	entries []leftover
	head    int   // the oldest; what is before it is gone
	weight  int64 // bytes of all
}

type leftover struct {
	message Message
	seen    bool // by a handler
}

func (k *kept) len() int { return len(k.entries) - k.head }

// get returns the i-th oldest.
func (k *kept) get(i int) Message { return k.entries[k.head+i].message }

// push keeps l. What has to go for it, the oldest or l itself where nothing is
// kept at all, it counts.
func (k *kept) push(l leftover) (dropped, unseen int) {
	drop := func(gone leftover) {
		dropped++
		if !gone.seen {
			unseen++
		}
	}
	if k.limit <= 0 {
		drop(l)
		return dropped, unseen
	}
	weight := l.message.weight()
	for k.len() >= k.limit || k.len() > 0 && k.weight+weight > maxHeld {
		drop(k.entries[k.head])
		k.remove(0)
	}
	k.weight += weight
	if len(k.entries) == cap(k.entries) && k.head > len(k.entries)/4 {
		n := copy(k.entries, k.entries[k.head:])
		clear(k.entries[n:])
		k.entries, k.head = k.entries[:n], 0
	}
	k.entries = append(k.entries, l)
	return dropped, unseen
}

// remove takes out the i-th oldest. The older ones move: waiters mostly take one
// of those.
func (k *kept) remove(i int) {
	first := k.entries[k.head:]
	k.weight -= first[i].message.weight()
	copy(first[1:i+1], first[:i])
	first[0] = leftover{}
	if k.head++; k.head == len(k.entries) {
		k.entries, k.head = nil, 0
	}
}

// clear forgets everything, and says how many that were and how many of them no
// handler has seen.
func (k *kept) clear() (n, unseen int) {
	for _, l := range k.entries[k.head:] {
		if !l.seen {
			unseen++
		}
	}
	n = k.len()
	k.entries, k.head, k.weight = nil, 0, 0
	return n, unseen
}
