package edge

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/limit"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TraceStats is about traces of W3C Trace Context.
type TraceStats struct {
	// Events and Deliveries are the spans that have been begun and are recorded: of
	// events and publishes of clients, and of messages from NATS.
	Events     uint64 `json:"events"`
	Deliveries uint64 `json:"deliveries"`
	// Malformed are the trace contexts of clients that are none; Unwanted those
	// whose client says that they are recorded, more often than it may.
	Malformed uint64 `json:"malformed"`
	Unwanted  uint64 `json:"unwanted"`
}

// tracing is what a node has for its spans.
type tracing struct {
	tracer  trace.Tracer // fixed after Start; nil: none are made
	clients limit.Rate   // fixed after Start: of spans that clients ask for
	asked   limit.Shared

	events, deliveries, malformed, unwanted atomic.Uint64
}

func (t *tracing) setUp(o *Options) {
	t.tracer = o.Tracer
	t.clients = limit.NewRate(int64(o.TraceClients), 2*int64(o.TraceClients))
}

func (t *tracing) stats() TraceStats {
	return TraceStats{Events: t.events.Load(), Deliveries: t.deliveries.Load(), Malformed: t.malformed.Load(), Unwanted: t.unwanted.Load()}
}

// wants reports whether a command needs a look at its trace. It is all that those
// cost who have none.
func (t *tracing) wants(cmd *dialect.Command) bool { return t.tracer != nil || cmd.Traced != nil }

// The kinds of spans, as lists that need not be made for each.
var (
	serverSpan   = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	consumerSpan = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer)}
)

// The attributes of spans. None holds what people are called, channels, or
// anything that was sent: spans leave the cluster.
const (
	attrConn        = attribute.Key("hoshi.conn_id")
	attrDialect     = attribute.Key("hoshi.dialect")
	attrFormat      = attribute.Key("hoshi.format")
	attrEvent       = attribute.Key("hoshi.event_id")
	attrKind        = attribute.Key("hoshi.kind")
	attrRecipients  = attribute.Key("hoshi.recipients")
	attrFormats     = attribute.Key("hoshi.formats")
	attrFrames      = attribute.Key("hoshi.frames")
	attrConversions = attribute.Key("hoshi.conversions")
	attrBytes       = attribute.Key("hoshi.bytes")
)

// traced is an event or a publish of a client that is on a trace. The loop owns
// it until it is handed over with a callback, then whoever brings the reply.
type traced struct {
	span    trace.Span // nil: recorded by others, if by anybody
	context bus.TraceContext
	waits   bool // for a reply, which ends it; fixed before it is handed over
}

// untraced stands for a message that is held back and that chance has left out.
var untraced = &traced{}

// carried is the context that goes on with the message.
func (t *traced) carried() bus.TraceContext {
	if t == nil {
		return bus.TraceContext{}
	}
	return t.context
}

// fail notes why the message is refused, by a label of bounded number.
func (t *traced) fail(reason string) {
	if t != nil && t.span != nil {
		t.span.SetStatus(codes.Error, reason)
	}
}

func (t *traced) end() {
	if t != nil && t.span != nil {
		t.span.End()
	}
}

// answered ends t with what a backend's answer has come to. Any goroutine.
func (t *traced) answered(err error) {
	if err != nil {
		t.fail(answerFault(err))
	}
	t.end()
}

func answerFault(err error) string {
	if _, ok := errors.AsType[*bus.RemoteError](err); ok {
		return "refused-by-backend" // the keyword is the backend's
	}
	switch {
	case errors.Is(err, bus.ErrTimeout):
		return "timeout"
	case errors.Is(err, bus.ErrNoResponders):
		return "no-responders"
	}
	return reasonOf(err)
}

// routeTraced is route for an event or a publish that may be on a trace. Loop only.
func (n *Node) routeTraced(s *session, cmd *dialect.Command) wsconn.Verdict {
	t, held := s.heldTrace()
	if !held {
		t = n.beginTrace(s, cmd)
	}
	var v wsconn.Verdict
	if cmd.Op == dialect.Publish {
		v = n.publish(s, cmd, t)
	} else {
		v = n.event(s, cmd, t)
	}
	switch {
	case v == wsconn.Hold && (s.socketless() == nil || s.asking()):
		s.holdTrace(t)
	case v == wsconn.Hold:
		t.fail("busy") // who polls is told to try again
		t.end()
	case t != nil && !t.waits:
		t.end()
	}
	return v
}

// heldTrace returns what a message that was held back has begun with, nil for
// nothing. Loop only.
func (s *session) heldTrace() (t *traced, held bool) {
	if s.extra == nil || s.extra.traced == nil {
		return nil, false
	}
	t = s.extra.traced
	s.extra.traced = nil
	s.tidy()
	if t == untraced {
		t = nil
	}
	return t, true
}

// holdTrace keeps t until the message that is held back comes again. Loop only.
func (s *session) holdTrace(t *traced) {
	if t == nil {
		if s.node.tracing.tracer == nil {
			return
		}
		t = untraced // so that a message is not given a second chance
	}
	t.waits = false
	s.more().traced = t
}

// dropTrace ends the span of a message that is held back when its connection ends. Loop
// only.
func (s *session) dropTrace() {
	if t, held := s.heldTrace(); held {
		t.fail("closed")
		t.end()
	}
}

// beginTrace begins the span of a message, nil where it is on no trace. Loop only.
func (n *Node) beginTrace(s *session, cmd *dialect.Command) *traced {
	given := n.givenTrace(cmd.Traced)
	if n.tracing.tracer == nil {
		return carrying(given)
	}
	name := "event"
	if cmd.Op == dialect.Publish {
		name = "publish"
	}
	_, span := n.tracing.tracer.Start(given.Context(context.Background()), name, serverSpan...)
	if !span.IsRecording() {
		return carrying(given)
	}
	n.tracing.events.Add(1)
	v := s.voice()
	span.SetAttributes(attrConn.String(s.id.String()), attrDialect.String(v.Dialect()), attrFormat.String(v.suffix))
	if cmd.Op != dialect.Publish {
		span.SetAttributes(attrEvent.String(boundedName(cmd.ID)))
	}
	return &traced{span: span, context: bus.TraceContextOfSpan(span.SpanContext())}
}

// carrying is a message whose trace is passed on as it came.
func carrying(given bus.TraceContext) *traced {
	if given.Parent == "" {
		return nil
	}
	return &traced{context: given}
}

// givenTrace returns the trace that a client says it is on, none where it says
// nothing, or nonsense. That it is recorded is believed so many times a second:
// the whole cluster would have to follow.
func (n *Node) givenTrace(said *dialect.Traced) bus.TraceContext {
	if said == nil || len(said.Parent) == 0 {
		return bus.TraceContext{}
	}
	t := &n.tracing
	given, ok := bus.ParseTraceContext(string(said.Parent), string(said.State))
	switch {
	case !ok:
		t.malformed.Add(1)
	case given.Sampled() && (t.tracer == nil || !t.clients.Limits() || !t.asked.Allow(time.Since(n.started), 1, t.clients)):
		t.unwanted.Add(1)
		given = given.Unsampled()
	}
	return given
}

// maxEventAttribute bounds the id of an event in a span, in bytes.
const maxEventAttribute = 128

// boundedName is the id of an event as a span can hold it.
func boundedName(id []byte) string {
	if len(id) > maxEventAttribute {
		id = id[:maxEventAttribute]
	}
	return strings.ToValidUTF8(string(id), "") // half a character at the end, too
}

// wait returns t for the reply that ends it, nil where there is nothing to end.
func (t *traced) wait() *traced {
	if t == nil || t.span == nil {
		return nil
	}
	t.waits = true
	return t
}

// keep has t end where the message does: there will be no reply.
func (t *traced) keep() {
	if t != nil {
		t.waits = false
	}
}

// beginDelivery begins the span of a message from NATS whose sender says that it
// is recorded; it is nil for all others. It is that of this node as a whole,
// however many connections there are. Shard only.
func (n *Node) beginDelivery(m *bus.Message) trace.Span {
	if !m.Trace.Sampled() {
		return nil
	}
	_, span := n.tracing.tracer.Start(m.Trace.Context(context.Background()), "deliver", consumerSpan...)
	if !span.IsRecording() {
		return nil
	}
	n.tracing.deliveries.Add(1)
	return span
}

// endDelivery ends it when all has been handed to the send queues.
func (o *outbound) endDelivery(span trace.Span, m *bus.Message) {
	frames, conversions := 0, 0
	var formats []string
	for number, f := range o.frames {
		if f == nil {
			continue
		}
		frames++
		formats = append(formats, o.node.voices[number].name)
	}
	for _, did := range o.converted {
		if did {
			conversions++
		}
	}
	span.SetAttributes(attrKind.String(m.Kind.String()), attrBytes.Int(len(m.Body)),
		attrFrames.Int(frames), attrConversions.Int(conversions), attrFormats.StringSlice(formats))
	if m.Kind != bus.KindAll { // the loops hand that out, each to its own: nobody has counted
		span.SetAttributes(attrRecipients.Int(o.reached))
	}
	span.End()
}

// endPanicked is deferred, and ends a delivery whose end has not come.
func endPanicked(span trace.Span) {
	if span.IsRecording() {
		span.SetStatus(codes.Error, "panic")
		span.End()
	}
}
