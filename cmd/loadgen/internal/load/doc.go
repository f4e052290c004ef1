// Package load runs the load generator's scenarios against a running server.
//
// Clients are thin: one poller loop owns everything that counts, all client sockets,
// the pace, the messages in flight and the histogram, and a receiver finds the number
// of a message by a mark, without parsing it. So nothing on the way of a message is
// locked or atomic, and one process holds 15,000 connections on one core. A client
// with a goroutine, queues and a parser would cost more for a message than the server
// does, and be what is measured: such clients are in package fleet, for what they do
// themselves. The goroutine that calls [Run] only opens, waits and reports: it reaches
// the loop by posting to it.
//
// # Invariants
//
//   - Latency runs from the intended send time. With a rate that time is on the
//     schedule whether or not the message could be sent then, so a server that
//     stands still is charged for every message that it made wait.
//   - A message is in flight from its send until every receiver has it that is not
//     slow or frozen on purpose. Those are counted apart, and nobody waits for them.
//   - A phase's clock stops when everything sent in it has been received.
//   - Every wait has a deadline, and says what it waited for.
//
// Start reading at run.go, then pump.go (pace and accounting) and conn.go (one
// socket); a scenario is a file of its own, and reader.go has those who lag.
package load
