// Package wsclient is the load generator's own half of a WebSocket: it writes
// masked client frames and reads server frames.
//
// It owns no socket and starts no goroutine. It exists apart from the server's
// frame code on purpose: a client that shares its parser with the server it
// measures would share its faults too, and it must be far cheaper for a message
// than any server, or it is what gets measured. So [Parser] copies nothing
// while whole frames arrive, and of a frame that is cut keeps no more than
// [HeadMax] bytes.
//
// Start reading at [Parser.Next]; the upgrade is in upgrade.go.
package wsclient
