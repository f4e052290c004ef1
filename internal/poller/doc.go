// Package poller runs event loops: one goroutine that owns very many sockets and calls their handlers.
//
// Two implementations keep one contract. On Linux a loop is an epoll descriptor that is parked in Go's own
// netpoller; a socket costs 32 bytes of table and no goroutine. The portable loop (other systems, connections
// whose bytes cannot be read raw, or Options.Portable) reads with one goroutine for each socket and hands what
// it read to the same loop goroutine. contract_test.go runs every case against both.
//
// # What owns what
//
// The loop goroutine owns everything of its sockets: table, interest, timers, reads and writes. All methods
// marked "loop only" must be called on it, which means from a Handler method, from a function given to Post or
// After, or from Options.OnTurn. Other goroutines use Post and Wake, whose wake-ups are merged.
//
// # A turn
//
// wait, posted functions, socket events (writable, then readable, then hang-up), timers, OnTurn. What should
// leave together is collected during the turn and written in OnTurn.
//
// # Invariants
//
//   - Only the owning loop closes a descriptor, and an event carries a generation, so that an event which was
//     under way when its socket was closed reaches nobody, even when the descriptor number is in use again.
//   - The bytes given to OnRead live in the loop's one shared buffer and are gone when the call returns.
//   - Everything received is handed over before OnHangup, which comes at most once and drops read interest.
//   - One event reads at most Options.ReadBudget bytes, so that one peer cannot starve the others.
//   - A panic in a callback is recovered; Options.OnPanic hears of it and the loop goes on.
//
// Start reading at loop.go, then epoll_linux.go.
package poller
