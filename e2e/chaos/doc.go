// Command chaos runs several nodes and NATS servers as processes, with clients
// that come and go and publishers that number what they say, breaks one thing
// after the other, and checks every message.
//
//	go run ./e2e/chaos --time 3m --clients 100000
//
// It must run as root, for network namespaces, unless it is told --no-netns. It
// prints the seed of its schedule, each fault as it happens, and a table at the
// end; it ends with 1 where something is wrong, 2 where it could not run, and
// keeps the logs of the processes then. It signals only what it has started and
// removes its namespaces, also when it is interrupted.
//
//	options.go, main.go   what can be said, and the order of a run
//	cluster.go            what runs: processes, their addresses, relays, namespaces
//	probe.go              when everything works again
//	steady.go, publish.go, churn.go, roam.go
//	                      the clients: those who hear everything, those who speak,
//	                      those who come and go, tabs that go from node to node
//	faults.go, deck.go    what is broken, and in which order
//	leaks.go, report.go   what is left behind; what is printed
//	internal/book/        what was published, what must have been heard: the checker
//	internal/thin/        a client with no more than it needs
//	internal/relay/       a TCP proxy that delays, stalls, cuts and resets
//	internal/netns/       network namespaces
//	internal/proc/        processes
//
// docs/faults.md says what nodes do in each case.
package main
