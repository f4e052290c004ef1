package load_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

func TestReadersAreSpread(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name         string
		n            int
		slow, frozen float64
		nSlow        int
		nFrozen      int
	}{
		{name: "nobody", n: 100},
		{name: "a percent", n: 1000, frozen: 1, nFrozen: 10},
		{name: "both", n: 200, slow: 10, frozen: 5, nSlow: 20, nFrozen: 10},
		{name: "at least one", n: 10, slow: 0.1, nSlow: 1},
		{name: "nearly all", n: 10, slow: 50, frozen: 45, nSlow: 5, nFrozen: 5},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := load.Options{Connections: tc.n, Slow: tc.slow, Frozen: tc.frozen}
			nSlow, nFrozen := load.CountReaders(o)
			if nSlow != tc.nSlow || nFrozen != tc.nFrozen {
				t.Errorf("%d slow and %d frozen, want %d and %d", nSlow, nFrozen, tc.nSlow, tc.nFrozen)
			}
		})
	}
}

// TestFrozenReaders holds that those who read nothing keep nobody waiting, that
// they lose their connection, and that what they have got by then is told.
func TestFrozenReaders(t *testing.T) {
	t.Parallel()
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
			t.Parallel()
			_, urls := nodes(t, 1, func(_ int, o *edge.Options) {
				o.QueueBytes = 256 << 10
				o.CloseTimeout = testkit.Patience // or they are reset before they read why
			})
			var res *report.Result
			// How long it takes to fill what the system holds for them is the machine's matter.
			for d := 2 * time.Second; d < time.Minute && (res == nil || len(res.Frozen.Ended) == 0); d *= 3 {
				var err error
				// What is in flight is less than a queue holds, so no healthy reader can overflow.
				res, err = load.Run(t.Context(), load.Options{
					Scenario: load.Fanout, URLs: urls, Connections: 10, Frozen: 20, Size: 20_000, InFlight: 8,
					Duration: d, Portable: portable, Timeout: testkit.Patience,
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if res.Sent == 0 || res.Deliveries != 8*res.Sent || res.Latency.Count != res.Deliveries || res.OutOfOrder != 0 {
				t.Errorf("sent %d, the healthy got %d, latency of %d, %d out of order", res.Sent, res.Deliveries, res.Latency.Count, res.OutOfOrder)
			}
			f := res.Frozen
			if f == nil || f.Connections != 2 || f.Expected != 2*res.Sent || f.Deliveries == 0 || f.Deliveries >= f.Expected {
				t.Fatalf("the frozen: %+v, sent %d, latency %v, cpu %v", f, res.Sent, res.Latency, res.ClientCPU)
			}
			if f.Ended["closed 1013"] != 2 || len(f.Ended) != 1 || f.OutOfOrder != 0 || res.Slow != nil {
				t.Errorf("the frozen: %+v", f)
			}
		})
	}
}

// TestFrozenReadersAreTold is against nodes that drop what a frozen reader has no
// room for: it stays connected, and what it gets in the end and what the notices say
// was dropped is all that was published to it.
func TestFrozenReadersAreTold(t *testing.T) {
	t.Parallel()
	for _, policy := range []edge.Overflow{edge.DropOldest, edge.DropNewest, edge.LatestOnly} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			_, urls := nodes(t, 1, func(_ int, o *edge.Options) {
				o.QueueBytes = 256 << 10
				o.Overflow = policy
			})
			var f *report.Laggards
			for d := 2 * time.Second; d < time.Minute && (f == nil || f.Dropped == 0); d *= 3 {
				// With one in flight no policy drops anything of a healthy reader's.
				res, err := load.Run(t.Context(), load.Options{
					Scenario: load.Fanout, URLs: urls, Connections: 6, Frozen: 20, Size: 30_000, InFlight: 1,
					Duration: d, Timeout: testkit.Patience,
				})
				if err != nil {
					t.Fatal(err)
				}
				if f = res.Frozen; res.Dropped != 0 || res.Deliveries != 5*res.Sent || f.Expected != res.Sent {
					t.Errorf("sent %d, the healthy got %d and miss %d, the frozen: %+v", res.Sent, res.Deliveries, res.Dropped, f)
				}
			}
			if f.Dropped == 0 || f.Notices == 0 || f.Deliveries+f.Dropped != f.Expected || len(f.Ended) != 0 || f.OutOfOrder != 0 {
				t.Errorf("%s: the frozen: %+v", policy, f)
			}
		})
	}
}

// TestSlowReaders holds that a slow reader reads at its rate: 2 s at 100 kB a
// second, and what the buffers hold is read at the end.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	const size, rate, seconds = 1000, 100_000, 2
	_, urls := nodes(t, 1, func(_ int, o *edge.Options) { o.QueueMessages = 5000 })
	began := time.Now()
	res, err := load.Run(t.Context(), load.Options{
		Scenario: load.Fanout, URLs: urls, Connections: 10, Slow: 20, SlowRate: rate, Size: size, Rate: 500,
		Duration: seconds * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := res.Slow
	if res.Deliveries != 1000*8 || s == nil || s.Expected != 2000 || s.Deliveries != 2000 || len(s.Ended) != 0 {
		t.Errorf("healthy %d, slow %+v", res.Deliveries, s)
	}
	const savedUp = rate / 5
	if most := int64(2*rate*time.Since(began).Seconds() + 2*savedUp); s.BytesLagging == 0 || s.BytesLagging > most {
		t.Errorf("two slow readers have read %d bytes, want at most %d at %d bytes a second", s.BytesLagging, most, rate)
	}
}

// TestNoticesAreCounted is against a server that drops messages and says so.
func TestNoticesAreCounted(t *testing.T) {
	t.Parallel()
	greeting := accepted + wsclient.Accept(load.Key) + "\r\n\r\n" + text(`[:chsk/handshake ["u" nil {} true]]`)
	notices := text(`[:sente-lite/dropped {:count 41, :reason :queue-full}]`) + text(`[:sente-lite/dropped {:reason :queue-full, :count 1}]`)
	url := answer(t, func(c net.Conn) {
		_, _ = c.Write([]byte(greeting + text(`[:sente-lite/subscribed {:success true}]`) + notices))
		silence(c)
	})
	res, err := load.Run(t.Context(), load.Options{
		Scenario: load.Fanout, URLs: []string{url}, Connections: 1, Duration: 100 * time.Millisecond, Timeout: 500 * time.Millisecond,
	})
	if err == nil || !strings.Contains(err.Error(), "(84 dropped, says the server)") {
		t.Errorf("got %v", err)
	}
	// The publisher has the same notices.
	if res.Notices != 4 || res.Dropped != 84 || res.Unexpected != 0 {
		t.Errorf("got %d notices of %d", res.Notices, res.Dropped)
	}
}

func TestUserPushToLaggards(t *testing.T) {
	t.Parallel()
	c, urls := nodes(t, 2, nil)
	res, err := load.Run(t.Context(), load.Options{
		Scenario: load.UserPush, URLs: urls, NATS: c.NATS[0].ClientURL(), Prefix: "hoshi", Connections: 20, InFlight: 4, Slow: 10, Frozen: 10,
		Duration: 300 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if res.Slow.Expected == 0 || res.Frozen.Expected == 0 || res.Deliveries == 0 || res.Sent != res.Deliveries+res.Slow.Expected+res.Frozen.Expected {
		t.Errorf("sent %d, %d deliveries, slow %+v, frozen %+v", res.Sent, res.Deliveries, res.Slow, res.Frozen)
	}
}

// TestPublishersOnOtherNodes has more publishers than channels, which take turns
// on their channel, and each is on another node than the subscribers.
func TestPublishersOnOtherNodes(t *testing.T) {
	t.Parallel()
	_, urls := nodes(t, 3, nil)
	cases := []struct {
		name string
		opt  load.Options
		each int64 // publishes on each node
	}{
		{name: "one channel", opt: load.Options{Connections: 6}},
		{name: "more publishers than channels", opt: load.Options{Connections: 6, Channels: 2, Publishers: 5}},
		{name: "more channels than publishers", opt: load.Options{Connections: 6, Channels: 6}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := tc.opt
			o.Scenario, o.URLs, o.PublishURLs = load.Fanout, urls[:1], urls[1:]
			o.InFlight, o.Duration = 16, 500*time.Millisecond
			res, err := load.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if res.Sent == 0 || res.Deliveries != res.Sent*6/int64(max(o.Channels, 1)) || res.OutOfOrder != 0 || res.Lost != 0 {
				t.Errorf("got %+v", res)
			}
		})
	}
}
