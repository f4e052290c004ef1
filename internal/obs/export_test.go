package obs

import (
	"context"
	"io"
	"time"

	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// SetClock has f look at now, and SetOut has it write to out.
func (f *File) SetClock(now func() time.Time) { f.now = now }

func (f *File) SetOut(out io.WriteCloser) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.out = out
}

// Queue is what gathers spans, without what makes them.
type Queue struct{ queue *spanQueue }

// NewQueue has batches given to export.
func NewQueue(export func(ctx context.Context, spans int) error) Queue {
	o := TraceOptions{}
	o.withDefaults()
	return Queue{newSpanQueue(&o, exporterFunc(export), nil, zerolog.Nop())}
}

// End is the end of a span.
func (q Queue) End() { q.queue.OnEnd(nil) }

func (q Queue) Stop(ctx context.Context) error { return q.queue.Shutdown(ctx) }
func (q Queue) Stats() TraceStats              { return (&Tracing{queue: q.queue}).Stats() }

type exporterFunc func(ctx context.Context, spans int) error

func (f exporterFunc) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return f(ctx, len(spans))
}
func (exporterFunc) Shutdown(context.Context) error { return nil }
