// Package sente speaks the dialect of Sente's clients, in every format.
//
// A message of a client is [event callback]; a push is a vector of events in the
// same wrapping, and an answer [value callback]. Which version of Sente a client
// has is seen by the form of its messages, dialect.Form: a Parser tells it, and a
// Voice frames by it. What is said inside is the same as in every other dialect.
// Nothing here blocks, keeps a message or knows a connection. Start reading at
// [Voice].
package sente
