// Package codec finds the parts of a message, in every format: which event it is, its data and its callback. And it says in
// one format what was said in another.
//
// It owns the shapes of envelopes, which are the same in every format, and knows no dialect and no channel. A Parser belongs
// to one goroutine at a time, usually an event loop; it checks the whole message by the format's own rules (packages edn, json,
// transit, msgpack) and decodes nothing. An Envelope borrows from the message, and where something in it would mean something
// else elsewhere, as cache codes do, from the Parser. So each part that is handed out may be put anywhere in a message of its
// format; the same goes for what a Scanner and a Converter return.
//
// Start reading at Parser.Parse, then convert.go; shape.go is what the formats have in common.
package codec
