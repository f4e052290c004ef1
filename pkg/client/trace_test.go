package client_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/client"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// spanContext is a context in the middle of a span.
func spanContext(t testing.TB, flags trace.TraceFlags, state string) context.Context {
	t.Helper()
	ts, err := trace.ParseTraceState(state)
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 15: 0x36}, SpanID: trace.SpanID{7: 2}, TraceFlags: flags, TraceState: ts,
	}))
}

func TestTraced(t *testing.T) {
	const parent = "00-4b000000000000000000000000000036-0000000000000002-0"
	hi := client.MustEvent("chat/hi", map[string]int{"n": 1})
	for _, tt := range []struct {
		name  string
		ctx   context.Context
		event client.Event
		want  string
	}{
		{"no span", t.Context(), hi, hi.String()},
		{"recorded", spanContext(t, trace.FlagsSampled, ""), hi, `[:hoshi/traced {:traceparent "` + parent + `1", :event ` + hi.String() + `}]`},
		{"not recorded", spanContext(t, 0, ""), hi, `[:hoshi/traced {:traceparent "` + parent + `0", :event ` + hi.String() + `}]`},
		{"with a state", spanContext(t, 1, `a="\x`), hi, `[:hoshi/traced {:traceparent "` + parent + `1", :tracestate "a=\"\\x", :event ` + hi.String() + `}]`},
		{"with a long state", spanContext(t, 1, "a="+strings.Repeat("1", 256)+",b="+strings.Repeat("2", 256)), hi, `[:hoshi/traced {:traceparent "` + parent + `1", :event ` + hi.String() + `}]`},
		{"twice", spanContext(t, 1, ""), client.Traced(spanContext(t, 0, ""), hi), `[:hoshi/traced {:traceparent "` + parent + `0", :event ` + hi.String() + `}]`},
		{"none", spanContext(t, 1, ""), client.Event{}, ""},
	} {
		got := client.Traced(tt.ctx, tt.event)
		if got.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if tt.want == "" {
			continue
		}
		if again, err := client.ParseEvent(got.String()); err != nil || again != got {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestTraceOption: what has a context is on its trace, if that is wanted and fits.
func TestTraceOption(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*client.Options)
		event  string
		traced bool
	}{
		{"off", func(*client.Options) {}, "[:a/b]", false},
		{"on", func(o *client.Options) { o.Trace = true }, "[:a/b]", true},
		{"too long", func(o *client.Options) { o.Trace, o.MaxSend = true, 100 }, `[:a/b "` + strings.Repeat("x", 80) + `"]`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent := make(chan client.Event, 1)
			cluster := testkit.StartCluster(t, 1, nil)
			o := client.Options{URLs: []string{url(cluster, 0, "")}, OnSend: func(e client.Event) error { sent <- e; return nil }}
			tt.change(&o)
			c := connect(t, o)
			e, err := client.ParseEvent(tt.event)
			if err != nil {
				t.Fatal(err)
			}
			for _, do := range []func(context.Context) error{
				func(ctx context.Context) error { return c.EnqueueWait(ctx, e) },
				func(ctx context.Context) error {
					if _, err := c.Request(ctx, e); !strings.Contains(err.Error(), "request :a/b: ") {
						return err
					}
					return nil // nobody takes it
				},
			} {
				if err := do(spanContext(t, 1, "")); err != nil {
					t.Fatal(err)
				}
				if got := (<-sent).String(); strings.HasPrefix(got, "[:hoshi/traced ") != tt.traced || !strings.Contains(got, tt.event) {
					t.Errorf("sent %s", got)
				}
			}
		})
	}
}

// recorded is a tracer, and what it has recorded.
func recorded() (*tracetest.SpanRecorder, trace.Tracer) {
	r := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	return r, p.Tracer("test")
}

// endedSpan waits for a span of that name.
func endedSpan(t *testing.T, r *tracetest.SpanRecorder, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	deadline := time.Now().Add(testkit.Patience)
	for {
		for _, s := range r.Ended() {
			if s.Name() == name {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no span %s", name)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestTraceThroughNodes follows one trace: from a client over its node to a
// backend and back, and from the backend over both nodes to who is subscribed.
func TestTraceThroughNodes(t *testing.T) {
	var recorders [2]*tracetest.SpanRecorder
	cluster := testkit.StartCluster(t, 2, func(i int, o *edge.Options) {
		recorders[i], o.Tracer = recorded()
		o.TraceClients = 100
	})
	backend := cluster.Backend(t, 1)
	ours, tracer := recorded()
	heard := make(chan client.ChannelMessage, 8)
	for i, readers := range []int{3, 2} {
		for range readers {
			c := connect(t, client.Options{URLs: []string{url(cluster, i, "")}})
			if _, err := c.OnChannel("room", func(m client.ChannelMessage) { heard <- m }); err != nil {
				t.Fatal(err)
			}
			if err := c.Subscribe(patience(t), "room"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := backend.Take(patience(t), "shop.>", "shop", func(e *bus.Event) {
		ctx, span := tracer.Start(e.Context(context.Background()), "backend")
		defer span.End()
		if err := backend.PublishChannel(bus.String("room"), []byte(`{:secret "payload"}`), bus.Traced(ctx)); err != nil {
			t.Error(err)
		}
		if err := e.Reply([]byte(`{:secret "reply"}`), bus.Traced(ctx)); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	alice := connect(t, client.Options{URLs: []string{url(cluster, 0, "?uid=alice")}, Trace: true})

	root := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ours)).Tracer("test")
	ctx, span := root.Start(patience(t), "client")
	value, err := alice.Request(ctx, client.MustEvent("shop/buy", map[string]string{"secret": "event"}))
	if err != nil || value != `{:secret "reply"}` {
		t.Fatalf("%s, %v", value, err)
	}
	span.End()
	for range 5 {
		<-heard
	}

	event, back := endedSpan(t, recorders[0], "event"), endedSpan(t, ours, "backend")
	deliveries := []sdktrace.ReadOnlySpan{endedSpan(t, recorders[0], "deliver"), endedSpan(t, recorders[1], "deliver")}
	for _, s := range append(deliveries, event, back) {
		if s.SpanContext().TraceID() != span.SpanContext().TraceID() {
			t.Errorf("%s is on another trace", s.Name())
		}
		for _, a := range s.Attributes() {
			for _, no := range []string{"secret", "payload", "alice", "room", "reply", "buy\""} {
				if strings.Contains(a.Value.String(), no) {
					t.Errorf("%s says %s: %s", s.Name(), a.Key, a.Value.String())
				}
			}
		}
	}
	if event.Parent().SpanID() != span.SpanContext().SpanID() || back.Parent().SpanID() != event.SpanContext().SpanID() {
		t.Errorf("client %v, event %+v, backend %+v", span.SpanContext().SpanID(), event.Parent(), back.Parent())
	}
	if event.SpanKind() != trace.SpanKindServer || !event.EndTime().After(back.StartTime()) {
		t.Errorf("%v, ended %v", event.SpanKind(), event.EndTime())
	}
	for i, d := range deliveries {
		if d.Parent().SpanID() != back.SpanContext().SpanID() || d.SpanKind() != trace.SpanKindConsumer {
			t.Errorf("deliver on node %d: parent %+v", i, d.Parent())
		}
		if n := attributeOf(d, "hoshi.recipients").AsInt64(); n != int64(3-i) {
			t.Errorf("deliver on node %d: %d recipients", i, n)
		}
	}
	if id := attributeOf(event, "hoshi.event_id").AsString(); id != ":shop/buy" {
		t.Errorf("event %s", id)
	}
	if conn := attributeOf(event, "hoshi.conn_id").AsString(); conn != alice.Status().Session.ConnID {
		t.Errorf("conn %s", conn)
	}
}

func attributeOf(s sdktrace.ReadOnlySpan, key attribute.Key) attribute.Value {
	if i := slices.IndexFunc(s.Attributes(), func(a attribute.KeyValue) bool { return a.Key == key }); i >= 0 {
		return s.Attributes()[i].Value
	}
	return attribute.Value{}
}
