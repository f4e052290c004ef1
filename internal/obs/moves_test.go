package obs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/obs"
	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// still are metrics that are shown and do not move here, and why.
var still = map[string]string{
	"hoshi_build_info":                           "says what runs",
	"hoshi_panics_total":                         "a panic would be a bug",
	"process_max_fds":                            "a limit",
	"go_gc_gomemlimit_bytes":                     "a limit",
	"hoshi_certificate_expiry_timestamp_seconds": "moves with the certificate alone",
	"hoshi_max_connections":                      "a limit",
	"hoshi_max_revocations":                      "a limit",
	"process_start_time_seconds":                 "the process stays",
}

// chance are metrics that are shown and move here or not, and why.
var chance = map[string]string{
	"go_gc_heap_live_bytes":                "moves when garbage is collected",
	"hoshi_loop_stalled_seconds":           "is seen only within a turn; a test of package edge has a loop hang",
	"hoshi_sockets_shed_total":             "limits are tested by package wsconn",
	"hoshi_accept_errors_total":            "the system fails seldom",
	"hoshi_accepts_shed_total":             "descriptors are tested by package wsconn",
	"hoshi_nats_servers_passed_over_total": "a server that is slow to end may be silent",
	"hoshi_handshakes_pending":             "is seen only before a handshake",
}

// watcher follows the metrics of some nodes.
type watcher struct {
	t       *testing.T
	metrics []*obs.Metrics
	last    []map[string]float64
	moved   map[string]bool
	series  map[string]bool // every name with its labels, of all nodes
}

func watch(t *testing.T, nodes []*edge.Node) *watcher {
	w := &watcher{t: t, moved: map[string]bool{}, series: map[string]bool{}}
	for _, n := range nodes {
		w.metrics = append(w.metrics, obs.NewMetrics(obs.MetricsOptions{Stats: n.Stats}))
		w.last = append(w.last, map[string]float64{})
	}
	w.look()
	clear(w.moved)
	return w
}

// look scrapes all nodes.
func (w *watcher) look() {
	w.t.Helper()
	for i, m := range w.metrics {
		families, err := m.Gatherer().Gather()
		if err != nil {
			w.t.Fatal(err)
		}
		now := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				var labels []string
				for _, l := range m.GetLabel() {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
				w.series[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = true
				now[f.GetName()] += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		for name, v := range now {
			if old, there := w.last[i][name]; !there && v != 0 || there && v != old {
				w.moved[name] = true
			}
		}
		w.last[i] = now
	}
}

// has says that a metric is this on all nodes.
func (w *watcher) has(name string, want float64) {
	w.t.Helper()
	for i, now := range w.last {
		if got := now[name]; got != want {
			w.t.Errorf("%s of node %d is %g, want %g", name, i, got, want)
		}
	}
}

// until looks until all of these have moved.
func (w *watcher) until(names ...string) {
	w.t.Helper()
	deadline := time.Now().Add(testkit.Patience)
	for {
		w.look()
		left := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return w.moved[n] })
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not moved within %v: %v", testkit.Patience, left)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestEverythingShownMoves has three nodes, with clients and backends, do and suffer
// what each metric is about that the dashboard or an alert shows.
func TestEverythingShownMoves(t *testing.T) {
	c := testkit.StartCluster(t, 3, func(_ int, o *edge.Options) {
		o.QueueMessages, o.QueueBytes = 32, 256<<10
		o.Channels.Overflow = []edge.ChannelOverflow{{Pattern: "lossy", Overflow: edge.DropOldest}}
		o.Callouts.Publish = []string{"asked"}
		o.RequestTimeout = 200 * time.Millisecond
		o.MaxRevocations = 1
		o.Limits.MaxEventRate, o.Limits.MaxConnections = 300, 500
		o.Sente.ReconnectWS = 300 * time.Millisecond
		o.DrainTime = time.Second // longer than a look takes on a busy machine
	})
	for _, n := range c.Nodes {
		testkit.Eventually(t, "all nodes hear each other", func() bool { return n.Stats().Nodes == 3 })
	}
	w := watch(t, c.Nodes)
	w.has("hoshi_nodes", 3)
	w.has("hoshi_max_connections", 500)
	w.has("hoshi_max_revocations", 1)
	back := c.Backend(t, 0)
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	addr := func(i int) string { return c.Nodes[i].Addr().String() }

	// Clients come, in two formats, and speak.
	alice, jay := c.Dial(t, 0, "/ws?uid=alice"), c.Dial(t, 1, "/ws?format=json&uid=jay")
	alice.Subscribe(`"news"`)
	jay.Subscribe(`"news"`)
	w.until("hoshi_connections", "hoshi_voice_connections", "hoshi_channels", "hoshi_users", "hoshi_interests",
		"hoshi_handshakes_accepted_total", "hoshi_barrier_seconds", "hoshi_nats_rtt_seconds")
	alice.Publish(`"news"`, `#{"\ud83d"}`) // which JSON cannot say
	alice.Publish(`"news"`, ":b")
	must(t, back.PublishChannel(bus.String("news"), []byte(":c"), bus.Timed()))
	must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.chan.news", Data: []byte(":d"), Header: nats.Header{"Hoshi-Time": {"9999999999999999"}}}))
	w.until("hoshi_conversions_total", "hoshi_conversions_failed_total", "hoshi_published_total", "hoshi_nats_messages_delivered_total",
		"hoshi_publish_to_write_seconds", "hoshi_clock_errors_total", "hoshi_delivery_seconds", "hoshi_write_messages",
		"hoshi_queue_messages", "hoshi_queue_bytes", "hoshi_loop_turn_seconds", "hoshi_frames_received_total", "hoshi_frames_sent_total",
		"hoshi_received_bytes_total", "hoshi_sent_bytes_total")

	// What is refused.
	if _, err := testkit.TryDial(t, addr(0), "/ws?format=cbor"); err == nil {
		t.Error("a format that there is not was taken")
	}
	alice.Send("{", "[:a/b")
	must(t, nc.Publish("hoshi.user.alice", []byte("[:chsk/handshake nil]")))
	must(t, nc.Publish("hoshi.user.alice", []byte("[:a/b")))
	// Its answer cannot be sent.
	must(t, nc.PublishRequest("hoshi.user.alice", strings.Repeat("r", bus.MaxSubject+1), []byte("[:chsk/handshake nil]")))
	w.until("hoshi_handshakes_refused_total", "hoshi_messages_refused_total", "hoshi_pushes_refused_total", "hoshi_nats_messages_dropped_total",
		"hoshi_publishes_lost_total")

	// Backends answer, are silent, and ask.
	_, err = back.Take(t.Context(), "my.app.ask", "b", func(e *bus.Event) { _ = e.Reply([]byte("1")) })
	must(t, err)
	_, err = back.Take(t.Context(), "my.app.silent", "b", func(*bus.Event) {})
	must(t, err)
	_, err = back.TakeCallouts(t.Context(), bus.CalloutPublish, "b", func(q *bus.Callout) { _ = q.Allow() })
	must(t, err)
	alice.Send(`[[:my.app/ask 1] "cb-1"]`, `[[:my.app/silent 1] "cb-2"]`, `[[:my.app/nobody 1] "cb-3"]`)
	alice.Publish(`"asked"`, "1")
	w.until("hoshi_requests_total", "hoshi_requests_pending", "hoshi_replies_total", "hoshi_callback_seconds", "hoshi_callouts_total", "hoshi_request_seconds")
	asked := c.Dial(t, 2, "/ws?uid=asked")
	done := make(chan error, 1)
	go func() { // ends with the answer
		_, err := back.AskConn(t.Context(), asked.ConnID, []byte("[:still/there? 1]"))
		done <- err
	}()
	question := asked.Read()
	_, cb, _ := strings.Cut(strings.TrimSuffix(question, `"]`), `"`)
	asked.Send(`[:chsk/reply {:cb-uuid "` + cb + `" :data 1}]`)
	must(t, <-done)
	w.until("hoshi_asks_total", "hoshi_ask_answers_total")

	// Who sends too much.
	flood := c.Dial(t, 2, "/ws?uid=flood")
	for range 1000 {
		flood.Send("[:chsk/ws-pong]")
	}
	w.until("hoshi_throttled_connections", "hoshi_throttled_seconds_total")

	// Who reads too little.
	text := []byte(`"` + strings.Repeat("x", 20_000) + `"`)
	lossy := testkit.DialSlow(t, addr(1), "/ws?uid=lossy")
	lossy.Subscribe(`"lossy"`)
	slow := testkit.DialSlow(t, addr(1), "/ws?uid=slow")
	slow.Subscribe(`"full"`)
	for !w.moved["hoshi_deliveries_dropped_total"] || !w.moved["hoshi_queue_overflows_total"] {
		for range 16 {
			must(t, back.PublishChannel(bus.String("lossy"), text))
			must(t, back.PublishChannel(bus.String("full"), text))
		}
		must(t, back.Flush(t.Context()))
		w.look()
	}
	_ = slow.Conn.Close()
	w.until("hoshi_messages_discarded_total", "hoshi_closes_total", "hoshi_close_codes_total")

	// Who goes and comes back, and who polls.
	tab := c.Dial(t, 0, "/chsk?client-id=tab&uid=tess")
	_ = tab.Conn.Close()
	w.until("hoshi_absent_clients")
	for !w.moved["hoshi_kept_deliveries_total"] || !w.moved["hoshi_recovered_deliveries_total"] { // expired, or handed
		must(t, back.PublishUser(bus.String("tess"), []byte("[:a/b 1]")))
		w.look()
		time.Sleep(2 * time.Millisecond)
		if !w.moved["hoshi_kept_deliveries_total"] {
			tab = c.Dial(t, 0, "/chsk?client-id=tab&uid=tess")
			_ = tab.Conn.Close()
		}
	}
	poll(t, addr(1), 1)
	waiting, end := context.WithCancel(t.Context())
	defer end()
	go func() { // ends with waiting
		r, err := http.NewRequestWithContext(waiting, http.MethodGet, pollURL(addr(1), 2), nil)
		if err == nil {
			if resp, err := http.DefaultClient.Do(r); err == nil {
				_ = resp.Body.Close()
			}
		}
	}()
	w.until("hoshi_ajax_polls", "hoshi_ajax_sessions")
	end()

	// Who is not wanted.
	gone := c.Dial(t, 2, "/ws?uid=gone")
	_, err = back.Kick(t.Context(), bus.Kick{UID: bus.String("gone")})
	must(t, err)
	gone.ExpectClose(bus.KickCode)
	gone = c.Dial(t, 2, "/ws?uid=gone")
	_, err = back.Revoke(t.Context(), bus.Revocation{UID: bus.String("gone")})
	must(t, err)
	gone.ExpectClose(int(edge.StatusRevoked))
	if _, err = back.Revoke(t.Context(), bus.Revocation{UID: bus.String("one-too-many")}); err == nil {
		t.Error("a revocation beyond the bound was taken")
	}
	w.until("hoshi_sessions_kicked_total", "hoshi_sessions_revoked_total", "hoshi_revocations_remembered", "hoshi_revocations_refused_total")

	// More than the queues of the bus empty at once.
	loud := make(chan error, 1)
	stop, quiet := context.WithCancel(t.Context())
	go func() { loud <- flooding(stop, back) }()
	crowd := make([]*testkit.Client, 8)
	for i := range crowd {
		crowd[i] = c.Dial(t, 0, "/ws")
	}
	deadline := time.Now().Add(testkit.Patience)
	for !w.moved["hoshi_publish_queue_messages"] || !w.moved["hoshi_publish_queue_bytes"] || !w.moved["hoshi_shard_queue_messages"] {
		if time.Now().After(deadline) {
			t.Fatalf("queues do not fill: %v", w.moved)
		}
		for _, s := range crowd {
			s.Send(slices.Repeat([]string{`[:sente-lite/publish {:channel-id "loud" :data "` + strings.Repeat("y", 2000) + `"}]`}, 16)...)
		}
		for range 20 {
			w.look()
		}
	}
	quiet()
	if err := <-loud; err != nil && !errors.Is(err, bus.ErrUnavailable) {
		t.Error(err)
	}

	// A node is drained, and another one loses NATS.
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- c.Nodes[0].Drain(ctx) }() // ends with ctx at the latest
	w.until("hoshi_draining", "hoshi_drain_left_connections", "hoshi_drain_closed_total", "hoshi_ready")
	if err := <-drained; err != nil {
		t.Error(err)
	}
	speaker := c.Dial(t, 2, "/ws?uid=speaker")
	c.NATS[2].Shutdown()
	w.until("hoshi_nats_connects_total", "hoshi_nats_servers") // to another one
	for i := range c.NATS {
		c.NATS[i].Shutdown()
	}
	testkit.Eventually(t, "NATS is missed", func() bool { return !c.Nodes[2].Stats().Bus.Connected })
	speaker.Send(`[[:my.app/lost 2] "cb-9"]`)
	w.until("hoshi_nats_connected", "hoshi_publishes_refused_total", "hoshi_nodes")
	_ = speaker.Conn.Close() // which backends cannot be told
	w.until("hoshi_lifecycle_events_lost_total")
	for _, n := range c.Nodes {
		testkit.Eventually(t, "nobody hears anybody", func() bool { return n.Stats().Nodes == 1 })
	}

	for _, name := range shown(t) {
		exported := slices.ContainsFunc(w.last, func(node map[string]float64) bool { _, there := node[name]; return there })
		why, excepted := still[name]
		if _, either := chance[name]; either && exported {
			continue
		}
		switch {
		case !exported && name != "hoshi_certificate_expiry_timestamp_seconds":
			t.Errorf("%s is shown and not exported", name)
		case !w.moved[name] && !excepted:
			t.Errorf("%s does not move", name)
		case w.moved[name] && excepted:
			t.Errorf("%s moves, and is excepted since it %s", name, why)
		}
	}
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(still)), slices.Sorted(maps.Keys(chance))) {
		if !slices.Contains(shown(t), name) {
			t.Errorf("%s is excepted, and nobody shows it", name)
		}
	}
}

func pollURL(addr string, udt int) string {
	return fmt.Sprintf("http://%s/chsk?client-id=poller&uid=pia&udt=%d", addr, udt)
}

func poll(t *testing.T, addr string, udt int) {
	t.Helper()
	resp, err := http.Get(pollURL(addr, udt)) //nolint:noctx // the client's own
	must(t, err)
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("poll: %d, %v: %s", resp.StatusCode, err, body)
	}
}

// flooding publishes to a channel until ctx ends.
func flooding(ctx context.Context, back *bus.Client) error {
	data := []byte(`"` + strings.Repeat("z", 500) + `"`)
	for ctx.Err() == nil {
		for range 500 {
			if err := back.PublishChannel(bus.String("news"), data); err != nil {
				return err
			}
		}
		if err := back.Flush(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// TestLabelsAreBounded: whoever comes, and whatever for, there are no more series
// than before.
func TestLabelsAreBounded(t *testing.T) {
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.QueueMessages = 100 })
	w := watch(t, c.Nodes)
	back := c.Backend(t, 0)
	addr := c.Nodes[0].Addr().String()
	do := func(from, to int) {
		for i := from; i < to; i++ {
			s := c.Dial(t, 0, fmt.Sprintf("/ws?uid=user-%d", i))
			s.Subscribe(fmt.Sprintf(`"room %d"`, i))
			s.Send(fmt.Sprintf("[:no.such/event-%d %d]", i, i), fmt.Sprintf("[[:no.such/event-%d %d] %q]", i, i, fmt.Sprint("cb", i)), fmt.Sprintf("[%d", i))
			must(t, back.PublishChannel(bus.String(fmt.Sprintf("room %d", i)), []byte("1"), bus.Timed()))
			must(t, back.PublishUser(bus.String(fmt.Sprintf("user-%d", i)), []byte("[:a/b]")))
			s.Write(testkit.AppendFrame(nil, ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(3000+i), "")))
			for {
				if _, err := s.TryRead(testkit.Patience); err != nil {
					break // closed
				}
			}
			_ = s.Conn.Close()
			if _, err := testkit.TryDial(t, addr, fmt.Sprintf("/ws?format=f%d", i)); err == nil {
				t.Error("a format that there is not was taken")
			}
		}
		testkit.Eventually(t, "all are gone", func() bool { return c.Nodes[0].Stats().Connections == 0 })
		w.look()
	}
	do(0, 20)
	before := maps.Clone(w.series)
	do(20, 1020)
	more := slices.DeleteFunc(slices.Sorted(maps.Keys(w.series)), func(s string) bool { return before[s] })
	if len(more) > 3 { // how a connection ends, for one, is a matter of chance
		t.Errorf("%d series, and %d more after a thousand users, channels, events and close codes: %.1000q", len(before), len(more), more)
	}
	for s := range w.series {
		for _, name := range []string{"user-", "room", "event-", "conn-", "127.0.0.1"} {
			if strings.Contains(s, name) {
				t.Errorf("series %s", s)
			}
		}
	}
}

// BenchmarkScrape is a scrape of a node with so many connections.
func BenchmarkScrape(b *testing.B) {
	for _, connections := range []int{0, 1000, 4000} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			c := testkit.StartCluster(b, 1, nil)
			for i := range connections {
				c.Dial(b, 0, fmt.Sprintf("/ws?uid=u%d", i))
			}
			h := obs.NewMetrics(obs.MetricsOptions{Stats: c.Nodes[0].Stats}).Handler()
			size := 0
			b.ReportAllocs()
			for b.Loop() {
				size = len(get(b, h, ""))
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
