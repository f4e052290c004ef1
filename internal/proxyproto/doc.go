// Package proxyproto reads the header of the PROXY protocol, versions 1 and 2, by which a proxy that forwards bytes
// says whom it forwards them for.
//
// Parse is all there is to it: bytes in, header out, no I/O, nothing allocated. It is asked again when more has come,
// and says as early as it can be told that what comes is none. Listener is for connections that are read by a goroutine
// of their own: it takes the header off before anything else is read.
//
// A header is believed by whoever reads one, so it must be looked for only on connections of proxies, and there it must
// be required: where it may be left out, a client can write one.
package proxyproto
