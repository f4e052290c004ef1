package edge

import "bytes"

// waiting exists while subscribes of a connection wait for a backend or for their
// interest: the answers that are owed, in the order of the frames. Owned by the loop. A nil
// *waiting is one that waits for nothing.
type waiting struct {
	owed  []answer
	bytes int // of the texts kept in owed
}

// maxOwedBytes bounds the texts kept for answers that are owed; the last one
// may go beyond it.
const maxOwedBytes = 64 << 10

// answer is what one subscribe will be told.
type answer struct {
	sub      *subscription // nil where the subscribe is refused
	channel  []byte        // as it was sent, of a refused one
	callback []byte        // as it was sent; nil where the answer is an event
	keyword  string        // why it is refused; empty where it is not
	wait     *awaited      // a backend is asked first; nil where none is
	ready    bool          // nothing more to wait for
}

// awaited is a backend's answer about a subscribe.
type awaited struct{ token string }

// owe notes an answer behind those that are owed already. Its slices are
// borrowed.
func (s *session) owe(a answer) {
	w := s.waiting()
	if w == nil {
		w = &waiting{}
		s.setWaiting(w)
	}
	if a.sub != nil {
		a.channel = nil // it has its name from there
	}
	a.channel, a.callback = bytes.Clone(a.channel), bytes.Clone(a.callback)
	w.bytes += len(a.channel) + len(a.callback)
	w.owed = append(w.owed, a)
}

// waiting returns what the session waits for, or nil. Loop only.
func (s *session) waiting() *waiting {
	if s.extra == nil {
		return nil
	}
	return s.extra.wait
}

// setWaiting changes it, nil where the wait is over. Loop only.
func (s *session) setWaiting(w *waiting) {
	if s.extra == nil && w == nil {
		return
	}
	s.more().wait = w
	s.tidy()
}

// full reports whether so many answers are owed that reading should stop: max
// of them, or many bytes.
func (w *waiting) full(max int) bool {
	return w != nil && (len(w.owed) >= max || w.bytes >= maxOwedBytes)
}

// has reports whether an answer about sub is owed and not ready.
func (w *waiting) has(sub *subscription) bool {
	if w == nil {
		return false
	}
	for i := range w.owed {
		if w.owed[i].sub == sub && !w.owed[i].ready {
			return true
		}
	}
	return false
}

// of returns the answer that waits for a backend's, nil where none does.
func (w *waiting) of(backend *awaited) *answer {
	if w == nil {
		return nil
	}
	for i := range w.owed {
		if w.owed[i].wait == backend {
			return &w.owed[i]
		}
	}
	return nil
}

// settle makes the answers about sub ready; a keyword refuses them.
func (w *waiting) settle(sub *subscription, keyword string) {
	for i := range w.owed {
		if a := &w.owed[i]; a.sub == sub {
			a.ready, a.keyword = true, keyword
		}
	}
}

// next takes the first answer, if it is ready.
func (w *waiting) next() (answer, bool) {
	if len(w.owed) == 0 || !w.owed[0].ready {
		return answer{}, false
	}
	a := w.owed[0]
	w.owed[0] = answer{}
	w.owed = w.owed[1:]
	return a, true
}
