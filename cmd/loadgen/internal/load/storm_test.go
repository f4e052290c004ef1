package load_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// nodes starts a cluster in this process and returns the url of each node.
func nodes(t *testing.T, count int, change func(i int, o *edge.Options)) (*testkit.Cluster, []string) {
	t.Helper()
	c := testkit.StartCluster(t, count, change)
	var urls []string
	for _, n := range c.Nodes {
		urls = append(urls, "ws://"+n.Addr().String()+"/")
	}
	return c, urls
}

func TestStorm(t *testing.T) {
	t.Parallel()
	_, urls := nodes(t, 2, nil)
	cases := []struct {
		name string
		opt  load.Options
	}{
		{name: "as fast as possible", opt: load.Options{Connections: 200}},
		{name: "subscribed", opt: load.Options{Connections: 200, Channels: 7, Connecting: 16}},
		{name: "at a rate", opt: load.Options{Connections: 100, ConnectRate: 400}},
		{name: "held", opt: load.Options{Connections: 20, Hold: 100 * time.Millisecond}},
		{name: "portable", opt: load.Options{Connections: 20, Channels: 1, Portable: true}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := tc.opt
			o.Scenario, o.URLs = load.Storm, urls
			res, err := load.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			s, n := res.Storm, int64(o.Connections)
			if res.Connections != o.Connections || s.Attempted != o.Connections || s.Failures != 0 || len(s.Ended) != 0 || s.PerSecond <= 0 {
				t.Errorf("got %d connections, %+v", res.Connections, s)
			}
			if s.TCP.Count != n || s.Upgrade.Count != n || s.Handshake.Count != n || s.Total.Count != n {
				t.Errorf("not every step of each is counted: %+v", s)
			}
			if want := o.Channels > 0; (s.Subscribe.Count == n) != want || (s.Subscribe.Count == 0) == want {
				t.Errorf("%d subscribed", s.Subscribe.Count)
			}
			if s.Total.P50 < s.Handshake.P50 || s.Total.Max <= 0 {
				t.Errorf("total %v, handshake %v", s.Total, s.Handshake)
			}
			// The last begins after 99 intervals of 2.5 ms.
			if o.ConnectRate > 0 && res.ConnectSeconds < 0.2475 {
				t.Errorf("100 connections at 400 a second took %.3f s", res.ConnectSeconds)
			}
			if res.Seconds < o.Hold.Seconds() {
				t.Errorf("held for %.3f s", res.Seconds)
			}
		})
	}
}

func TestStormCountsFailures(t *testing.T) {
	t.Parallel()
	key := wsclient.Accept(load.Key)
	greeting := accepted + key + "\r\n\r\n" + text(`[:chsk/handshake ["u" nil {} true]]`)
	wait := silence
	say := func(s string) func(c net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, s); wait(c) }
	}
	cases := []struct {
		name     string
		server   func(c net.Conn) // for every second connection; the others are greeted
		channels int
		reason   string
		later    bool // it ends after it was made
	}{
		{name: "refused", server: say("HTTP/1.1 503 Service Unavailable\r\n\r\n"), reason: "upgrade 503"},
		{name: "silent", server: wait, reason: "no answer to the upgrade in time"},
		{name: "no handshake", server: say(accepted + key + "\r\n\r\n"), reason: "no handshake frame in time"},
		{name: "shut", server: func(c net.Conn) {}, reason: "ended without a close frame"},
		{name: "garbage", server: say("SSH-2.0\r\n\r\n"), reason: "protocol error"},
		{name: "closed", server: say(accepted + key + "\r\n\r\n\x88\x02\x03\xf5"), reason: "closed 1013"},
		{name: "not subscribed", server: say(greeting + text(`[:sente-lite/subscribed {:channel-id "c" :success false}]`)), channels: 1, reason: "subscribe refused"},
		{name: "closed later", server: say(greeting + "\x88\x02\x03\xf5"), reason: "closed 1013", later: true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int64
			good := greeting
			if tc.channels > 0 {
				good += text(`[:sente-lite/subscribed {:channel-id "c" :success true}]`)
			}
			url := answer(t, func(c net.Conn) {
				if n.Add(1)%2 == 0 {
					tc.server(c)
					return
				}
				say(good)(c)
			})
			res, err := load.Run(t.Context(), load.Options{
				Scenario: load.Storm, URLs: []string{url}, Connections: 10, Connecting: 10, Channels: tc.channels,
				Timeout: 500 * time.Millisecond, Hold: 100 * time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			failed, ended := res.Storm.Failed, res.Storm.Ended
			if tc.later {
				failed, ended = ended, failed
			}
			if failed[tc.reason] != 5 || len(failed) != 1 || len(ended) != 0 {
				t.Errorf("failed %v, ended %v, want 5 for %q", res.Storm.Failed, res.Storm.Ended, tc.reason)
			}
		})
	}
}

func TestStormThatReachesNobody(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	res, err := load.Run(t.Context(), load.Options{Scenario: load.Storm, URLs: []string{"ws://" + addr + "/"}, Connections: 3})
	if err == nil || !strings.Contains(err.Error(), "none of 3 connections could be made: connection refused (3)") {
		t.Errorf("got %v", err)
	}
	if res == nil || res.Storm == nil || res.Storm.Failures != 3 || res.Error == "" {
		t.Errorf("got %+v", res)
	}
}

func TestStormKeeps(t *testing.T) {
	t.Parallel()
	_, urls := nodes(t, 1, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res, err := load.Run(ctx, load.Options{
		Scenario: load.Storm, URLs: urls, Connections: 5, Keep: true,
		Progress: func(p load.Progress) {
			if p.Phase == "keep" {
				cancel()
			}
		},
	})
	if err != nil || res.Interrupted || res.Connections != 5 {
		t.Errorf("got %+v, %v", res, err)
	}
	// Ctrl-C while it still connects is one.
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if res, err := load.Run(ctx, load.Options{Scenario: load.Storm, URLs: urls, Connections: 5, Keep: true}); !errors.Is(err, load.ErrInterrupted) || !res.Interrupted {
		t.Errorf("got %+v, %v", res, err)
	}
}

// TestUsers holds that each socket has a uid of its own, which the server takes.
func TestUsers(t *testing.T) {
	t.Parallel()
	c, urls := nodes(t, 1, nil)
	for _, scenario := range []string{load.Idle, load.Storm} {
		users := 0
		res, err := load.Run(t.Context(), load.Options{
			Scenario: scenario, URLs: urls, Connections: 30, Users: true, Hold: 50 * time.Millisecond, ServerPID: os.Getpid(),
			Progress: func(p load.Progress) {
				if p.Phase == "hold" {
					users = c.Nodes[0].Stats().Users
				}
			},
		})
		if err != nil || users != 30 {
			t.Errorf("%s: %d users, %v", scenario, users, err)
		}
		if res.Server.CPUConnecting <= 0 {
			t.Errorf("%s: no CPU time for connecting: %+v", scenario, res.Server)
		}
	}
	_, err := load.Run(t.Context(), load.Options{Scenario: load.Idle, URLs: []string{raw(t)}, Connections: 1, Users: true})
	if err == nil || !strings.Contains(err.Error(), "--insecure-uid-param uid") {
		t.Errorf("a server that takes no uid: %v", err)
	}
}

// TestBareStorm holds that a connection is made by the answer to its upgrade, whether
// or not something comes behind it.
func TestBareStorm(t *testing.T) {
	t.Parallel()
	for _, bare := range []bool{true, false} {
		res, err := load.Run(t.Context(), load.Options{Scenario: load.Storm, URLs: []string{rawWith(t, bare)}, Connections: 30, Bare: true})
		if err != nil || res.Connections != 30 || res.Storm.Failures != 0 || len(res.Storm.Ended) != 0 {
			t.Fatalf("got %+v, %v", res, err)
		}
		if s := res.Storm; s.Upgrade.Count != 30 || s.Handshake.Count != 0 || s.Total.Count != 30 {
			t.Errorf("steps: %+v", s)
		}
	}
	res, err := load.Run(t.Context(), load.Options{Scenario: load.Storm, URLs: []string{rawWith(t, true)}, Connections: 1, Timeout: 200 * time.Millisecond})
	if err == nil || res.Storm.Failed["no handshake frame in time"] != 1 {
		t.Errorf("the bare server greets: %+v, %v", res.Storm, err)
	}
}
