package main

import "github.com/hoshi-ws/hoshi/internal/config"

// warning is what may well be meant, and should be known: what is open to more
// people than one would think.
type warning struct {
	option, value string // what it is about
	text          string
}

// warnings are those of the options, after what --dev stands for.
func warnings(s *config.Shared, o *config.Node) []warning {
	var all []warning
	if o.InsecureUIDParam != "" {
		all = append(all, warning{"insecure-uid-param", o.InsecureUIDParam, "user ids are taken from the query, anybody can be anybody"})
	}
	if !o.Listen.Loopback() && !o.Restricted() && !o.Asks() && !o.WantsCertificates() {
		all = append(all, warning{"listen", string(o.Listen), "anybody from the network may connect, subscribe, publish and send events, set --token-required, --channel-rules and --event-rules"})
	}
	if o.Embedded(s) && s.NATSUser == "" && s.NATSToken == "" && !o.NATSListen.Loopback() {
		all = append(all, warning{"nats-listen", string(o.NATSListen), "nats takes anybody from the network, set --nats-user and --nats-password"})
	}
	if !o.AdminListen.Loopback() {
		all = append(all, warning{"admin-listen", string(o.AdminListen), "statistics, profiling and control are open to the network"})
	}
	return all
}
