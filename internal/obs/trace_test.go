package obs_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/internal/obs"
)

// receiver is what takes OTLP over HTTP.
type receiver struct {
	*httptest.Server
	t testing.TB

	mu struct {
		sync.Mutex
		requests []http.Header
		paths    []string
		all      []*tracepb.ResourceSpans
	}
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{t: t}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			r.t.Error(err)
			return
		}
		body = z
	}
	p, err := io.ReadAll(body)
	var m collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(p, &m)
	}
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.requests = append(r.mu.requests, req.Header.Clone())
	r.mu.paths = append(r.mu.paths, req.URL.Path)
	r.mu.all = append(r.mu.all, m.GetResourceSpans()...)
}

// spans returns what has come, by name.
func (r *receiver) spans() map[string]*tracepb.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]*tracepb.Span{}
	for _, rs := range r.mu.all {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				found[s.GetName()] = s
			}
		}
	}
	return found
}

func startTracing(t testing.TB, change func(*obs.TraceOptions)) *obs.Tracing {
	t.Helper()
	o := obs.TraceOptions{Sample: 1, Version: "1.2.3", Node: "0123456789ab", Logger: zerolog.Nop()}
	change(&o)
	tr, err := obs.StartTracing(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		tr.Stop(ctx) //nolint:errcheck // for tests that have not
	})
	return tr
}

// TestTracing has spans arrive where they are to go, whatever the environment
// says: it could lead them elsewhere, or add a secret.
func TestTracing(t *testing.T) {
	elsewhere := newReceiver(t)
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT":        elsewhere.URL,
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": elsewhere.URL + "/there",
		"OTEL_EXPORTER_OTLP_HEADERS":         "x-secret=1",
		"OTEL_EXPORTER_OTLP_PROTOCOL":        "http/json",
		"OTEL_EXPORTER_OTLP_CERTIFICATE":     certtest.Write(t, t.TempDir(), "ca.pem", certtest.New(t, "somebody").PEM),
		"OTEL_EXPORTER_OTLP_TIMEOUT":         "1",
		"OTEL_TRACES_SAMPLER":                "always_off",
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT":    "0",
		"OTEL_SERVICE_NAME":                  "somebody",
		"OTEL_RESOURCE_ATTRIBUTES":           "k8s.pod.name=hoshi-7,service.version=9",
		"HTTP_PROXY":                         elsewhere.URL,
		"http_proxy":                         elsewhere.URL,
	} {
		t.Setenv(name, value)
	}
	for _, path := range []string{"", "/", "/otlp", "/otlp/"} {
		r := newReceiver(t)
		tr := startTracing(t, func(o *obs.TraceOptions) { o.Endpoint = r.URL + path })
		ctx, parent := tr.Tracer().Start(t.Context(), "parent", trace.WithSpanKind(trace.SpanKindServer))
		_, child := tr.Tracer().Start(ctx, "child")
		child.SetAttributes(attribute.Int("n", 7))
		child.End()
		parent.End()
		if err := tr.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := r.spans()
		if len(got) != 2 || !bytes.Equal(got["child"].GetParentSpanId(), got["parent"].GetSpanId()) ||
			got["parent"].GetKind() != tracepb.Span_SPAN_KIND_SERVER || got["child"].GetAttributes()[0].GetValue().GetIntValue() != 7 {
			t.Fatalf("%q: %v", path, got)
		}
		if s := tr.Stats(); s != (obs.TraceStats{Exported: 2}) {
			t.Errorf("%q: %+v", path, s)
		}
		attributes := map[string]string{}
		for _, a := range r.mu.all[0].GetResource().GetAttributes() {
			attributes[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for key, want := range map[string]string{
			"service.name": "hoshi", "service.version": "1.2.3", "service.instance.id": "0123456789ab", "k8s.pod.name": "hoshi-7",
		} {
			if attributes[key] != want {
				t.Errorf("%q: %s is %q, want %q", path, key, attributes[key], want)
			}
		}
		if want := strings.TrimSuffix(path, "/") + "/v1/traces"; len(r.mu.paths) != 1 || r.mu.paths[0] != want {
			t.Errorf("%q: sent to %q", path, r.mu.paths)
		}
		if r.mu.requests[0].Get("X-Secret") != "" {
			t.Errorf("%q: headers %v", path, r.mu.requests[0])
		}
	}
	if len(elsewhere.mu.requests) != 0 {
		t.Errorf("%d requests elsewhere", len(elsewhere.mu.requests))
	}
}

func TestTracingOptions(t *testing.T) {
	for _, o := range []obs.TraceOptions{
		{Endpoint: ""},
		{Endpoint: "127.0.0.1:4318"},
		{Endpoint: "grpc://127.0.0.1:4317"},
		{Endpoint: "http://"},
		{Endpoint: "http://127.0.0.1:4318", Sample: -0.1},
		{Endpoint: "http://127.0.0.1:4318", Sample: 1.1},
	} {
		if tr, err := obs.StartTracing(o); err == nil {
			t.Errorf("%+v is taken", o)
			tr.Stop(t.Context()) //nolint:errcheck // should not be there
		}
	}
	var none *obs.Tracing
	if none.Tracer() != nil || none.Stop(t.Context()) != nil || none.Stats() != (obs.TraceStats{}) {
		t.Error("nil does something")
	}
}

// TestTraceSample: with a parent its word counts, without one chance.
func TestTraceSample(t *testing.T) {
	parent := func(flags trace.TraceFlags) context.Context {
		return trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags, Remote: true,
		}))
	}
	const spans = 20_000
	for _, tt := range []struct {
		name     string
		ctx      context.Context
		sample   float64
		low, top int
	}{
		{"root, none", t.Context(), 0, 0, 0},
		{"root, all", t.Context(), 1, spans, spans},
		{"root, a quarter", t.Context(), 0.25, spans/4 - 500, spans/4 + 500}, // 8 standard deviations
		{"child of a recorded one", parent(trace.FlagsSampled), 0, spans, spans},
		{"child of one that is not", parent(0), 1, 0, 0},
	} {
		r := newReceiver(t)
		tr := startTracing(t, func(o *obs.TraceOptions) { o.Endpoint, o.Sample = r.URL, tt.sample })
		recorded := 0
		for range spans {
			ctx, span := tr.Tracer().Start(tt.ctx, "x")
			if span.IsRecording() {
				recorded++
				if own := trace.SpanContextFromContext(ctx); !own.IsSampled() || own.SpanID() != span.SpanContext().SpanID() {
					t.Fatalf("%s: %+v", tt.name, own)
				}
			}
		}
		if recorded < tt.low || recorded > tt.top {
			t.Errorf("%s: %d of %d recorded", tt.name, recorded, spans)
		}
	}
}

func TestTraceUnsampledAllocations(t *testing.T) {
	tr := startTracing(t, func(o *obs.TraceOptions) { o.Endpoint, o.Sample = "http://127.0.0.1:1", 1e-12 })
	tracer := tr.Tracer()
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		_, span := tracer.Start(ctx, "x", options...)
		span.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestTraceEndpointGone: spans end at once, are counted, and few lines say so.
func TestTraceEndpointGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	var log lockedBuffer
	tr := startTracing(t, func(o *obs.TraceOptions) {
		o.Endpoint, o.Batch, o.Logger = url, 8, zerolog.New(&log)
	})
	for range 100 {
		_, span := tr.Tracer().Start(t.Context(), "x")
		span.End()
	}
	if err := tr.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if s := tr.Stats(); s.Exported != 0 || s.Failed != 100 || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "spans not taken") {
		t.Errorf("%d lines: %s", n, log.String())
	}
	_, late := tr.Tracer().Start(t.Context(), "x")
	late.End()
	if s := tr.Stats(); s.Failed+s.Dropped > 101 {
		t.Errorf("%+v", s)
	}
}

// TestTraceEndpointSlow: an endpoint that takes a request and never answers costs
// spans, not time; and the end has a bound.
func TestTraceEndpointSlow(t *testing.T) {
	asked := make(chan struct{}, 100)
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	defer slow.Close()
	defer close(release)
	tr := startTracing(t, func(o *obs.TraceOptions) { o.Endpoint, o.Queue, o.Batch = slow.URL, 16, 4 })
	end := func() {
		_, span := tr.Tracer().Start(t.Context(), "x")
		span.End()
	}
	for range 4 {
		end()
	}
	<-asked // and now nothing is taken off the queue
	const spans = 1000
	begun := time.Now()
	for range spans {
		end()
	}
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("%d spans took %v", spans, d)
	}
	if s := tr.Stats(); s.Dropped != spans-16 {
		t.Errorf("%+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun = time.Now()
	if err := tr.Stop(ctx); err == nil {
		t.Error("Stop says that all was sent")
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("Stop took %v", d)
	}
	if s := tr.Stats(); s.Exported != 0 || s.Failed+s.Dropped != spans+4 {
		t.Errorf("not all are counted: %+v", s)
	}
}

// TestTraceStopCountsAll: spans that end while tracing does are sent, or counted as dropped.
// Those that came between a look for the end and the queue were neither.
func TestTraceStopCountsAll(t *testing.T) {
	const rounds, writers, each = 1000, 64, 20
	for range rounds {
		q := obs.NewQueue(func(context.Context, int) error { return nil })
		var ending sync.WaitGroup
		for range writers { // more than there are processors, so that some stand still anywhere
			ending.Go(func() {
				for range each {
					q.End()
					runtime.Gosched()
				}
			})
		}
		runtime.Gosched()
		if err := q.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		ending.Wait()
		if s := q.Stats(); s.Exported+s.Dropped != writers*each || s.Failed != 0 {
			t.Fatalf("%+v of %d", s, writers*each)
		}
	}
}

// TestTraceGather: what has ended is sent after a while, without an end.
func TestTraceGather(t *testing.T) {
	r := newReceiver(t)
	tr := startTracing(t, func(o *obs.TraceOptions) { o.Endpoint, o.Gather = r.URL, 10*time.Millisecond })
	for n := range uint64(3) {
		_, span := tr.Tracer().Start(t.Context(), "x")
		span.End()
		deadline := time.Now().Add(20 * time.Second)
		for tr.Stats().Exported != n+1 {
			if time.Now().After(deadline) {
				t.Fatalf("%+v", tr.Stats())
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// lockedBuffer is a log that a test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
