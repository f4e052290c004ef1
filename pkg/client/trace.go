package client

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Traced returns e on the trace of the span in ctx: the node, and backends, go on
// with it where they trace. Without a span it is e, and so is what is on a trace
// already. The sampled flag is believed only so often: see docs/operations.md.
//
// Only Hoshi knows such events, which are some 100 bytes longer: other servers of
// the dialect refuse them. [Options.Trace] does this for all calls with a context.
func Traced(ctx context.Context, e Event) Event {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() || e.text == "" || strings.HasPrefix(e.text, tracedStart) {
		return e
	}
	var carrier headers
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), sc), &carrier)
	b := make([]byte, 0, len(e.text)+160+len(carrier.state))
	b = append(b, tracedStart...)
	b = append(b, `{:traceparent "`...)
	b = append(b, carrier.parent...)
	b = append(b, '"')
	if carrier.state != "" {
		b = append(b, `, :tracestate `...)
		b = edn.AppendString(b, carrier.state)
	}
	b = append(b, tracedEvent...)
	b = append(b, e.text...)
	return Event{string(append(b, "}]"...))}
}

const (
	tracedStart = "[:hoshi/traced "
	tracedEvent = ", :event "
)

// headers are what a propagator writes.
type headers struct{ parent, state string }

// Get implements propagation.TextMapCarrier.
func (h *headers) Get(string) string { return "" }

// Set implements it. A tracestate that nodes would not take is left out.
func (h *headers) Set(key, value string) {
	const maxState = 512 // W3C Trace Context 3.3.1.5
	switch {
	case key == "traceparent":
		h.parent = value
	case key == "tracestate" && len(value) <= maxState:
		h.state = value
	}
}

// Keys implements it.
func (h *headers) Keys() []string { return nil }

// traced is Traced where the options say so, and where e still fits.
func (c *Client) traced(ctx context.Context, e Event) Event {
	if !c.opts.Trace {
		return e
	}
	if t := Traced(ctx, e); len(t.text) <= c.opts.MaxSend {
		return t
	}
	return e
}

// untraced returns the event inside of one that Traced has made, and e itself for
// all others.
func (e Event) untraced() Event {
	if rest, ok := strings.CutPrefix(e.text, tracedStart); ok {
		if _, inside, ok := strings.Cut(rest, tracedEvent); ok {
			return Event{inside}
		}
	}
	return e
}
