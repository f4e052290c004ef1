// Package id makes and reads the two identities of the system: the node-id of
// a process and the conn-id of one socket.
//
// A conn-id is a UUIDv7 (RFC 9562, section 5.7) whose last 48 bits are the
// node-id, so that its own text says which node holds the socket. Nothing here
// is a secret: a conn-id appears in handshakes, messages, logs and subjects.
//
// The package holds no state but the counter of a [Generator]. Start reading
// at [Generator.Next].
package id
