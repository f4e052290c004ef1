// Package dialect holds what every dialect has in common: the commands a
// client can give and the reasons for which one is refused.
//
// A dialect turns a message into a [Command] and what the node has to say into
// payloads, in each format by a [Voice]; it does no I/O, holds no
// connection and decides nothing about routing. Its functions run on whatever
// goroutine calls them.
//
// What is said is the same in every dialect: package words has the [Words] of
// each format, and package reading the commands behind each envelope. The
// framing differs: package sentelite has bare events, package sente wraps
// everything, in the forms of Sente's versions.
package dialect
