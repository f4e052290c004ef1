// Package edge is the node: it holds WebSocket connections, speaks their
// dialect, and maps connections, users and channels to subjects on NATS. It
// can be embedded in a Go program; the command is a thin layer over it.
//
// [Start] returns a running [Node]; [Node.Stop] ends it. The way of a message
// inward is session.go (a frame has arrived), inbound.go (what it asks for),
// subscribe.go (channels) and from there package bus; outward it is
// outbound.go, called by the shards of package bus, and from there the send
// queues of package wsconn.
//
// Who runs what: a session is owned by the loop of its connection, and all
// that inbound.go and subscribe.go do to it happens there. Deliveries run on
// the shard goroutines of the bus and touch a connection only through its send
// queue. Answers to interests come from the control goroutine of the bus and
// are posted to the loop. The node starts no goroutine for a connection, a
// channel or a message; the goroutines that it does start serve HTTP.
package edge
