package obs

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// spanQueue gathers spans that have ended and sends them in batches. Whoever ends
// a span never waits: one for which there is no room is dropped, and counted,
// which the SDK's own processor does not tell.
type spanQueue struct {
	// Fixed.
	exporter sdktrace.SpanExporter
	idle     func() // closes idle connections; nil for none
	batch    int
	gather   time.Duration
	timeout  time.Duration
	log      zerolog.Logger // at a bounded rate
	spans    chan sdktrace.ReadOnlySpan
	quit     chan struct{} // closed by Shutdown
	done     chan struct{} // closed by run
	ctx      context.Context
	cut      context.CancelFunc // of ctx: gives up what is under way

	mu struct {
		sync.RWMutex      // read by those who end spans
		closed       bool // nothing is put into spans any more, so that run finds all there is
	}

	exported, failed, dropped atomic.Uint64
}

var _ sdktrace.SpanProcessor = (*spanQueue)(nil)

func newSpanQueue(o *TraceOptions, exporter sdktrace.SpanExporter, idle func(), log zerolog.Logger) *spanQueue {
	q := &spanQueue{
		exporter: exporter,
		idle:     idle,
		batch:    o.Batch,
		gather:   o.Gather,
		timeout:  o.Timeout,
		log:      log,
		spans:    make(chan sdktrace.ReadOnlySpan, o.Queue),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	q.ctx, q.cut = context.WithCancel(context.Background())
	go q.run() // ends in Shutdown
	return q
}

// OnStart implements sdktrace.SpanProcessor.
func (q *spanQueue) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements it. It never blocks.
func (q *spanQueue) OnEnd(s sdktrace.ReadOnlySpan) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.mu.closed {
		q.dropped.Add(1)
		return
	}
	select {
	case q.spans <- s:
	default:
		q.dropped.Add(1)
	}
}

// ForceFlush implements it; nobody here asks for it.
func (q *spanQueue) ForceFlush(context.Context) error { return nil }

// Shutdown implements it: what waits is sent until ctx ends.
func (q *spanQueue) Shutdown(ctx context.Context) error {
	if !q.close() {
		return nil
	}
	var err error
	select {
	case <-q.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
		q.cut()
		<-q.done
	}
	q.cut()
	if stopErr := q.exporter.Shutdown(context.WithoutCancel(ctx)); err == nil {
		err = stopErr
	}
	if q.idle != nil {
		q.idle()
	}
	return err
}

// close reports whether it is the first.
func (q *spanQueue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.closed {
		return false
	}
	q.mu.closed = true
	close(q.quit)
	return true
}

// run sends batches until Shutdown.
func (q *spanQueue) run() {
	defer close(q.done)
	var batch []sdktrace.ReadOnlySpan
	due := time.NewTimer(time.Hour)
	due.Stop()
	defer due.Stop()
	for {
		select {
		case s := <-q.spans:
			if batch = append(batch, s); len(batch) == 1 {
				due.Reset(q.gather)
			}
			if len(batch) < q.batch {
				continue
			}
			due.Stop()
		case <-due.C:
		case <-q.quit:
			q.rest(batch)
			return
		}
		q.send(batch)
		clear(batch)
		batch = batch[:0]
	}
}

// rest sends what is left.
func (q *spanQueue) rest(batch []sdktrace.ReadOnlySpan) {
	for {
		for len(batch) < q.batch {
			select {
			case s := <-q.spans:
				batch = append(batch, s)
				continue
			default:
			}
			break
		}
		if len(batch) == 0 {
			return
		}
		if q.ctx.Err() != nil {
			q.dropped.Add(uint64(len(batch)))
		} else {
			q.send(batch)
		}
		batch = batch[:0]
	}
}

// send sends a batch, and counts what becomes of it.
func (q *spanQueue) send(batch []sdktrace.ReadOnlySpan) {
	ctx, cancel := context.WithTimeout(q.ctx, q.timeout)
	defer cancel()
	if err := q.exporter.ExportSpans(ctx, batch); err != nil {
		failed := q.failed.Add(uint64(len(batch)))
		q.log.Warn().Err(err).Uint64("failed", failed).Uint64("dropped", q.dropped.Load()).
			Msg("spans not taken, look at --trace-endpoint")
		return
	}
	q.exported.Add(uint64(len(batch)))
}
