package json

// ScratchSize returns how many bytes of scratch memory s keeps, for tests.
func (s *Scanner) ScratchSize() int { return cap(s.keys)*16 + cap(s.text) }
