package edge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// drain drains a node in the background, and returns when that has begun.
func drain(ctx context.Context, n *edge.Node) <-chan error {
	ch := make(chan error, 1)
	go func() { ch <- n.Drain(ctx) }() // ends with the drain, at the latest when the test stops the node
	for end := time.Now().Add(testkit.Patience); !n.Stats().Drain.Draining && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return ch
}

// refusing waits until nobody can connect to a node any more.
func refusing(t *testing.T, n *edge.Node) {
	t.Helper()
	testkit.Eventually(t, "the listener is closed", func() bool {
		c, err := net.Dial("tcp", n.Addr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// A node that drains is not ready at once, takes nobody, and does all else for the
// clients that it still has, each of which is closed with 1012 in its turn.
func TestDrain(t *testing.T) {
	t.Parallel()
	const clients, span = 30, 3 * time.Second
	c := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) { o.DrainTime = span })
	node, backend := c.Nodes[0], c.Backend(t, 1)
	admin := "http://" + node.AdminAddr().String()
	late, err := net.Dial("tcp", node.Addr().String()) // its request comes during the drain
	must(t, err)
	defer late.Close()
	heard := make([][]string, clients)
	ends := make([]*testkit.Closed, clients)
	times := make([]time.Time, clients)
	var reading sync.WaitGroup
	for i := range clients {
		cl := c.Dial(t, 0, fmt.Sprintf("/?uid=u%d", i))
		cl.Subscribe(`"all"`)
		reading.Go(func() {
			for {
				m, err := cl.TryRead(testkit.Patience)
				if err != nil {
					ends[i], _ = errors.AsType[*testkit.Closed](err)
					times[i] = time.Now()
					cl.Conn.Close()
					return
				}
				heard[i] = append(heard[i], m)
			}
		})
	}
	testkit.Eventually(t, "the late socket is there", func() bool { return node.Stats().Sockets.Heads == 1 })
	asker := c.Dial(t, 0, "/?uid=asker")

	began := time.Now()
	ended := drain(t.Context(), node)
	if node.Ready() {
		t.Error("still ready")
	}
	if code, text := get(t, admin+"/health/ready"); code != http.StatusServiceUnavailable || !strings.Contains(text, `"draining"`) {
		t.Errorf("/health/ready says %d %s", code, text)
	}
	refusing(t, node)
	_, err = fmt.Fprintf(late, "GET /?uid=late HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(late), nil)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a late upgrade is answered %d, %v", resp.StatusCode, resp.Header)
	}
	for i := 0; ; i++ { // what a client may do, it may until its turn
		asker.Send(fmt.Sprintf(`[:sente-lite/subscribe {:channel-id "new-%d"}]`, i%50))
		m, err := asker.TryRead(testkit.Patience)
		if err != nil {
			if closed, ok := errors.AsType[*testkit.Closed](err); !ok || closed.Code != 1012 {
				t.Errorf("then %v", err)
			}
			break
		}
		if !strings.Contains(m, ":success true") {
			t.Fatalf("subscribe is answered %s", m)
		}
		must(t, backend.PublishChannel(bus.String("all"), fmt.Append(nil, i)))
	}
	must(t, <-ended)
	took := time.Since(began)
	reading.Wait()
	if took > span+time.Second {
		t.Errorf("took %v", took)
	}
	early, complete := 0, 0
	for i, end := range ends {
		if end == nil || end.Code != 1012 {
			t.Errorf("client %d: %v", i, end)
		}
		if times[i].Sub(began) < span/2 {
			early++
		}
		for k, m := range heard[i] { // from the first on, none left out before the close
			if !strings.Contains(m, fmt.Sprintf(":data %d", k)) {
				t.Fatalf("client %d: message %d is %s", i, k, m)
			}
		}
		if len(heard[i]) > 0 {
			complete++
		}
	}
	if early < clients/4 || early > clients*3/4 {
		t.Errorf("%d of %d had gone after half of the time", early, clients)
	}
	if complete == 0 {
		t.Error("nobody heard anything during the drain")
	}
	s := node.Stats()
	if s.Drain.Left != 0 || s.Drain.Closed != clients+1 || !s.Drain.Draining || s.Drain.BeganMS < began.UnixMilli() {
		t.Errorf("drain %+v", s.Drain)
	}
	for path, want := range map[string]int{"/health": 200, "/health/ready": 503, "/stats": 200} {
		if got := status(t, admin+path); got != want {
			t.Errorf("%s says %d", path, got)
		}
	}
	must(t, node.Drain(t.Context())) // at once
	must(t, node.Stop(t.Context()))
}

// A node without clients has drained at once, and Stop ends a drain.
func TestDrainThatNobodyNeeds(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.DrainTime = time.Hour })
	began := time.Now()
	must(t, c.Nodes[0].Drain(t.Context()))
	must(t, c.Nodes[0].Stop(t.Context()))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	c = testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.DrainTime = time.Hour })
	var clients []*testkit.Client
	for range 5 {
		clients = append(clients, c.Dial(t, 0, "/?uid=a"))
	}
	ended := drain(t.Context(), c.Nodes[0])
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Nodes[0].Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a second one whose context has ended returns %v", err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- c.Nodes[0].Stop(t.Context()) }() // ends with the test
	for _, cl := range clients {
		cl.ExpectClose(1012)
		cl.Conn.Close()
	}
	must(t, <-stopped)
	must(t, <-ended)
}

// An event that waits for its answer gets it before the close.
func TestDrainWaitsForAnswers(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.DrainTime = 2 * time.Second })
	backend := c.Backend(t, 0)
	release := make(chan struct{})
	asked := hear(t, backend, "a.>", "q", func(e *bus.Event) {
		go func() { // ends when the test lets it
			<-release
			if err := e.Reply([]byte(`"answer"`)); err != nil {
				t.Error(err)
			}
		}()
	})
	cl := c.Dial(t, 0, "/?uid=alice")
	cl.Send(`[[:a/q 1] "cb-1"]`)
	next(t, asked)
	ended := drain(t.Context(), c.Nodes[0])
	refusing(t, c.Nodes[0])
	close(release)
	if got := cl.Read(); !strings.Contains(got, "answer") {
		t.Errorf("got %s", got)
	}
	cl.ExpectClose(1012)
	cl.Conn.Close()
	must(t, <-ended)
}

// Clients that poll are answered, and another node takes their sessions over: what
// is pushed meanwhile comes, and comes once, wherever the session and the requests
// were.
func TestDrainHandsPollsOver(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		home, at int // where the session is, and where its polls go at first
	}{
		{"at its node", 0, 0},
		{"through another node", 0, 1},
		{"through the node, which is not its own", 2, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const pollers, span = 10, 2 * time.Second
			c := senteNode(t, 3, func(o *edge.Options) {
				o.DrainTime, o.Sente.SendBufAjax = span, 5*time.Millisecond
				o.Sente.LPTimeout = 10 * time.Second
			})
			backend := c.Backend(t, 1)
			var drained atomic.Bool
			var published, done atomic.Int64
			var polling sync.WaitGroup
			got := make([][]string, pollers)
			for i := range pollers {
				var at atomic.Int64
				at.Store(int64(tt.home))
				p := newPoller(t, c, fmt.Sprintf("tab-%d", i), func() int { return int(at.Load()) })
				p.query.Set("uid", "alice")
				p.Open()
				at.Store(int64(tt.at))
				polling.Go(func() {
					failed := 0
					for len(got[i]) < int(published.Load()) || done.Load() == 0 {
						ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
						body, err := p.poll(ctx, "")
						cancel()
						if err != nil { // the node takes nobody any more; a busy machine may refuse somebody before
							if failed++; failed > 5 {
								t.Errorf("poller %d: %v", i, err)
								return
							}
							if drained.Load() {
								at.Store(1)
							}
							continue
						}
						got[i] = append(got[i], eventsOf(t, body)...)
					}
				})
			}
			testkit.Eventually(t, "all poll", func() bool { return edge.Waiting(c.Nodes[tt.home]) == pollers })
			drained.Store(true)
			ended := drain(t.Context(), c.Nodes[0])
			var pushing sync.WaitGroup
			pushing.Go(func() {
				for range 100 {
					must(t, backend.PublishUser(bus.String("alice"), fmt.Appendf(nil, "[:a/b %d]", published.Add(1)-1)))
					select {
					case <-time.After(span / 80):
					case <-t.Context().Done():
					}
				}
			})
			must(t, <-ended)
			pushing.Wait()
			left := c.Nodes[0].Stats()
			must(t, c.Nodes[0].Stop(t.Context()))
			done.Store(1)
			must(t, backend.PublishUser(bus.String("alice"), fmt.Appendf(nil, "[:a/b %d]", published.Add(1)-1)))
			polling.Wait()
			for i, events := range got {
				// Not in order where a busy machine has a node answer too late who holds a
				// tab: what that has kept follows then.
				heard := map[string]int{}
				for _, e := range events {
					heard[e]++
				}
				for k := range published.Load() {
					if e := fmt.Sprintf("[:a/b %d]", k); heard[e] != 1 {
						t.Errorf("poller %d: %s came %d times", i, e, heard[e])
					}
				}
				if len(events) != int(published.Load()) {
					t.Errorf("poller %d: %d events of %d", i, len(events), published.Load())
				}
			}
			if s := left.Sente; s.Expired != 0 || s.Dropped != 0 || s.Replaced == 0 && tt.home == 0 {
				t.Errorf("left behind: %+v", s)
			}
			if left.Drain.Closed == 0 {
				t.Errorf("drain %+v", left.Drain)
			}
		})
	}
}

// A tab whose socket was closed is kept for it until it is back at another node.
func TestDrainKeepsTabs(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, func(o *edge.Options) { o.DrainTime = -1 })
	backend := c.Backend(t, 1)
	cl := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	ended := drain(t.Context(), c.Nodes[0])
	cl.ExpectClose(1012)
	cl.Conn.Close()
	must(t, backend.PublishUser(bus.String("alice"), []byte("[:a/b 1]")))
	testkit.Eventually(t, "it is kept", func() bool { return c.Nodes[0].Stats().Sente.Kept == 1 })
	back := c.Dial(t, 1, "/chsk?uid=alice&client-id=tab-1")
	back.Expect("[[[:a/b 1]] nil]")
	must(t, <-ended)
	if s := c.Nodes[0].Stats().Sente; s.Expired != 0 || s.Away != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

// Without NATS a drain closes all the same, and the end is bounded.
func TestDrainWithoutNATS(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 1, func(o *edge.Options) { o.DrainTime = time.Second })
	node := c.Nodes[0]
	var clients []*testkit.Client
	for range 10 {
		clients = append(clients, c.Dial(t, 0, "/?uid=alice"))
	}
	clients = append(clients, c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1"))
	c.NATS[0].Shutdown()
	testkit.Eventually(t, "nats is away", func() bool { return !node.Ready() })
	began := time.Now()
	ended := drain(t.Context(), node)
	for _, cl := range clients {
		cl.ExpectClose(1012)
		cl.Conn.Close()
	}
	must(t, <-ended)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	node.Stop(ctx) //nolint:errcheck // NATS cannot be left
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("took %v", took)
	}
}

// Where the time is too short for the rate the time counts, and the log says so. At
// once is no rate.
func TestDrainTimeWins(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		time time.Duration
		rate int
		warn bool
		said string
	}{
		{"too short", time.Second, 10, true, `"connections":30,"per_second":30,"drain_rate":10,"needed_time":"3s","message"`},
		{"long enough", time.Second, 40, false, `"connections":30,"per_second":30,"message"`},
		{"at once", -1, 10, false, `"drain_time":"0s","connections":30,"message"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const clients = 30
			var log logged
			c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
				o.DrainTime, o.DrainRate, o.Logger = tt.time, tt.rate, log.logger()
			})
			var reading sync.WaitGroup
			for range clients {
				cl := c.Dial(t, 0, "/?uid=a")
				reading.Go(func() {
					if _, err := cl.TryRead(testkit.Patience); err == nil {
						t.Error("a message")
					}
					cl.Conn.Close()
				})
			}
			began := time.Now()
			must(t, c.Nodes[0].Drain(t.Context()))
			if took := time.Since(began); took > tt.time+time.Second {
				t.Errorf("took %v", took)
			}
			reading.Wait()
			said := log.lines("node is draining")
			if len(said) != 1 || !strings.Contains(said[0], tt.said) || strings.Contains(said[0], `"warn"`) != tt.warn || strings.Contains(said[0], "faster") != tt.warn {
				t.Errorf("the log says %q", said)
			}
		})
	}
}

// POST /drain asks whoever runs the node, once; no page may.
func TestAskedToDrain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	c := testkit.StartCluster(t, 2, func(i int, o *edge.Options) {
		if i == 0 {
			o.DrainTime = 7 * time.Second
			o.OnDrain = func() { asked.Add(1) }
		}
	})
	for _, tt := range []struct {
		name   string
		node   int
		header http.Header
		want   int
		asked  int32
	}{
		{"a page", 0, http.Header{"Origin": {"http://" + c.Nodes[0].AdminAddr().String()}}, http.StatusForbidden, 0},
		{"first", 0, nil, http.StatusAccepted, 1},
		{"again", 0, nil, http.StatusAccepted, 1},
		{"a node that nobody says how to end", 1, nil, http.StatusNotImplemented, 1},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.Nodes[tt.node].AdminAddr().String()+"/drain", nil)
		must(t, err)
		if tt.header != nil {
			r.Header = tt.header
		}
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(r)
		must(t, err)
		var answer struct {
			Status string
			Time   int `json:"drain-time-ms"`
		}
		if resp.StatusCode == http.StatusAccepted {
			must(t, json.NewDecoder(resp.Body).Decode(&answer))
			if answer.Status != "draining" || answer.Time != 7000 {
				t.Errorf("%s: answered %+v", tt.name, answer)
			}
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want || asked.Load() != tt.asked {
			t.Errorf("%s: status %d, asked %d times", tt.name, resp.StatusCode, asked.Load())
		}
	}
	if !c.Nodes[0].Ready() {
		t.Error("the node drains by itself")
	}

	// While it drains the answer is what is left of the time, not all of it.
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	if err := <-drain(cut, c.Nodes[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("a drain whose context has ended says %v", err)
	}
	testkit.Eventually(t, "less than all of it is left", func() bool {
		resp, err := http.Post("http://"+c.Nodes[0].AdminAddr().String()+"/drain", "", nil)
		must(t, err)
		defer resp.Body.Close()
		var answer struct {
			Time int `json:"drain-time-ms"`
		}
		must(t, json.NewDecoder(resp.Body).Decode(&answer))
		return answer.Time > 0 && answer.Time < 7000
	})
}
