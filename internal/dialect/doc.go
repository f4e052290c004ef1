// Package dialect holds what every dialect has in common: the commands a
// client can give and the reasons for which one is refused.
//
// A dialect turns a message into a [Command] and what the node has to say into
// payloads, in each of its formats by a [Voice]; it does no I/O, holds no
// connection and decides nothing about routing. Its functions run on whatever
// goroutine calls them. The one dialect so far is in package sentelite, in EDN
// and JSON. Another dialect, or another format, is one more Voice.
package dialect
