package wsconn

// Clients counts the addresses that loops keep.
func (s *Server) Clients() int {
	counts := make(chan int, len(s.loops))
	for _, l := range s.loops {
		l.post(job{kind: jobFunc, fn: func() { counts <- len(l.clients) }})
	}
	n := 0
	for range s.loops {
		n += <-counts
	}
	return n
}
