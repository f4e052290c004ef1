// Package edn is Hoshi's lossless reader of EDN: it tells whether a text is one that Clojure's own reader
// (clojure.edn, 1.11) accepts, finds the spans of its parts, tells a writer of another format what they are (Walk), writes what
// such a reader tells (Writer), and writes the one canonical text that all equal values share.
//
// It owns the rules of the notation and nothing else: it knows no event, no channel and no dialect. What travels is never
// decoded, because a decoded value loses what the sender wrote (a list turns into a vector, 1N into 1); payloads are checked
// and relayed as they came, or told to a writer value by value, each as it was written. Typed values, for configuration files
// and for Go structs, go through Decode and Marshal, which use olympos.io/encoding/edn and cover less.
//
// Invariants:
//   - A text that Check accepts makes no reader throw: balanced, legal tokens, no duplicate key or element by Clojure's
//     equality, calendar-checked #inst, and nesting of at most MaxDepth.
//   - The scan does not allocate, except to confirm a duplicate (which ends the scan) and while a Scanner's scratch grows.
//   - Its time is proportional to the text, however hostile: hashes are seeded, and big numbers are never converted.
//   - Positions are byte offsets into the caller's text, and no result keeps the text alive or writes to it.
//
// Where it is stricter than Clojure, on texts that Clojure never prints: tags without a namespace are refused whatever readers
// there are; digits of other scripts in escapes and in #uuid are refused; under a tag 1 and 1N count as one value, as nobody
// knows what the tag's reader makes of them; a decimal whose trailing zeros carry its exponent out of range is refused in maps and sets of any
// size. Names of array classes (a/1, since Clojure 1.12) are refused, because older readers and ClojureScript's refuse them.
//
// A Scanner is owned by one goroutine at a time, usually an event loop; Check borrows one from a pool. Nothing here starts a
// goroutine or blocks. Start reading at Scanner.Check in scanner.go, then value.go; the rules for tokens are in token.go
// and number.go, Clojure's equality is in hash.go, the canonical text in canonical.go, and conversion in walk.go and writer.go.
package edn
