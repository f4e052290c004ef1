package bus_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID   = "00f067aa0ba902b7"
	sampled  = "00-" + traceID + "-" + spanID + "-01"
	unpicked = "00-" + traceID + "-" + spanID + "-00"
)

func TestParseTraceContext(t *testing.T) {
	zeros := strings.Repeat("0", 32)
	for _, tt := range []struct {
		name, parent, state string
		want                bus.TraceContext // no Parent: malformed
	}{
		{name: "sampled", parent: sampled, want: bus.TraceContext{Parent: sampled}},
		{name: "not sampled", parent: unpicked, want: bus.TraceContext{Parent: unpicked}},
		{name: "with a state", parent: sampled, state: "a=1,b=2", want: bus.TraceContext{Parent: sampled, State: "a=1,b=2"}},
		{name: "unknown flags", parent: "00-" + traceID + "-" + spanID + "-ff", want: bus.TraceContext{Parent: "00-" + traceID + "-" + spanID + "-03"}},
		{name: "later version", parent: "cc-" + traceID + "-" + spanID + "-01", want: bus.TraceContext{Parent: sampled}},
		{name: "later version with more", parent: "01-" + traceID + "-" + spanID + "-09-what-is-this", want: bus.TraceContext{Parent: sampled}},
		{name: "longest state", parent: sampled, state: "a=" + strings.Repeat("1", 510), want: bus.TraceContext{Parent: sampled, State: "a=" + strings.Repeat("1", 510)}},
		{name: "state too long", parent: sampled, state: "a=" + strings.Repeat("1", 511), want: bus.TraceContext{Parent: sampled}},
		{name: "state with a line end", parent: sampled, state: "a=1\r\nHoshi-Uid: root", want: bus.TraceContext{Parent: sampled}},
		{name: "empty"},
		{name: "version ff", parent: "ff-" + traceID + "-" + spanID + "-01"},
		{name: "version 00 with more", parent: sampled + "-x"},
		{name: "later version with more at once", parent: "01-" + traceID + "-" + spanID + "-01x"},
		{name: "later version, far too long", parent: "01-" + traceID + "-" + spanID + "-01-" + strings.Repeat("x", 300)},
		{name: "upper case", parent: strings.ToUpper(sampled)},
		{name: "no trace id", parent: "00-" + zeros + "-" + spanID + "-01"},
		{name: "no span id", parent: "00-" + traceID + "-" + zeros[:16] + "-01"},
		{name: "short", parent: sampled[:54]},
		{name: "other signs", parent: strings.ReplaceAll(sampled, "-", "_")},
		{name: "no hex flags", parent: "00-" + traceID + "-" + spanID + "-0g"},
		{name: "no hex version", parent: "0g-" + traceID + "-" + spanID + "-01"},
		{name: "line end", parent: sampled[:54] + "\n"},
	} {
		got, ok := bus.ParseTraceContext(tt.parent, tt.state)
		if got != tt.want || ok != (tt.want.Parent != "") {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, ok, tt.want)
		}
	}
}

// FuzzTraceContext: what is taken is what OpenTelemetry's own reader takes, and
// can stand in a header; what that takes of version 00 is taken.
func FuzzTraceContext(f *testing.F) {
	f.Add(sampled, "a=1")
	f.Add("01-"+traceID+"-"+spanID+"-03-x", "a=1,b@c=2")
	f.Add("", "\r\n")
	f.Fuzz(func(t *testing.T, parent, state string) {
		theirs := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(t.Context(),
			propagation.MapCarrier{"traceparent": parent, "tracestate": state}))
		tc, ok := bus.ParseTraceContext(parent, state)
		if !ok {
			if theirs.IsValid() && parent[:2] == "00" {
				t.Errorf("%q is not taken", parent)
			}
			return
		}
		sc := tc.SpanContext()
		if !sc.IsValid() || !sc.IsRemote() || sc.IsSampled() != tc.Sampled() || tc.Unsampled().Sampled() ||
			tc.Unsampled().SpanContext().SpanID() != sc.SpanID() {
			t.Errorf("%q: %+v", parent, sc)
		}
		if theirs.IsValid() && (sc.TraceID() != theirs.TraceID() || sc.SpanID() != theirs.SpanID() || sc.IsSampled() != theirs.IsSampled()) {
			t.Errorf("%q: %+v, and they say %+v", parent, sc, theirs)
		}
		if back := bus.TraceContextOfSpan(sc); back.Parent != tc.Parent {
			t.Errorf("%q comes back as %q", tc.Parent, back.Parent)
		}
		if len(tc.Parent) != 55 || len(tc.State) > bus.MaxTraceState || strings.ContainsAny(tc.Parent+tc.State, "\r\n") {
			t.Errorf("%q %q in a header", tc.Parent, tc.State)
		}
	})
}

func TestTraceContextAllocations(t *testing.T) {
	var (
		msg bus.Message
		sc  codec.Scanner
	)
	m := &nats.Msg{Subject: "hoshi.chan.a", Header: nats.Header{"Hoshi-From": {connID}, "traceparent": {sampled}}, Data: []byte("1")}
	if n := testing.AllocsPerRun(100, func() {
		if !bus.ParseMessage(m, &msg, &sc) || !msg.Trace.Sampled() {
			t.Fatal("not parsed")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

const connID = "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"

// inSpan is a context of a program in the middle of a span.
func inSpan(t testing.TB, state string) context.Context {
	t.Helper()
	tc, ok := bus.ParseTraceContext(sampled, state)
	if !ok {
		t.Fatal(sampled)
	}
	return tc.Context(t.Context())
}

// TestTraceHeaders has a node and a backend say on what trace they are to each
// other, by the headers that stand in the contract.
func TestTraceHeaders(t *testing.T) {
	s := server(t, natsd.Options{})
	h := newTraceHandler()
	n := node(t, s, h, nil)
	want(t, n, bus.KindChan, "x")
	back := client(t, s)
	rawHeaders := make(chan string, 16)
	if _, err := client(t, s).Tap(t.Context(), "hoshi.*.>", func(subject string, h bus.Header, _ []byte) {
		if !strings.HasPrefix(subject, "hoshi.sync.") && !strings.HasPrefix(subject, "hoshi.api.") {
			rawHeaders <- fmt.Sprint(subject, map[string][]string(h))
		}
	}); err != nil {
		t.Fatal(err)
	}
	events := make(chan *bus.Event, 16)
	if _, err := back.Take(t.Context(), ">", "g", func(e *bus.Event) { events <- e }); err != nil {
		t.Fatal(err)
	}
	tc, _ := bus.ParseTraceContext(sampled, "a=1")

	t.Run("an event to a backend, and no header without a trace", func(t *testing.T) {
		for _, out := range []bus.Outgoing{
			{Subject: "hoshi.event.a.b", Body: []byte("[:a/b]"), Conn: connID, Trace: tc},
			{Subject: "hoshi.event.a.b", Body: []byte("[:a/b]"), Conn: connID},
		} {
			if err := n.Publish(&out); err != nil {
				t.Fatal(err)
			}
			e := take(t, events)
			if e.Trace != out.Trace {
				t.Errorf("event has %+v, want %+v", e.Trace, out.Trace)
			}
			sc := trace.SpanContextFromContext(e.Context(t.Context()))
			if sc.IsValid() != (out.Trace.Parent != "") || sc.IsValid() && (sc.TraceID().String() != traceID || sc.TraceState().String() != "a=1") {
				t.Errorf("span context %+v", sc)
			}
			if raw := take(t, rawHeaders); strings.Contains(raw, "trace") != sc.IsValid() {
				t.Errorf("headers %s", raw)
			}
		}
	})

	t.Run("a backend's publish and ask", func(t *testing.T) {
		if err := back.PublishChannel(bus.String("x"), []byte("1"), bus.Traced(inSpan(t, "a=1"))); err != nil {
			t.Fatal(err)
		}
		if m := take(t, h.delivered); m.Trace != tc {
			t.Errorf("message has %+v", m.Trace)
		}
		if err := back.PublishChannel(bus.String("x"), []byte("1"), bus.Traced(t.Context())); err != nil {
			t.Fatal(err)
		}
		if m := take(t, h.delivered); m.Trace.Parent != "" {
			t.Errorf("message has %+v", m.Trace)
		}
		ctx, cancel := context.WithTimeout(inSpan(t, ""), 100*time.Millisecond)
		defer cancel()
		back.AskChannel(ctx, bus.String("x"), []byte("1")) //nolint:errcheck // nobody answers
		if m := take(t, h.delivered); m.Trace.Parent != sampled || m.Ask == 0 {
			t.Errorf("ask has %+v", m.Trace)
		}
	})

	t.Run("a reply", func(t *testing.T) {
		for range len(rawHeaders) {
			<-rawHeaders
		}
		out := bus.Outgoing{Subject: "hoshi.event.a.b", Body: []byte("[:a/b]"), Conn: connID}
		if err := n.Request(&out, "key"); err != nil {
			t.Fatal(err)
		}
		if err := take(t, events).Reply([]byte("1"), bus.Traced(inSpan(t, ""))); err != nil {
			t.Fatal(err)
		}
		if r := take(t, h.replies); r.Err != nil || string(r.Body) != "1" {
			t.Errorf("reply %+v", r)
		}
	})

	t.Run("malformed headers cost nothing but their trace", func(t *testing.T) {
		nc := raw(t, s)
		for _, header := range []nats.Header{
			{"traceparent": {"00-zz"}},
			{"traceparent": {sampled, sampled}},
			{"traceparent": {strings.Repeat("0", 10_000)}},
			{"Traceparent": {""}},
		} {
			before := n.Stats().BadTraces
			if err := nc.PublishMsg(&nats.Msg{Subject: "hoshi.chan.x", Header: header, Data: []byte("1")}); err != nil {
				t.Fatal(err)
			}
			if m := take(t, h.delivered); m.Trace.Parent != "" {
				t.Errorf("%v: %+v", header, m.Trace)
			}
			if after := n.Stats().BadTraces; after != before+1 {
				t.Errorf("%v: counted %d", header, after-before)
			}
		}
		// As net/http spells them, and a state that is none.
		good := nats.Header{"Traceparent": {sampled}, "Tracestate": {"\x01"}}
		if err := nc.PublishMsg(&nats.Msg{Subject: "hoshi.chan.x", Header: good, Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		if m := take(t, h.delivered); m.Trace != (bus.TraceContext{Parent: sampled}) {
			t.Errorf("%+v", m.Trace)
		}
		if err := nc.PublishMsg(&nats.Msg{Subject: "hoshi.event.a.b", Header: nats.Header{"traceparent": {"x"}, "Hoshi-Conn": {connID}}, Data: []byte("[:a/b]")}); err != nil {
			t.Fatal(err)
		}
		if e := take(t, events); e.Trace.Parent != "" || back.Stats().BadTraces != 1 {
			t.Errorf("%+v, counted %d", e.Trace, back.Stats().BadTraces)
		}
	})
}

// traceHandler tells what a node is handed.
type traceHandler struct {
	counter
	delivered chan bus.Message
	replies   chan bus.Reply
}

func newTraceHandler() *traceHandler {
	return &traceHandler{delivered: make(chan bus.Message, 16), replies: make(chan bus.Reply, 16)}
}

func (h *traceHandler) Deliver(_ int, m *bus.Message) { h.delivered <- *m }
func (h *traceHandler) Reply(r bus.Reply)             { h.replies <- r }

func take[T any](t *testing.T, ch chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing within 20 s")
	}
	panic("unreachable")
}

// TestTraceHeadersClear holds that the headers of one message are not those of
// the next, which the publisher makes of the same map.
func TestTraceHeadersClear(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, newTraceHandler(), nil)
	got := make(chan map[string][]string, 4)
	if _, err := client(t, s).Tap(t.Context(), "hoshi.event.>", func(_ string, h bus.Header, _ []byte) {
		got <- maps.Clone(map[string][]string(h))
	}); err != nil {
		t.Fatal(err)
	}
	tc, _ := bus.ParseTraceContext(sampled, "a=1")
	for _, tr := range []bus.TraceContext{tc, {Parent: unpicked}, {}} {
		if err := n.Publish(&bus.Outgoing{Subject: "hoshi.event.a.b", Body: []byte("[:a/b]"), Conn: connID, Trace: tr}); err != nil {
			t.Fatal(err)
		}
		h := take(t, got)
		if first(h["traceparent"]) != tr.Parent || first(h["tracestate"]) != tr.State {
			t.Errorf("%v, want %+v", h, tr)
		}
	}
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
