package main

import (
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// What --dialect can say beyond auto.
const (
	onlySente     = "sente"
	onlySenteLite = "sente-lite"
)

// greet says where the node listens, how to connect, and what to paste.
func (n *node) greet(w io.Writer) error {
	o := &n.cli.Run.Node
	at := local(n.edge.Addr().String())
	client, sente := "ws://"+at+"/", "http://"+at+"/chsk"
	if o.TLSCert != "" {
		client, sente = "wss://"+at+"/", "https://"+at+"/chsk"
	}
	var query []string
	if o.Dialect == onlySente {
		client += "chsk"
		query = append(query, "client-id=tab-1")
	}
	event, who := "pub all", ""
	if p := o.InsecureUIDParam; p != "" {
		query = append(query, p+"=alice")
		event, who = "pub user alice", " (as user alice)"
		sente += `, as user alice with :params {:` + p + ` "alice"}`
	}
	if len(query) > 0 {
		client += "?" + strings.Join(query, "&")
	}
	nats := natsName(&n.cli.Shared)
	if n.nats != nil {
		nats = reach(config.Addr(n.nats.Addr().String())) + " (embedded" + reachNote(n.nats.Addr()) + ")"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "hoshi %s, node %s\n", versionText(), n.edge.ID())
	fmt.Fprintf(&b, "  clients   %s%s%s\n", client, who, reachNote(n.edge.Addr()))
	if o.Dialect != onlySenteLite {
		fmt.Fprintf(&b, "  Sente     %s\n", sente)
	}
	fmt.Fprintf(&b, "  backends  %s\n", nats)
	if n.nats != nil && n.nats.ClusterAddr() != nil {
		fmt.Fprintf(&b, "  routes    %s\n", n.nats.ClusterAddr())
	}
	fmt.Fprintf(&b, "  admin     http://%s/stats%s\n", local(n.edge.AdminAddr().String()), reachNote(n.edge.AdminAddr()))
	if a := n.edge.MetricsAddr(); a != nil {
		fmt.Fprintf(&b, "  metrics   http://%s/metrics%s\n", local(a.String()), reachNote(a))
	}
	if o.LogFile != "" {
		fmt.Fprintf(&b, "  log       %s\n", o.LogFile)
	}
	whose := "" // nodes may not push, with the permissions of SECURITY.md
	if s := &n.cli.Shared; n.nats == nil && (s.NATSUser != "" || s.NATSToken != "" || s.NATSCreds != "" || s.NATSNKey != "") {
		whose = ", as a user of NATS who may"
	}
	fmt.Fprintf(&b, "Connect any WebSocket client, then push to it from another shell%s:\n", whose)
	fmt.Fprintf(&b, "  %s\n", n.paste(event+` '[:chat/hi {:n 1}]'`))
	_, err := io.WriteString(w, b.String())
	return err
}

// logStart says in one line of the log what greet says to a person.
func (n *node) logStart() {
	e := n.log.Info().Str("version", versionText()).Stringer("node", n.edge.ID()).
		Stringer("listen", n.edge.Addr()).Stringer("admin_listen", n.edge.AdminAddr())
	if a := n.edge.MetricsAddr(); a != nil {
		e = e.Stringer("metrics_listen", a)
	}
	if c := commitText(); c != "" {
		e = e.Str("commit", c)
	}
	if n.nats == nil {
		e = e.Str("nats_url", natsName(&n.cli.Shared))
	} else {
		e = e.Stringer("nats_listen", n.nats.Addr())
		if a := n.nats.ClusterAddr(); a != nil {
			e = e.Stringer("nats_cluster_listen", a)
		}
	}
	e.Msg("node is started")
}

func reachNote(a net.Addr) string {
	if everywhere(a.String()) {
		return ", on every interface"
	}
	return ""
}

// paste is a command line that reaches this node's NATS as it stands. Secrets
// are not in it: they are taken from the file or the variables that gave them.
func (n *node) paste(command string) string {
	s := &n.cli.Shared
	words := []string{self(), command}
	add := func(option, value string) {
		if value != "" {
			words = append(words, "--"+option+" "+shellQuote(value))
		}
	}
	if s.NATSPassword != "" || s.NATSToken != "" {
		add("config", s.Config)
	}
	if n.nats != nil {
		if url := reach(config.Addr(n.nats.Addr().String())); url != bus.DefaultURL {
			add("nats-url", url)
		}
	} else {
		urls := make([]string, len(s.NATSURL))
		for i, u := range s.NATSURL {
			urls[i] = config.Redact(u)
		}
		if joined := strings.Join(urls, ","); joined != bus.DefaultURL {
			add("nats-url", joined)
		}
	}
	add("nats-creds", s.NATSCreds)
	add("nats-user", s.NATSUser)
	add("nats-nkey", s.NATSNKey)
	add("nats-tls-ca", s.NATSTLSCA)
	add("nats-tls-cert", s.NATSTLSCert)
	add("nats-tls-key", s.NATSTLSKey)
	if s.Prefix != bus.DefaultPrefix {
		add("prefix", s.Prefix)
	}
	return strings.Join(words, " ")
}
