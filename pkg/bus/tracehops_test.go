package bus_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestTraceHops: an account of NATS that is set to it follows what is on a trace
// that is recorded, by the header of the contract.
func TestTraceHops(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nats.conf")
	const config = `listen: "127.0.0.1:-1"
accounts { A { users: [{user: a, password: b}], msg_trace: {dest: "traces.nats", sampling: 100%} } }
`
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := natsserver.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	o.NoSigs, o.NoLog = true, true
	s, err := natsserver.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	eventually(t, "server", func() bool { return s.ReadyForConnections(time.Second) })

	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	hops := make(chan *nats.Msg, 4)
	if _, err := nc.ChanSubscribe("traces.nats", hops); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	back, err := bus.Connect(t.Context(), bus.Options{URLs: []string{s.ClientURL()}, Username: "a", Password: "b"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(back.Stop)
	for _, parent := range []string{unpicked, sampled} {
		tc := bus.TraceContext{Parent: parent}
		if err := back.PublishChannel(bus.String("x"), []byte("1"), bus.Traced(tc.Context(t.Context()))); err != nil {
			t.Fatal(err)
		}
	}
	if m := take(t, hops); !strings.Contains(string(m.Data), sampled) || !strings.Contains(string(m.Data), "hoshi.chan.x") {
		t.Errorf("%s", m.Data)
	}
}
