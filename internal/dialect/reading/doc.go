// Package reading finds out what a client wants: the command behind an
// envelope, in any format.
//
// It is what the parsers of all dialects have in common; they differ in how an
// event is wrapped. A [Reader] belongs to a parser, and to one goroutine at a
// time. It decodes the arguments of channel operations and nothing else, keeps
// scratch of a bounded size, and holds nothing of a message between calls.
package reading
