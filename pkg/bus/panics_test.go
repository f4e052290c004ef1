package bus_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// panicLog is a log.
type panicLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *panicLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// of returns the lines with that message.
func (l *panicLog) of(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if m["message"] == message {
			found = append(found, m)
		}
	}
	return found
}

// A panic in what a shard calls costs one message: those behind it come, in their
// order, and the log says whose it was, with a stack and without what was sent.
func TestPanicInADelivery(t *testing.T) {
	s := testkit.StartNATS(t, 1)[0]
	h := &recorder{onDeliver: func(m *bus.Message) {
		if string(m.Body) == `"secret"` {
			panic(string(m.Body))
		}
	}}
	var log panicLog
	logger := zerolog.New(&log)
	n := node(t, s, h, func(o *bus.NodeOptions) { o.Logger, o.Shards = &logger, 1 })
	want(t, n, bus.KindChan, "c")
	conn := "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"
	for _, body := range []string{"1", `"secret"`, "2", `"secret"`, "3"} {
		if err := n.Publish(&bus.Outgoing{Subject: n.Subjects().Chan("c"), Body: []byte(body), From: conn}); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "the last one came", func() bool { return h.count() == 3 })
	if got := strings.Join(h.bodies(), " "); got != "1 2 3" {
		t.Errorf("got %s", got)
	}
	if st := n.Stats(); st.Panics != 2 || st.Dropped["panic"] != 2 || st.Delivered != 3 {
		t.Errorf("counted %d panics, %d dropped, %d delivered", st.Panics, st.Dropped["panic"], st.Delivered)
	}
	found := log.of(t, "panic in a delivery")
	if len(found) != 2 {
		t.Fatalf("%d lines", len(found))
	}
	for _, line := range found {
		stack, _ := line["stack"].(string)
		if line["conn"] != conn || line["subject"] != "hoshi.chan.c" || !strings.Contains(stack, "panics_test.go") {
			t.Errorf("line %v", line)
		}
		if strings.Contains(log.buf.String(), "secret") {
			t.Error("tells what was sent")
		}
	}
}

// A panic in what takes a reply, or in a flush, costs that one.
func TestPanicInAReplyOrAFlush(t *testing.T) {
	s := testkit.StartNATS(t, 1)[0]
	h := &panicking{}
	var log panicLog
	logger := zerolog.New(&log)
	n := node(t, s, h, func(o *bus.NodeOptions) { o.Logger, o.Shards = &logger, 1 })
	want(t, n, bus.KindChan, "c")
	for i := range 3 { // nobody takes them
		if err := n.Request(&bus.Outgoing{Subject: "hoshi.event.my.ask", Body: []byte("[:my/ask]")}, i); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "all replies", func() bool { return len(h.replied()) == 2 })
	before := n.Stats().Panics
	if before != 1 {
		t.Errorf("%d panics", before)
	}
	h.mu.Lock()
	h.flushing = true
	h.mu.Unlock()
	for range 2 {
		if err := n.Publish(&bus.Outgoing{Subject: n.Subjects().Chan("c"), Body: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "a panic in the flush", func() bool { return n.Stats().Panics > before })
		before = n.Stats().Panics
	}
	testkit.Eventually(t, "both came", func() bool { return h.count() == 2 })
	if len(log.of(t, "panic in what takes a reply")) != 1 || len(log.of(t, "panic in the flush of a shard")) == 0 {
		t.Errorf("log: %s", &log.buf)
	}
}

// panicking is a recorder whose first reply panics, and each flush while flushing.
type panicking struct {
	recorder

	seen     int
	flushing bool // guarded by mu
}

func (p *panicking) Reply(r bus.Reply) {
	if p.seen++; p.seen == 1 {
		panic("first")
	}
	p.recorder.Reply(r)
}

func (p *panicking) Flush(shard int) {
	p.mu.Lock()
	flushing := p.flushing
	p.mu.Unlock()
	if flushing {
		panic("flush")
	}
	p.recorder.Flush(shard)
}
