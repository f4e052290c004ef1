package edge_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// logged is a log that a test reads while the node writes.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// lines returns the lines that hold part.
func (l *logged) lines(part string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return found
}

func (l *logged) logger() *zerolog.Logger {
	log := zerolog.New(l)
	return &log
}

// foreign is a backend that knows NATS and the contract, and none of our code.
func foreign(t *testing.T, c *testkit.Cluster, i int) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(c.NATS[i].ClientURL(), nats.NoReconnect())
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// What a backend may not push is dropped, counted by reason, logged with where
// it came, and answered where a reply is asked for; whoever stands on the same
// subject receives the good ones and nothing else.
func TestRefusedPushes(t *testing.T) {
	t.Parallel()
	var log logged
	c := one(t, func(o *edge.Options) { o.Logger = log.logger() })
	node := c.Nodes[0]
	bystander := c.Dial(t, 0, "/ws?uid=alice")
	bystander.Subscribe(`"b"`)
	conn, ok := id.ParseConn(bystander.ConnID)
	if !ok {
		t.Fatalf("conn-id %s", bystander.ConnID)
	}
	const user, all, channel = "hoshi.user.alice", "hoshi.all", "hoshi.chan.b"
	socket := "hoshi.conn." + conn.Node().String() + "." + bystander.ConnID
	header := func(key, value string) nats.Header { return nats.Header{key: {value}} }
	tests := []struct {
		name, subject string
		header        nats.Header
		body          string
		dropped       string // counted by the bus
		refused       string // counted by the node
	}{
		{name: "not EDN", subject: user, body: "[:a/b", dropped: "invalid"},
		{name: "not EDN, in a channel", subject: channel, body: "{:a 1 :a 2}", dropped: "invalid"},
		{name: "not EDN, to a socket", subject: socket, body: "[:a/b #js {}]", dropped: "invalid"},
		{name: "not EDN, to everyone", subject: all, body: "[:a/b] [:a/b]", dropped: "invalid"},
		{name: "nothing", subject: channel, dropped: "invalid"},
		{name: "not JSON that does not say so", subject: user, body: `["a/b", 1`, dropped: "invalid"},
		{name: "not JSON that does", subject: channel, header: header("Content-Type", "application/json"), body: `{"a": 1, "a": 2}`, dropped: "invalid"},
		{name: "EDN that says JSON", subject: all, header: header("Content-Type", "application/json"), body: `[:a/b]`, dropped: "invalid"},
		{name: "JSON that says EDN", subject: user, header: header("Content-Type", "application/edn"), body: `["a/b", {"c": 1}]`, dropped: "invalid"},
		{name: "no event, in JSON", subject: user, header: header("Content-Type", "application/json"), body: `{"a": 1}`, refused: "not-vector"},
		{name: "no namespace, in JSON", subject: user, body: `["a", 1]`, refused: "invalid-event-id"},
		{name: "reserved, in JSON", subject: user, body: `["chsk/handshake", ["mallory", null]]`, refused: "push-reserved-id"},
		{name: "reserved, in JSON with a colon", subject: user, body: `[":hoshi/x"]`, refused: "push-reserved-id"},
		{name: "with a callback, in JSON", subject: user, header: header("Content-Type", "application/json"), body: `[["a/b", 1], "cb"]`, refused: "push-with-callback"},
		{name: "another format", subject: all, header: header("Content-Type", "application/cbor"), body: "[:a/b]", dropped: "unsupported-format"},
		{name: "sender that is none", subject: channel, header: header("Hoshi-From", `" :x "`), body: "1", dropped: "bad-header"},
		{name: "exclusion that is none", subject: user, header: header("Hoshi-Exclude", "alice"), body: "[:a/b]", dropped: "bad-header"},
		{name: "no event", subject: user, body: "{:a 1}", refused: "not-vector"},
		{name: "no namespace", subject: socket, body: "[:a 1]", refused: "invalid-event-id"},
		{name: "empty", subject: all, body: "[]", refused: "empty-vector"},
		{name: "three elements", subject: user, body: "[:a/b 1 2]", refused: "invalid-format"},
		{name: "with a callback", subject: user, body: `[[:a/b 1] "cb"]`, refused: "push-with-callback"},
		{name: "reserved", subject: user, body: `[:chsk/handshake ["mallory" nil]]`, refused: "push-reserved-id"},
		{name: "reserved, of channels", subject: socket, body: `[:sente-lite/channel-msg {:channel-id "b" :data 1}]`, refused: "push-reserved-id"},
		{name: "reserved, of ours", subject: all, body: "[:hoshi/x 1]", refused: "push-reserved-id"},
		{name: "reserved, below", subject: user, body: "[:sente.x/y 1]", refused: "push-reserved-id"},
		{name: "everyone's close", subject: all, body: "[:chsk/close]", refused: "push-reserved-id"},
	}
	backend := foreign(t, c, 0)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			count := func() uint64 {
				s := node.Stats()
				return s.Bus.Dropped[tt.dropped] + s.RefusedPushes[tt.refused]
			}
			before := count()
			answer, err := backend.RequestMsg(&nats.Msg{Subject: tt.subject, Header: tt.header, Data: []byte(tt.body)}, testkit.Patience)
			must(t, err)
			if got := answer.Header["Hoshi-Error"]; len(got) != 1 || got[0] != ":bad-request" {
				t.Errorf("answered with %v %q", answer.Header, answer.Data)
			}
			if got := count() - before; got != 1 {
				t.Errorf("counted %d times: %v, %v", got, node.Stats().Bus.Dropped, node.Stats().RefusedPushes)
			}
			good, want := fmt.Sprintf("[:good/push %d]", i), fmt.Sprintf("[:good/push %d]", i)
			if tt.subject == channel {
				want = testkit.Message(`"b"`, good, "")
			}
			must(t, backend.Publish(tt.subject, []byte(good)))
			bystander.Expect(want)
			bystander.Nothing()
		})
	}
	for _, subject := range []string{user, channel, "hoshi.all"} {
		if len(log.lines(subject)) == 0 {
			t.Errorf("nothing in the log names %s", subject)
		}
	}
	t.Run("many of them do not flood the log", func(t *testing.T) {
		const count = 300
		start := time.Now()
		for range count {
			must(t, backend.Publish(user, []byte("[:chsk/state 1]")))
			must(t, backend.Publish(channel, []byte("{:a}")))
		}
		must(t, backend.Publish(user, []byte("[:good/push :last]")))
		bystander.Expect("[:good/push :last]")
		must(t, backend.Publish(channel, []byte(":last")))
		bystander.Expect(testkit.Message(`"b"`, ":last", ""))
		most := 20 * (int(time.Since(start)/time.Second) + 3)
		if got := len(log.lines("push refused")) + len(log.lines("message dropped")); got > most {
			t.Errorf("%d lines about %d pushes", got, 2*count)
		}
	})
}

// A warning in the log from 512 KiB on, and no earlier.
func TestLargeMessageIsLogged(t *testing.T) {
	var log logged
	c := one(t, func(o *edge.Options) { o.Logger = log.logger() })
	cl := c.Dial(t, 0, "/")
	cl.Subscribe(`"big"`)
	for _, tt := range []struct{ bytes, lines int }{{bytes: 512<<10 - 1}, {bytes: 512 << 10, lines: 1}} {
		head := `[:sente-lite/publish {:channel-id "big" :data `
		data := `"` + strings.Repeat("x", tt.bytes-len(head)-len(`""}]`)) + `"`
		cl.Send(head + data + "}]")
		cl.Expect(testkit.Message(`"big"`, data, cl.ConnID))
		got := log.lines("large message")
		if len(got) != tt.lines {
			t.Errorf("%d bytes: %q", tt.bytes, got)
		}
		if tt.lines == 1 && (!strings.Contains(got[0], `"level":"warn"`) || !strings.Contains(got[0], cl.ConnID) || strings.Contains(got[0], "xxx")) {
			t.Errorf("the log says %.300s", got[0])
		}
	}
}

// Nobody's word about a uid is believed unless the development switch is set.
func TestUIDParamIsOffByDefault(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.InsecureUIDParam = "" })
	cl := c.Dial(t, 0, "/ws?uid=alice")
	if cl.UID != `"`+cl.ConnID+`"` {
		t.Errorf("uid %s, conn-id %s", cl.UID, cl.ConnID)
	}
	backend := c.Backend(t, 0)
	must(t, backend.PublishUser(bus.String("alice"), []byte("[:for/alice]")))
	must(t, backend.PublishConn(cl.ConnID, []byte("[:for/you]")))
	cl.Expect("[:for/you]")
}

// Pushes to everyone keep the order of each publisher, on every node.
func TestBroadcastOrder(t *testing.T) {
	c := testkit.StartCluster(t, 3, nil)
	var clients []*testkit.Client
	for i := range c.Nodes {
		clients = append(clients, c.Dial(t, i, "/"), c.Dial(t, i, "/"))
	}
	const publishers, each = 3, 200
	var all sync.WaitGroup
	for p := range publishers {
		backend := c.Backend(t, p)
		all.Go(func() {
			for i := range each {
				if err := backend.PublishAll(fmt.Appendf(nil, "[:all/n [%d %d]]", p, i)); err != nil {
					t.Errorf("publisher %d: %v", p, err)
				}
			}
		})
	}
	all.Wait()
	for i, cl := range clients {
		var next [publishers]int
		for range publishers * each {
			var p, n int
			text := cl.Read()
			if _, err := fmt.Sscanf(text, "[:all/n [%d %d]]", &p, &n); err != nil || n != next[p] {
				t.Fatalf("client %d: got %s, want %v", i, text, next)
			}
			next[p]++
		}
		cl.Nothing()
	}
}
