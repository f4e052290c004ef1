// Package words holds the words of each format: what nodes say to clients, in
// EDN as the reference servers print it, and in every other format the same
// value by the table of docs/formats.md.
//
// A [Phrase] is written once, in EDN, with holes; it is converted to each format
// when the program starts, and what is in its holes is appended byte for byte. So
// nothing is converted for each message but names and keywords, where they need
// it. Everything here is safe for concurrent use. Start reading at phrase.go.
package words
