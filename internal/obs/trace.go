package obs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// TraceOptions say which spans of a process are recorded, and where they go.
type TraceOptions struct {
	// Endpoint takes OTLP over HTTP: http://host:4318, behind whose path /v1/traces
	// is added.
	Endpoint string
	// Sample is the part of the spans without a parent that is recorded, 0 to 1.
	// Those with a parent are recorded where that is.
	Sample float64

	Version string // of the service
	Node    string // its node-id: the instance
	Logger  zerolog.Logger

	// What is below has a default where it is zero.

	Queue   int           // spans that wait to be sent: more are dropped. 2048
	Batch   int           // spans of one request. 512
	Gather  time.Duration // how long the first of them waits for others. 2 s
	Timeout time.Duration // of a request. 10 s
}

// TraceStats is a snapshot of counters, in spans.
type TraceStats struct {
	Exported uint64 `json:"exported"`
	Failed   uint64 `json:"failed"`  // the endpoint did not take them
	Dropped  uint64 `json:"dropped"` // the queue was full, or the time at the end too short
}

// Tracing records spans and sends them away. Its methods may be called by any
// goroutine, and on nil, which records nothing.
type Tracing struct {
	// Fixed after StartTracing.
	provider *sdktrace.TracerProvider
	tracer   *sampler
	queue    *spanQueue
}

// scope names what the spans are made by.
const scope = "github.com/hoshi-ws/hoshi"

// StartTracing begins. It does not speak to the endpoint yet: one that is not
// there is logged, at most once a minute, counted, and costs nothing else. The
// error is about Endpoint, or Sample.
//
// All is said by o: of OpenTelemetry's environment nothing is read but
// OTEL_RESOURCE_ATTRIBUTES, which adds to what describes the process. Its handler
// of errors, which is one for the process, is taken.
func StartTracing(o TraceOptions) (*Tracing, error) {
	if o.Sample < 0 || o.Sample > 1 || math.IsNaN(o.Sample) {
		return nil, fmt.Errorf("a sample of %v: want 0 to 1", o.Sample)
	}
	o.withDefaults()
	log := o.Logger.With().Str("component", "trace").Logger()
	sampled := log.Sample(&zerolog.BurstSampler{Burst: 1, Period: time.Minute})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { sampled.Warn().Err(err).Msg("trace is not as it should be") }))
	exporter, idle, err := newExporter(&o)
	if err != nil {
		return nil, err
	}
	return startTracing(&o, exporter, idle, sampled), nil
}

func (o *TraceOptions) withDefaults() {
	for _, n := range []struct {
		v *int
		d int
	}{{&o.Queue, 2048}, {&o.Batch, 512}} {
		if *n.v <= 0 {
			*n.v = n.d
		}
	}
	for _, t := range []struct {
		v *time.Duration
		d time.Duration
	}{{&o.Gather, 2 * time.Second}, {&o.Timeout, 10 * time.Second}} {
		if *t.v <= 0 {
			*t.v = t.d
		}
	}
}

func startTracing(o *TraceOptions, exporter sdktrace.SpanExporter, idle func(), log zerolog.Logger) *Tracing {
	t := &Tracing{queue: newSpanQueue(o, exporter, idle, log)}
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(t.queue),
		sdktrace.WithSampler(sdktrace.AlwaysSample()), // what should not be does not come here
		sdktrace.WithRawSpanLimits(spanLimits),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "hoshi"),
			attribute.String("service.version", o.Version),
			attribute.String("service.instance.id", o.Node),
		)),
	)
	t.tracer = &sampler{inner: t.provider.Tracer(scope, trace.WithInstrumentationVersion(o.Version)), share: uint64(o.Sample * shares)}
	return t
}

// spanLimits are far beyond what our spans have.
var spanLimits = sdktrace.SpanLimits{
	AttributeValueLengthLimit: 512, AttributeCountLimit: 32, EventCountLimit: 8, LinkCountLimit: 8,
	AttributePerEventCountLimit: 8, AttributePerLinkCountLimit: 8,
}

// newExporter returns what speaks to the endpoint, and what closes its idle
// connections. Each setting that the environment could make is made here.
func newExporter(o *TraceOptions) (*otlptrace.Exporter, func(), error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, nil, errors.New("the endpoint of traces is no URL: want one like http://127.0.0.1:4318")
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/v1/traces"
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: o.Timeout}).DialContext,
		MaxIdleConns:        1,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     90 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
	}
	exporter, err := otlptracehttp.New(context.Background(),
		otlptracehttp.WithEndpointURL(u.String()),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: transport, Timeout: o.Timeout}),
		otlptracehttp.WithTLSClientConfig(nil),
		otlptracehttp.WithTimeout(o.Timeout),
		otlptracehttp.WithHeaders(map[string]string{}),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}), // what fails is counted and gone: they are samples
	)
	return exporter, transport.CloseIdleConnections, err
}

// Tracer makes the spans; nil where t is.
func (t *Tracing) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.tracer
}

// Stats returns the counters.
func (t *Tracing) Stats() TraceStats {
	if t == nil {
		return TraceStats{}
	}
	return TraceStats{Exported: t.queue.exported.Load(), Failed: t.queue.failed.Load(), Dropped: t.queue.dropped.Load()}
}

// Stop sends what waits, until ctx ends, and returns when nothing of t runs any
// more. Spans that end later are dropped.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// sampler decides which spans are recorded before anything is made for those that
// are not: they are nearly all. It is ParentBased(TraceIDRatioBased) of the SDK, but
// for where chance comes from.
type sampler struct {
	embedded.Tracer

	// Fixed.
	inner trace.Tracer
	share uint64 // of shares
}

// shares are what a share is counted in: a float64 is exact up to here.
const shares = 1 << 53

// Start implements trace.Tracer. A span that is not recorded has no context, so
// nothing can be its child: ctx is returned as it is.
func (s *sampler) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanContextFromContext(ctx)
	if parent.IsSampled() || !parent.IsValid() && s.share > 0 && rand.Uint64N(shares) < s.share {
		return s.inner.Start(ctx, name, options...)
	}
	return ctx, noop.Span{}
}
