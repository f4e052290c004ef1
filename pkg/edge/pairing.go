package edge

import (
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// When a tab moves, both sides listen for a moment: the new one already, the
// last one still. What comes to both is told to the client once. Each push has a
// key, and a count of that key goes up with what comes here and down with what
// the last holder has handed over: whatever brings the count nearer to zero has
// come the other way before.

const (
	// lingerTime is how long a tab that has moved to another node still listens, and
	// passes on. All that its successor has not heard has come there before; this is
	// for a barrier that passed over a server.
	lingerTime = 50 * time.Millisecond

	// pairTime is how long its successor pairs what comes: by how much a message from
	// NATS may come later at one node than at another without being doubled.
	pairTime = time.Second

	// skew is how much earlier than this side began to listen the last holder may
	// have heard what comes here as well.
	skew = 250 * time.Millisecond

	// maxPairs bounds the keys.
	maxPairs = 1 << 14
)

// pairLocked counts a push on one side, 1 here and -1 there, and reports whether
// it is the first of its kind.
func (t *tab) pairLocked(key uint64, side int) bool {
	c, known := t.mu.pairs[key]
	if known || len(t.mu.pairs) < maxPairs {
		t.mu.pairs[key] = c + side
	}
	return c*side >= 0
}

// newLocked reports whether a push has come neither here nor from a holder. It is
// for what several may hand over, where locating the last one was in vain.
func (t *tab) newLocked(key uint64) bool {
	if _, known := t.mu.pairs[key]; known {
		return false
	}
	return t.pairLocked(key, -1)
}

// owedLocked returns what the last holder has handed over and what has not come
// here yet, for whoever takes over on this node: it will come to him.
func (t *tab) owedLocked() map[uint64]int {
	var owed map[uint64]int
	for key, c := range t.mu.pairs {
		if c < 0 {
			if owed == nil {
				owed = map[uint64]int{}
			}
			owed[key] = c
		}
	}
	return owed
}

// firstLocked reports whether what comes here has not come from the last holder
// already.
func (t *tab) firstLocked(k *kept) bool {
	return t.mu.pairs == nil || k.all || k.body == nil || t.pairLocked(k.key, 1)
}

// recentLocked reports whether what the last holder has kept may come here too.
func (t *tab) recentLocked(k *kept) bool {
	return k.body != nil && !k.at.Before(t.mu.since.Add(-skew))
}

// joinLocked returns what the client is to be given: what the last holder has
// handed over and then what has come here, each once.
func (t *tab) joinLocked(here []kept) []kept {
	out := t.mu.handed
	t.mu.handed = nil
	t.mu.pairs, t.mu.owed = t.mu.owed, nil
	if t.mu.pairs == nil {
		t.mu.pairs = map[uint64]int{}
	}
	for i := range out {
		if t.recentLocked(&out[i]) {
			t.pairLocked(out[i].key, -1)
		}
	}
	for i := range here {
		if k := &here[i]; k.body == nil || t.pairLocked(k.key, 1) {
			out = append(out, *k)
		}
	}
	return out
}

// windowLocked pairs what comes from now on, for a time, in which deliveries come
// by way of keep.
func (t *tab) windowLocked() {
	t.mu.window = time.AfterFunc(pairTime, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.endWindowLocked()
		if t.mu.state == tabOpen {
			t.openLocked()
		}
	})
}

func (t *tab) endWindowLocked() {
	t.mu.pairs = nil
	if t.mu.window != nil {
		t.mu.window.Stop()
		t.mu.window = nil
	}
}

// openLocked lets deliveries go straight to the socket. Where that has closed the
// gates stay as they are, and all is kept.
func (t *tab) openLocked() {
	s := t.session
	user, client := s.Conn.Open(&s.user.Open, nil), s.Conn.Open(&t.sub.Open, nil)
	t.mu.shut = user != wsconn.OK || client != wsconn.OK
}
