// Package host is what the load generator asks of the machine that it runs on:
// source addresses, descriptors, buffers of sockets, and what a process uses.
//
// It keeps no state and starts nothing. What a system does not know is left as it
// is, or an error. Start reading at [ParseSources] and [RSS].
package host
