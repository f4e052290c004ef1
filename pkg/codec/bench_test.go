package codec_test

import (
	stdjson "encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
)

// benchTexts are payloads as they travel.
func benchTexts() map[string][]byte {
	var rows strings.Builder
	rows.WriteString("[:feed/rows [")
	for i := range 100 {
		fmt.Fprintf(&rows, `{:id %d, :user/name "user-%d", :price %d.5, :tags [:new "sale" nil], :at #inst "2020-01-02T03:04:%02d.678-00:00", :ok? true} `, 100000+i, i, i, i%60)
	}
	rows.WriteString("]]")
	return map[string][]byte{
		"chat": []byte(`[:chat/message {:channel-id "room/42", :data {:n 12345, :user "alice", :text "a short line of chat"}, :exclude-sender? true}]`),
		"rows": []byte(rows.String()),
		"text": []byte(`[:doc/saved {:id 7, :text "` + strings.Repeat("Some words of prose, with a \\\"quote\\\" now and then.\\n", 100) + `"}]`),
	}
}

// BenchmarkAgainstJSON compares with encoding/json.Valid on the JSON twin of the same payload, in one run, as ratios of speed:
// the EDN scan is to be at least half as fast, and EDN to JSON at least a fifth. A run that is long enough to tell fails
// otherwise.
func BenchmarkAgainstJSON(b *testing.B) {
	const (
		repeat  = 16 // for each reading of the clock
		minScan = 0.5
		minEDN  = 0.2
	)
	for name, text := range benchTexts() {
		b.Run(name, func(b *testing.B) {
			var s edn.Scanner
			var w json.Writer
			var buf []byte
			convert := func() {
				w.Reset(buf[:0])
				if err := s.Walk(text, &w); err != nil {
					b.Fatal(err)
				}
				var err error
				if buf, err = w.Bytes(); err != nil {
					b.Fatal(err)
				}
			}
			convert()
			twin := append([]byte(nil), buf...)
			b.SetBytes(int64(repeat * len(text)))
			b.ReportAllocs()
			var valid, scan, conversion time.Duration
			for b.Loop() {
				t0 := time.Now()
				for range repeat {
					if !stdjson.Valid(twin) {
						b.Fatalf("%q is no JSON", twin)
					}
				}
				t1 := time.Now()
				for range repeat {
					if err := s.Check(text); err != nil {
						b.Fatal(err)
					}
				}
				t2 := time.Now()
				for range repeat {
					convert()
				}
				valid, scan, conversion = valid+t1.Sub(t0), scan+t2.Sub(t1), conversion+time.Since(t2)
			}
			b.ReportMetric(float64(valid)/float64(scan), "scan/json.Valid")
			b.ReportMetric(float64(valid)/float64(conversion), "toJSON/json.Valid")
			if valid+scan+conversion > 200*time.Millisecond {
				if r := float64(valid) / float64(scan); r < minScan {
					b.Errorf("the scan is %.2f times as fast as json.Valid, want %v", r, minScan)
				}
				if r := float64(valid) / float64(conversion); r < minEDN {
					b.Errorf("EDN to JSON is %.2f times as fast as json.Valid, want %v", r, minEDN)
				}
			}
		})
	}
}

// BenchmarkConvert has every reader with every writer.
func BenchmarkConvert(b *testing.B) {
	source := benchTexts()["chat"]
	for _, from := range formats {
		w := from.writer()
		w.Reset(nil)
		if err := edn.Walk(source, w); err != nil {
			b.Fatal(err)
		}
		text, err := w.Bytes()
		if err != nil {
			b.Fatal(err)
		}
		for _, to := range formats {
			b.Run(from.name+"-"+to.name, func(b *testing.B) {
				w := to.writer()
				var buf []byte
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					w.Reset(buf[:0])
					if err := from.walk(text, w); err != nil {
						b.Fatal(err)
					}
					if buf, err = w.Bytes(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
