package bus

import (
	"context"
	"encoding/hex"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"
)

// The headers of W3C Trace Context. NATS reads the first one too, whose hop
// tracing an account can switch on (msg_trace).
const (
	HeaderTraceParent = "traceparent"
	HeaderTraceState  = "tracestate"
)

// headerTraceParentHTTP and its like are how those spell them who take NATS's
// headers for HTTP's: net/http writes them so.
const (
	headerTraceParentHTTP = "Traceparent"
	headerTraceStateHTTP  = "Tracestate"
)

// MaxTraceState bounds a tracestate in bytes (W3C Trace Context 3.3.1.5): a
// longer one is left out.
const MaxTraceState = 512

// A traceparent of version 00 is 00-<trace id>-<span id>-<flags>. Later versions
// may have more behind it, of which this much is looked at.
const (
	traceParentLen    = 55
	maxTraceParentLen = 256
)

// TraceContext is the trace that a message belongs to, as W3C Trace Context
// writes it. The zero value is none. It is a small value that does not change.
// It says nothing of whether somebody records the trace: that is in
// [TraceContext.Sampled], the sender's word.
type TraceContext struct {
	// Parent is a traceparent of version 00, and State a tracestate, "" for none.
	// Both are valid where ParseTraceContext has made them.
	Parent, State string
}

// ParseTraceContext returns what a traceparent and a tracestate, "" for none,
// say. A traceparent of a later version is taken as one of version 00 (W3C Trace
// Context 3.2.2.5, 4.3); ok is false for one that is malformed. A tracestate that
// is too long, or no header at all, is left out. It copies nothing it is not
// forced to.
func ParseTraceContext(parent, state string) (t TraceContext, ok bool) {
	if !goodTraceParent(parent) {
		return TraceContext{}, false
	}
	t.Parent = parent
	if flags := parent[53:traceParentLen]; parent[:2] != "00" || len(parent) != traceParentLen || flags > "03" {
		b := append(make([]byte, 0, traceParentLen), "00"...)
		b = append(b, parent[2:53]...)
		t.Parent = string(append(b, '0', lowerDigits[unhex(flags[1])&3]))
	}
	if goodTraceState(state) {
		t.State = state
	}
	return t, true
}

const lowerDigits = "0123456789abcdef"

// goodTraceParent checks a traceparent (W3C Trace Context 3.2).
func goodTraceParent(s string) bool {
	if len(s) < traceParentLen || len(s) > maxTraceParentLen || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return false
	}
	version := s[:2]
	if version == "ff" || version == "00" && len(s) != traceParentLen || len(s) > traceParentLen && s[traceParentLen] != '-' {
		return false
	}
	return lowerHex(version) && lowerHex(s[53:traceParentLen]) && someHex(s[3:35]) && someHex(s[36:52])
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// someHex is lowerHex for an id, which is not all zeros.
func someHex(s string) bool {
	some := byte(0)
	for i := range len(s) {
		some |= s[i] ^ '0'
	}
	return some != 0 && lowerHex(s)
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// goodTraceState tells what may stand in a header at all from what may not; who
// reads the members is stricter.
func goodTraceState(s string) bool {
	if len(s) > MaxTraceState {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// TraceContextOf returns that of the span in ctx, the zero value where there is
// none.
func TraceContextOf(ctx context.Context) TraceContext {
	return TraceContextOfSpan(trace.SpanContextFromContext(ctx))
}

// TraceContextOfSpan returns that of a span, the zero value for none.
func TraceContextOfSpan(sc trace.SpanContext) (t TraceContext) {
	if !sc.IsValid() {
		return t
	}
	traceID, spanID := sc.TraceID(), sc.SpanID()
	var text [traceParentLen]byte
	b := append(text[:0], "00-"...)
	b = append(hex.AppendEncode(b, traceID[:]), '-')
	b = append(hex.AppendEncode(b, spanID[:]), '-')
	b = append(b, '0', lowerDigits[sc.TraceFlags()&3])
	t.Parent = string(b)
	if sc.TraceState().Len() > 0 {
		if state := sc.TraceState().String(); goodTraceState(state) {
			t.State = state
		}
	}
	return t
}

// Sampled reports whether the sender says that the trace is recorded.
func (t TraceContext) Sampled() bool {
	return len(t.Parent) == traceParentLen && unhex(t.Parent[traceParentLen-1])&1 == 1
}

// Unsampled returns t for those who are not to record the trace.
func (t TraceContext) Unsampled() TraceContext {
	if t.Sampled() {
		last := traceParentLen - 1
		t.Parent = t.Parent[:last] + string(lowerDigits[unhex(t.Parent[last])&^1])
	}
	return t
}

// SpanContext returns t as a parent for spans: remote, and not valid for the
// zero t. Members of State that are malformed make all of it missing (3.3.1.5).
func (t TraceContext) SpanContext() trace.SpanContext {
	if len(t.Parent) != traceParentLen {
		return trace.SpanContext{}
	}
	c := trace.SpanContextConfig{Remote: true, TraceFlags: trace.TraceFlags(unhex(t.Parent[traceParentLen-1]) & 3)}
	var err error
	if _, err = hex.Decode(c.TraceID[:], []byte(t.Parent[3:35])); err != nil {
		return trace.SpanContext{}
	}
	if _, err = hex.Decode(c.SpanID[:], []byte(t.Parent[36:52])); err != nil {
		return trace.SpanContext{}
	}
	if t.State != "" {
		c.TraceState, _ = trace.ParseTraceState(t.State) // empty on an error
	}
	return trace.NewSpanContext(c)
}

// Context returns ctx with t as the parent of the spans that are begun with it;
// ctx itself for the zero t.
func (t TraceContext) Context(ctx context.Context) context.Context {
	sc := t.SpanContext()
	if !sc.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, sc)
}

// readTrace returns the trace context of a message. It is bad where there is one
// that is malformed, which costs the message nothing else.
func readTrace(h nats.Header) (t TraceContext, bad bool) {
	parent := h[HeaderTraceParent]
	if len(parent) == 0 {
		if parent = h[headerTraceParentHTTP]; len(parent) == 0 {
			return t, false
		}
	}
	state := h[HeaderTraceState]
	if len(state) == 0 {
		state = h[headerTraceStateHTTP]
	}
	if len(parent) > 1 {
		return t, true // 3.2: there is one
	}
	t, ok := ParseTraceContext(parent[0], first(state))
	return t, !ok
}

// set puts t into headers, if there is one.
func (t TraceContext) set(set func(key, value string)) {
	if t.Parent == "" {
		return
	}
	set(HeaderTraceParent, t.Parent)
	if t.State != "" {
		set(HeaderTraceState, t.State)
	}
}

// Traced has a publish, or a reply, carry the trace context of the span in ctx, if
// there is one: nodes that trace, and backends, go on with it. An ask carries that
// of its own context anyway.
func Traced(ctx context.Context) PublishOption {
	return func(o *publishOptions) { o.trace = TraceContextOf(ctx) }
}

// Context returns ctx with the span of the client, or of the node, that sent e as
// the parent of those that are begun with it: ctx itself where e carries no trace.
func (e *Event) Context(ctx context.Context) context.Context { return e.Trace.Context(ctx) }
