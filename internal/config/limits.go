package config

import "fmt"

// Limits is what a node understands about how much clients may have and do,
// beside the bounds that belong to a group of their own.
type Limits struct {
	MaxConnections           int `name:"max-connections" default:"0" min:"0" max:"100000000" placeholder:"N" help:"Connections of this node; new ones beyond are refused with 503. 0 is what the limit of descriptors leaves." more:"That is the limit less 64 and a twentieth, so that a full node can say so. Clients that poll count as one each; /health and the like are always answered." group:"Limits" tune:""`
	MaxConnectionsPerAddress int `name:"max-connections-per-address" default:"0" min:"0" max:"100000000" placeholder:"N" help:"Connections of one address, or /64 of IPv6; more are refused with 429. 0 is no limit." more:"Behind a proxy all clients have its address, unless --proxy-from or --forwarded-from name it." group:"Limits" tune:""`
	MaxConnectionsPerUser    int `name:"max-connections-per-user" default:"0" min:"0" max:"100000000" placeholder:"N" help:"Connections of one user id to this node; more are refused with 429. 0 is no limit." more:"Those without a user id do not count. A client of Sente that reconnects may take the place of its old connection." group:"Limits" tune:""`

	MaxHandshakeRate           int `name:"max-handshake-rate" default:"0" min:"0" max:"100000000" placeholder:"N" help:"Handshakes a second, twice as many at once; more are refused with 503. 0 is no limit." group:"Limits" tune:""`
	MaxHandshakeRatePerAddress int `name:"max-handshake-rate-per-address" default:"0" min:"0" max:"100000000" placeholder:"N" help:"The same of one address, or /64 of IPv6, refused with 429. 0 is no limit." more:"Behind a proxy as --max-connections-per-address." group:"Limits" tune:""`

	MaxHeads           int `name:"max-heads" default:"0" min:"0" max:"100000000" placeholder:"N" help:"Sockets whose request has not come or is being refused; more are closed at once. 0 is 10000, or a quarter of the descriptors." group:"Limits" tune:""`
	MaxHeadsPerAddress int `name:"max-heads-per-address" default:"0" min:"0" max:"100000000" placeholder:"N" help:"The same of one address, or /64 of IPv6; 0 is half of --max-heads." more:"Not of proxies that --proxy-from or --forwarded-from name." group:"Limits" tune:""`

	MaxEventRate int  `name:"max-event-rate" default:"2000" min:"0" max:"100000000" placeholder:"N" help:"Frames a second of one connection, twice as many at once; who sends more is not read for a while. 0 is no limit." more:"Of any kind: messages, their fragments, pings. Who polls is refused with 429." group:"Limits" tune:""`
	MaxByteRate  Size `name:"max-byte-rate" default:"4MiB" min:"0" max:"1GiB" placeholder:"SIZE" help:"Bytes of payload a second of one connection; as --max-event-rate." more:"Of what is compressed, as it is inflated. A message of the largest size may always come at once." group:"Limits" tune:""`
	MaxCallbacks int  `name:"max-callbacks" default:"0" min:"0" max:"500000" placeholder:"N" help:"Callbacks of one connection that may wait for backends; who has more is not read until one has ended. 0 is half of --queue-messages, which is also the most." group:"Limits" tune:""`
	MaxNesting   int  `name:"max-nesting" default:"512" min:"8" max:"512" placeholder:"N" help:"How deep values of a message may nest; a deeper one is refused." more:"The vectors of the message count." group:"Limits" tune:""`
	MaxFragments int  `name:"max-fragments" default:"0" min:"0" max:"100000000" placeholder:"N" help:"Frames of one message; with more the connection is closed with 1009. 0 is 1024, and one for each 16 bytes of --max-message." group:"Limits" tune:""`
}

// check reports relations between the options of limits.
func (l *Limits) check(n *Node, report Report) {
	if most := max(n.QueueMessages/2, 1); l.MaxCallbacks > most {
		report("max-callbacks", fmt.Sprintf("%d is more than half of --queue-messages %d: all may be answered in one moment, and must fit the queue", l.MaxCallbacks, n.QueueMessages))
	}
	for _, o := range []struct {
		option, of string
		part, all  int
	}{
		{"max-connections-per-address", "max-connections", l.MaxConnectionsPerAddress, l.MaxConnections},
		{"max-connections-per-user", "max-connections", l.MaxConnectionsPerUser, l.MaxConnections},
		{"max-handshake-rate-per-address", "max-handshake-rate", l.MaxHandshakeRatePerAddress, l.MaxHandshakeRate},
		{"max-heads-per-address", "max-heads", l.MaxHeadsPerAddress, l.MaxHeads},
	} {
		if o.all > 0 && o.part > o.all {
			report(o.option, fmt.Sprintf("%d is more than --%s %d, and so no limit", o.part, o.of, o.all))
		}
	}
}
