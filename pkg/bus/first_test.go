package bus_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

const waiting = "no nats yet" // in the log, of an attempt that is to be repeated

// waitingNode starts a node that waits for NATS, and returns what Start will.
func waitingNode(t *testing.T, ctx context.Context, o bus.Options) (*bus.Node, *recorder, <-chan error) { //nolint:revive // a test's t comes first
	t.Helper()
	o.DiscoveryWait = 30 * time.Millisecond
	var r recorder
	n, err := bus.NewNode(bus.NodeOptions{Options: o, ID: id.NewNode(), Handler: &r})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	wg.Go(func() { done <- n.Start(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		stopping, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.Stop(stopping); err != nil {
			t.Error(err)
		}
	})
	return n, &r, done
}

// heard waits for a line of the log with a text.
func heard(t *testing.T, logged lines, text string) string {
	t.Helper()
	for late := time.After(20 * time.Second); ; {
		select {
		case line := <-logged:
			if strings.Contains(line, text) {
				return line
			}
		case <-late:
			t.Fatalf("no line says %q", text)
		}
	}
}

func deadAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() //nolint:errcheck // it was never used
	return ln.Addr().String()
}

// TestStartWithoutNATS: a node that may wait has what can be asked of it meanwhile,
// says why it waits without a secret, and is there when NATS is.
func TestStartWithoutNATS(t *testing.T) {
	t.Parallel()
	addr := deadAddr(t)
	logged := make(lines, 10_000)
	log := zerolog.New(logged)
	n, r, done := waitingNode(t, t.Context(), bus.Options{URLs: []string{"nats://u:s3cret@" + addr}, ConnectWait: -1, MaxReconnectWait: 50 * time.Millisecond, Logger: &log})
	line := heard(t, logged, waiting)
	if !strings.Contains(line, `"level":"warn"`) || !strings.Contains(line, "nats://"+addr+": ") || !strings.Contains(line, "connection refused") || strings.Contains(line, "s3cret") {
		t.Errorf("the log says %s", line)
	}
	if s := n.Stats(); s.Connected || s.Ready || n.Ready() || n.MaxPayload() != 0 {
		t.Errorf("without NATS: %+v", s)
	}
	select {
	case err := <-done:
		t.Fatalf("it has not waited: %v", err)
	default:
	}
	s := server(t, natsd.Options{Listen: addr, Username: "u", Password: "s3cret"})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !n.Ready() {
		t.Error("not ready")
	}
	c, err := bus.Connect(t.Context(), bus.Options{URLs: []string{s.ClientURL()}, Username: "u", Password: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if err := c.PublishAll([]byte("[:a/b 1]")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a push", func() bool { return r.count() == 1 })
	if err := n.Stop(t.Context()); err != nil { // before its server
		t.Error(err)
	}
}

// TestStartFrozen: a server that takes the connection and says nothing is waited for
// as one that is away.
func TestStartFrozen(t *testing.T) {
	t.Parallel()
	p := newProxy(t, server(t, natsd.Options{}))
	p.setStall(true)
	logged := make(lines, 1000)
	log := zerolog.New(logged)
	n, _, done := waitingNode(t, t.Context(), bus.Options{URLs: []string{p.url()}, ConnectWait: -1, ConnectTimeout: 100 * time.Millisecond, Logger: &log})
	if line := heard(t, logged, waiting); !strings.Contains(line, "no answer within 100ms") {
		t.Errorf("the log says %s", line)
	}
	p.setStall(false)
	if err := <-done; err != nil || !n.Ready() {
		t.Fatalf("%v, ready %v", err, n.Ready())
	}
}

// TestStartWaitsInVain: the wait has an end, which says why there was no NATS, and
// that of the caller is another.
func TestStartWaitsInVain(t *testing.T) {
	t.Parallel()
	frozen := newProxy(t, server(t, natsd.Options{}))
	frozen.setStall(true)
	dead := "nats://" + deadAddr(t)
	for _, tt := range []struct {
		name, url, want string
		timeout         time.Duration
	}{
		{name: "nobody there", url: dead, want: "connection refused"},
		{name: "frozen", url: frozen.url(), want: "no answer within 400ms"},
		// The last attempt is cut short, and what it says is not why.
		{name: "frozen, several attempts", url: frozen.url(), timeout: 150 * time.Millisecond, want: "no answer within 150ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, done := waitingNode(t, t.Context(), bus.Options{URLs: []string{tt.url}, ConnectWait: 400 * time.Millisecond, ConnectTimeout: tt.timeout})
			began := time.Now()
			if err := <-done; err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if took := time.Since(began); took < 200*time.Millisecond {
				t.Errorf("it has waited for %v", took)
			}
		})
	}
	t.Run("the caller leaves", func(t *testing.T) {
		t.Parallel()
		for _, url := range []string{dead, frozen.url()} { // in a pause, and in an attempt
			logged := make(lines, 1000)
			log := zerolog.New(logged)
			ctx, cancel := context.WithCancel(t.Context())
			_, _, done := waitingNode(t, ctx, bus.Options{URLs: []string{url}, ConnectWait: -1, ConnectTimeout: time.Minute, ReconnectWait: time.Minute, Logger: &log})
			if url == dead {
				heard(t, logged, waiting)
			}
			began := time.Now()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		}
	})
}

// TestStartEndsAtOnce: what no waiting mends is not waited for, also where it is
// found out later.
func TestStartEndsAtOnce(t *testing.T) {
	t.Parallel()
	locked := server(t, natsd.Options{Token: "right"})
	plain := server(t, natsd.Options{})
	dead := "nats://" + deadAddr(t)
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		o    bus.Options
		want string
	}{
		{name: "a wrong token", o: bus.Options{URLs: []string{locked.ClientURL()}, Token: "wrong"}, want: "Authorization"},
		{name: "no token", o: bus.Options{URLs: []string{locked.ClientURL()}}, want: "Authorization"},
		{name: "a wrong token at the one that is there", o: bus.Options{URLs: []string{dead, locked.ClientURL()}, Token: "wrong"}, want: "Authorization"},
		{name: "no credentials file", o: bus.Options{URLs: []string{plain.ClientURL()}, CredentialsFile: "/does/not/exist"}, want: "no such file"},
		{name: "no credentials in it", o: bus.Options{URLs: []string{plain.ClientURL()}, CredentialsFile: broken}, want: "nkeys: "},
		{name: "no nkey file, and nobody there", o: bus.Options{URLs: []string{dead}, NKeyFile: "/does/not/exist"}, want: "no such file"},
		{name: "no authorities, and nobody there", o: bus.Options{URLs: []string{dead}, TLSCAFile: broken}, want: "root certificate"},
		{name: "no TLS there", o: bus.Options{URLs: []string{plain.ClientURL()}, TLSRequired: true}, want: "secure connection not available"},
		{name: "a malformed URL", o: bus.Options{URLs: []string{"nats://u:p%zz@127.0.0.1:1"}}, want: "malformed URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.o.ConnectWait = -1
			_, _, done := waitingNode(t, t.Context(), tt.o)
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			case <-time.After(20 * time.Second):
				t.Error("it waits")
			}
		})
	}
	t.Run("a wrong token when it comes", func(t *testing.T) {
		t.Parallel()
		addr := deadAddr(t)
		logged := make(lines, 10_000)
		log := zerolog.New(logged)
		_, _, done := waitingNode(t, t.Context(), bus.Options{URLs: []string{"nats://" + addr}, Token: "wrong", ConnectWait: -1, Logger: &log})
		heard(t, logged, waiting)
		server(t, natsd.Options{Listen: addr, Token: "right"})
		if err := <-done; err == nil || !strings.Contains(err.Error(), "Authorization") {
			t.Errorf("got %v", err)
		}
	})
}

// TestStartOneOfTwo: a cluster of which one server is there is not waited for.
func TestStartOneOfTwo(t *testing.T) {
	t.Parallel()
	s := server(t, natsd.Options{})
	for range 4 { // in random order
		logged := make(lines, 1000)
		log := zerolog.New(logged)
		_, _, done := waitingNode(t, t.Context(), bus.Options{URLs: []string{"nats://" + deadAddr(t), s.ClientURL()}, ConnectWait: -1, Logger: &log})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for len(logged) > 0 {
			if line := <-logged; strings.Contains(line, waiting) {
				t.Errorf("it has waited: %s", line)
			}
		}
	}
}

// TestStartWithoutNames: a name server that says nothing does not hold up the end, and
// is said to be why.
func TestStartWithoutNames(t *testing.T) { // not beside others: the resolver is everybody's
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // nothing was written
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", silent.LocalAddr().String())
	}}
	defer func() { net.DefaultResolver = before }()
	logged := make(lines, 1000)
	log := zerolog.New(logged)
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	_, _, done := waitingNode(t, ctx, bus.Options{URLs: []string{"nats://nats.example.com"}, ConnectWait: -1, ConnectTimeout: 300 * time.Millisecond, Logger: &log})
	if line := heard(t, logged, waiting); !strings.Contains(line, "lookup nats.example.com") {
		t.Errorf("the log says %s", line)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 5*time.Second { // a resolver gives up after 10
		t.Errorf("it took %v", took)
	}
}
