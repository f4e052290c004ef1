// Package sentelite speaks the dialect of sente-lite clients, in EDN and JSON: text
// messages with one bare event each. Its voices are [EDN] and [JSON].
//
// The parsers read what a client says; the Append methods write what it
// hears, in EDN byte for byte in the form that the reference servers print. Payloads
// of others pass through as they are given. Nothing here blocks, keeps a message or
// knows a connection. Start reading at [Parser.Parse].
package sentelite
