package edn_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

func nested(w *edn.Writer, n int, inner func()) {
	for range n {
		w.Begin(value.Vector, 1)
	}
	inner()
	for range n {
		w.End()
	}
}

func TestWriterFails(t *testing.T) {
	uuid := [16]byte{}
	for _, tt := range []struct {
		name   string
		tell   func(w *edn.Writer)
		reason edn.Reason // 0: none
	}{
		{"nothing", func(*edn.Writer) {}, edn.ReasonCalls},
		{"two values", func(w *edn.Writer) { w.Nil(); w.Nil() }, edn.ReasonCalls},
		{"tag alone", func(w *edn.Writer) { w.Tag([]byte("a/b")) }, edn.ReasonCalls},
		{"end alone", func(w *edn.Writer) { w.End() }, edn.ReasonCalls},
		{"end of a tag", func(w *edn.Writer) { w.Begin(value.Set, 1); w.Tag([]byte("a/b")); w.End() }, edn.ReasonCalls},
		{"odd map", func(w *edn.Writer) { w.Begin(value.Map, 2); w.Nil(); w.End() }, edn.ReasonCalls},
		{"no end", func(w *edn.Writer) { w.Begin(value.Map, 0) }, edn.ReasonCalls},
		{"surrogate", func(w *edn.Writer) { w.Char(0xD800) }, edn.ReasonInexpressible},
		{"no UTF-16", func(w *edn.Writer) { w.Char(0x10000) }, edn.ReasonInexpressible},
		{"year 10000", func(w *edn.Writer) { w.Inst(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) }, edn.ReasonInexpressible},
		{"large exponent", func(w *edn.Writer) { w.Decimal([]byte("1e99999999999")) }, edn.ReasonInexpressible},
		{"no decimal", func(w *edn.Writer) { w.Decimal([]byte("a")) }, edn.ReasonInexpressible},
		{"deep", func(w *edn.Writer) { nested(w, edn.MaxDepth, w.Nil) }, 0},
		{"deep infinity", func(w *edn.Writer) { nested(w, edn.MaxDepth-1, func() { w.Float(math.Inf(1)) }) }, 0},
		{"deep uuid", func(w *edn.Writer) { nested(w, edn.MaxDepth-1, func() { w.UUID(uuid) }) }, 0},
		{"too deep", func(w *edn.Writer) { nested(w, edn.MaxDepth+1, w.Nil) }, edn.ReasonDepth},
		{"infinity too deep", func(w *edn.Writer) { nested(w, edn.MaxDepth, func() { w.Float(math.Inf(1)) }) }, edn.ReasonDepth},
		{"uuid too deep", func(w *edn.Writer) { nested(w, edn.MaxDepth, func() { w.UUID(uuid) }) }, edn.ReasonDepth},
		{"inst too deep", func(w *edn.Writer) { nested(w, edn.MaxDepth, func() { w.Inst(time.Time{}) }) }, edn.ReasonDepth},
		{"tag too deep", func(w *edn.Writer) { nested(w, edn.MaxDepth, func() { w.Tag([]byte("a/b")); w.Nil() }) }, edn.ReasonDepth},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w edn.Writer
			w.Reset([]byte("x"))
			tt.tell(&w)
			got, err := w.Bytes()
			if tt.reason == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if err := edn.Check(got[1:]); err != nil {
					t.Fatalf("writes %.40s, which is refused: %v", got, err)
				}
				return
			}
			fault, ok := errors.AsType[*edn.Error](err)
			if !ok || fault.Reason != tt.reason || string(got) != "x" {
				t.Errorf("%q, %v, want %v", got, err, tt.reason)
			}
			if strings.Contains(err.Error(), "line") {
				t.Errorf("%v has a place", err)
			}
			w.Reset(nil)
			w.Nil()
			if got, err := w.Bytes(); err != nil || string(got) != "nil" {
				t.Errorf("after Reset %q, %v", got, err)
			}
		})
	}
}
