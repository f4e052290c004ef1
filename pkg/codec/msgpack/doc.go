// Package msgpack reads and writes MessagePack with the extension types of Sente's
// packer: keywords, symbols, characters, ratios, sets, arrays of numbers, codes for
// map keys that came before, UUIDs, and times.
//
// It owns the rules of that format and nothing else: it knows no event and no
// channel. A Reader refuses what a receiver's reader would fail on, or what
// Clojure's reader would refuse once the value is EDN: lengths beyond the message,
// codes without a key, names and times that EDN cannot write, keys and elements
// that occur twice, nesting beyond value.MaxDepth. What MessagePack knows and EDN
// does not is told to other Sinks by the table in docs/formats.md; a Writer of this
// package is told all of it.
//
// The code of a key counts the keys before it in the same message. So a part of a
// message says something else elsewhere: Reader.Detach resolves its codes. A Writer
// uses none, and its bytes may be put anywhere in bytes without codes.
//
// A Reader or Writer is owned by one goroutine at a time; Walk and Check borrow a
// Reader from a pool. Nothing here starts a goroutine or blocks. A Reader's time is
// proportional to its input, and it does not allocate once its scratch has grown.
// Start reading at reader.go, then extension.go; writer.go is the other direction.
package msgpack
