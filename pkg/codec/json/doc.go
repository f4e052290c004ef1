// Package json is Hoshi's reader and writer of JSON: it checks a text, finds the spans of its parts, tells a value.Sink what is
// in it (Walk), and writes what the reader of another format tells (Writer).
//
// The rule by which JSON and Clojure's values become each other is in docs/formats.md. In short: keys of objects become keywords
// where they can, numbers with a point or an exponent are doubles, and strings stay strings; in the other direction keywords
// are their names, and what JSON has no notion of becomes a string.
//
// It is stricter than the standard library's reader, because what it reads becomes text that Clojure's reader has to take, and
// because one message must mean the same to everybody: no key twice in an object, no text that is not UTF-8, no lone surrogate
// in a key, and nesting of at most value.MaxDepth. It keeps numbers exact, and does not allocate, except while scratch
// grows.
//
// A Scanner and a Writer are owned by one goroutine at a time, usually an event loop. Nothing here starts a goroutine or
// blocks. Start reading at Scanner.value in scanner.go; how the Writer keeps keys apart is in key.go.
package json
