// Package sentelite speaks the dialect of sente-lite clients: one bare event in a
// message, in every format. In EDN it says byte for byte what the reference servers
// print. Payloads of others pass through as they are given. Nothing here blocks,
// keeps a message or knows a connection. Start reading at [Voice].
package sentelite
