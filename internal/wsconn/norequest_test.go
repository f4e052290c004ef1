package wsconn_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// The owner hears of whoever sends what is no request, and not of who says nothing.
func TestRefusedHears(t *testing.T) {
	t.Parallel()
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for _, tt := range []struct {
		name, way, send, reason string
		from                    string // the client's address
		proxies                 bool
		silent                  bool // nobody is told
	}{
		{name: "malformed", send: "GET / HTTP/1.1\r\nbad\r\n\r\n", reason: "malformed"},
		{name: "too slow", send: "GET / HT", reason: "timeout"},
		{name: "spare", reason: "timeout", silent: true},
		{name: "no PROXY", send: "GET / HTTP/1.1\r\n\r\n", reason: "proxy-missing", proxies: true},
		{name: "malformed behind a proxy", send: "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\nGET / HTTP/1.1\r\nbad\r\n\r\n", reason: "malformed", from: "192.0.2.7", proxies: true},
		{name: "plain for TLS", way: "tls", send: "GET / HTTP/1.1\r\n\r\n", reason: "tls-plain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var heard refusals
			o := wsconn.Options{Refused: heard.hear}
			if tt.reason == "timeout" {
				o.HandshakeTimeout = 200 * time.Millisecond
			}
			if tt.proxies {
				o.ProxyFrom = []netip.Prefix{loopback}
			}
			tr := startTransport(t, tt.way, o)
			c := tr.dialRaw()
			c.send([]byte(tt.send))
			eventually(t, "counted", func() bool { return tr.Stats().Refused[tt.reason] == 1 })
			if tt.silent {
				if n := heard.count("no request: " + tt.reason); n != 0 {
					t.Errorf("told %d times of who said nothing", n)
				}
				return
			}
			if n := heard.count("no request: " + tt.reason); n != 1 {
				t.Errorf("told %d times", n)
			}
			if from := tt.from; from == "" && heard.last() != netip.MustParseAddr("127.0.0.1") || from != "" && heard.last().String() != from {
				t.Errorf("told of %v", heard.last())
			}
		})
	}
}
