package limit

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Place is what somebody has in a table of Places: a number that stands for an address, to be given back. 0 is none.
// The lowest bits are the shard.
type Place uint32

const (
	shardBits = 4
	shards    = 1 << shardBits

	// maxIdle bounds the addresses that a shard remembers for their rate alone.
	maxIdle = 4096
	// expireStep bounds how many of them one call forgets.
	expireStep = 64
)

// Verdict says whether an address may have what it asks for.
type Verdict uint8

// The verdicts.
const (
	OK       Verdict = iota
	TooMany          // it has as many as it may
	TooOften         // it comes too fast
)

// PlaceLimits are what one address may have; 0, and the zero Rate, are no limit.
type PlaceLimits struct {
	Conns   int  // connections
	Waiting int  // sockets that are no connection yet
	Rate    Rate // of new ones
}

// Places counts what addresses have. An IPv6 address stands for its /64, since that is what one customer is given; an
// invalid one, as peers without IP have, is never limited.
//
// Memory is bounded. An address is remembered while it has something, and so by no more entries than there are sockets;
// and while its bucket fills again, for at most 65,536 addresses, of which the oldest are forgotten first: a flood from
// more of them gets each a new bucket, and is for the rate of all together to bound. What an address has is never
// forgotten. An entry takes some 90 bytes.
//
// All methods may be called from any goroutine.
type Places struct {
	limits PlaceLimits
	seed   maphash.Seed
	shards [shards]placeShard
}

type placeKey [16]byte

// placeShard is a part of the addresses.
type placeShard struct {
	mu sync.Mutex

	// Guarded by mu.
	index   map[placeKey]uint32
	entries []placeEntry // [0] is the head of the ring of idle ones, the oldest first
	free    uint32       // head of the list of unused ones, linked by next; 0: none
	idle    int
}

// placeEntry is an address: 40 bytes.
type placeEntry struct {
	key        placeKey
	bucket     Bucket
	conns      uint32
	waiting    uint32
	prev, next uint32 // among the idle ones; 0 in both is no member
}

// NewPlaces returns an empty table.
func NewPlaces(l PlaceLimits) *Places { return &Places{limits: l, seed: maphash.MakeSeed()} }

// key returns what stands for an address.
func key(addr netip.Addr) (k placeKey) {
	addr = addr.Unmap()
	k = addr.As16()
	if addr.Is6() {
		clear(k[8:])
	}
	return k
}

// Wait notes one more socket of an address that is no connection yet; Leave must follow where it may.
func (t *Places) Wait(addr netip.Addr, now time.Duration) (Place, bool) {
	if !addr.IsValid() || t.limits.Waiting <= 0 {
		return 0, true
	}
	s, n, i := t.lock(addr, now)
	defer s.mu.Unlock()
	e := &s.entries[i]
	if int(e.waiting) >= t.limits.Waiting {
		return 0, false
	}
	e.waiting++
	s.hold(i)
	return place(n, i), true
}

// Return is Wait for a socket that was a connection in between: it is there whatever the limit, and counts for those that
// come.
func (t *Places) Return(addr netip.Addr, now time.Duration) Place {
	if !addr.IsValid() || t.limits.Waiting <= 0 {
		return 0
	}
	s, n, i := t.lock(addr, now)
	defer s.mu.Unlock()
	s.entries[i].waiting++
	s.hold(i)
	return place(n, i)
}

// Leave takes back what Wait or Return has noted. Place 0 is nothing.
func (t *Places) Leave(p Place, now time.Duration) {
	t.giveBack(p, now, func(e *placeEntry) { e.waiting-- })
}

// Open notes one more connection of an address, if that may have it now; Close must follow then.
func (t *Places) Open(addr netip.Addr, now time.Duration) (Place, Verdict) {
	if !addr.IsValid() || t.limits.Conns <= 0 && !t.limits.Rate.Limits() {
		return 0, OK
	}
	s, n, i := t.lock(addr, now)
	defer s.mu.Unlock()
	e := &s.entries[i]
	switch {
	case !e.bucket.Allow(now, 1, t.limits.Rate):
		return 0, TooOften
	case t.limits.Conns <= 0:
		s.settle(i, now)
		return 0, OK
	case int(e.conns) >= t.limits.Conns:
		s.settle(i, now)
		return 0, TooMany
	}
	e.conns++
	s.hold(i)
	return place(n, i), OK
}

// Close takes back what Open has noted. Place 0 is nothing.
func (t *Places) Close(p Place, now time.Duration) {
	t.giveBack(p, now, func(e *placeEntry) { e.conns-- })
}

// Knock reports whether an address may come now, and counts it for its rate alone.
func (t *Places) Knock(addr netip.Addr, now time.Duration) bool {
	if !addr.IsValid() || !t.limits.Rate.Limits() {
		return true
	}
	s, _, i := t.lock(addr, now)
	defer s.mu.Unlock()
	ok := s.entries[i].bucket.Allow(now, 1, t.limits.Rate)
	s.settle(i, now)
	return ok
}

// Addr returns the address that a place stands for, which must not have been given back: of IPv6 the first of its /64.
// Place 0 is none, and has an invalid one.
func (t *Places) Addr(p Place) netip.Addr {
	if p == 0 {
		return netip.Addr{}
	}
	s := &t.shards[p&(shards-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
	return netip.AddrFrom16(s.entries[p>>shardBits].key).Unmap()
}

// Len returns the number of addresses that are remembered.
func (t *Places) Len(now time.Duration) (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.expire(now, s.idle)
		n += len(s.index)
		s.mu.Unlock()
	}
	return n
}

func place(shard int, i uint32) Place { return Place(i<<shardBits | uint32(shard)) }

// lock returns the shard of an address, locked, and the entry of the address in it, made if need be: hold or settle
// must follow where anything of it has changed or it is new.
func (t *Places) lock(addr netip.Addr, now time.Duration) (s *placeShard, shard int, i uint32) {
	k := key(addr)
	shard = int(maphash.Comparable(t.seed, k) & (shards - 1))
	s = &t.shards[shard]
	s.mu.Lock()
	s.expire(now, expireStep)
	i, ok := s.index[k]
	if !ok {
		i = s.add(k)
	}
	return s, shard, i
}

func (t *Places) giveBack(p Place, now time.Duration, take func(*placeEntry)) {
	if p == 0 {
		return
	}
	s := &t.shards[p&(shards-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
	i := uint32(p >> shardBits)
	take(&s.entries[i])
	s.settle(i, now)
}

func (s *placeShard) add(k placeKey) uint32 {
	if s.index == nil {
		s.index, s.entries = map[placeKey]uint32{}, make([]placeEntry, 1, 8)
	}
	i := s.free
	if i != 0 {
		s.free = s.entries[i].next
	} else {
		i = uint32(len(s.entries))
		s.entries = append(s.entries, placeEntry{})
	}
	s.entries[i] = placeEntry{key: k}
	s.index[k] = i
	return i
}

// hold takes an entry that has something out of the idle ones.
func (s *placeShard) hold(i uint32) {
	e := &s.entries[i]
	if e.next == 0 && e.prev == 0 && s.entries[0].next != i {
		return
	}
	s.entries[e.prev].next, s.entries[e.next].prev = e.next, e.prev
	e.prev, e.next = 0, 0
	s.idle--
}

// settle forgets an entry that has nothing any more and whose bucket is full, and puts one whose bucket is not behind
// the other idle ones.
func (s *placeShard) settle(i uint32, now time.Duration) {
	e := &s.entries[i]
	s.hold(i)
	switch {
	case e.conns > 0 || e.waiting > 0:
	case e.bucket.Full(now):
		s.forget(i)
	default:
		last := s.entries[0].prev
		e.prev, e.next = last, 0
		s.entries[last].next, s.entries[0].prev = i, i
		if s.idle++; s.idle > maxIdle {
			oldest := s.entries[0].next
			s.hold(oldest)
			s.forget(oldest)
		}
	}
}

// expire forgets the idle ones whose buckets are full, from the oldest on, most of them at most.
func (s *placeShard) expire(now time.Duration, most int) {
	for ; most > 0 && s.idle > 0; most-- {
		oldest := s.entries[0].next
		if !s.entries[oldest].bucket.Full(now) {
			return
		}
		s.hold(oldest)
		s.forget(oldest)
	}
}

// forget drops an entry that is not among the idle ones. The memory of a flood goes with the last one.
func (s *placeShard) forget(i uint32) {
	delete(s.index, s.entries[i].key)
	if len(s.index) == 0 && cap(s.entries) > maxIdle {
		s.index, s.entries, s.free = nil, nil, 0
		return
	}
	s.entries[i] = placeEntry{next: s.free}
	s.free = i
}
