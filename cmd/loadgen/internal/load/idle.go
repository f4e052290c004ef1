package load

import "github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"

// idle holds connections open and sends nothing.
type idle struct{}

func (idle) query(int) string                          { return "" }
func (idle) greeted(*conn, []byte) error               { return nil }
func (idle) message(*conn, wsclient.Frame, int64) bool { return false }
func (idle) send(int64)                                {}
