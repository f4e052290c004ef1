package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestConnectFails: the first connect says what is wrong, soon, and shows no
// password.
func TestConnectFails(t *testing.T) {
	locked := server(t, natsd.Options{Username: "u", Password: "right"})
	dead := server(t, natsd.Options{})
	deadURL := dead.ClientURL()
	dead.Shutdown()
	mute := newProxy(t, locked)
	mute.setStall(true)
	tests := []struct {
		name string
		o    bus.Options
		want string
	}{
		{name: "refused", o: bus.Options{URLs: []string{deadURL}}, want: "connection refused"},
		{name: "two refused", o: bus.Options{URLs: []string{deadURL, deadURL}}, want: deadURL + ", " + deadURL},
		{name: "wrong password", o: bus.Options{URLs: []string{locked.ClientURL()}, Username: "u", Password: "s3cret"}, want: "Authorization"},
		{name: "wrong password in the URL", o: bus.Options{URLs: []string{strings.Replace(locked.ClientURL(), "//", "//u:s3cret@", 1)}}, want: "connect to NATS at " + locked.ClientURL() + ": "},
		{name: "wrong token in the URL", o: bus.Options{URLs: []string{strings.Replace(locked.ClientURL(), "//", "//s3cret@", 1)}}, want: "connect to NATS at " + locked.ClientURL() + ": "},
		{name: "a password that is no URL", o: bus.Options{URLs: []string{"nats://u:s3cret%zz@127.0.0.1:1"}}, want: "connect to NATS at nats://127.0.0.1:1: malformed URL"},
		{name: "a password with a sharp", o: bus.Options{URLs: []string{"nats://u:s3cret#x@127.0.0.1:1"}}, want: "connect to NATS at nats://127.0.0.1:1: malformed URL"},
		{name: "silent", o: bus.Options{URLs: []string{mute.url()}, ConnectTimeout: 100 * time.Millisecond}, want: "no answer within 100ms"},
		{name: "not an address", o: bus.Options{URLs: []string{"nats://127.0.0.1:x"}}, want: "connect to NATS"},
		{name: "missing credentials file", o: bus.Options{CredentialsFile: "/nonexistent"}, want: "/nonexistent"},
		{name: "missing nkey file", o: bus.Options{NKeyFile: "/nonexistent"}, want: "/nonexistent"},
		{name: "missing CA", o: bus.Options{TLSCAFile: "/nonexistent"}, want: "/nonexistent"},
		{name: "two kinds of credentials", o: bus.Options{Username: "u", Token: "t"}, want: "more than one"},
		{name: "certificate without key", o: bus.Options{TLSCertFile: "x"}, want: "go together"},
		{name: "bad prefix", o: bus.Options{Prefix: "a.b"}, want: "prefix"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			_, err := bus.Connect(t.Context(), tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want something with %q", err, tt.want)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestCredentials(t *testing.T) {
	locked := server(t, natsd.Options{Username: "u", Password: "p"})
	token := server(t, natsd.Options{Token: "t"})
	tests := []struct {
		name string
		o    bus.Options
	}{
		{name: "user", o: bus.Options{URLs: []string{locked.ClientURL()}, Username: "u", Password: "p"}},
		{name: "user in the URL", o: bus.Options{URLs: []string{strings.Replace(locked.ClientURL(), "//", "//u:p@", 1)}}},
		{name: "token", o: bus.Options{URLs: []string{token.ClientURL()}, Token: "t"}},
		{name: "in process", o: bus.Options{InProcess: locked, Username: "u", Password: "p"}},
		{name: "one of several", o: bus.Options{URLs: []string{"nats://127.0.0.1:1", token.ClientURL()}, Token: "t"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := bus.Connect(t.Context(), tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Stop()
			if err := c.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRestore: after a loss everything is refused at once, and after the return
// every interest that is still wanted works, in batches with barriers.
func TestRestore(t *testing.T) {
	srv := server(t, natsd.Options{})
	p := newProxy(t, srv)
	var r recorder
	n := node(t, srv, &r, func(o *bus.NodeOptions) {
		o.URLs = []string{p.url()}
		o.ReconnectWait = 5 * time.Millisecond
	})
	back := raw(t, srv)
	const interests = 2500
	for i := range interests {
		n.Want(bus.KindChan, fmt.Sprint("c", i), func(error) {})
	}
	want(t, n, bus.KindChan, "last")
	n.Unwant(bus.KindChan, "c0")
	eventually(t, "lingering", func() bool { return n.Stats().InterestsLingering == 1 })
	before := n.Stats()

	p.setRefuse(true)
	p.cut()
	eventually(t, "away", func() bool { return !n.Ready() })
	eventually(t, "told", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.states) == 2 && !r.states[1] })
	refused := make(chan error, 1)
	n.Want(bus.KindChan, "meanwhile", func(err error) { refused <- err })
	if err := <-refused; !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("want: got %v", err)
	}
	if err := n.Publish(&bus.Outgoing{Subject: "hoshi.chan.x", Body: []byte("1")}); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("publish: got %v", err)
	}
	if err := n.Request(&bus.Outgoing{Subject: "hoshi.event.x", Body: []byte("[:x/y]")}, 1); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("request: got %v", err)
	}
	if err := n.Barrier(t.Context()); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("barrier: got %v", err)
	}
	n.Unwant(bus.KindChan, "c1")

	p.setRefuse(false)
	eventually(t, "ready", n.Ready)
	st := n.Stats()
	if got := st.Barriers - before.Barriers; got < 4 {
		t.Errorf("%d barriers for the restore, want one of its own and one for each 1,000", got)
	}
	if st.Interests != interests+1-2 {
		t.Errorf("interests %d, want %d", st.Interests, interests-1)
	}
	for i := range interests {
		if err := back.Publish(fmt.Sprint("hoshi.chan.c", i), []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := back.Publish("hoshi.chan.last", []byte("2")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "deliveries", func() bool { return r.count() >= interests-2+1 })
	if got := r.count(); got != interests-2+1 {
		t.Errorf("got %d messages", got)
	}
	if n, err := srv.Subscriptions("hoshi.chan.>"); err != nil || n != interests-1 {
		t.Errorf("the server has %d interests, %v", n, err)
	}
}

// TestPendingOverLoss: who waits for an interest while the connection is lost
// is answered by the first barrier after the restore.
func TestPendingOverLoss(t *testing.T) {
	s := server(t, natsd.Options{})
	p := newProxy(t, s)
	n := node(t, s, &recorder{}, func(o *bus.NodeOptions) {
		o.URLs = []string{p.url()}
		o.BarrierTimeout = time.Minute
	})
	p.setStall(true)
	answers := make(chan error, 1000)
	for i := range 100 {
		n.Want(bus.KindChan, fmt.Sprint("c", i), func(err error) { answers <- err })
	}
	eventually(t, "pending", func() bool { return n.Stats().InterestsPending > 0 })
	voided := n.Stats().BarriersVoided
	p.cut()
	p.setStall(false)
	for range 100 {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
	if n.Stats().BarriersVoided == voided && n.Stats().Connects < 2 {
		t.Error("no connection was lost")
	}
}

// TestRebuild: an -ERR that nats.go does not know closes its connection for
// good; the node makes a new one.
func TestRebuild(t *testing.T) {
	s := server(t, natsd.Options{})
	p := newProxy(t, s)
	var r recorder
	n := node(t, s, &r, func(o *bus.NodeOptions) { o.URLs = []string{p.url()} })
	want(t, n, bus.KindUser, "alice")
	for _, text := range []string{"-ERR 'Something Else Entirely'\r\n", "-ERR 'Maximum Control Line Exceeded'\r\n"} {
		connects := n.Stats().Connects
		p.say(text)
		eventually(t, "new connection", func() bool { return n.Stats().Connects > connects && n.Ready() })
	}
	if err := raw(t, s).Publish("hoshi.user.alice", []byte("[:a/b]")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "delivery", func() bool { return r.count() == 1 })
}

// TestServerRestart: the other server of a cluster is found by what the first
// one told, when the first is gone.
func TestServerRestart(t *testing.T) {
	servers := cluster(t, 2)
	var r recorder
	n := node(t, servers[0], &r, nil)
	want(t, n, bus.KindUser, "alice")
	eventually(t, "gossip", func() bool { return n.Stats().Connected })
	servers[0].Shutdown()
	eventually(t, "moved", func() bool { return n.Ready() && n.Stats().ServerID == servers[1].ID() })
	if err := raw(t, servers[1]).Publish("hoshi.user.alice", []byte("[:a/b]")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "delivery", func() bool { return r.count() == 1 })
}

// TestStillAway: why there is no connection an operator is told once for each cause,
// and not at each attempt.
func TestStillAway(t *testing.T) {
	s := server(t, natsd.Options{Username: "u", Password: "old"})
	logged := make(lines, 1000)
	log := zerolog.New(logged)
	n := node(t, s, &recorder{}, func(o *bus.NodeOptions) {
		o.Username, o.Password, o.Logger = "u", "old", &log
		o.ReconnectWait, o.MaxReconnectWait = 10*time.Millisecond, 10*time.Millisecond
	})
	// told waits for the line of a cause, and for five attempts more that are not told.
	told := func(cause string) {
		t.Helper()
		begun, quiet := false, 0
		for late := time.After(10 * time.Second); quiet < 5; {
			select {
			case line := <-logged:
				loud := strings.Contains(line, `"level":"warn"`)
				switch {
				case !strings.Contains(line, "nats is still away") || !strings.Contains(line, cause):
				case loud && begun:
					t.Errorf("said again: %s", line)
				case loud:
					begun = true
				case begun:
					quiet++
				}
			case <-late:
				t.Fatalf("no line says %q, or no attempt follows", cause)
			}
		}
	}
	listen := strings.TrimPrefix(s.ClientURL(), "nats://")
	s.Shutdown()
	told("connection refused")
	locked := server(t, natsd.Options{Listen: listen, Username: "u", Password: "new"})
	told("Authorization")
	locked.Shutdown()
	told("connection refused")
	server(t, natsd.Options{Listen: listen, Username: "u", Password: "old"})
	eventually(t, "it is back", n.Ready)
	if err := n.Stop(t.Context()); err != nil { // before its server
		t.Error(err)
	}
}

// TestMaxPayload is read again with each connection.
func TestMaxPayload(t *testing.T) {
	servers := cluster(t, 1)
	small := server(t, natsd.Options{MaxPayload: 1 << 20, ClusterListen: "127.0.0.1:0", Routes: []string{servers[0].ClusterAddr().String()}})
	n := node(t, servers[0], &recorder{}, func(o *bus.NodeOptions) {
		o.URLs = []string{servers[0].ClientURL(), small.ClientURL()}
	})
	other := map[string]*natsd.Server{servers[0].ID(): servers[0], small.ID(): small}
	limit := map[string]int{servers[0].ID(): 8 << 20, small.ID(): 1 << 20}
	for range 2 {
		now := n.Stats().ServerID
		if got := n.MaxPayload(); got != limit[now] {
			t.Errorf("max payload %d, want %d", got, limit[now])
		}
		big := &bus.Outgoing{Subject: "hoshi.chan.x", Body: make([]byte, n.MaxPayload()+1)}
		if err := n.Publish(big); !errors.Is(err, bus.ErrTooLarge) {
			t.Errorf("publish: got %v", err)
		}
		if len(other) == 2 {
			other[now].Shutdown()
			delete(other, now)
			eventually(t, "moved", func() bool { return n.Ready() && n.Stats().ServerID != now })
		}
	}
}

func TestStartNodeOptions(t *testing.T) {
	for _, o := range []bus.NodeOptions{
		{ID: id.NewNode()},
		{Handler: &recorder{}},
	} {
		if _, err := bus.StartNode(context.Background(), o); !errors.Is(err, bus.ErrBadOption) {
			t.Errorf("got %v", err)
		}
	}
}
