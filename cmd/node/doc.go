// Command node is hoshi: the server, and the commands people use around it.
//
// Without a command it runs a node: an embedded NATS server unless --nats-url
// names an external one, and on it the edge that clients connect to. They start
// in that order and stop in reverse. `pub` pushes from a shell, `tap` prints what
// passes on NATS, `version` says what was built.
//
// Whatever a person got wrong, or the surroundings do not allow, is one line on
// standard error for each fault and exit code 2; there is no usage dump and no
// stack trace. Exit code 0 is also what Ctrl-C and SIGTERM give.
//
// Start reading in cli.go, where the commands are; the node is node.go.
package main
