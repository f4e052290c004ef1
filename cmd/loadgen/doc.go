// Command loadgen puts load on a Hoshi server and measures what clients get.
//
// Its scenarios are idle, fanout, pingpong and userpush; ceiling measures the
// most that single sends can reach on the same machine, which is what the others'
// numbers are to be compared with. JSON goes to standard output or a file, what
// people read to standard error.
//
// The scenarios run in internal/load, on one poller loop; frames are in
// internal/wsclient, the server of ceiling in internal/rawserver, percentiles and
// output in internal/report. Start reading at main.go.
package main
