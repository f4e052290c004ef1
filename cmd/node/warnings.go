package main

// warning is what may well be meant, and should be known: what is open to more
// people than one would think.
type warning struct {
	key, value string // what it is about, as the log has it
	text       string
}

// warnings are those of the options, after what --dev stands for.
func warnings(c *cli) []warning {
	var all []warning
	s, o := &c.Shared, &c.Run.Node
	if o.InsecureUIDParam != "" {
		all = append(all, warning{"param", o.InsecureUIDParam, "user ids are taken from the query, anybody can be anybody"})
	}
	if !o.Listen.Loopback() && !o.Restricted() && !o.Asks() && !o.WantsCertificates() {
		all = append(all, warning{"addr", string(o.Listen), "anybody from the network may connect, subscribe, publish and send events, set --token-required, --channel-rules and --event-rules"})
	}
	if o.Embedded(s) && s.NATSUser == "" && s.NATSToken == "" && !o.NATSListen.Loopback() {
		all = append(all, warning{"addr", string(o.NATSListen), "nats takes anybody from the network, set --nats-user and --nats-password"})
	}
	if !o.AdminListen.Loopback() {
		all = append(all, warning{"addr", string(o.AdminListen), "statistics, profiling and control are open to the network"})
	}
	return all
}
