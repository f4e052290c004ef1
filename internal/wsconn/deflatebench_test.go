package wsconn_test

import (
	"fmt"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// BenchmarkCompress is what a frame costs the first loop that sends it compressed; for all others it costs a load.
func BenchmarkCompress(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			f := wsconn.NewText([]byte(sample(size, true)))
			b.ReportAllocs()
			b.SetBytes(int64(size))
			var z *wsconn.Frame
			for b.Loop() {
				z = wsconn.Compressed(f)
			}
			b.ReportMetric(float64(z.Len())/float64(f.Len()), "ratio")
		})
	}
}

// BenchmarkInflate is what a message that came compressed costs beyond one that did not.
func BenchmarkInflate(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			z := []byte(deflated(sample(size, true), 6))
			var in wsconn.Inflater
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if out, code := in.Inflate(z, size); code != 0 || len(out) != size {
					b.Fatal(code)
				}
			}
		})
	}
}
