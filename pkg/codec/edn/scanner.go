package edn

import "sync"

// Scanner checks texts. Its zero value is ready. It holds reusable scratch memory for finding duplicates, of a bounded size
// between calls, and must not be used concurrently.
type Scanner struct {
	p []byte
}

// Check returns nil if p holds exactly one value that Clojure's reader accepts, with nothing but whitespace, comments and
// discarded forms around it; otherwise an *Error. It keeps nothing of p.
func (s *Scanner) Check(p []byte) error {
	_, _, err := s.Split(p, nil)
	return err
}

// Split is Check for callers that want the parts as well: it fills elems with the forms directly inside the value, as many
// as fit, when it is a list, vector, set or map (keys and values in turn), and returns the value's own form and how many
// forms it holds (0 for scalars and tagged values).
func (s *Scanner) Split(p []byte, elems []Form) (Form, int, error) {
	return Form{}, 0, newError(p, 0, ReasonUnknown)
}

// Form returns the next complete value at or after off, checked by all rules of Check. It returns ErrNoForm when only
// whitespace, comments and discarded forms are left or a closing delimiter is next, and an *Error otherwise.
func (s *Scanner) Form(p []byte, off int) (Form, error) {
	return Form{}, newError(p, off, ReasonUnknown)
}

var scanners = sync.Pool{New: func() any { return new(Scanner) }}

// Check is Scanner.Check with a Scanner from a pool. It is safe for concurrent use.
func Check(p []byte) error {
	s := scanners.Get().(*Scanner)
	err := s.Check(p)
	scanners.Put(s)
	return err
}
