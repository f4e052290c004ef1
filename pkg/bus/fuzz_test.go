package bus_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// FuzzMessage: whatever arrives, what is delivered is a value that EDN has, of a known kind
// with a token and conn-ids that can stand in a frame.
func FuzzMessage(f *testing.F) {
	conn := id.NewGenerator(id.Node{1}).Next(1).String()
	f.Add("hoshi.chan.:chat/room", "", "", "", []byte("{:n 1}"))
	f.Add("hoshi.user.alice", "application/edn", conn, conn, []byte("[:a/b]"))
	f.Add("hoshi.conn.010000000000."+conn, "", "", "", []byte("[:a/b 1]"))
	f.Add("hoshi.all", "application/json", "x", "", []byte(`["a/b"]`))
	f.Add("hoshi.all", "", "", "", []byte(`["a/b", {"n": 1}]`))
	f.Add("hoshi.all", "application/transit+json", "", "", []byte(`[["~:a/bc",["^ ","^0",1]],null]`))
	f.Add("hoshi.chan.a", "application/msgpack", "", "", []byte("\x92\x81\xa1a\x01\x81\xd4\x08\x00\x02"))
	f.Add("hoshi.all.x", "", "", "\"", []byte("#{1 1}"))
	f.Add("hoshi..", "", "", "", []byte("["))
	f.Add("hoshi", "", "", "", []byte(""))
	f.Fuzz(func(t *testing.T, subject, contentType, from, exclude string, body []byte) {
		var msg bus.Message
		var sc codec.Scanner
		h := nats.Header{"Content-Type": {contentType}, "Hoshi-From": {from}, "Hoshi-Exclude": {exclude}}
		if contentType == "" {
			delete(h, "Content-Type")
		}
		if !bus.ParseMessage(&nats.Msg{Subject: subject, Header: h, Data: body}, &msg, &sc) {
			return
		}
		var c codec.Converter
		inEDN, err := c.Append(nil, msg.Body, msg.Format, codec.EDN)
		// Transit and MessagePack have days that Clojure's reader of EDN does not take.
		if err != nil && (msg.Format == codec.EDN || msg.Format == codec.JSON) || err == nil && edn.Check(inEDN) != nil {
			t.Errorf("body in %s is nothing in EDN: %v", msg.Format, err)
		}
		if (msg.Kind == bus.KindAll) != (msg.Token == "") || strings.Contains(msg.Token, ".") {
			t.Errorf("kind %v token %q", msg.Kind, msg.Token)
		}
		switch msg.Kind {
		case bus.KindUser, bus.KindConn, bus.KindClient, bus.KindChan, bus.KindAll, bus.KindAPI:
		case bus.KindNone, bus.KindEvent, bus.KindNode:
			t.Errorf("kind %v", msg.Kind)
		}
		for _, s := range []string{msg.From, msg.Exclude} {
			if _, ok := id.ParseConn(s); s != "" && !ok {
				t.Errorf("conn-id %q", s)
			}
		}
	})
}

// FuzzBeat: what is believed of a heartbeat can stand in a subject, and what we
// write is read back.
func FuzzBeat(f *testing.F) {
	f.Add([]byte(`{:node "0192f3a4c7ee" :server "NABC"}`))
	f.Add([]byte(`{:server "NABC", :x 1 :node "0192f3a4c7ee"}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{:node "a" :server "b.>"}`))
	f.Add([]byte(`{:node "\u0041" :server "`))
	f.Fuzz(func(t *testing.T, p []byte) {
		node, server, ok := bus.ParseBeat(p)
		if !ok {
			return
		}
		for _, s := range []string{node, server} {
			if strings.ContainsAny(s, ".*> \r\n\"\\") || len(s) > 64 {
				t.Errorf("believed %q", s)
			}
		}
		if server == "" {
			return
		}
		n2, s2, ok := bus.ParseBeat(bus.AppendBeat(node, server))
		if !ok || n2 != node || s2 != server {
			t.Errorf("%q %q came back as %q %q", node, server, n2, s2)
		}
	})
}

// TestParseDoesNotAllocate pins the way in: nats.go's own allocations for each
// message are enough.
func TestParseDoesNotAllocate(t *testing.T) {
	var msg bus.Message
	var sc codec.Scanner
	conn := id.NewGenerator(id.Node{1}).Next(1).String()
	m := &nats.Msg{Subject: "hoshi.chan.:chat/room", Header: nats.Header{"Hoshi-From": {conn}}, Data: []byte(`{:n 1 :text "hello"}`)}
	if n := testing.AllocsPerRun(100, func() { bus.ParseMessage(m, &msg, &sc) }); n != 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
	if msg.Token != ":chat/room" || msg.From != conn {
		t.Errorf("got %+v", msg)
	}
}
