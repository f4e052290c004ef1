package load_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/rawserver"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// childEnv makes the test binary a raw server that ends with its standard input.
const childEnv = "HOSHI_LOAD_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		s, err := rawserver.Listen("127.0.0.1:0", false)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		fmt.Println(s.Addr())
		fmt.Println(s.Serve())
		os.Exit(1)
	}
	testkit.Main(m)
}

// raw starts a raw server in this process and returns its url.
func raw(t *testing.T) string { return rawWith(t, false) }

func rawWith(t *testing.T, bare bool) string {
	t.Helper()
	s, err := rawserver.Listen("127.0.0.1:0", bare)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(s.Stop(), <-served); err != nil {
			t.Errorf("raw server: %v", err)
		}
	})
	return "ws://" + s.Addr().String() + "/"
}

func TestRun(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		opt  load.Options
		each int64 // receipts of a message; 0: not looked at
	}{
		{name: "idle", opt: load.Options{Scenario: load.Idle, Connections: 40, Hold: 50 * time.Millisecond, ServerPID: os.Getpid()}},
		{name: "fanout", opt: load.Options{Scenario: load.Fanout, Connections: 20}, each: 20},
		{name: "fanout in flight", opt: load.Options{Scenario: load.Fanout, Connections: 20, InFlight: 64}, each: 20},
		{name: "fanout over channels", opt: load.Options{Scenario: load.Fanout, Connections: 20, Channels: 4, Publishers: 3, InFlight: 16}, each: 5},
		{name: "fanout at a rate", opt: load.Options{Scenario: load.Fanout, Connections: 5, Rate: 500}, each: 5},
		{name: "fanout large", opt: load.Options{Scenario: load.Fanout, Connections: 3, Size: 200_000, InFlight: 4}, each: 3},
		{name: "fanout smallest", opt: load.Options{Scenario: load.Fanout, Connections: 3, Size: dialect.MinEDN, InFlight: 4}, each: 3},
		{name: "fanout portable", opt: load.Options{Scenario: load.Fanout, Connections: 10, InFlight: 8, Portable: true}, each: 10},
		{name: "pingpong", opt: load.Options{Scenario: load.PingPong, Connections: 20}, each: 1},
		{name: "pingpong at a rate", opt: load.Options{Scenario: load.PingPong, Connections: 3, Rate: 300}, each: 1},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := tc.opt
			o.URLs = []string{raw(t)}
			o.Warmup, o.Duration = 50*time.Millisecond, 300*time.Millisecond
			var last load.Progress
			o.Progress = func(p load.Progress) { last = p }
			res, err := load.Run(t.Context(), o)
			if err != nil {
				t.Fatalf("run: %v", err)
			}
			if res.Lost != 0 || res.OutOfOrder != 0 || res.Unexpected != 0 {
				t.Errorf("faults: %+v", res)
			}
			if last.Phase == "" {
				t.Error("no progress")
			}
			if tc.each == 0 {
				if res.Connections != o.Connections || res.Server.RSSFull == 0 {
					t.Errorf("got %d connections, server %+v", res.Connections, res.Server)
				}
				return
			}
			if res.Sent == 0 || res.Deliveries != res.Sent*tc.each || res.Latency.Count != res.Deliveries {
				t.Errorf("sent %d, %d deliveries, %d latencies, want %d for each sent", res.Sent, res.Deliveries, res.Latency.Count, tc.each)
			}
			if want := int64(o.Rate * o.Duration.Seconds()); want > 0 && res.Sent != want {
				t.Errorf("sent %d at a rate that makes %d", res.Sent, want)
			}
		})
	}
}

func TestRunRefusesOptions(t *testing.T) {
	t.Parallel()
	good := load.Options{Scenario: load.Fanout, URLs: []string{"ws://127.0.0.1:1/"}, Connections: 2, Duration: time.Second}
	cases := []struct {
		name   string
		change func(o *load.Options)
		want   string
	}{
		{name: "connections", change: func(o *load.Options) { o.Connections = 0 }, want: "connections: 0"},
		{name: "channels", change: func(o *load.Options) { o.Channels = 3 }, want: "channels: 3"},
		{name: "size", change: func(o *load.Options) { o.Size = 5 }, want: "size: 5"},
		{name: "in flight", change: func(o *load.Options) { o.InFlight = 1 << 20 }, want: "in flight: "},
		{name: "rate", change: func(o *load.Options) { o.Rate = -1 }, want: "rate: -1"},
		{name: "no url", change: func(o *load.Options) { o.URLs = nil }, want: "url: none"},
		{name: "scheme", change: func(o *load.Options) { o.URLs[0] = "http://x/" }, want: `"http://x/"`},
		{name: "duration", change: func(o *load.Options) { o.Duration = 0 }, want: "duration: 0s"},
		{name: "users", change: func(o *load.Options) { o.Users = true }, want: "users: not in fanout"},
		{name: "bare", change: func(o *load.Options) { o.Bare = true }, want: "bare: only in a storm"},
		{name: "bare and subscribed", change: func(o *load.Options) { o.Scenario, o.Bare, o.Channels = load.Storm, true, 1 }, want: "bare: only in a storm without channels"},
		{name: "nats", change: func(o *load.Options) { o.Scenario = load.UserPush }, want: "nats: "},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := good
			o.URLs = append([]string(nil), good.URLs...)
			tc.change(&o)
			res, err := load.Run(t.Context(), o)
			if res != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %v, want %q", res, err, tc.want)
			}
		})
	}
}

// answer listens, and serves each connection with f behind its first request.
func answer(t *testing.T, f func(c net.Conn)) string {
	t.Helper()
	n := new(pushNode)
	return "ws://" + n.listen(t, func(c net.Conn) {
		buf := make([]byte, 4096)
		if _, err := c.Read(buf); err == nil {
			f(c)
		}
	}) + "/"
}

// accepted is the answer to an upgrade by this client.
const accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "

func TestRunTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	key := wsclient.Accept(load.Key)
	greeting := accepted + key + "\r\n\r\n" + text(`[:chsk/handshake ["u" nil {} true]]`)
	closed := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		return "ws://" + l.Addr().String() + "/"
	}
	wait := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	say := func(s string) func(c net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, s); wait(c) }
	}
	cases := []struct {
		name   string
		server func(c net.Conn)
		want   string
		is     error
	}{
		{name: "unreachable", want: "connection refused"},
		{name: "refused", server: say("HTTP/1.1 503 Service Unavailable\r\n\r\nunavailable"), want: "503 Service Unavailable (unavailable)"},
		{name: "silent", server: wait, want: "connection 0: no answer to the upgrade", is: load.ErrTimeout},
		{name: "no handshake", server: say(accepted + key + "\r\n\r\n"), want: "no handshake frame", is: load.ErrTimeout},
		{name: "no subscribed", server: say(greeting), want: "no answer to the subscribe", is: load.ErrTimeout},
		{name: "not subscribed", server: say(greeting + text(`[:sente-lite/subscribed {:channel-id "c" :success false :error :forbidden}]`)), want: ":forbidden"},
		{name: "closed", server: say(greeting + "\x88\x02\x03\xf5"), want: "closed by the server with 1013"},
		{name: "gone", server: func(c net.Conn) { _, _ = io.WriteString(c, greeting[:30]) }, want: "ended by the server"},
		{name: "garbage", server: say(greeting + "\x81\x85aaaaaaa"), want: "masked server frame", is: wsclient.ErrMasked},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			url := closed()
			if tc.server != nil {
				url = answer(t, tc.server)
			}
			res, err := load.Run(t.Context(), load.Options{Scenario: load.Idle, URLs: []string{url}, Connections: 1, Timeout: 500 * time.Millisecond})
			if err == nil || !strings.Contains(err.Error(), tc.want) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if res == nil || res.Error == "" {
				t.Errorf("the result does not tell: %+v", res)
			}
		})
	}
}

func text(s string) string { return string([]byte{0x81, byte(len(s))}) + s }

func TestRunMissesWhatIsNotDelivered(t *testing.T) {
	t.Parallel()
	// Subscribed, but nothing published ever arrives: the publisher is elsewhere.
	res, err := load.Run(t.Context(), load.Options{
		Scenario:    load.Fanout,
		URLs:        []string{raw(t)},
		PublishURLs: []string{raw(t)},
		Connections: 7,
		InFlight:    2,
		Duration:    100 * time.Millisecond,
		Timeout:     500 * time.Millisecond,
	})
	if !errors.Is(err, load.ErrTimeout) || !strings.Contains(err.Error(), "2 messages are under way, 14 receipts are missing (0 dropped") {
		t.Errorf("got %v", err)
	}
	if res.Lost != 14 || res.Sent != 2 {
		t.Errorf("got %+v", res)
	}
}

func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res, err := load.Run(ctx, load.Options{
		Scenario:    load.Fanout,
		URLs:        []string{raw(t)},
		Connections: 5,
		Duration:    time.Hour,
		Progress: func(p load.Progress) {
			if p.Phase == "measure" && p.Deliveries > 0 {
				cancel()
			}
		},
	})
	if !errors.Is(err, load.ErrInterrupted) || !res.Interrupted || res.Deliveries == 0 || res.Latency.Count == 0 {
		t.Errorf("got %v with %+v", err, res)
	}
}
