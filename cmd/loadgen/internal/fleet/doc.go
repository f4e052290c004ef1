// Package fleet runs many full clients of pkg/client in this process: they connect,
// subscribe, publish a little, count what they get, and come back by their own rules
// when a node ends.
//
// It is about the clients, where the package load is about the server. A client here
// has goroutines, queues and a parser, so a message costs this process far more than
// any node, and no latency under load is to be measured with it.
//
// A member is one client; its callbacks run on the client's own goroutine, which
// alone touches its counts. What all of them share is the tally, under one lock that
// is held for a few instructions. Run starts everything and waits for everything.
//
// Start reading at [Run]; tally.go is the account of who is away since when.
package fleet
