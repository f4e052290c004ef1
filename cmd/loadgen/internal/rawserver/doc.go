// Package rawserver is the ceiling that Hoshi's fan-out is compared with: as
// little server as can still be measured by the same client.
//
// It speaks just enough sente-lite to be subscribed and published to, and for
// each delivery it makes one raw send of bytes that were built once, to one
// socket after the other, on one thread. It has no queue, no rules, no limits
// and no bus, and trusts its client. So its deliveries for each second are what
// one core can do in single sends on this machine in this minute, and every
// other number is given as a ratio of it.
//
// One goroutine owns everything: the one that calls [Server.Serve]. Start
// reading there. Linux only.
package rawserver
