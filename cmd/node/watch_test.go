package main

import (
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestTraceLine: which of two connections has published, and which is told, is said.
func TestTraceLine(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 5e6, time.UTC)
	for _, tt := range []struct {
		name string
		line bus.TraceLine
		want string
	}{
		{"a message", bus.TraceLine{Kind: bus.TraceMessage, Channel: `"lobby"`, Bytes: 9, Format: "edn", From: "conn-1", Conn: "conn-2"}, `message      "lobby" 9 B edn from conn-1 to conn-2`},
		{"of a channel", bus.TraceLine{Kind: bus.TraceMessage, Channel: `"lobby"`, Bytes: 9, Format: "edn", From: "conn-1", Count: 3}, `message      "lobby" x3 9 B edn from conn-1`},
		{"an event", bus.TraceLine{Kind: bus.TraceIn, Event: ":a/b", Bytes: 4, Format: "edn", Conn: "conn-1"}, `in           :a/b 4 B edn conn-1`},
		{"no answer", bus.TraceLine{Kind: bus.TraceReply, Event: ":a/b", Reason: "timeout", TookMS: 15000, Conn: "conn-1"}, `reply        :a/b timeout in 15000.0 ms conn-1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.line.At = at
			if got := (&traceFlags{}).line("0b6f1c2a9d3e", &tt.line); got != "12:00:00.005 0b6f1c2a9d3e "+tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
