// Package natsd runs the NATS server that lives inside a node when no external
// NATS is configured.
//
// It owns one *server.Server: the client listener that backends reach, and the
// cluster listener and routes that join the embedded servers of several nodes
// into one cluster. The node itself reaches the server without a socket, through
// [Server.InProcess].
//
// nats-server starts and owns its goroutines; Start adds none, and
// [Server.Shutdown] returns after all of them have ended.
//
// Invariants:
//   - A port in use is an error before the server starts, naming the listener
//     ([PortError]); nats-server itself would only fail to become ready.
//   - No cluster listener and no route beyond loopback without credentials
//     ([CredentialsError]): whoever can open a route can read and forge
//     everything.
//
// Start reading at [Start].
package natsd
