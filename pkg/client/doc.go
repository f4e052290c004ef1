// Package client is a client of the service for Go programs: the sente-lite
// dialect in EDN, with a queue at either end.
//
// # Use
//
// [New] makes a client that does nothing yet, so that handlers can be
// registered before the first message comes; [Client.Start] connects, and from
// then on the client stays connected until [Client.Stop]. [Connect] does the
// first two and waits. Events are made, and checked, by [NewEvent].
//
// Outward: [Client.Enqueue] appends to the send queue and says [OK] or
// [Rejected] at once; [Client.EnqueueWait] and [Client.EnqueueAsync] wait for
// room. All that is pending leaves in one write. Without a connection the queue
// keeps its events; what was half written when a connection broke is written
// again on the next. What had been written is at most once: nobody can say
// whether the server read it.
//
// Inward: a message goes to every handler that matches ([Client.On],
// [Client.OnChannel], [Client.Handle]), then to the first waiter that matches
// ([Client.Take], [Client.TakeChan], [Handler] with Take, [RPCWaiter]), else into a
// bounded buffer, where waiters to come look first. Waiters, and what is in the
// buffer, belong to one connection and end with it; handlers stay.
//
// [Client.Request] asks a backend and returns its answer; a backend that asks is
// answered by [Message.Answer]. [Client.Subscribe]
// makes this connection a subscriber; that ends with the connection too.
// Nothing is restored behind the application's back: Options.OnChannelReady is
// called after every handshake and is the place to do it.
//
// # Goroutines
//
// The connector lives from Start to Stop. It dials, and then reads: it answers
// pings, hands answers to requests, and everything else to the inbox. The
// dispatcher runs every callback of the application but OnSend, one at a time, in
// the order of what they tell; it owns handlers, waiters and buffer, and there
// is none while there is nothing to tell. The flusher writes; there is none while
// there is nothing to write. So an idle client is one goroutine with its stack and
// some 6 KiB of heap.
//
// A callback may block, and may make requests, whose answers do not need it. But
// while it does nobody else is called, and when Options.Backlog messages wait the
// connector stops reading, and the node's send queue for this connection fills.
//
// # Invariants
//
//   - No callback runs under a lock, and no two run at once (OnSend, on the
//     flusher, apart).
//   - Every event that was enqueued ends in exactly one of sent, dropped and
//     errors; every waiter is told exactly one outcome, or was removed.
//   - A length that the server declares is believed as its bytes come.
//   - Nothing polls: room, time and the end of a connection are events.
//
// Start reading at client.go; connect.go and link.go are the connection,
// sendqueue.go and flush.go the way out, inbox.go and dispatch.go the way in.
package client
