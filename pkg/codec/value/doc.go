// Package value says what travels, whatever format it is written in: the kinds
// of value that Clojure's readers know, and the calls by which a reader of one
// format tells a writer of another what it reads.
//
// A reader (edn.Walk, json.Walk and so on) checks a text and calls a [Sink] once
// for each scalar and at the beginning and end of each collection, in the order
// of the text, without building a tree. A writer is a Sink that appends text. So
// every format needs one reader and one writer, and every pair of formats is
// converted in one pass. What a format cannot say, its writer replaces by the
// table in docs/formats.md.
//
// The package holds no state and imports nothing of ours.
package value
