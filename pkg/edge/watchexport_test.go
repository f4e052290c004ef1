package edge

import "github.com/hoshi-ws/hoshi/pkg/bus"

// Traces returns how many watches a node has, and how many sessions are watched.
func Traces(n *Node) (watches, sessions int) {
	n.watches.mu.Lock()
	watches = len(n.watches.mu.list)
	n.watches.mu.Unlock()
	for range n.watches.sessions.Range {
		sessions++
	}
	if sessions != int(n.watches.count.Load()) {
		return watches, -1
	}
	return watches, sessions
}

// Block has the loop of a connection do nothing until release is closed.
func Block(n *Node, connID string, release <-chan struct{}) {
	n.anySession(connID).post(func() { <-release })
}

// LookAgain has the node look at its queues when it is next asked.
func LookAgain(n *Node) {
	n.observed.mu.Lock()
	n.observed.mu.at = n.observed.mu.at.Add(-slowEvery)
	n.observed.mu.Unlock()
}

// Watch begins a watch, and returns what ends it.
func Watch(n *Node, q bus.TraceQuery) (end func()) {
	g, err := (*observer)(n).Trace(q)
	if err != nil {
		panic(err)
	}
	return g.Stop
}
