package load_test

import (
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

func TestParseSources(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		in   []string
		want []string
		err  string
	}{
		{name: "none"},
		{name: "one", in: []string{"127.0.0.2"}, want: []string{"127.0.0.2"}},
		{name: "some and a range", in: []string{"127.0.0.9", "127.0.0.2-127.0.0.4"}, want: []string{"127.0.0.9", "127.0.0.2", "127.0.0.3", "127.0.0.4"}},
		{name: "over a byte", in: []string{"127.0.0.255-127.0.1.0"}, want: []string{"127.0.0.255", "127.0.1.0"}},
		{name: "range of one", in: []string{"::1-::1"}, want: []string{"::1"}},
		{name: "no address", in: []string{"localhost"}, err: `"localhost", want an address`},
		{name: "half a range", in: []string{"127.0.0.2-9"}, err: "want a range"},
		{name: "backwards", in: []string{"127.0.0.3-127.0.0.2"}, err: "want a range"},
		{name: "two families", in: []string{"127.0.0.3-::1"}, err: "want a range"},
		{name: "twice", in: []string{"127.0.0.2-127.0.0.4", "127.0.0.3"}, err: "127.0.0.3 is there twice"},
		{name: "too many", in: []string{"127.0.0.0-127.255.0.0"}, err: "more than 1024"},
		{name: "to the last", in: []string{"255.255.255.254-255.255.255.255"}, want: []string{"255.255.255.254", "255.255.255.255"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := load.ParseSources(tc.in)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, %v, want %q", got, err, tc.err)
				}
				return
			}
			var texts []string
			for _, a := range got {
				texts = append(texts, a.String())
			}
			if err != nil || !slices.Equal(texts, tc.want) {
				t.Errorf("got %v, %v, want %v", texts, err, tc.want)
			}
		})
	}
}

func TestSourcesTakeTurns(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // elsewhere loopback has one address unless somebody gives it more
	}
	var mu sync.Mutex
	from := make(map[string]int)
	url := answer(t, func(c net.Conn) {
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		mu.Lock()
		from[host]++
		mu.Unlock()
		_, _ = c.Write([]byte(accepted + wsclient.Accept(load.Key) + "\r\n\r\n" + text(`[:chsk/handshake ["u" nil {} true]]`)))
		silence(c)
	})
	sources, err := load.ParseSources([]string{"127.0.0.2-127.0.0.4"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := load.Run(t.Context(), load.Options{Scenario: load.Storm, URLs: []string{url}, Connections: 12, Sources: sources})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if from["127.0.0.2"] != 4 || from["127.0.0.3"] != 4 || from["127.0.0.4"] != 4 || res.Config["sources"] != 3 {
		t.Errorf("connections came from %v, config %v", from, res.Config)
	}
}

func TestSourceThatIsNotHere(t *testing.T) {
	t.Parallel()
	res, err := load.Run(t.Context(), load.Options{
		Scenario: load.PingPong, URLs: []string{raw(t)}, Connections: 1, Duration: time.Second,
		Sources: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, // of documentation (RFC 5737)
	})
	if err == nil || !strings.Contains(err.Error(), "the source is no address of this machine") || res.Error == "" {
		t.Errorf("got %v", err)
	}
}
