package edge_test

import (
	"context"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"github.com/hoshi-ws/hoshi/internal/obs"
	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// traceKinds are what tracing costs those whom it is off for, those whom chance
// leaves out, and those who are recorded: their spans are gathered and fail to be
// sent, to nobody's loss.
var traceKinds = []struct {
	name   string
	sample float64
}{{"off", -1}, {"unsampled", 0}, {"sampled", 1}}

// benchTracer returns the tracer of a kind, nil for off.
func benchTracer(b *testing.B, sample float64) trace.Tracer {
	b.Helper()
	if sample < 0 {
		return nil
	}
	tr, err := obs.StartTracing(obs.TraceOptions{Endpoint: "http://127.0.0.1:1", Sample: sample, Logger: zerolog.Nop(), Timeout: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { tr.Stop(context.Background()) }) //nolint:errcheck // nobody is there
	return tr.Tracer()
}

// BenchmarkInbound is one event of a client, from the loop to the publish queue.
// Where that is full its sender waits without the clock.
func BenchmarkInbound(b *testing.B) {
	for _, kind := range traceKinds {
		b.Run("tracing="+kind.name, func(b *testing.B) {
			node := testkit.StartNode(b, edge.Options{
				Bus: bus.Options{URLs: []string{testkit.StartNATS(b, 1)[0].ClientURL()}}, Tracer: benchTracer(b, kind.sample),
			})
			c := testkit.Dial(b, node.Addr().String(), "/")
			payload := []byte(`[:chat/say {:room "lobby", :text "a short line of chat", :n 12345}]`)
			b.ReportAllocs()
			edge.OnLoop(node, c.ConnID, func(inbound func([]byte) bool) {
				for n := 1; b.Loop(); n++ {
					inbound(payload)
					if n%4096 == 0 {
						b.StopTimer()
						for node.Stats().Bus.PublishQueueMessages > 0 {
							runtime.Gosched()
						}
						b.StartTimer()
					}
				}
			})
		})
	}
}

// BenchmarkDeliverTraced is BenchmarkDeliver with 100 subscribers, for a message
// that is on no trace, on one that is not recorded, and on one that is.
func BenchmarkDeliverTraced(b *testing.B) {
	for _, kind := range traceKinds {
		b.Run("tracing="+kind.name, func(b *testing.B) {
			node := testkit.StartNode(b, edge.Options{
				Bus: bus.Options{URLs: []string{testkit.StartNATS(b, 1)[0].ClientURL()}}, Tracer: benchTracer(b, kind.sample),
			})
			for range 100 {
				c := testkit.Dial(b, node.Addr().String(), "/")
				c.Subscribe(`"b"`)
				go io.Copy(io.Discard, c.Conn) //nolint:errcheck // ends when it is closed
			}
			m := &bus.Message{Kind: bus.KindChan, Token: "b", Body: []byte(`{:n 12345, :user "alice", :text "a short line of chat"}`)}
			if kind.sample >= 0 {
				m.Trace.Parent = map[float64]string{0: unrecorded, 1: recordedParent}[kind.sample]
			}
			b.ReportAllocs()
			for b.Loop() {
				edge.Deliver(node, m)
			}
		})
	}
}

const (
	traceID        = "4bf92f3577b34da6a3ce929d0e0e4736"
	recordedParent = "00-" + traceID + "-00f067aa0ba902b7-01"
	unrecorded     = "00-" + traceID + "-00f067aa0ba902b7-00"
)
