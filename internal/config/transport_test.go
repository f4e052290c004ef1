package config_test

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

func TestTransport(t *testing.T) {
	want := config.Transport{
		TLSCert: "c.pem", TLSKey: "k.pem", TLSMin: "1.3", TLSClientCA: "ca.pem", TLSClientAuth: "optional", TLSClientUID: "email",
		ProxyFrom: []string{"10.0.0.7", "10.1.0.0/16"}, ForwardedFrom: []string{"::1", "2001:db8::/32"},
	}
	const file = `{:tls-cert "c.pem" :tls-key "k.pem" :tls-min "1.3" :tls-client-ca "ca.pem" :tls-client-auth :optional :tls-client-uid "email"
 :proxy-from ["10.0.0.7" "10.1.0.0/16"] :forwarded-from "::1,2001:db8::/32"}`
	args := []string{
		"--tls-cert=c.pem", "--tls-key=k.pem", "--tls-min=1.3", "--tls-client-ca=ca.pem", "--tls-client-auth=optional", "--tls-client-uid=email",
		"--proxy-from=10.0.0.7,10.1.0.0/16", "--forwarded-from=::1, 2001:db8::/32",
	}
	for what, given := range map[string][]string{"file": {"--config=FILE"}, "flags": args} {
		text := file
		if what == "flags" {
			text = ""
		}
		g, _, faults := parse(t, given, nil, text)
		if faults != nil || !reflect.DeepEqual(g.Run.Transport, want) {
			t.Errorf("%s: %q\n got %+v\nwant %+v", what, faults, g.Run.Transport, want)
		}
	}
	prefixes := []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32"), netip.MustParsePrefix("10.1.0.0/16")}
	if got := config.Proxies(want.ProxyFrom); !reflect.DeepEqual(got, prefixes) {
		t.Errorf("prefixes %v", got)
	}
	if got := config.Proxies([]string{"::ffff:10.0.0.7"}); !reflect.DeepEqual(got, prefixes[:1]) {
		t.Errorf("a mapped address becomes %v", got)
	}
}

func TestTransportFaults(t *testing.T) {
	const no = " is no address and no prefix: want one like 10.0.0.7 or 10.0.0.0/8"
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--tls-cert=c"}, "--tls-cert: needs --tls-key"},
		{[]string{"--tls-key=c"}, "--tls-key: needs --tls-cert"},
		{[]string{"--tls-min=1.3"}, "--tls-min: needs --tls-cert"},
		{[]string{"--tls-min=1.1"}, `--tls-min: "1.1" is none of 1.2, 1.3`},
		{[]string{"--tls-client-ca=c"}, "--tls-client-ca: needs --tls-cert"},
		{[]string{"--tls-cert=c", "--tls-key=k", "--tls-client-auth=require"}, "--tls-client-auth: needs --tls-client-ca"},
		{[]string{"--tls-cert=c", "--tls-key=k", "--tls-client-uid=dns"}, "--tls-client-uid: needs --tls-client-ca"},
		{[]string{"--tls-client-uid=ou"}, `--tls-client-uid: "ou" is none of cn, dns, email, uri`},
		{[]string{"--proxy-from=proxy.example.com"}, `--proxy-from: "proxy.example.com"` + no},
		{[]string{"--proxy-from=10.0.0.1:80"}, `--proxy-from: "10.0.0.1:80"` + no},
		{[]string{"--proxy-from=fe80::1%eth0"}, `--proxy-from: "fe80::1%eth0"` + no},
		{[]string{"--forwarded-from=10.0.0.0/33"}, `--forwarded-from: "10.0.0.0/33"` + no},
		{[]string{"--forwarded-from=10.0.0.1/8"}, `--forwarded-from: "10.0.0.1/8" has bits behind its length: did you mean 10.0.0.0/8?`},
		{[]string{"--forwarded-from=::ffff:10.0.0.0/104"}, `--forwarded-from: "::ffff:10.0.0.0/104" is an IPv4 prefix written as an IPv6 one: want it like 10.0.0.0/8`},
	} {
		if _, _, faults := parse(t, tt.args, nil, ""); !reflect.DeepEqual(faults, []string{tt.want}) {
			t.Errorf("%q:\n got %q\nwant %q", tt.args, faults, tt.want)
		}
	}
}
