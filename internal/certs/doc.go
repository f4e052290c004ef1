// Package certs keeps what a server needs to speak TLS: its certificate with the key, and the authorities of its
// clients' certificates.
//
// They are files, and looked at again when somebody connects, once in a second at most: a new pair is in use for the next
// handshake, without a signal and without a goroutine. A pair that cannot be used is told once, and the one in use stays.
// Connections live on whatever happens to the files.
//
// Revocation lists and OCSP are not looked at: what is not to be believed any more must expire, or its authority go.
package certs
