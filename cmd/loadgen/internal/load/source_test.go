package load_test

import (
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

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
	sources, err := host.ParseSources([]string{"127.0.0.2-127.0.0.4"})
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
