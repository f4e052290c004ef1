package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// embeddedMaxMessage is what fits the embedded server's max_payload of 8 MiB
// with 16 KiB left for headers.
const embeddedMaxMessage = 8<<20 - 16<<10

// Check reports relations between the options that every command understands.
func (s *Shared) Check(report Report) {
	for _, u := range s.NATSURL {
		if problem := natsURLProblem(u); problem != "" {
			report("nats-url", problem)
		}
	}
	if s.NATSPassword != "" && s.NATSUser == "" {
		report("nats-password", "needs --nats-user")
	}
	if s.NATSUser != "" && s.NATSPassword == "" {
		report("nats-user", "needs --nats-password")
	}
	if s.NATSTLSCert != "" && s.NATSTLSKey == "" {
		report("nats-tls-cert", "needs --nats-tls-key")
	}
	if s.NATSTLSKey != "" && s.NATSTLSCert == "" {
		report("nats-tls-key", "needs --nats-tls-cert")
	}
	var ways []string
	for _, w := range []struct{ option, value string }{
		{"nats-creds", s.NATSCreds}, {"nats-user", s.NATSUser}, {"nats-token", s.NATSToken}, {"nats-nkey", s.NATSNKey},
	} {
		if w.value != "" {
			ways = append(ways, w.option)
		}
	}
	if len(ways) > 1 {
		report(ways[1], "only one way to log in, but --"+ways[0]+" is given too")
	}
	if !prefixWord.MatchString(s.Prefix) {
		report("prefix", quote(s.Prefix)+" is no prefix: want up to 32 letters, digits, dashes and underscores")
	}
}

// prefixWord is what pkg/bus takes as the first level of its subjects.
var prefixWord = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// echoPath is what no client of the node's own asks for.
var echoPath = regexp.MustCompile(`^/[^ ?#]+$`)

// Check reports relations between the options of a node, and between those and
// the shared ones.
func (n *Node) Check(s *Shared, report Report) {
	for _, l := range []struct {
		option string
		addr   Addr
	}{{"listen", n.Listen}, {"admin-listen", n.AdminListen}, {"nats-listen", n.NATSListen}} {
		if l.addr == "" {
			report(l.option, "needs an address, like 127.0.0.1:0")
		}
	}
	n.checkPorts(s, report)
	if n.IdleTimeout <= n.PingInterval {
		report("idle-timeout", fmt.Sprintf("%v is not more than --ping-interval %v, so idle clients would be cut between two pings", n.IdleTimeout, n.PingInterval))
	}
	if n.WSEcho != "" && !echoPath.MatchString(n.WSEcho) || n.WSEcho == "/ws" || n.WSEcho == "/chsk" {
		report("ws-echo", quote(n.WSEcho)+" is no path of its own, like /echo")
	}
	if n.Embedded(s) && n.WSEcho == "" && n.MaxMessage > embeddedMaxMessage {
		report("max-message", fmt.Sprintf("%v is more than the embedded NATS carries, the most is %v", n.MaxMessage, Size(embeddedMaxMessage)))
	}
	if strings.ContainsAny(n.InsecureUIDParam, "&=?# ") {
		report("insecure-uid-param", quote(n.InsecureUIDParam)+" is no name of a query parameter")
	}
	if !n.ChannelAutoCreate && len(n.ChannelPatterns) == 0 {
		report("channel-auto-create", "false, and without --channel-patterns no channel exists")
	}
	n.checkRules(report)
	n.Access.check(report)
	n.Callouts.check(report)
	n.Limits.check(n, report)
	n.Transport.check(report)
	n.Tracing.check(report)
	n.checkInsecure(report)
	n.checkCluster(s, report)
	if n.Embedded(s) {
		for _, o := range []struct{ option, value string }{
			{"nats-creds", s.NATSCreds},
			{"nats-nkey", s.NATSNKey},
			{"nats-tls-ca", s.NATSTLSCA},
			{"nats-tls-cert", s.NATSTLSCert},
			{"nats-tls-key", s.NATSTLSKey},
		} {
			if o.value != "" {
				report(o.option, "needs --nats-url: the embedded NATS knows --nats-user and --nats-token only")
			}
		}
	}
}

// checkRules finds rules that an earlier one leaves nothing for, which is a
// mistake in their order.
func (n *Node) checkRules(report Report) {
	if problem := orderProblem(n.ChannelOverflow, func(r Rule) string { return r.Pattern }); problem != "" {
		report("channel-overflow", problem)
	}
	if problem := orderProblem(n.ChannelBatch, func(b Batch) string { return b.Pattern }); problem != "" {
		report("channel-batch", problem)
	}
}

// checkPorts finds two listeners on one port before the system does.
func (n *Node) checkPorts(s *Shared, report Report) {
	type listener struct {
		option string
		addr   Addr
	}
	all := []listener{{"listen", n.Listen}, {"admin-listen", n.AdminListen}, {"metrics-listen", n.MetricsListen}}
	if n.Embedded(s) {
		all = append(all, listener{"nats-listen", n.NATSListen}, listener{"nats-cluster-listen", n.NATSClusterListen})
	}
	for i, b := range all {
		for _, a := range all[:i] {
			if a.addr.overlaps(b.addr) {
				report(b.option, fmt.Sprintf("%s is taken by --%s already", b.addr, a.option))
			}
		}
	}
}

func (n *Node) checkCluster(s *Shared, report Report) {
	if !n.Embedded(s) {
		const unused = "is for the embedded NATS, and --nats-url says to embed none"
		if n.NATSClusterListen != "" {
			report("nats-cluster-listen", unused)
		}
		if len(n.NATSRoutes) > 0 {
			report("nats-routes", unused)
		}
		return
	}
	if n.NATSClusterUser != "" && n.NATSClusterPassword == "" {
		report("nats-cluster-user", "needs --nats-cluster-password")
	}
	if n.NATSClusterPassword != "" && n.NATSClusterUser == "" {
		report("nats-cluster-password", "needs --nats-cluster-user")
	}
	const how = "reaches beyond this machine: give --nats-cluster-user and --nats-cluster-password, the same on every node"
	safe := n.NATSClusterUser != "" && n.NATSClusterPassword != ""
	if n.NATSClusterListen != "" && !n.NATSClusterListen.Loopback() && !safe {
		report("nats-cluster-listen", string(n.NATSClusterListen)+" "+how)
	}
	if len(n.NATSRoutes) > 0 && n.NATSClusterListen == "" {
		report("nats-routes", "needs --nats-cluster-listen, since routes go both ways")
	}
	for _, r := range n.NATSRoutes {
		host, err := routeHost(r)
		switch {
		case err != "":
			report("nats-routes", err)
		case !loopbackHost(host) && !safe:
			report("nats-routes", Redact(r)+" "+how)
		}
	}
}

// routeHost returns the host of "host:port" or "nats://host:port".
func routeHost(route string) (host, problem string) {
	_, rest, ok := strings.Cut(route, "://")
	if !ok {
		rest = route
	}
	if strings.Contains(rest, "@") {
		return "", Redact(route) + " holds credentials: give --nats-cluster-user and --nats-cluster-password instead"
	}
	a, err := parseAddr(rest)
	if err != nil || a == "" || a.Host() == "" || a.Port() == 0 {
		return "", quote(Redact(route)) + " is no route: want host:port, like 10.0.0.2:6222"
	}
	return a.Host(), ""
}

// natsURLProblem says what is wrong with the URL of a NATS server, "" when
// nothing is. A scheme may be left out, as nats.go allows.
func natsURLProblem(raw string) string {
	const want = ": want nats://host:4222 or tls://host:4222"
	text := raw
	if !strings.Contains(text, "://") {
		text = "nats://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return quote(Redact(raw)) + " is no NATS URL" + want
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
	default:
		return quote(Redact(raw)) + " is no NATS URL" + want
	}
	if strings.Contains(u.Hostname(), ":") && !strings.HasPrefix(u.Host, "[") { // two ports, or a bare IPv6 address
		return quote(Redact(raw)) + " is no NATS URL" + want
	}
	if port := u.Port(); port != "" {
		if _, err := parseAddr(net.JoinHostPort(u.Hostname(), port)); err != nil || port == "0" {
			return quote(Redact(raw)) + " is no NATS URL: want a port between 1 and 65535"
		}
	}
	return ""
}

// Redact takes user and password out of a URL, for messages and logs.
func Redact(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		scheme, rest = "", raw
	} else {
		scheme += "://"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	return scheme + rest
}
