package client

// Client is one connection to a service, made again whenever it ends. Its
// methods may be called by any goroutine.
type Client struct {
	// Fixed after New.
	opts Options
	in   *inbox
	out  *sendQueue
}
