// Package bus is the contract with NATS in Go: subjects, headers, publishing,
// taking events, replying. A node uses it through [Node]; a backend in Go uses
// it through [Client], which is the backend SDK.
//
// # What it owns
//
// One connection to NATS for each Node or Client, with all that belongs to it:
//
//   - link dials, notices losses and dials again. nats.go's own reconnecting is
//     off, so a connection that a server closed for good and one that was lost
//     take the same way.
//   - control, one goroutine, owns the interests (reference counts, lingering),
//     the set of servers that have a node, and the barrier.
//   - publisher, one goroutine, sends what loops hand over; its queue is bounded
//     in messages and bytes.
//   - requests, one goroutine, owns the events that wait for a reply.
//   - shards, one goroutine each, deliver to the [Handler]. A subject belongs to
//     one shard, by a fixed hash, so its order is kept.
//
// There is no goroutine for a subscription (a Take or Tap of a Client aside), a
// request or a message.
//
// # What "confirmed" means
//
// SUB and a flush put an interest in force on one server only; others hear of
// it a moment later. Want, Take and Barrier therefore answer after a barrier: a
// question to every server that has a node, on the connection that carries the
// interests and behind them, answered from there. A server that stays silent is
// passed over after BarrierTimeout and counted; one without responders is
// struck off. Both come back with their next heartbeat.
//
// "No responders" from NATS is a hint: a tap counts as somebody, and a taker
// that has just come up on another server may not count yet.
//
// # Invariants
//
//   - No call of Node blocks, apart from StartNode, Barrier, Interests and Stop.
//   - No callback and no I/O happens under a lock.
//   - Each Request that was accepted gets exactly one Reply.
//   - After an UNSUB the same subject is not subscribed again before a barrier
//     that began later has gone through.
//   - A node publishes nothing before the barrier of its connection has gone through.
//   - No subject beyond [MaxSubject] bytes, and none with odd bytes, is sent: it
//     would end the connection that carries the whole node.
//   - What is dropped, refused, lost or ignored is counted by reason ([Stats]).
//
// # Where to start reading
//
// node.go and client.go for what can be called; control.go, barrier.go and
// interest.go for the barrier; publisher.go and request.go for the way out;
// shard.go for the way in.
package bus
