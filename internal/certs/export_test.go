package certs

import "time"

// Reread changes how often files are read although nothing tells that they have changed. Before others know of s.
func (s *Store) Reread(every time.Duration) { s.reread = every }
