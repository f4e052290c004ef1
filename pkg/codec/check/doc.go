// Package check holds the readers of formats other than EDN to what Clojure's
// reader demands of a value: no key and no element twice, names and decimals that
// EDN can write.
//
// A reader tells a Checker what it tells its value.Sink, by the same calls. The
// Checker knows which values are compared (keys of maps, elements of sets, and what
// is inside of those), hashes only them, and says at the end of a collection
// whether two were equal in Clojure: a list equals a vector, 1 equals 1N and 2/2,
// and 1 differs from 1.0. Nesting is for the reader to bound, as its own recursion
// depends on it.
//
// Equal hashes are taken for equal values. Hashes are seeded for each process, so
// that two distinct keys meet with a chance of 2^-62, and not at a sender's will.
// Time is proportional to the text, and nothing is allocated but scratch, which is
// kept.
//
// A Checker is owned by one goroutine at a time. Start reading at checker.go; the
// rules of equality are in hash.go, those of names in name.go.
package check
