// Package gzip puts on and takes off the wrapper of Sente's gzip packer, which may be
// around a message in any format: one byte that says whether the message follows as
// it is (0) or compressed (1, RFC 1952). Messages of 1,024 bytes and more are
// compressed.
//
// What a message unfolds to is bounded by the caller, as a short one can stand for a
// very long one. Its functions are safe for concurrent use; they borrow compressors
// from pools, start no goroutine and do not block.
package gzip
