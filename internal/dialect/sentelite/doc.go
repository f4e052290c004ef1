// Package sentelite speaks the dialect of sente-lite clients, in EDN: text
// messages with one bare event each.
//
// [Parser.Parse] reads what a client says; the Append functions write what it
// hears, byte for byte in the form that the reference servers print. Payloads
// of others pass through as they came. Nothing here blocks, keeps a message or
// knows a connection. Start reading at [Parser.Parse].
package sentelite
