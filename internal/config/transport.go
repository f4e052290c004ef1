package config

import (
	"net/netip"
	"strings"
)

// Transport is what a node understands about what is below HTTP: TLS on the
// clients' listener, and the proxies in front of it.
type Transport struct {
	TLSCert       string `name:"tls-cert" placeholder:"FILE" help:"Speak TLS to clients, with the certificate in this PEM file and those that lead to an authority behind it." more:"New files are taken while the node runs. TLS takes the portable loops, and so a goroutine and some 20KiB for each connection: docs/tls.md has the numbers." group:"Transport" tune:""`
	TLSKey        string `name:"tls-key" placeholder:"FILE" help:"PEM file of its key." group:"Transport" tune:""`
	TLSMin        string `name:"tls-min" oneof:"1.2,1.3" placeholder:"VERSION" help:"Least version of TLS that is spoken, 1.2 or 1.3." more:"The default is 1.2." group:"Transport" tune:""`
	TLSClientCA   string `name:"tls-client-ca" placeholder:"FILE" help:"Ask clients for a certificate, and check it against the authorities in this PEM file; the name in it is the user id." group:"Transport" tune:""`
	TLSClientAuth string `name:"tls-client-auth" oneof:"require,optional" placeholder:"WHAT" help:"Whether clients must show one: require or optional." more:"The default is require." group:"Transport" tune:""`
	TLSClientUID  string `name:"tls-client-uid" oneof:"cn,dns,email,uri" placeholder:"FIELD" help:"Where in it the user id is: cn (the common name), or the one alternative name of kind dns, email or uri." more:"The default is cn." group:"Transport" tune:""`

	ProxyFrom     []string `name:"proxy-from" placeholder:"CIDR,..." help:"Proxies whose connections begin with a header of the PROXY protocol, which says who the client is." more:"Addresses or prefixes, like 10.0.0.0/8. The header is required of them, and looked for from nobody else." group:"Transport" tune:""`
	ForwardedFrom []string `name:"forwarded-from" placeholder:"CIDR,..." help:"Proxies whose X-Forwarded-For says who the client is." more:"Addresses or prefixes. Nobody else is believed." group:"Transport" tune:""`
}

// WantsCertificates reports whether nobody gets in without a certificate.
func (t *Transport) WantsCertificates() bool {
	return t.TLSClientCA != "" && t.TLSClientAuth != "optional"
}

// check reports relations between the options of transport.
func (t *Transport) check(report Report) {
	if t.TLSCert != "" && t.TLSKey == "" {
		report("tls-cert", "needs --tls-key")
	}
	if t.TLSKey != "" && t.TLSCert == "" {
		report("tls-key", "needs --tls-cert")
	}
	for _, o := range []struct{ option, value, needs, needed string }{
		{"tls-min", t.TLSMin, "tls-cert", t.TLSCert},
		{"tls-client-ca", t.TLSClientCA, "tls-cert", t.TLSCert},
		{"tls-client-auth", t.TLSClientAuth, "tls-client-ca", t.TLSClientCA},
		{"tls-client-uid", t.TLSClientUID, "tls-client-ca", t.TLSClientCA},
	} {
		if o.value != "" && o.needed == "" {
			report(o.option, "needs --"+o.needs)
		}
	}
	for _, o := range []struct {
		option string
		list   []string
	}{{"proxy-from", t.ProxyFrom}, {"forwarded-from", t.ForwardedFrom}} {
		for _, text := range o.list {
			if _, problem := prefix(text); problem != "" {
				report(o.option, quote(text)+" "+problem)
				break
			}
		}
	}
}

// Proxies returns the prefixes of a list that has been checked.
func Proxies(list []string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range list {
		if p, problem := prefix(text); problem == "" {
			out = append(out, p)
		}
	}
	return out
}

// prefix reads an address, which is a prefix of itself alone, or a prefix.
func prefix(text string) (p netip.Prefix, problem string) {
	const want = "is no address and no prefix: want one like 10.0.0.7 or 10.0.0.0/8"
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return p, want
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), ""
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, want
	case p.Addr().Is4In6():
		return p, "is an IPv4 prefix written as an IPv6 one: want it like 10.0.0.0/8"
	case p != p.Masked():
		return p, "has bits behind its length: did you mean " + p.Masked().String() + "?"
	}
	return p, ""
}
