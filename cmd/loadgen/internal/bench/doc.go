// Package bench runs the project's benchmark: a node on one core, the load
// generator on the other, and between the runs the raw server's ceiling, so that
// every number is a ratio to what the same machine could do in the same minute.
//
// It starts processes and reads what they print; all measuring is done by the load
// generator in a process of its own. Each case gets a fresh node. Write calls are
// counted from outside the node in a short run that nothing else is read from.
// Every process that is started is ended, by its process id, before [Run] returns.
//
// Start reading at run.go; the cases and their bars are in plan.go.
package bench
