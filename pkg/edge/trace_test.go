package edge_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// tracer makes spans that a test sees; those without a parent are recorded where
// roots is true.
type tracer struct {
	trace.Tracer
	*tracetest.SpanRecorder
	started atomic.Int64
}

func newTracer(roots bool) *tracer {
	root := sdktrace.NeverSample()
	if roots {
		root = sdktrace.AlwaysSample()
	}
	t := &tracer{SpanRecorder: tracetest.NewSpanRecorder()}
	t.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(t.SpanRecorder), sdktrace.WithSampler(sdktrace.ParentBased(root))).Tracer("test")
	return t
}

func (r *tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	r.started.Add(1)
	return r.Tracer.Start(ctx, name, options...)
}

// span waits for the n-th span that has ended, from 1.
func (r *tracer) span(t *testing.T, n int) sdktrace.ReadOnlySpan {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("span %d", n), func() bool { return len(r.Ended()) >= n })
	return r.Ended()[n-1]
}

// say returns what a span says, by key.
func say(s sdktrace.ReadOnlySpan) map[attribute.Key]string {
	m := map[attribute.Key]string{}
	for _, a := range s.Attributes() {
		m[a.Key] = a.Value.String()
	}
	return m
}

// traceHeaders hears what is published on a subject: its trace headers.
func traceHeaders(t *testing.T, b *bus.Client, pattern string) <-chan string {
	t.Helper()
	heard := make(chan string, 1000)
	_, err := b.Tap(t.Context(), pattern, func(_ string, h bus.Header, _ []byte) {
		heard <- strings.Join(append(slices.Clone(h["traceparent"]), h["tracestate"]...), " ")
	})
	must(t, err)
	return heard
}

// TestTraceEvents: what a client sends has a span from when it is read to its
// end, and NATS carries it. Nothing of who and what it is about is said.
func TestTraceEvents(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	spans := newTracer(true)
	c := senteNode(t, 1, func(o *edge.Options) {
		o.Tracer, o.RequestTimeout = spans, 200*time.Millisecond
		o.Channels.MustExist, o.Channels.Patterns = true, []string{secret}
	})
	backend := c.Backend(t, 0)
	hear(t, backend, "my.>", "silent", func(e *bus.Event) {
		switch string(e.ID) {
		case ":my/answer":
			must(t, e.Reply([]byte(`{:x "`+secret+`"}`)))
		case ":my/refuse":
			must(t, e.ReplyError(":"+secret))
		}
	})
	events, channel := traceHeaders(t, backend, "hoshi.event.my.>"), traceHeaders(t, backend, "hoshi.chan.>")
	ended := 0
	for _, tt := range []struct {
		send, answer     string
		name, id, status string
		heard            <-chan string // nil: nothing is published
	}{
		{send: `[:my/event "` + secret + `"]`, name: "event", id: ":my/event", heard: events},
		{send: `[[:my/answer {:n "` + secret + `"}] "cb"]`, answer: `[{:x "` + secret + `"} "cb"]`, name: "event", id: ":my/answer", heard: events},
		{send: `[[:my/refuse] "cb"]`, answer: `[:` + secret + ` "cb"]`, name: "event", id: ":my/refuse", status: "refused-by-backend", heard: events},
		{send: `[[:my/late] "cb"]`, answer: `[:chsk/timeout "cb"]`, name: "event", id: ":my/late", status: "timeout", heard: events},
		{send: `[[:nobody/there] "cb"]`, answer: `[:chsk/error "cb"]`, name: "event", id: ":nobody/there", status: "no-responders"},
		{send: `[[:sente-lite/publish {:channel-id "` + secret + `" :data "` + secret + `"}] "cb"]`, answer: `[{:success true} "cb"]`, name: "publish", heard: channel},
		{send: `[[:sente-lite/publish {:channel-id "other"}] "cb"]`, answer: `[{:error :channel-not-found :success false} "cb"]`, name: "publish", status: "publish-refused"},
		{send: `[:my/` + strings.Repeat("é", 100) + `]`, name: "event", id: ":my/" + strings.Repeat("é", 62), heard: events},
	} {
		for _, sente := range []bool{false, true} {
			for _, format := range []string{"edn", "msgpack-gzip"} {
				s := speak(t, c.Nodes[0].Addr().String(), format, sente)
				send := tt.send
				if sente && tt.answer == "" {
					send = "[" + send + " nil]"
				}
				s.Say(send)
				for tt.answer != "" {
					if got := s.Hear(); got == tt.answer {
						break
					} else if !strings.Contains(got, "handshake") {
						t.Errorf("%s in %s: got %s, want %s", tt.send, s.name, got, tt.answer)
						break
					}
				}
				ended++
				span := spans.span(t, ended)
				said := say(span)
				dialect := map[bool]string{false: "sente-lite", true: "sente"}[sente]
				if span.Name() != tt.name || span.SpanKind() != trace.SpanKindServer || span.Status().Description != tt.status ||
					(span.Status().Code == codes.Error) != (tt.status != "") ||
					said["hoshi.event_id"] != tt.id || said["hoshi.dialect"] != dialect || said["hoshi.format"] != format || !strings.HasPrefix(said["hoshi.conn_id"], "conn-") {
					t.Errorf("%s in %s: %s %+v %v", tt.send, s.name, span.Name(), span.Status(), said)
				}
				if text := fmt.Sprint(said, span.Name(), span.Status()); strings.Contains(text, secret) {
					t.Errorf("%s in %s: %s", tt.send, s.name, text)
				}
				if tt.heard != nil {
					if got := next(t, tt.heard); got != bus.TraceContextOfSpan(span.SpanContext()).Parent {
						t.Errorf("%s in %s: header %q", tt.send, s.name, got)
					}
				}
				must(t, s.Conn.Close())
			}
		}
	}
	if n := len(spans.Started()); n != ended {
		t.Errorf("%d spans begun, %d ended", n, ended)
	}
	if s := c.Nodes[0].Stats().Traces; s != (edge.TraceStats{Events: uint64(ended)}) {
		t.Errorf("%+v", s)
	}
}

// TestTraceFromClients: what a client says of its trace counts within bounds.
func TestTraceFromClients(t *testing.T) {
	t.Parallel()
	const traced = `[:hoshi/traced {:traceparent "%s" :tracestate "%s" :event [:my/event 1]}]`
	for _, tt := range []struct {
		name          string
		tracer        *tracer // nil: off
		clients       int
		parent, state string
		headers       string // what NATS carries; "span" for that of the span
		recorded      bool
		stats         edge.TraceStats
	}{
		{name: "off", parent: unrecorded, state: "a=1", headers: unrecorded + " a=1"},
		{name: "off, recorded by the client", parent: recordedParent, clients: 100, headers: unrecorded, stats: edge.TraceStats{Unwanted: 1}},
		{name: "off, malformed", parent: "00-zz", headers: "", stats: edge.TraceStats{Malformed: 1}},
		{name: "off, nothing", headers: ""},
		{name: "on, not recorded", tracer: newTracer(true), clients: 100, parent: unrecorded, headers: unrecorded},
		{name: "on, recorded by the client", tracer: newTracer(false), clients: 100, parent: recordedParent, state: "a=1", headers: "span a=1", recorded: true, stats: edge.TraceStats{Events: 1}},
		{name: "on, but not for clients", tracer: newTracer(false), parent: recordedParent, headers: unrecorded, stats: edge.TraceStats{Unwanted: 1}},
		{name: "on, malformed", tracer: newTracer(true), clients: 100, parent: strings.ToUpper(recordedParent), headers: "span", recorded: true, stats: edge.TraceStats{Events: 1, Malformed: 1}},
		{name: "on, left out", tracer: newTracer(false), clients: 100, parent: "x", headers: "", stats: edge.TraceStats{Malformed: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := one(t, func(o *edge.Options) {
				if tt.tracer != nil {
					o.Tracer = tt.tracer
				}
				o.TraceClients = tt.clients
			})
			headers := traceHeaders(t, c.Backend(t, 0), "hoshi.event.my.>")
			cl := c.Dial(t, 0, "/")
			cl.Send(fmt.Sprintf(traced, tt.parent, tt.state))
			got := next(t, headers)
			want := tt.headers
			if tt.recorded {
				span := tt.tracer.span(t, 1)
				want = strings.Replace(want, "span", bus.TraceContextOfSpan(span.SpanContext()).Parent, 1)
				if child := span.Parent().IsRemote(); child != (tt.parent == recordedParent) || child && span.SpanContext().TraceID().String() != traceID {
					t.Errorf("parent %+v", span.Parent())
				}
			}
			if got != want {
				t.Errorf("headers %q, want %q", got, want)
			}
			if s := c.Nodes[0].Stats().Traces; s != tt.stats {
				t.Errorf("%+v, want %+v", s, tt.stats)
			}
			if tt.tracer != nil && !tt.recorded && len(tt.tracer.Started()) > 0 {
				t.Error("recorded")
			}
		})
	}
}

// TestTraceFlood: a client that has everything recorded is believed so many times
// a second, and all that it sends arrives.
func TestTraceFlood(t *testing.T) {
	spans := newTracer(false)
	c := one(t, func(o *edge.Options) { o.Tracer, o.TraceClients = spans, 1 })
	headers := traceHeaders(t, c.Backend(t, 0), "hoshi.event.my.>")
	cl := c.Dial(t, 0, "/")
	const flood = 500
	for range flood {
		cl.Send(`[:hoshi/traced {:traceparent "` + recordedParent + `" :event [:my/event]}]`)
	}
	dropped := 0
	for range flood {
		if next(t, headers) == unrecorded {
			dropped++
		}
	}
	recorded := len(spans.Ended())
	if s := c.Nodes[0].Stats().Traces; recorded+dropped != flood || recorded < 2 || recorded > 50 || s.Unwanted != uint64(dropped) {
		t.Errorf("%d recorded, %d not, %+v", recorded, dropped, s)
	}
}

// TestTraceHeld: a message that has to wait begins to be traced when it is read,
// and once.
func TestTraceHeld(t *testing.T) {
	t.Parallel()
	for _, roots := range []bool{true, false} {
		t.Run(fmt.Sprintf("recorded=%v", roots), func(t *testing.T) {
			spans := newTracer(roots)
			c := one(t, func(o *edge.Options) { o.Tracer, o.Limits.MaxCallbacks = spans, 1 })
			release := make(chan struct{})
			hear(t, c.Backend(t, 0), "my.>", "slow", func(e *bus.Event) {
				if string(e.ID) == ":my/first" {
					<-release
				}
				if e.WantsReply() {
					must(t, e.Reply([]byte("1")))
				}
			})
			cl := c.Dial(t, 0, "/")
			cl.Send(`[[:my/first] "a"]`, `[[:my/second] "b"]`, `[:my/third]`)
			testkit.Eventually(t, "held", func() bool { return c.Nodes[0].Stats().Limits.CallbacksHeld > 0 })
			close(release)
			cl.Expect(`[1 "a"]`, `[1 "b"]`)
			testkit.Eventually(t, "all three", func() bool { return spans.started.Load() == 3 })
			if !roots {
				if n := spans.started.Load(); n != 3 || len(spans.Ended()) != 0 {
					t.Errorf("%d chances", n)
				}
				return
			}
			spans.span(t, 3)
			byID := map[string]sdktrace.ReadOnlySpan{}
			for _, s := range spans.Ended() {
				byID[say(s)["hoshi.event_id"]] = s
			}
			first, second, third := byID[":my/first"], byID[":my/second"], byID[":my/third"]
			if len(byID) != 3 || !second.StartTime().Before(first.EndTime()) || third.StartTime().Before(first.EndTime()) {
				t.Errorf("first %v to %v, second from %v, third from %v", first.StartTime(), first.EndTime(), second.StartTime(), third.StartTime())
			}
		})
	}
}

// TestTraceHeldEnds: a message that is held back has a span that ends with its
// connection.
func TestTraceHeldEnds(t *testing.T) {
	t.Parallel()
	spans := newTracer(true)
	c := one(t, func(o *edge.Options) { o.Tracer, o.Limits.MaxCallbacks = spans, 1 })
	release := make(chan struct{})
	backend := c.Backend(t, 0)
	hear(t, backend, "my.>", "slow", func(*bus.Event) { <-release })
	defer close(release)
	cl := c.Dial(t, 0, "/")
	cl.Send(`[[:my/first] "a"]`, `[[:my/second] "b"]`)
	testkit.Eventually(t, "held", func() bool { return c.Nodes[0].Stats().Limits.CallbacksHeld > 0 })
	_, err := backend.Kick(t.Context(), bus.Kick{ConnID: cl.ConnID})
	must(t, err)
	s := spans.span(t, 1)
	if got := say(s)["hoshi.event_id"]; got != ":my/second" || s.Status().Description != "closed" {
		t.Errorf("%s has ended: %+v", got, s.Status())
	}
}

// TestTracePanics: a delivery that panics has a span that ends.
func TestTracePanics(t *testing.T) {
	t.Parallel()
	spans := newTracer(true)
	c := one(t, func(o *edge.Options) { o.Tracer = spans })
	cl := c.Dial(t, 0, "/")
	cl.Subscribe(`"room"`)
	m := &bus.Message{Kind: bus.KindChan, Token: "room", Body: []byte("1"), Format: codec.EDN}
	m.Trace.Parent = recordedParent
	edge.PanicIn(c.Nodes[0], m)
	if s := spans.Ended(); len(s) != 1 || s[0].Name() != "deliver" || s[0].Status().Description != "panic" {
		t.Errorf("ended %+v", s)
	}
	edge.Deliver(c.Nodes[0], m)
	if s := spans.Ended(); len(s) != 2 || s[1].Status().Code != codes.Unset {
		t.Errorf("ended %+v", s)
	}
}

// TestTraceAjax: what comes by a POST, to whichever node, is traced where its
// session is.
func TestTraceAjax(t *testing.T) {
	t.Parallel()
	spans := []*tracer{newTracer(true), newTracer(true)}
	i := 0
	c := senteNode(t, 2, func(o *edge.Options) { o.Tracer, o.TraceClients, o.Echo = spans[i], 100, true; i++ })
	at := 0
	p := newPoller(t, c, "tab-1", func() int { return at })
	p.Open()
	at = 1
	got := p.Post(`[[:hoshi/traced {:traceparent "` + recordedParent + `" :event [:my/event 7]}] :ajax-cb]`)
	if !strings.Contains(got, "7") {
		t.Errorf("answer %s", got)
	}
	if s := spans[0].span(t, 1); s.SpanContext().TraceID().String() != traceID || say(s)["hoshi.dialect"] != "sente" {
		t.Errorf("%+v %v", s.SpanContext(), say(s))
	}
	if len(spans[1].Started()) > 0 {
		t.Error("the other node has a span too")
	}
}

// TestTraceDeliver: one span for each node and message that is recorded, whatever
// it is for, with how many have got it.
func TestTraceDeliver(t *testing.T) {
	spans := newTracer(true)
	c := senteNode(t, 1, func(o *edge.Options) { o.Tracer = spans; o.Sente.SendBufWS = -1 })
	backend := c.Backend(t, 0)
	tc, ok := bus.ParseTraceContext(recordedParent, "")
	if !ok {
		t.Fatal(recordedParent)
	}
	ctx := tc.Context(t.Context())
	edn := c.Dial(t, 0, "/?uid=alice")
	json := speak(t, c.Nodes[0].Addr().String(), "json", false)
	tab := c.Dial(t, 0, "/chsk?client-id=tab-1&uid=alice")
	edn.Subscribe(`"room"`)
	json.Say(`[[:sente-lite/subscribe {:channel-id "room"}] "s"]`)
	json.Hear()
	ended := len(spans.Ended())
	for _, tt := range []struct {
		name    string
		publish func(...bus.PublishOption) error
		want    map[attribute.Key]string
	}{
		{
			"chan", func(o ...bus.PublishOption) error {
				return backend.PublishChannel(bus.String("room"), []byte("[1 2]"), o...)
			},
			map[attribute.Key]string{"hoshi.kind": "chan", "hoshi.recipients": "2", "hoshi.frames": "2", "hoshi.conversions": "1", "hoshi.bytes": "5", "hoshi.formats": `["sente-lite/edn","sente-lite/json"]`},
		},
		{"excluded", func(o ...bus.PublishOption) error {
			return backend.PublishChannel(bus.String("room"), []byte("1"), append(o, bus.Exclude(edn.ConnID))...)
		}, map[attribute.Key]string{"hoshi.kind": "chan", "hoshi.recipients": "1", "hoshi.frames": "1", "hoshi.conversions": "1", "hoshi.bytes": "1", "hoshi.formats": `["sente-lite/json"]`}},
		{
			"user", func(o ...bus.PublishOption) error {
				return backend.PublishUser(bus.String("alice"), []byte("[:a/b]"), o...)
			},
			map[attribute.Key]string{"hoshi.kind": "user", "hoshi.recipients": "2", "hoshi.frames": "2", "hoshi.conversions": "0", "hoshi.bytes": "6", "hoshi.formats": `["sente-lite/edn","sente/edn"]`},
		},
		{
			"conn", func(o ...bus.PublishOption) error { return backend.PublishConn(edn.ConnID, []byte("[:a/b]"), o...) },
			map[attribute.Key]string{"hoshi.kind": "conn", "hoshi.recipients": "1", "hoshi.frames": "1", "hoshi.conversions": "0", "hoshi.bytes": "6", "hoshi.formats": `["sente-lite/edn"]`},
		},
		{
			"client", func(o ...bus.PublishOption) error { return backend.PublishClient("tab-1", []byte("[:a/b]"), o...) },
			map[attribute.Key]string{"hoshi.kind": "client", "hoshi.recipients": "1", "hoshi.frames": "1", "hoshi.conversions": "0", "hoshi.bytes": "6", "hoshi.formats": `["sente/edn"]`},
		},
		{
			"all", func(o ...bus.PublishOption) error { return backend.PublishAll([]byte("[:a/b]"), o...) },
			map[attribute.Key]string{"hoshi.kind": "all", "hoshi.frames": "3", "hoshi.conversions": "1", "hoshi.bytes": "6", "hoshi.formats": `["sente-lite/edn","sente-lite/json","sente/edn"]`},
		},
	} {
		must(t, tt.publish())
		must(t, tt.publish(bus.Traced(bus.TraceContext{Parent: unrecorded}.Context(t.Context()))))
		must(t, tt.publish(bus.Traced(ctx)))
		ended++
		s := spans.span(t, ended)
		if got := say(s); s.Name() != "deliver" || s.SpanKind() != trace.SpanKindConsumer || s.Parent().SpanID() != tc.SpanContext().SpanID() || fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %s %v, want %v", tt.name, s.Name(), got, tt.want)
		}
	}
	// An ask, whose context is its caller's.
	asked, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if a, _ := backend.AskChannel(asked, bus.String("room"), []byte("1"), bus.Enough(2)); a.Asked != 2 {
		t.Errorf("%+v", a)
	}
	ended++
	if got := say(spans.span(t, ended)); got["hoshi.recipients"] != "2" {
		t.Errorf("ask: %v", got)
	}
	if n := len(spans.Started()); n != ended {
		t.Errorf("%d spans, want %d", n, ended)
	}
	if s := c.Nodes[0].Stats().Traces; s != (edge.TraceStats{Deliveries: uint64(ended)}) {
		t.Errorf("%+v", s)
	}
	if got := tab.Read(); !strings.Contains(got, ":a/b") {
		t.Errorf("the tab has %s", got)
	}
}

// TestTraceOff: what is on no trace allocates as much with a tracer that leaves it
// out as without one, and without one what it did before there were any.
func TestTraceOff(t *testing.T) {
	node := func(tr trace.Tracer) (*edge.Node, *testkit.Client) {
		c := one(t, func(o *edge.Options) { o.Tracer = tr })
		cl := c.Dial(t, 0, "/")
		cl.Subscribe(`"b"`)
		return c.Nodes[0], cl
	}
	least := func(do func()) float64 {
		n := testing.AllocsPerRun(20, do)
		for range 9 { // other goroutines of the process allocate too
			n = min(n, testing.AllocsPerRun(20, do))
		}
		return n
	}
	delivery := func(tr trace.Tracer, parent string) float64 {
		n, _ := node(tr)
		m := &bus.Message{Kind: bus.KindChan, Token: "b", Body: []byte("1"), Format: codec.EDN}
		m.Trace.Parent = parent
		return least(func() { edge.Deliver(n, m) })
	}
	event := func(tr trace.Tracer, text string) (allocations float64) {
		n, cl := node(tr)
		edge.OnLoop(n, cl.ConnID, func(inbound func([]byte) bool) {
			allocations = least(func() { inbound([]byte(text)) })
		})
		return allocations
	}
	const plain = `[:chat/say {:n 1}]`
	leftOut := &sampleNone{}
	for _, tt := range []struct {
		name string
		got  float64
		most float64 // of before there were traces
	}{
		{"delivery, off", delivery(nil, ""), 4},
		{"delivery, off, recorded by the sender", delivery(nil, recordedParent), 4},
		{"delivery, on, no trace", delivery(newTracer(true), ""), 4},
		{"delivery, on, not recorded", delivery(newTracer(true), unrecorded), 4},
		{"event, off", event(nil, plain), 4},
		{"event, on, left out", event(leftOut, plain), 4},
	} {
		if tt.got > tt.most {
			t.Errorf("%s: %v allocations, want %v", tt.name, tt.got, tt.most)
		}
	}
	if leftOut.started.Load() == 0 {
		t.Error("nobody has been asked for a span")
	}
	if d, e := delivery(newTracer(true), recordedParent), event(newTracer(true), plain); d <= 4 || e <= 4 {
		t.Errorf("%v and %v allocations where it is recorded: nothing is measured", d, e)
	}
}

// sampleNone leaves all out, at no cost.
type sampleNone struct {
	noop.Tracer
	started atomic.Int64
}

func (s *sampleNone) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	s.started.Add(1)
	return ctx, noop.Span{}
}
