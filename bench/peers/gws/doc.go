// Command gws is the reference server that the benchmark sets beside Hoshi where a
// ceiling says too little: latencies and round trips. It is what a Go programmer
// writes first with a good library, github.com/lxzan/gws: a goroutine for each
// connection, a frame built once for all subscribers, no bus, no rules, no limits.
//
// It says as much sente-lite as the load generator needs to measure it: a handshake
// frame, subscribe, publish, and the application's ping. It prints "listening
// HOST:PORT" and ends with its standard input, so that it does not outlive whoever
// started it. Start reading at main.go.
package main
