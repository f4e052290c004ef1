// Package auth says who comes, and what he may do. It decides; it serves
// nobody: no socket, no NATS, no configuration file.
//
// A [Verifier] checks tokens (JWT, RFC 7519, by the advice of RFC 8725) of one
// or several issuers and returns an [Identity]. [Sources] finds the token of a
// request. [Origins] and [CSRF] keep foreign web pages from using a visitor's
// cookies. [Revocations] has what is not to be believed any more. Who may
// subscribe and publish is in the package rules, where keys come from in keys.
//
// Everything may be called from any goroutine, and nothing here waits, but
// [Verifier.VerifyWait] and [Verifier.Stop]. The only I/O is the fetching of
// key sets, on goroutines between [Verifier.Start] and Stop, and the reading of
// PEM files in [New].
//
// Errors that reach a stranger are an [*Error] with one reason of a bounded
// set. None quotes a token, nor anything else of a request.
//
// Issuers share one space of uids: sub "alice" is the same user whoever has
// signed it. Give a node only issuers that agree on who is who.
//
// Start reading at [Verifier.Verify].
package auth
