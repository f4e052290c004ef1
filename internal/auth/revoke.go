package auth

import (
	"errors"
	"sync"
	"time"
)

// Revocation takes trust back: from one token (ID), from a user (UID), from what
// a user was given before a time (UID and IssuedBefore), or from what everybody
// was (IssuedBefore alone). A token without iat was issued before any time.
type Revocation struct {
	UID          string // as in the Identity that is compared
	ID           string // jti, of any issuer
	IssuedBefore time.Time
	// Until is when the entry may be forgotten: when all tokens that it means
	// have expired. A user revoked without IssuedBefore stays out so long.
	Until time.Time
}

// Errors of Revocations.Add. Match with errors.Is.
var (
	// ErrRevocation: the entry names nothing, or both a token and a user or time,
	// or has no Until.
	ErrRevocation = errors.New("auth: malformed revocation")
	// ErrRevocationsFull: there is no room. What the entry means is still
	// believed; an entry with IssuedBefore alone always has room.
	ErrRevocationsFull = errors.New("auth: too many revocations")
)

func (r *Revocation) valid() bool {
	switch {
	case r.Until.IsZero() || len(r.UID) > maxUID || len(r.ID) > MaxToken:
		return false
	case r.ID != "":
		return r.UID == "" && r.IssuedBefore.IsZero()
	}
	return r.UID != "" || !r.IssuedBefore.IsZero()
}

// Covers reports whether the entry means this identity, whatever the time; for
// going through those who are here when it comes.
func (r *Revocation) Covers(i *Identity) bool {
	switch {
	case r.ID != "":
		return r.ID == i.ID
	case r.UID != "" && r.UID != i.UID:
		return false
	case r.IssuedBefore.IsZero():
		return r.UID != ""
	}
	return i.IssuedAt.Before(r.IssuedBefore)
}

// DefaultRevocations bounds a set, at some 100 to 400 bytes for each entry.
const DefaultRevocations = 100_000

// Revocations is a set of those that have not been forgotten. It may be used
// concurrently, and starts empty: what was said before, somebody must say again.
type Revocations struct {
	max int // fixed

	mu struct {
		sync.RWMutex
		ids    map[string]time.Time // jti -> until
		users  map[string]cutoff
		global cutoff
		sweep  time.Time // not before this is looked for what can be forgotten
	}
}

// cutoff takes what was issued before a time, zero for all. Of two for one user
// the wider counts, and lasts as long as the longer: more is revoked than was
// said, for a while, and never less.
type cutoff struct {
	before time.Time
	all    bool
	until  time.Time
}

func (c cutoff) join(r Revocation) cutoff {
	c.all = c.all || r.IssuedBefore.IsZero()
	if r.IssuedBefore.After(c.before) {
		c.before = r.IssuedBefore
	}
	if r.Until.After(c.until) {
		c.until = r.Until
	}
	return c
}

func (c cutoff) takes(i *Identity, now time.Time) bool {
	return now.Before(c.until) && (c.all || i.IssuedAt.Before(c.before))
}

// NewRevocations makes a set of at most max entries; 0 is DefaultRevocations.
func NewRevocations(maximum int) *Revocations {
	if maximum <= 0 {
		maximum = DefaultRevocations
	}
	s := &Revocations{max: maximum}
	s.mu.ids, s.mu.users = map[string]time.Time{}, map[string]cutoff{}
	return s
}

// Add puts an entry in; one that can be forgotten already is not kept. Errors
// match ErrRevocation or ErrRevocationsFull.
func (s *Revocations) Add(r Revocation, now time.Time) error {
	if !r.valid() {
		return ErrRevocation
	}
	if !now.Before(r.Until) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.ID == "" && r.UID == "" {
		if !now.Before(s.mu.global.until) {
			s.mu.global = cutoff{}
		}
		s.mu.global = s.mu.global.join(r)
		return nil
	}
	old, known := s.mu.users[r.UID]
	if r.ID != "" {
		_, known = s.mu.ids[r.ID]
	}
	if !known {
		if s.lenLocked() >= s.max {
			s.sweepLocked(now)
		}
		if s.lenLocked() >= s.max {
			return ErrRevocationsFull
		}
	}
	if r.ID != "" {
		if r.Until.After(s.mu.ids[r.ID]) {
			s.mu.ids[r.ID] = r.Until
		}
		return nil
	}
	if !now.Before(old.until) {
		old = cutoff{}
	}
	s.mu.users[r.UID] = old.join(r)
	return nil
}

func (s *Revocations) lenLocked() int { return len(s.mu.ids) + len(s.mu.users) }

// sweepLocked forgets what can be forgotten, at most once a second: a set that
// is full of what lasts must not cost a walk for each entry that finds no room.
func (s *Revocations) sweepLocked(now time.Time) {
	if now.Before(s.mu.sweep) {
		return
	}
	s.mu.sweep = now.Add(time.Second)
	for id, until := range s.mu.ids {
		if !now.Before(until) {
			delete(s.mu.ids, id)
		}
	}
	for uid, c := range s.mu.users {
		if !now.Before(c.until) {
			delete(s.mu.users, uid)
		}
	}
}

// Revoked reports whether an identity is not to be believed any more. It does
// not allocate.
func (s *Revocations) Revoked(i *Identity, now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.mu.global.takes(i, now) {
		return true
	}
	if len(s.mu.users) > 0 && s.mu.users[i.UID].takes(i, now) {
		return true
	}
	return i.ID != "" && len(s.mu.ids) > 0 && now.Before(s.mu.ids[i.ID])
}

// All returns what has not run out, in no order: what a set that is given all of it
// revokes, this one does, and the other way round. It holds up Add meanwhile.
func (s *Revocations) All(now time.Time) []Revocation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]Revocation, 0, s.lenLocked()+1)
	put := func(uid string, c cutoff) {
		if now.Before(c.until) {
			r := Revocation{UID: uid, Until: c.until}
			if !c.all {
				r.IssuedBefore = c.before
			}
			all = append(all, r)
		}
	}
	for id, until := range s.mu.ids {
		if now.Before(until) {
			all = append(all, Revocation{ID: id, Until: until})
		}
	}
	for uid, c := range s.mu.users {
		put(uid, c)
	}
	put("", s.mu.global)
	return all
}

// Len is how many entries there are, with those that could be forgotten.
func (s *Revocations) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := s.lenLocked()
	if !s.mu.global.until.IsZero() {
		n++
	}
	return n
}
