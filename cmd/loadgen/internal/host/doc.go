// Package host is what the load generator asks of the machine that it runs on:
// source addresses, descriptors, buffers of sockets, what a process uses, and how late
// it is woken.
//
// It keeps no state and starts nothing. What a system does not know is left as it
// is, or an error. Start reading at [ParseSources] and [RSS].
package host
