// Package wsconn is the server side of WebSocket (RFC 6455) for very many cheap connections.
//
// A connection is one Conn, embedded in whatever its owner keeps for it, on one loop for life. No goroutine belongs
// to it and, while it is idle, no buffer. The Server accepts, spreads connections evenly over its loops and calls
// the Handler of each on its loop.
//
// # What owns what
//
// The loop owns parser, state, timers and socket of its connections. The send queue has a leaf lock: any goroutine
// appends shared, immutable Frames (Conn.Enqueue, Batch), only the loop takes them. A Conn is an ordinary heap
// object that is never used again for another connection, so a pointer kept too long is harmless: Enqueue then says
// Rejected.
//
// # A turn of the loop
//
// Reads (frames are parsed and unmasked in place in the loop's read buffer, messages handed to Handler.OnMessage),
// timers, then what other goroutines posted, then one flush of every connection that has something to send. What
// arrives together leaves together: small frames are joined into the loop's own buffer and leave in one call, large
// ones are vectored. After a turn that coalesced, the loop gathers for a moment (see loop.gather).
//
// # Invariants
//
//   - Nothing is allocated from a length that a peer announced; a header is judged before its payload arrives.
//   - Everything received before a close frame is handled; nothing is sent after one; a close is answered once.
//   - Every byte that is kept for a connection is bounded: the message limit and one read buffer inward, the queue
//     bounds and one notice outward. Pongs count as well. A peer that does not read its answers is not read from
//     beyond half of the queue.
//   - Only the loop writes, and only from the head of the queue. What has begun to leave stays, whatever a Policy says.
//   - Only a delivery (NewDelivery) is ever dropped, and each drop is counted. No connection stays for which the
//     system takes nothing for StallTimeout.
//   - OnClosed comes exactly once for a connection that was accepted.
//   - A panic in a Handler closes that connection with 1011 and is counted.
//
// Start reading at conn.go, then parse.go for what comes in, queue.go and flush.go for what goes out, policy.go and
// room.go for what becomes of it when there is no room, close.go for the end.
package wsconn
