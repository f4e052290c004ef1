package fleet_test

import (
	"context"
	"errors"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/fleet"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// nodes starts a cluster in this process and returns the url of each node.
func nodes(t *testing.T, count int) (*testkit.Cluster, []string) {
	t.Helper()
	c := testkit.StartCluster(t, count, nil)
	var urls []string
	for _, n := range c.Nodes {
		urls = append(urls, "ws://"+n.Addr().String()+"/")
	}
	return c, urls
}

// TestClientsCountEveryMessage holds that what is published on three nodes comes to
// every client once and in order, as the clients themselves count.
func TestClientsCountEveryMessage(t *testing.T) {
	t.Parallel()
	_, urls := nodes(t, 3)
	sources, err := host.ParseSources([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := fleet.Run(t.Context(), fleet.Options{
		URLs: urls, Clients: 60, Channels: 6, Publishers: 20, Rate: 300, Duration: time.Second, Sources: sources,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := res.Clients
	if res.Connections != 60 || c.Connects != 60 || c.Disconnects != 0 || c.Away != 0 || c.FailedAttempts != 0 || len(c.Attempts) != 0 {
		t.Errorf("connections: %d, %+v", res.Connections, c)
	}
	if res.Sent == 0 || res.Deliveries != 10*res.Sent || res.Lost != 0 || res.OutOfOrder != 0 || res.Unexpected != 0 || res.Latency.Count != res.Deliveries {
		t.Errorf("got %+v", res)
	}
}

func TestClientsThatOnlyConnect(t *testing.T) {
	t.Parallel()
	_, urls := nodes(t, 1)
	res, err := fleet.Run(t.Context(), fleet.Options{URLs: urls, Clients: 30, Connecting: 4, Duration: 50 * time.Millisecond})
	if err != nil || res.Connections != 30 || res.Clients.Connects != 30 || res.ConnectSeconds <= 0 {
		t.Errorf("got %+v, %v", res, err)
	}
}

// TestClientsComeBack ends a node: those who were on it go to the others, and
// nobody else notices.
func TestClientsComeBack(t *testing.T) {
	t.Parallel()
	c, urls := nodes(t, 3)
	var once sync.Once
	var stopped sync.WaitGroup
	res, err := fleet.Run(t.Context(), fleet.Options{
		URLs: urls, Clients: 60, Channels: 3, Duration: testkit.Patience, UntilBack: true,
		Progress: func(p report.Progress) {
			if p.Phase == "run" {
				once.Do(func() { stopped.Go(func() { _ = c.Nodes[1].Stop(context.Background()) }) })
			}
		},
	})
	stopped.Wait()
	if err != nil {
		t.Fatal(err)
	}
	r := res.Clients
	if r.Disconnects != 20 || r.DisconnectedOf[urls[1]] != 20 || r.DisconnectedBy["closed 1012"] != 20 {
		t.Errorf("disconnects: %+v", r)
	}
	if r.Away != 0 || r.Connects != 80 || r.AllBack <= 0 || r.Back.Count != 20 || r.Total() < 20 || r.Peak() < 1 {
		t.Errorf("back: %+v", r)
	}
	// Full jitter over the first second: each attempt is in a given bucket with
	// probability p, longer by what this process stood still; 6 standard deviations.
	p := (report.BucketMS + r.LongestStall) / 1000
	if most := 20*p + 6*math.Sqrt(20*p*(1-p)); float64(r.Peak()) > most {
		t.Errorf("%d of 20 attempts within 100 ms, want at most %.0f: %v", r.Peak(), most, r.Attempts)
	}
}

func TestRunTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, urls := nodes(t, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "ws://" + l.Addr().String() + "/"
	_ = l.Close()
	cases := []struct {
		name string
		opt  fleet.Options
		want string
	}{
		{name: "unreachable", opt: fleet.Options{URLs: []string{nobody}, Clients: 2, Duration: time.Second, Timeout: 200 * time.Millisecond}, want: "0 of 2 clients are connected, and none came for"},
		{name: "nobody lost", opt: fleet.Options{URLs: urls, Clients: 2, Duration: 100 * time.Millisecond, UntilBack: true}, want: "nobody has lost a connection within 100ms"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res, err := fleet.Run(t.Context(), tc.opt)
			if err == nil || !strings.Contains(err.Error(), tc.want) || res == nil || res.Error != err.Error() || res.Clients == nil {
				t.Errorf("got %+v, %v, want %q", res, err, tc.want)
			}
		})
	}
}

func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	_, urls := nodes(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res, err := fleet.Run(ctx, fleet.Options{
		URLs: urls, Clients: 5, Channels: 1, Rate: 100, Duration: time.Hour,
		Progress: func(p report.Progress) {
			if p.Deliveries > 0 {
				cancel()
			}
		},
	})
	if !errors.Is(err, report.ErrInterrupted) || !res.Interrupted || res.Deliveries == 0 || res.Clients.Connects != 5 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := fleet.Options{URLs: []string{"ws://127.0.0.1:1/"}, Clients: 5, Channels: 2, Rate: 3, Duration: time.Second}
	cases := []struct {
		name   string
		change func(o *fleet.Options)
		want   string
	}{
		{name: "good"},
		{name: "clients", change: func(o *fleet.Options) { o.Clients = 0 }, want: "clients: 0"},
		{name: "channels", change: func(o *fleet.Options) { o.Channels = 6 }, want: "channels: 6"},
		{name: "publishers", change: func(o *fleet.Options) { o.Publishers = 6 }, want: "publishers: 6"},
		{name: "rate", change: func(o *fleet.Options) { o.Rate = -1 }, want: "rate: -1"},
		{name: "nowhere to publish", change: func(o *fleet.Options) { o.Channels = 0 }, want: "no channels to publish on"},
		{name: "size", change: func(o *fleet.Options) { o.Size = 1 << 20 }, want: "size: 1048576"},
		{name: "connecting", change: func(o *fleet.Options) { o.Connecting = -1 }, want: "connecting: -1"},
		{name: "duration", change: func(o *fleet.Options) { o.Duration = 0 }, want: "duration: 0s"},
		{name: "no url", change: func(o *fleet.Options) { o.URLs = nil }, want: "url: none"},
		{name: "url", change: func(o *fleet.Options) { o.URLs = []string{"http://x/"} }, want: `"http://x/"`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := good
			if tc.change != nil {
				tc.change(&o)
			}
			err := fleet.Check(o)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestURLsShareTheLoss holds that those who begin with a node go on to all others
// alike, and that everybody has every node.
func TestURLsShareTheLoss(t *testing.T) {
	t.Parallel()
	o := fleet.Options{URLs: []string{"a", "b", "c", "d"}}
	firsts, seconds := make(map[string]int), make(map[string]int)
	for i := range 120 {
		u := fleet.URLs(o, i)
		firsts[u[0]]++
		seconds[u[0]+u[1]]++
		if slices.Sort(u); !slices.Equal(u, o.URLs) {
			t.Fatalf("client %d has %v", i, u)
		}
	}
	if len(firsts) != 4 || firsts["c"] != 30 || len(seconds) != 12 || seconds["ca"] != 10 {
		t.Errorf("first %v, first two %v", firsts, seconds)
	}
	if u := fleet.URLs(fleet.Options{URLs: []string{"a"}}, 7); !slices.Equal(u, []string{"a"}) {
		t.Errorf("of one node: %v", u)
	}
}

func TestData(t *testing.T) {
	t.Parallel()
	b := fleet.AppendData(nil, 12, 7, 1234567890123, 128)
	p, n, sent, ok := fleet.ParseData(string(b))
	if len(b) != 128 || p != 12 || n != 7 || sent != 1234567890123 || !ok {
		t.Errorf("%s: got %d, %d, %d, %v", b, p, n, sent, ok)
	}
	if b := fleet.AppendData(nil, 0, 1, 0, 1); string(b) != `[0 1 0 ""]` {
		t.Errorf("the smallest is %s", b)
	}
	for _, text := range []string{"", "[", "[1", "[1 2", "[-1 2 3 \"\"]", "[a 2 3 \"\"]", "(1 2 3 \"\")", "[1 2 99999999999999999999 \"\"]"} {
		if p, n, sent, ok := fleet.ParseData(text); ok {
			t.Errorf("%s: got %d, %d, %d", text, p, n, sent)
		}
	}
}

// FuzzParseData holds that no text is taken for a negative number or panics.
func FuzzParseData(f *testing.F) {
	f.Add(`[12 7 1234567890123 "xx"]`)
	f.Add(`[1 2`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, _, sent, ok := fleet.ParseData(text); ok && (p < 0 || sent < 0) {
			t.Fatalf("got %d, %d", p, sent)
		}
	})
}
