// Package handshake reads and answers the HTTP request that opens a connection (RFC 6455 section 4.2), without
// I/O: bytes in, a Request or an *Error out, and the bytes of the answer.
//
// A connection's loop collects bytes until End finds the end of the head, and gives exactly the head to Parse.
// Parse is strict: what two HTTP parsers could read differently is refused (RFC 9112 sections 2 to 5). It
// accepts WebSocket upgrades and plain GET and HEAD requests without a body; a plain request is for net/http,
// which gets the same bytes again. The answer to an upgrade is AppendSwitch, to everything else AppendRefusal.
//
// Compression is negotiated here too (Request.Deflate): an offer that cannot be honoured is passed over, and never
// a reason to refuse.
//
// Everything here may be called from any goroutine; nothing is shared.
package handshake
