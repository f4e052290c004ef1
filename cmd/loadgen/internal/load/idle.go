package load

// idle holds connections open and sends nothing.
type idle struct {
	plain
	names *names
}

func (s idle) query(i int) string                { return s.names.query(i) }
func (s idle) greeted(c *conn, msg []byte) error { return s.names.greeted(c, msg) }
