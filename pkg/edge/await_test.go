package edge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// free returns an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return l.Addr().String()
}

// started is a node that Start has not returned yet, which is stopped at the end.
type started struct {
	cancel context.CancelFunc
	done   chan struct{}
	node   *edge.Node // behind done, as err
	err    error
}

func begin(t *testing.T, o edge.Options) *started {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &started{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.node, s.err = edge.Start(ctx, o)
	}()
	t.Cleanup(s.end)
	return s
}

// end cancels a start, and stops the node where it was in time.
func (s *started) end() {
	s.cancel()
	if <-s.done; s.node != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.node.Stop(ctx) // in which NATS may have been the first to go
	}
}

// answer asks for a path, with a request for a WebSocket or without.
func answer(t *testing.T, method, addr, path string, header http.Header) (code int, body string, head http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, nil)
	must(t, err)
	r.Header = header
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text), resp.Header
}

// handshakeHead asks for a WebSocket.
var handshakeHead = http.Header{
	"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
	"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
}

// TestAwaitNATS: a node that is started without NATS says on both listeners that it
// lives and is not ready, refuses clients as one whose NATS has gone, and takes them
// when it is there.
func TestAwaitNATS(t *testing.T) {
	main, admin, nats := free(t), free(t), free(t)
	var log logged
	asked := make(chan struct{}, 1)
	s := begin(t, edge.Options{
		Listen: main, AdminListen: admin, InsecureUIDParam: "uid", ReadyGrace: time.Hour, Logger: log.logger(), Echo: true,
		OnDrain: func() { asked <- struct{}{} },
		Bus:     bus.Options{URLs: []string{"nats://" + nats}, ConnectWait: -1},
	})
	ready := func(addr string) (int, string) {
		code, body, _ := answer(t, http.MethodGet, addr, "/health/ready", nil)
		return code, body
	}
	testkit.Eventually(t, "the admin listener", func() bool { code, _ := ready(admin); return code != 0 })
	for _, addr := range []string{main, admin} {
		if code, body := ready(addr); code != 503 || !strings.Contains(body, `"reason": "nats is not available"`) || !strings.Contains(body, "nats-away-ms") {
			t.Errorf("ready at %s: %d %s", addr, code, body)
		}
		if code, body, _ := answer(t, http.MethodGet, addr, "/health", nil); code != 200 {
			t.Errorf("health at %s: %d %s", addr, code, body)
		}
	}
	for _, path := range []string{"/ws?uid=alice", "/chsk?uid=alice&client-id=tab-1"} {
		if code, body, head := answer(t, http.MethodGet, main, path, handshakeHead); code != 503 || head.Get("Retry-After") == "" {
			t.Errorf("a handshake on %s: %d %s", path, code, body)
		}
	}
	if code, body, _ := answer(t, http.MethodGet, main, "/chsk?uid=alice&client-id=tab-1&udt=1&handshake?=true", nil); code != 503 {
		t.Errorf("a poll: %d %s", code, body)
	}
	for _, path := range []string{"/stats", "/channels"} {
		if code, body, _ := answer(t, http.MethodGet, admin, path, nil); code != 200 || path == "/stats" && !strings.Contains(body, `"ready": false`) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if said := log.lines(`"level":"warn"`); len(said) != 1 || !strings.Contains(said[0], "connection refused") || !strings.Contains(said[0], "no nats yet") {
		t.Errorf("the log says %q", said)
	}
	if code, _, _ := answer(t, http.MethodPost, admin, "/drain", nil); code != http.StatusAccepted {
		t.Errorf("drain: %d", code)
	}
	<-asked // and it is for who runs the node to end it

	srv, err := natsd.Start(t.Context(), natsd.Options{Listen: nats})
	must(t, err)
	defer srv.Shutdown()
	if <-s.done; s.err != nil {
		t.Fatal(s.err)
	}
	if !s.node.Ready() {
		t.Error("not ready")
	}
	for _, addr := range []string{main, admin} {
		if code, body := ready(addr); code != 200 {
			t.Errorf("ready at %s: %d %s", addr, code, body)
		}
	}
	alice := testkit.Dial(t, main, "/ws?uid=alice")
	back, err := bus.Connect(t.Context(), bus.Options{URLs: []string{srv.ClientURL()}})
	must(t, err)
	defer back.Stop()
	must(t, back.PublishUser(bus.String("alice"), []byte("[:a/b 1]")))
	alice.Expect("[:a/b 1]")
	alice.Send(`[[:my/question 7] "cb"]`)
	alice.Expect(`[7 "cb"]`)
	alice.Conn.Close()
	must(t, s.node.Stop(t.Context())) // before its NATS
}

// TestAwaitNATSInVain: whoever ends a start that waits has it ended at once, served or
// not yet, and nothing is left of the node.
func TestAwaitNATSInVain(t *testing.T) {
	frozen, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer frozen.Close()
	for _, tt := range []struct {
		name, nats string
		served     bool
	}{
		{name: "nobody there, served", nats: free(t), served: true},
		{name: "nobody there, not served yet", nats: free(t)},
		{name: "frozen, served", nats: frozen.Addr().String(), served: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			main, admin := free(t), free(t)
			var log logged
			s := begin(t, edge.Options{
				Listen: main, AdminListen: admin, Logger: log.logger(),
				Bus: bus.Options{URLs: []string{"nats://" + tt.nats}, ConnectWait: -1},
			})
			if tt.served {
				testkit.Eventually(t, "health", func() bool { code, _, _ := answer(t, http.MethodGet, admin, "/health", nil); return code == 200 })
			}
			began := time.Now()
			s.cancel()
			if <-s.done; s.node != nil || !errors.Is(s.err, context.Canceled) {
				t.Errorf("got %v", s.err)
			}
			if took := time.Since(began); took > 4*time.Second { // an attempt takes 5
				t.Errorf("it took %v", took)
			}
			for _, addr := range []string{main, admin} {
				l, err := net.Listen("tcp", addr)
				if err != nil {
					t.Errorf("%s is not free again: %v", addr, err)
					continue
				}
				l.Close()
			}
		})
	}
}

// TestAwaitNATSNoMore: what waiting does not mend ends the start of a node that has
// been served.
func TestAwaitNATSNoMore(t *testing.T) {
	admin, nats := free(t), free(t)
	s := begin(t, edge.Options{
		Listen: "127.0.0.1:0", AdminListen: admin,
		Bus: bus.Options{URLs: []string{"nats://" + nats}, Token: "wrong", ConnectWait: -1},
	})
	testkit.Eventually(t, "health", func() bool { code, _, _ := answer(t, http.MethodGet, admin, "/health", nil); return code == 200 })
	srv, err := natsd.Start(t.Context(), natsd.Options{Listen: nats, Token: "right"})
	must(t, err)
	defer srv.Shutdown()
	if <-s.done; s.err == nil || !strings.Contains(s.err.Error(), "Authorization") {
		t.Errorf("got %v", s.err)
	}
	if code, _, _ := answer(t, http.MethodGet, admin, "/health", nil); code != 0 {
		t.Errorf("it still answers %d", code)
	}
}

// TestMessageLimitIsSaid: that the node's and NATS's defaults do not quite fit is no
// warning; that there is less than there could be, or than was asked for, is one.
func TestMessageLimitIsSaid(t *testing.T) {
	for _, tt := range []struct {
		name          string
		payload, asks int
		limit         int64
		level         string // "" is not at all
	}{
		{name: "defaults", payload: 1 << 20, limit: 1<<20 - 16<<10, level: "info"},
		{name: "room for all", payload: 2 << 20, limit: 1 << 20},
		{name: "a small server", payload: 512 << 10, limit: 512<<10 - 16<<10, level: "warn"},
		{name: "asked for more", payload: 1 << 20, asks: 1<<20 + 1, limit: 1<<20 - 16<<10, level: "warn"},
		{name: "asked for a little less", payload: 1 << 20, asks: 1<<20 - 1, limit: 1<<20 - 16<<10, level: "warn"},
		{name: "asked for what fits", payload: 1 << 20, asks: 1<<20 - 16<<10, limit: 1<<20 - 16<<10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log logged
			node := testkit.StartNode(t, edge.Options{Bus: bus.Options{InProcess: testkit.StartNATSWith(t, tt.payload)}, MaxMessage: tt.asks, Logger: log.logger()})
			if got := node.Stats().MaxMessage; got != tt.limit {
				t.Errorf("the limit is %d, want %d", got, tt.limit)
			}
			said := strings.Join(log.lines("message limit"), "")
			if tt.level == "" && said != "" || tt.level != "" && !strings.Contains(said, `"level":"`+tt.level+`"`) {
				t.Errorf("the log says %q, want %q", said, tt.level)
			}
		})
	}
}
