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
// # Parts
//
// Where one frame may carry several messages, what is queued are parts (NewPart). They wait as frames do, each under
// its own Policy, and only what is about to leave is made into frames, by the owner (Options.Join), who knows the form
// that the peer wants. What the system then did not take is in parts again; only a frame that is half written stays.
// A slow reader so gets fewer and larger frames, and a queue is the same whatever form its peer wants.
//
// # Compression
//
// With Options.Deflate offers of permessage-deflate (RFC 7692) are accepted, both sides without context takeover: each
// message begins anew, so what is sent compressed is the same for every peer, and nothing is kept between messages. What
// is queued are frames as they are, also for such a peer, and the queue's bounds count them so. What is about to leave
// is replaced by its compressed form, which the loop that needs it first makes and the Frame keeps: once for all loops
// and peers. A smaller window of the peer's is kept to by compressing only what fits it whole. Answers of control
// frames, HTTP and what Concat made are never compressed.
//
// What comes compressed is gathered as it is, and inflated when it is whole, into the loop's one buffer, no further than
// MaxMessage. UTF-8 is checked then, and not within a frame. A byte can become a thousand, and 1 KiB so cost a loop what
// 1 MiB does otherwise, a few milliseconds: that is what MaxMessage bounds.
//
// # Limits
//
// A socket counts, from its acceptance to its end, and among those that are not upgraded until it is: there are only so
// many of these, altogether and of an address, and what is beyond is closed at once. An upgrade is then counted as a
// connection, before a Handler hears of it, or refused with a status that says whether to come back. Plain requests are
// not: a full server still says that it is well. One that the Handler refuses is among those that are not upgraded again
// until its peer has gone. What a connection counts for is kept by the loop: in a map for those that are not upgraded,
// and of the others in four bytes by slot, if addresses are limited at all.
//
// Who sends more than it may is not read for a while (throttle.go): TCP tells it. Who has sent something lately is in a
// table of the loop, until its buckets are full again.
//
// # Delays
//
// A delivery may wait for others (Class.Within). A queue in which all may wait is put into a lane of its loop: one lane
// for each delay, so that those that came first are due first and one timer is enough for all of them. A wait that ends
// otherwise leaves its entry behind, which a number tells from a true one. A connection that never waits has no memory
// for it.
//
// # Draining
//
// Server.Drain gives each connection a turn to be closed, evenly over a time: each loop spreads its own, in random order,
// by one timer. What is left is divided by the time that remains each time anew, so who ends by itself leaves its time to
// the others, and a loop that was late does not catch up in a burst. Everything else goes on meanwhile. Stop follows.
//
// # Measures
//
// A loop measures in memory of its own (measure.go): what a queue holds when its flush begins, what a write call is
// given, the age of the oldest delivery that it completes, and how long the turn took. It is added to the server's at the
// end of the turn, for Stats. A delivery says when it was made (Frame.Stamp); answers and pings do not. The clock is
// read when a flush begins and ends, after each 64 connections of it, and once in a turn without one.
//
// # Invariants
//
//   - Nothing is allocated from a length that a peer announced; a header is judged before its payload arrives.
//   - Everything received before a close frame is handled; nothing is sent after one; a close is answered once.
//   - Every byte that is kept for a connection is bounded: the message limit and one read buffer inward, the queue
//     bounds and one notice outward. Pongs count as well. A peer that does not read its answers is not read from
//     beyond half of the queue.
//   - Only the loop writes, and only from the head of the queue. What has begun to leave stays, whatever a Policy says.
//   - Nothing that is begun is awaited for ever: it must go on by 16 KiB, or end, in each StallTimeout.
//   - Only a delivery (NewDelivery) is ever dropped, and each drop is counted. No connection stays for which the
//     system takes nothing for StallTimeout.
//   - OnClosed comes exactly once for a connection that was accepted.
//   - A queue that waits in a lane is neither scheduled nor blocked, and holds nothing that may not wait.
//   - Order is that of queueing, whatever the kinds, policies and delays; a newer value in a slot's old place aside.
//   - A panic in a Handler, or in Join, closes that connection with 1011 and is counted.
//   - A Conn that was never on a loop rejects all that is sent to it.
//
// Start reading at conn.go, then parse.go for what comes in, queue.go and flush.go for what goes out, join.go and
// lane.go for parts and delays, deflate.go and inflate.go for compression, policy.go and room.go for what becomes of it
// when there is no room, admit.go and throttle.go for limits, keepalive.go for silence, trickle.go for what is begun and not ended, drain.go and
// close.go for the end.
package wsconn
