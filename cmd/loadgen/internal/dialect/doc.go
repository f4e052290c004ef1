// Package dialect is what the load generator's clients say and hear: how they
// subscribe, publish and ping, and what a message from the server is.
//
// It knows texts, no sockets and no frames, keeps no state and starts nothing. A
// client that receives many messages looks only for a mark in them (see the
// package load); [Dialect.Read] is for the others. A further dialect is one file
// with a type that implements [Dialect], and its line in the list of those known.
//
// Start reading at [Dialect]; sentelite.go is the one that there is.
package dialect
