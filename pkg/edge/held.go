package edge

import "sync"

// heldBack is the list of sessions that wait for room in the bus. Loops add,
// the publisher goroutine of the bus takes.
type heldBack struct {
	mu struct {
		sync.Mutex
		sessions []*session
	}
}

func (h *heldBack) add(s *session) {
	h.mu.Lock()
	h.mu.sessions = append(h.mu.sessions, s)
	h.mu.Unlock()
}

func (h *heldBack) take() []*session {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.mu.sessions
	h.mu.sessions = nil
	return s
}
