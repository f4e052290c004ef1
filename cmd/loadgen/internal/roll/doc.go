// Package roll restarts the nodes of a cluster one after the other, as an upgrade
// does, under clients of pkg/client that come back by themselves, and tells what that
// costs them: how many come back at once, for how long each is away, and whether a
// message was lost or came twice.
//
// A node more than those that are restarted holds the NATS server and the publisher,
// so that neither is what is measured. Each channel has one publisher, who numbers
// what it says: a client hears the numbers in order, and each that is not there is
// either missed while it was away, which is what channels promise, or lost.
//
// Start reading in run.go; what is counted is in tally.go and member.go.
package roll
