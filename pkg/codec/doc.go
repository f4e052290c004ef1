// Package codec finds the parts of a message: which event it is, its data and its callback, as spans of the bytes that came.
//
// It owns the shapes of envelopes, which are the same in every format, and knows no dialect and no channel. A Parser belongs
// to one goroutine at a time, usually an event loop; it checks the whole message by the format's own rules (package edn),
// does not allocate, and decodes nothing: an Envelope borrows from the message and is valid as long as the message is.
//
// Start reading at Parser.EDN.
package codec
