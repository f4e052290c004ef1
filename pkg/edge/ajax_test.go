package edge_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// poller is a client of Sente that polls, each of its requests at a node of the
// test's choice. It belongs to one goroutine.
type poller struct {
	t      testing.TB
	nodes  []*edge.Node
	query  url.Values // client-id, and whatever else
	http   *http.Client
	udt    int
	choose func() int
}

func newPoller(t testing.TB, c *testkit.Cluster, client string, choose func() int) *poller {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &poller{
		t: t, nodes: c.Nodes, query: url.Values{"client-id": {client}},
		http: &http.Client{Transport: tr, Timeout: testkit.Patience}, choose: choose,
	}
}

func (p *poller) url(extra string) string {
	p.udt++
	return fmt.Sprintf("http://%s/chsk?udt=%d&%s%s", p.nodes[p.choose()].Addr(), p.udt, p.query.Encode(), extra)
}

// poll sends one poll and returns what it is answered.
func (p *poller) poll(ctx context.Context, extra string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url(extra), nil)
	if err != nil {
		return "", err
	}
	return p.do(r)
}

func (p *poller) do(r *http.Request) (string, error) {
	r.Header.Set("X-Csrf-Token", "any")
	r.Header.Set("X-Requested-With", "XMLHTTPRequest")
	resp, err := p.http.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return string(body), err
}

// Poll is poll that must be answered.
func (p *poller) Poll(extra string) string {
	p.t.Helper()
	got, err := p.poll(p.t.Context(), extra)
	if err != nil {
		p.t.Fatalf("poll: %v", err)
	}
	return got
}

// Open polls for the handshake.
func (p *poller) Open() string {
	p.t.Helper()
	got := p.Poll("&handshake%3F=1")
	if !strings.HasPrefix(got, "[[:chsk/handshake [") {
		p.t.Fatalf("handshake %s", got)
	}
	return got
}

// Post sends a message and returns the answer.
func (p *poller) Post(msg string) string {
	p.t.Helper()
	form := url.Values{"ppstr": {msg}, "udt": {"1"}}
	maps.Copy(form, p.query)
	target := "http://" + p.nodes[p.choose()].Addr().String() + "/chsk"
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := p.do(r)
	if err != nil {
		p.t.Fatalf("post: %v", err)
	}
	return got
}

func TestAjax(t *testing.T) {
	t.Parallel()
	for _, remote := range []bool{false, true} {
		t.Run(map[bool]string{false: "one node", true: "another node"}[remote], func(t *testing.T) {
			c := senteNode(t, 2, func(o *edge.Options) {
				o.Echo = true
				o.Sente.SendBufAjax = 5 * time.Millisecond
				o.Sente.LPTimeout = 300 * time.Millisecond
			})
			backend := c.Backend(t, 1)
			at := 0
			p := newPoller(t, c, "tab-1", func() int { return at })
			p.query.Set("uid", "alice")
			if got := p.Open(); !strings.HasPrefix(got, `[[:chsk/handshake ["alice" nil {:conn-id "conn-`) {
				t.Fatal(got)
			}
			if remote {
				at = 1
			}
			must(t, backend.PublishUser(bus.String("alice"), []byte("[:a/b 1]")))
			must(t, backend.PublishUser(bus.String("alice"), []byte("[:a/b 2]")))
			var events []string
			for len(events) < 2 {
				events = append(events, eventsOf(t, p.Poll(""))...)
			}
			if strings.Join(events, " ") != "[:a/b 1] [:a/b 2]" {
				t.Errorf("events %q", events)
			}
			if got := p.Poll(""); got != "[:chsk/timeout nil]" {
				t.Errorf("silence is %s", got)
			}
			if got := p.Post("[[:test/echo {:a 1}] :ajax]"); got != "[{:a 1} nil]" {
				t.Errorf("reply %s", got)
			}
			if got := p.Post("[[:test/nocb {:a 1}] nil]"); got != "[:chsk/dummy-cb-200 nil]" {
				t.Errorf("reply %s", got)
			}
			if got := p.Post("[[:chsk/ws-ping] :ajax]"); got != `["pong" nil]` {
				t.Errorf("reply %s", got)
			}
			// Channels, as events.
			if got := p.Post(`[[:sente-lite/subscribe {:channel-id "lobby"}] :ajax]`); got != "[{:success true} nil]" {
				t.Errorf("reply %s", got)
			}
			must(t, backend.PublishChannel(bus.String("lobby"), []byte("7")))
			for {
				if got := p.Poll(""); got != "[:chsk/timeout nil]" {
					// The echo of the event without a callback may come before.
					if strings.Contains(got, ":sente-lite/echo") && !strings.Contains(got, "channel-msg") {
						continue
					}
					if !strings.Contains(got, `[:sente-lite/channel-msg {:channel-id "lobby", :data 7}]`) {
						t.Errorf("poll %s", got)
					}
					break
				}
			}
		})
	}
}

var eventsPattern = regexp.MustCompile(`\[:[a-z]+/[a-z]+ \d+\]`)

// eventsOf returns the numbered events of a push; none for a timeout.
func eventsOf(t testing.TB, body string) []string {
	t.Helper()
	if body == "[:chsk/timeout nil]" || strings.HasPrefix(body, "[[:chsk/handshake ") {
		return nil
	}
	inner, pushes := strings.CutPrefix(body, "[[")
	inner, whole := strings.CutSuffix(inner, "] nil]")
	if !pushes || !whole {
		t.Fatalf("push %s", body)
	}
	return eventsPattern.FindAllString(inner, -1)
}

// Each request of a client goes to any of three nodes: no push is lost or
// doubled.
func TestAjaxAnyNode(t *testing.T) {
	const clients, pushes = 5, 10_000
	c := senteNode(t, 3, func(o *edge.Options) {
		o.Sente.SendBufAjax = 2 * time.Millisecond
		o.BarrierTimeout = testkit.Patience // a server that is only slow is not passed over
		edge.Patient(o, testkit.Patience)
	})
	done := make(chan error, clients)
	var heard [clients]atomic.Int64 // each by its client
	var opened sync.WaitGroup
	opened.Add(clients)
	for i := range clients {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		p := newPoller(t, c, "tab-"+strconv.Itoa(i), func() int { return rng.IntN(3) })
		p.query.Set("uid", "alice")
		p.Open()
		go func() { // ends with all pushes, or the test's context
			opened.Done()
			next := 0
			for next < pushes {
				got, err := p.poll(t.Context(), "")
				if err != nil {
					done <- fmt.Errorf("client %d at %d: %w", i, next, err)
					return
				}
				for _, e := range eventsOf(t, got) {
					if want := "[:n/n " + strconv.Itoa(next) + "]"; e != want {
						done <- fmt.Errorf("client %d: got %s, want %s", i, e, want)
						return
					}
					next++
				}
				heard[i].Store(int64(next))
			}
			done <- nil
		}()
	}
	opened.Wait()
	backend := c.Backend(t, 0)
	for i := range pushes {
		must(t, backend.PublishUser(bus.String("alice"), []byte("[:n/n "+strconv.Itoa(i)+"]")))
		if i%100 == 99 {
			must(t, backend.Flush(t.Context()))
			time.Sleep(10 * time.Millisecond) // so that polls come in between
			for k := range heard {            // on a slow machine a box would be full else
				testkit.Eventually(t, "clients keep up", func() bool { return heard[k].Load() > int64(i-500) || len(done) > 0 })
			}
		}
	}
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
