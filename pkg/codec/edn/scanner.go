package edn

import (
	"math"
	"sync"
)

// What a Scanner keeps between calls, at most: 128 KiB of key records and 64 KiB of text. A text that needs more allocates.
const (
	keepKeys = 8 << 10
	keepText = 64 << 10
)

// Scanner checks texts. Its zero value is ready. It holds reusable scratch memory for finding duplicates, of a bounded size
// between calls, and must not be used concurrently.
type Scanner struct {
	// MaxDepth is how deep values may nest, where that is to be less than the constant of this name. 0 is that.
	MaxDepth int

	// Set for one call.
	p      []byte
	err    *Error
	elems  []Form // where Split wants the forms directly inside the value
	nelems int
	top    int // the depth of the value whose elements Split wants, or -1
	tok    int // where the last token began: the body of a symbol or keyword that was just read

	// Scratch, kept between calls.
	keys []key
	text []byte
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
	s.begin(p)
	s.elems, s.top = elems, 0
	f := s.only()
	n := s.nelems
	if err := s.end(); err != nil {
		return Form{}, 0, err
	}
	return f, n, nil
}

// Form returns the next complete value at or after off, checked by all rules of Check. It returns ErrNoForm when only
// whitespace, comments and discarded forms are left or a closing delimiter is next, and an *Error otherwise.
func (s *Scanner) Form(p []byte, off int) (Form, error) {
	s.begin(p)
	var f Form
	none := false
	i := -1
	if s.err == nil {
		i = s.blank(min(max(off, 0), len(p)), 0)
	}
	switch {
	case i < 0:
	case i == len(p) || p[i] == ')' || p[i] == ']' || p[i] == '}':
		none = true
	default:
		f = s.form(i)
	}
	if err := s.end(); err != nil {
		return Form{}, err
	}
	if none {
		return Form{}, ErrNoForm
	}
	return f, nil
}

// deep reports whether nothing may nest inside of depth others.
func (s *Scanner) deep(depth int) bool {
	return depth >= MaxDepth || depth >= s.MaxDepth && s.MaxDepth > 0
}

func (s *Scanner) begin(p []byte) {
	s.p, s.err, s.nelems, s.top = p, nil, 0, -1
	s.keys = s.keys[:0]
	if len(p) > math.MaxInt32 { // key records hold 32-bit offsets
		s.p = nil
		s.fail(0, ReasonTooLong)
	}
}

// end lets go of the text and of scratch beyond its bound.
func (s *Scanner) end() error {
	err := s.err
	s.p, s.elems, s.err = nil, nil, nil
	if cap(s.keys) > keepKeys {
		s.keys = nil
	}
	if cap(s.text) > keepText {
		s.text = nil
	}
	if err != nil {
		return err
	}
	return nil
}

// only reads the one value of the whole text.
func (s *Scanner) only() Form {
	if s.err != nil {
		return Form{}
	}
	i := s.blank(0, 0)
	if i < 0 {
		return Form{}
	}
	if i == len(s.p) {
		s.fail(i, ReasonEmpty)
		return Form{}
	}
	f := s.form(i)
	if f.End < 0 {
		return Form{}
	}
	rest := s.blank(f.End, 0)
	if rest >= 0 && rest < len(s.p) {
		r := ReasonExtra
		if c := s.p[rest]; c == ')' || c == ']' || c == '}' {
			r = ReasonDelimiter
		}
		s.fail(rest, r)
	}
	return f
}

func (s *Scanner) form(i int) Form {
	end, kind, _ := s.value(i, 0, false)
	if end < 0 {
		return Form{End: -1}
	}
	return Form{Start: i, Body: body(s.p, i), End: end, Kind: kind}
}

// fail records the first fault and returns -1, which every reading method returns in place of an offset from then on.
func (s *Scanner) fail(off int, r Reason) int {
	if s.err == nil {
		s.err = newError(s.p, off, r)
	}
	return -1
}

var scanners = sync.Pool{New: func() any { return new(Scanner) }}

// Check is Scanner.Check with a Scanner from a pool. It is safe for concurrent use.
func Check(p []byte) error {
	s := scanners.Get().(*Scanner)
	err := s.Check(p)
	scanners.Put(s)
	return err
}
