package edn_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

const event128 = `[:sente-lite/publish {:channel-id "room/42" :data {:n 12345 :user "alice" :text "a short line of chat"} :exclude-sender? true}]`

func BenchmarkCheck(b *testing.B) {
	var keys strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&keys, " :k%d 1", i)
	}
	for _, bm := range []struct {
		name string
		text string
	}{
		{"ping", `[:chsk/ws-ping]`},
		{"event", event128},
		{"string/size=4096", `"` + strings.Repeat("abcdefgh", 512) + `"`},
		{"map/keys=100000", "{" + keys.String() + "}"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			var s edn.Scanner
			p := []byte(bm.text)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Check(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendCanonical(b *testing.B) {
	var dst [512]byte
	for _, text := range []string{`:chat/room`, `{:b 1 :a [2 "x"]}`} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := edn.AppendCanonical(dst[:0], []byte(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWalk(b *testing.B) {
	var s edn.Scanner
	var w edn.Writer
	var dst [512]byte
	text := []byte(event128)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		w.Reset(dst[:0])
		if err := s.Walk(text, &w); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Bytes(); err != nil {
			b.Fatal(err)
		}
	}
}
