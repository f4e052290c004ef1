// Command loadgen puts load on a Hoshi server and measures what clients get.
//
// Its scenarios are idle, storm, fanout, pingpong and userpush, with thin clients,
// and clients, with those of pkg/client; ceiling measures the most that single sends
// can reach on the same machine, which is what the others' numbers are to be compared
// with. run takes scenarios from an EDN file, compare lines up the results of two
// runs. JSON goes to standard output or a file, what people read to standard error.
//
// Thin clients are in internal/load, on one poller loop, which says why; full ones in
// internal/fleet. What clients say is in internal/dialect, frames in internal/wsclient,
// the server of ceiling in internal/rawserver, scenario files in internal/scenario,
// percentiles, output and comparison in internal/report, what is asked of the machine
// in internal/host. Start reading at main.go, then output.go; scenarios/ has examples.
package main
