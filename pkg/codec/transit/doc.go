// Package transit reads and writes Transit in JSON (version 0.8 of the published
// format), in its ordinary form with a key cache and in its verbose form.
//
// It owns the rules of that format and nothing else: it knows no event and no
// channel. A Reader takes both forms, also mixed, and refuses what a receiver's
// reader would fail on, or what Clojure's reader would refuse once the value is
// EDN: malformed JSON and cache codes, tags out of place, names and times that EDN
// cannot write, keys and elements that occur twice, nesting beyond value.MaxDepth.
// What Transit knows and EDN does not is told to other Sinks by the table in
// docs/formats.md; a Writer of this package is told all of it, so that rewriting
// Transit as Transit loses nothing.
//
// A cache code means a string that stood earlier in the same message. So a part of
// a message says something else elsewhere: Reader.Detach resolves its codes, and
// rewrites what Java's or JavaScript's reader would fail on (portable.go). A
// Writer uses no codes unless it is told to, and its text may be put anywhere in
// a text without codes. How much codes may stand for is bounded by the length of
// the message.
//
// A Reader or Writer is owned by one goroutine at a time; Walk and Check borrow a
// Reader from a pool. Nothing here starts a goroutine or blocks. A Reader's time is
// proportional to its text, and it does not allocate once its scratch has grown.
// Start reading at reader.go, then scalar.go and composite.go; json.go is the
// notation below, writer.go and cache.go the other direction.
package transit
