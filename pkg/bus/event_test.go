package bus_test

import (
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// TestEventsAreKept: what an Event holds is not the reader's, whatever the format.
func TestEventsAreKept(t *testing.T) {
	for _, tt := range []struct {
		contentType  string
		format       codec.Format
		one, another string
		raw, rawData string
		event        string
	}{
		{"", codec.EDN, `[:a/one {:n 1}]`, `[:b/two {:m 2}]`, `[:a/one {:n 1}]`, `{:n 1}`, `[:a/one {:n 1}]`},
		{bus.ContentTypeJSON, codec.JSON, `["a/one",{"n":1}]`, `["b/two",{"m":2}]`, `["a/one",{"n":1}]`, `{"n":1}`, `[:a/one {:n 1}]`},
		{
			bus.ContentTypeTransit, codec.Transit, `["~:a/one",["^ ","^0",1]]`, `["~:b/two",["^ ","^0",2]]`,
			`["~:a/one",["^ ","~:a/one",1]]`, `["^ ","~:a/one",1]`, `[:a/one {:a/one 1}]`,
		},
		{
			bus.ContentTypeMessagePack, codec.MessagePack,
			"\x92\xc7\x05\x00a/one\x92\x81\xd4\x00n\x01\x81\xd4\x08\x00\x02", "\x92\xc7\x05\x00b/two\x92\x81\xd4\x00m\x03\x81\xd4\x08\x00\x04",
			"\x92\xc7\x05\x00a/one\x92\x81\xd4\x00n\x01\x81\xd4\x00n\x02", "\x92\x81\xd4\x00n\x01\x81\xd4\x00n\x02", `[:a/one [{:n 1} {:n 2}]]`,
		},
	} {
		events, err := bus.ReadEvents(tt.contentType, []byte(tt.one), []byte(tt.another))
		if err != nil {
			t.Errorf("%s: %v", tt.format, err)
			continue
		}
		e := events[0]
		if e.Format != tt.format || string(e.ID) != ":a/one" || string(e.RawEvent) != tt.raw || string(e.RawData) != tt.rawData || string(e.Event) != tt.event || "[:a/one "+string(e.Data)+"]" != tt.event {
			t.Errorf("%s: id %s, event %s, data %s, as they came %q and %q", e.Format, e.ID, e.Event, e.Data, e.RawEvent, e.RawData)
		}
	}
}
