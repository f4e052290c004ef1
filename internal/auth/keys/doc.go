// Package keys holds the keys that tokens are checked with: secrets, public
// keys in PEM, and sets of public keys (JWKS, RFC 7517) that a [Remote] fetches
// and keeps.
//
// A [Key] has exactly one algorithm (RFC 8725, section 3.1), which comes from
// its maker and never from a token. A Key is not changed after it is made. A
// Remote has one goroutine, which alone fetches; everybody else reads the
// newest set through an atomic pointer, and never waits for the network unless
// they choose to.
//
// Nothing here is believed because it came by TLS: documents are bounded in
// size and count, keys that are too small or too large are left out, and
// symmetric keys are never taken from a url.
//
// Start reading at [Key]; the cache is in remote.go.
package keys
