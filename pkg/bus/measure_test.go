package bus_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestTime: what a publisher says of when it was is handed on, and what is none is
// counted and does no harm.
func TestTime(t *testing.T) {
	s := server(t, natsd.Options{})
	var r recorder
	n := node(t, s, &r, nil)
	want(t, n, bus.KindChan, "c")
	back, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	for i, tt := range []struct {
		name   string
		values []string
		want   int64
		bad    bool
	}{
		{name: "none"},
		{name: "a time", values: []string{"1764270000123456"}, want: 1764270000123456},
		{name: "the first of two", values: []string{"7", "8"}, want: 7},
		{name: "the longest", values: []string{strings.Repeat("9", 16)}, want: 9999999999999999},
		{name: "too long", values: []string{strings.Repeat("9", 17)}, bad: true},
		{name: "far too long", values: []string{strings.Repeat("9", 5000)}, bad: true},
		{name: "empty", values: []string{""}, bad: true},
		{name: "negative", values: []string{"-1"}, bad: true},
		{name: "zero", values: []string{"0"}, bad: true},
		{name: "leading zero", values: []string{"01"}, bad: true},
		{name: "hex", values: []string{"0x7"}, bad: true},
		{name: "a fraction", values: []string{"1.5"}, bad: true},
	} {
		before := n.Stats().BadTimes
		m := &nats.Msg{Subject: "hoshi.chan.c", Data: fmt.Append(nil, i), Header: nats.Header{}}
		if tt.values != nil {
			m.Header[bus.HeaderTime] = tt.values
		}
		if err := back.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
		eventually(t, tt.name, func() bool { return r.count() == i+1 })
		r.mu.Lock()
		got := r.msgs[i]
		r.mu.Unlock()
		if bad := n.Stats().BadTimes - before; got.Time != tt.want || (bad == 1) != tt.bad || string(got.Body) != fmt.Sprint(i) {
			t.Errorf("%s: %d, %d bad, body %s", tt.name, got.Time, bad, got.Body)
		}
	}

	// Of the SDK, and of a node.
	at := time.Now().UnixMicro()
	count := r.count()
	if err := client(t, s).PublishChannel(bus.String("c"), []byte("1"), bus.Timed()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client's", func() bool { return r.count() == count+1 })
	if err := n.Publish(&bus.Outgoing{Subject: "hoshi.chan.c", Body: []byte("2"), Time: at}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node's", func() bool { return r.count() == count+2 })
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := r.msgs[count].Time; got < at || got > time.Now().UnixMicro() {
		t.Errorf("the client's is of %d, begun at %d", got, at)
	}
	if got := r.msgs[count+1].Time; got != at {
		t.Errorf("the node's is of %d, not %d", got, at)
	}
}

// TestMeasures: the way to NATS, barriers and answers, each where it belongs.
func TestMeasures(t *testing.T) {
	s := server(t, natsd.Options{})
	var r recorder
	n := node(t, s, &r, func(o *bus.NodeOptions) {
		o.Heartbeat = 20 * time.Millisecond
		o.RequestTimeout = 300 * time.Millisecond
	})
	eventually(t, "heartbeats have come back", func() bool { return n.Stats().RTTSeconds.Count >= 3 })
	st := n.Stats()
	if rtt := st.RTTSeconds; rtt.Sum <= 0 || rtt.Quantile(0.5) > 1 {
		t.Errorf("round trips: %+v", rtt)
	}
	if b := st.BarrierSeconds; b.Count != st.Barriers && b.Count+1 != st.Barriers || b.Sum <= 0 || b.Quantile(1) > 5 {
		t.Errorf("%d barriers: %+v", st.Barriers, b)
	}

	back, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	const took = 30 * time.Millisecond
	if _, err := back.Subscribe("hoshi.event.my.app.ask", func(m *nats.Msg) {
		time.AfterFunc(took, func() { _ = m.Respond([]byte("1")) })
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := back.Subscribe("hoshi.event.my.app.no", func(m *nats.Msg) {
		_ = m.RespondMsg(&nats.Msg{Header: nats.Header{bus.HeaderError: {":no"}}})
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := back.Subscribe("hoshi.event.my.app.silent", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if err := back.Flush(); err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		event           string
		own             bool
		callbacks, owns uint64 // measured so far
	}{
		{event: "ask", callbacks: 1},
		{event: "ask", own: true, callbacks: 1, owns: 1},
		{event: "no", callbacks: 2, owns: 1},
		{event: "silent", callbacks: 2, owns: 1},
		{event: "nobody", callbacks: 2, owns: 1},
	} {
		out := &bus.Outgoing{Subject: "hoshi.event.my.app." + tt.event, Body: []byte("[:my.app/x]"), Urgent: tt.own}
		if err := n.Request(out, i); err != nil {
			t.Fatal(err)
		}
		eventually(t, tt.event, func() bool { return len(r.replied()) == i+1 })
		if st := n.Stats(); st.CallbackSeconds.Count != tt.callbacks || st.RequestSeconds.Count != tt.owns {
			t.Errorf("%s: %d callbacks and %d of the node's own", tt.event, st.CallbackSeconds.Count, st.RequestSeconds.Count)
		}
	}
	if sum := n.Stats().RequestSeconds.Sum; sum < took.Seconds() || sum > 5 {
		t.Errorf("an answer after %v took %v s", took, sum)
	}
}
