package edge_test

import (
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// BenchmarkDeliver is one message of a channel for so many subscribers on this
// node, from the shard to the kernel; what the peers read is thrown away.
func BenchmarkDeliver(b *testing.B) {
	for _, subscribers := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			node := testkit.StartNode(b, edge.Options{Bus: bus.Options{URLs: []string{testkit.StartNATS(b, 1)[0].ClientURL()}}})
			for range subscribers {
				c := testkit.Dial(b, node.Addr().String(), "/")
				c.Subscribe(`"b"`)
				go io.Copy(io.Discard, c.Conn) //nolint:errcheck // ends when it is closed
			}
			m := &bus.Message{Kind: bus.KindChan, Token: "b", Body: []byte(`{:n 12345, :user "alice", :text "a short line of chat"}`)}
			b.ReportAllocs()
			for b.Loop() {
				edge.Deliver(node, m)
			}
		})
	}
}

// BenchmarkFormats is a channel's message for 999 subscribers on this node, all
// in the publisher's format, or a third each in three others, and the three
// conversions alone. cpu-ns/op is of the whole process, reading included: the
// second may exceed the first by no more than the third, and what a larger text
// costs.
func BenchmarkFormats(b *testing.B) {
	body := []byte(`{:n 12345, :user "alice", :text "a short line of chat"}`)
	three := []codec.Format{codec.JSON, codec.Transit, codec.MessagePack}
	for _, bm := range []struct {
		name    string
		formats []codec.Format
	}{{"edn", []codec.Format{codec.EDN}}, {"three", three}} {
		b.Run(bm.name, func(b *testing.B) {
			node := testkit.StartNode(b, edge.Options{Bus: bus.Options{URLs: []string{testkit.StartNATS(b, 1)[0].ClientURL()}}})
			for i := range 999 {
				s := speak(b, node.Addr().String(), bm.formats[i%len(bm.formats)].String(), false)
				s.Say(`[[:sente-lite/subscribe {:channel-id "b"}] "s"]`)
				s.Hear()
				go io.Copy(io.Discard, s.Conn) //nolint:errcheck // ends when it is closed
			}
			m := &bus.Message{Kind: bus.KindChan, Token: "b", Body: body}
			before := cpu()
			for b.Loop() {
				edge.Deliver(node, m)
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
		})
	}
	b.Run("encodings", func(b *testing.B) {
		var c codec.Converter
		var out []byte
		before := cpu()
		for b.Loop() {
			for _, f := range three {
				out, _ = c.Append(out[:0], body, codec.EDN, f)
			}
		}
		b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
	})
}

// cpu returns the time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
