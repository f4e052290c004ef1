// Command example is a backend for trying out: it serves a page that shows a
// cluster at work, makes a token for whoever types a name there, and takes and
// pushes events over NATS as any backend does. Whoever types a name is that user:
// it is an example, not a login.
//
//	server.go    the page, the tokens
//	backend.go   a counter, whispers, a welcome
//	static/      the page itself, a client of the sente-lite dialect in JSON
package main
