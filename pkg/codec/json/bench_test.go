package json_test

import (
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
)

func BenchmarkCheck(b *testing.B) {
	var s json.Scanner
	p := []byte(event128)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Check(p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWalk is JSON to EDN.
func BenchmarkWalk(b *testing.B) {
	var s json.Scanner
	var w edn.Writer
	var dst [512]byte
	p := []byte(event128)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		w.Reset(dst[:0])
		if err := s.Walk(p, &w); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Bytes(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriter is JSON to JSON: the writer, less what BenchmarkCheck takes.
func BenchmarkWriter(b *testing.B) {
	var s json.Scanner
	var w json.Writer
	var dst [512]byte
	p := []byte(event128)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		w.Reset(dst[:0])
		if err := s.Walk(p, &w); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Bytes(); err != nil {
			b.Fatal(err)
		}
	}
}
