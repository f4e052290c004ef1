package edge_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestPublishedToWritten: what says when it was published is measured until it is
// written to the sockets of each node, whatever its clock says.
func TestPublishedToWritten(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, nil)
	const subscribers = 3
	var clients []*testkit.Client
	for i := range 2 {
		for range subscribers {
			s := c.Dial(t, i, "/")
			s.Subscribe(`"room"`)
			clients = append(clients, s)
		}
	}
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	for i, tt := range []struct {
		name       string
		time       string // a header, or none
		seconds    float64
		measured   uint64 // on each node
		ahead, far uint64
		bad        uint64
	}{
		{name: "unknown"},
		{name: "three seconds ago", time: micros(-3 * time.Second), measured: subscribers, seconds: 3},
		{name: "a clock ahead", time: micros(time.Hour), measured: subscribers, ahead: 1},
		{name: "a clock of last year", time: "1700000000000000", far: 1},
		{name: "the longest", time: strings.Repeat("9", 16), measured: subscribers, ahead: 1},
		{name: "the first", time: "1", far: 1},
		{name: "none", time: "now", bad: 1},
	} {
		before := []edge.Stats{c.Nodes[0].Stats(), c.Nodes[1].Stats()}
		m := &nats.Msg{Subject: "hoshi.chan.room", Data: fmt.Append(nil, i), Header: nats.Header{}}
		if tt.time != "" {
			m.Header["Hoshi-Time"] = []string{tt.time}
		}
		must(t, nc.PublishMsg(m))
		for _, s := range clients {
			if got := s.Read(); !strings.Contains(got, fmt.Sprintf(":data %d", i)) {
				t.Fatalf("%s: read %s", tt.name, got)
			}
		}
		for n, node := range c.Nodes {
			testkit.Eventually(t, tt.name, func() bool {
				return node.Stats().Sockets.DeliverySeconds.Count == before[n].Sockets.DeliverySeconds.Count+subscribers
			})
			st := node.Stats()
			p, q := st.Sockets.PublishedSeconds, before[n].Sockets.PublishedSeconds
			want := tt.seconds * float64(tt.measured)
			if sum := p.Sum - q.Sum; p.Count-q.Count != tt.measured || sum < want || sum > want+5 {
				t.Errorf("%s: measured %d, %v s together", tt.name, p.Count-q.Count, p.Sum-q.Sum)
			}
			if st.ClocksAhead-before[n].ClocksAhead != tt.ahead || st.ClocksFar-before[n].ClocksFar != tt.far || st.Bus.BadTimes-before[n].Bus.BadTimes != tt.bad {
				t.Errorf("%s: counted %d ahead, %d far, %d malformed", tt.name, st.ClocksAhead, st.ClocksFar, st.Bus.BadTimes)
			}
			if d := st.Sockets.DeliverySeconds; d.Quantile(1) > 10 {
				t.Errorf("%s: a delivery of %v s", tt.name, d.Quantile(1))
			}
		}
	}
}

func micros(from time.Duration) string {
	return fmt.Sprint(time.Now().Add(from).UnixMicro())
}

// TestClientsPublishesAreSampled: one in 64 says when it was, by chance.
func TestClientsPublishesAreSampled(t *testing.T) {
	c := testkit.StartCluster(t, 1, nil)
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	sub, err := nc.SubscribeSync("hoshi.chan.room")
	must(t, err)
	must(t, sub.SetPendingLimits(-1, -1))
	must(t, nc.Flush())
	s := c.Dial(t, 0, "/")
	const count = 64 * 64
	timed := 0
	for range count {
		s.Send(`[:sente-lite/publish {:channel-id "room" :data 1}]`)
	}
	for range count {
		m, err := sub.NextMsg(testkit.Patience)
		must(t, err)
		at := m.Header["Hoshi-Time"]
		if len(at) == 0 {
			continue
		}
		if timed++; len(at[0]) != 16 {
			t.Errorf("time %q", at)
		}
	}
	if timed < 16 || timed > 192 { // 64, give or take six deviations and more
		t.Errorf("%d of %d say when they were published", timed, count)
	}
}

// TestLosses: one line for each kind of which something was lost, with what is new
// since the last one.
func TestLosses(t *testing.T) {
	var out bytes.Buffer
	log := zerolog.New(&out)
	read := func() map[string]map[string]any {
		lines := map[string]map[string]any{}
		for line := range strings.Lines(out.String()) {
			var l map[string]any
			must(t, json.Unmarshal([]byte(line), &l))
			msg := l["message"].(string)
			if lines[msg] != nil || l["level"] != "warn" {
				t.Errorf("line %s", line)
			}
			lines[msg] = l
		}
		out.Reset()
		return lines
	}
	var s edge.Stats
	told := edge.TellLosses(&log, nil, s)
	if got := read(); len(got) != 0 {
		t.Errorf("nothing is lost, and told: %v", got)
	}
	s.Sockets = wsconn.Stats{
		Dropped:   map[string]uint64{"oldest": 2, "newest": 3},
		Closed:    map[string]uint64{"overflow": 1, "peer": 1000},
		Discarded: 7,
	}
	s.Bus = bus.Stats{Dropped: map[string]uint64{"queue-full": 5, "invalid": 0, bus.DroppedAPI: 90}, PublishLost: map[string]uint64{"disconnected": 1}}
	s.Sente.Expired, s.Asks.Lost, s.LostEvents = 4, 6, map[string]uint64{"unavailable": 2}
	s.RefusedPushes, s.Unconverted = map[string]uint64{"bad-tag": 1}, map[string]uint64{"edn>json": 9}
	told = edge.TellLosses(&log, told, s)
	got := read()
	for msg, want := range map[string]string{
		"deliveries dropped":                       `5 map[newest:3 oldest:2]`,
		"slow clients closed":                      `1 map[overflow:1]`,
		"messages discarded with their connection": `7 map[queued:7]`,
		"deliveries for absent clients dropped":    `4 map[expired:4]`,
		"messages from nats dropped":               `5 map[queue-full:5]`,
		"messages for nats lost":                   `9 map[ask:6 disconnected:1 event-unavailable:2]`,
		"pushes refused":                           `1 map[bad-tag:1]`,
		"messages not converted":                   `9 map[edn>json:9]`,
	} {
		if l := got[msg]; l == nil || fmt.Sprint(l["count"], " ", l["reasons"]) != want {
			t.Errorf("%s: %v, want %s", msg, l, want)
		}
		delete(got, msg)
	}
	if len(got) != 0 {
		t.Errorf("told as well: %v", got)
	}
	s.Sockets.Dropped = map[string]uint64{"oldest": 2, "newest": 4}
	edge.TellLosses(&log, told, s)
	if got := read(); len(got) != 1 || fmt.Sprint(got["deliveries dropped"]["reasons"]) != "map[newest:1]" {
		t.Errorf("one more was dropped, and told: %v", got)
	}
}

// TestLossesAreToldAtTheEnd: what has been lost since the last line is not kept
// back by a node that stops.
func TestLossesAreToldAtTheEnd(t *testing.T) {
	var out syncBuffer
	log := zerolog.New(&out)
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.Logger = &log })
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	must(t, nc.Publish("hoshi.all", []byte("[:chsk/recv [:a/b]]")))
	testkit.Eventually(t, "refused", func() bool { return len(c.Nodes[0].Stats().RefusedPushes) == 1 })
	told := func() int {
		out.mu.Lock()
		defer out.mu.Unlock()
		return strings.Count(out.buf.String(), `"message":"pushes refused"`)
	}
	if told() != 0 {
		t.Error("told at once")
	}
	must(t, c.Nodes[0].Stop(t.Context()))
	if n := told(); n != 1 {
		t.Errorf("%d lines", n)
	}
}

// TestCertificateExpires: the end of the certificate in use is known.
func TestCertificateExpires(t *testing.T) {
	t.Parallel()
	end := time.Now().Add(100 * time.Hour).Truncate(time.Second)
	s := startSecure(t, 1, nil)
	if got := time.Unix(s.Nodes[0].Stats().CertificateExpires, 0); got.Before(time.Now()) {
		t.Errorf("expires %v", got)
	}
	dir := t.TempDir()
	cert, key := s.ca.Issue(t, "node", func(c *x509.Certificate) { c.NotAfter = end }).Write(t, dir, "node")
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.TLS = edge.TLSOptions{CertFile: cert, KeyFile: key} })
	if got := time.Unix(c.Nodes[0].Stats().CertificateExpires, 0); !got.Equal(end) {
		t.Errorf("expires %v, want %v", got, end)
	}
	if got := testkit.StartNode(t, edge.Options{Bus: bus.Options{URLs: []string{s.NATS[0].ClientURL()}}}).Stats().CertificateExpires; got != 0 {
		t.Errorf("a node without TLS has a certificate until %v", time.Unix(got, 0))
	}
}
