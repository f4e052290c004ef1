// Package bench runs the project's benchmark: a node on one core, the load
// generator on the other, and between the runs a reference, so that every number is a
// ratio to what the same machine could do in the same minute. References are the raw
// server, one send for each delivery or an upgrade and no more, and a server on a good
// library of goroutines ([Options.Peer]).
//
// It starts processes and reads what they print; all measuring is done by the load
// generator in a process of its own. Each run of a case gets fresh nodes. Write calls
// are counted from outside the node in a short run that nothing else is read from.
// Every process that is started is ended, by its process id, before [Run] returns.
//
// Start reading at run.go; the cases, their bars and what is aimed at are in plan.go.
package bench
