package edge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

const inJSON = "/ws?format=json"

// The query decides on the format, then the subprotocol, then the node's
// option.
func TestFormatOfAConnection(t *testing.T) {
	byDefault := map[codec.Format]*testkit.Cluster{
		codec.EDN:  one(t, nil),
		codec.JSON: one(t, func(o *edge.Options) { o.Format = codec.JSON }),
	}
	tests := []struct {
		name      string
		def       codec.Format
		path      string
		protocols []string
		json      bool
		protocol  string
	}{
		{name: "default", path: "/"},
		{name: "configured", def: codec.JSON, path: "/", json: true},
		{name: "query", path: "/?format=json", json: true},
		{name: "query against the configured", def: codec.JSON, path: "/?format=edn"},
		{name: "subprotocol", path: "/", protocols: []string{"hoshi.json"}, json: true, protocol: "hoshi.json"},
		{name: "subprotocol against the configured", def: codec.JSON, path: "/", protocols: []string{"hoshi.edn"}, protocol: "hoshi.edn"},
		{name: "first of two", path: "/", protocols: []string{"hoshi.json", "hoshi.edn"}, json: true, protocol: "hoshi.json"},
		{name: "behind strange ones", path: "/", protocols: []string{"graphql-ws", "hoshi.yaml", "hoshi.json"}, json: true, protocol: "hoshi.json"},
		{name: "strange ones alone", path: "/", protocols: []string{"graphql-ws", "json"}},
		{name: "query against the subprotocol", path: "/?format=edn", protocols: []string{"hoshi.json"}},
		{name: "query picks the subprotocol", path: "/?format=edn", protocols: []string{"hoshi.json", "hoshi.edn"}, protocol: "hoshi.edn"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cl := testkit.DialProtocols(t, byDefault[tt.def].Nodes[0].Addr().String(), tt.path, tt.protocols...)
			if cl.JSON != tt.json || cl.Protocol != tt.protocol {
				t.Errorf("json %v, subprotocol %q", cl.JSON, cl.Protocol)
			}
			cl.Nothing()
		})
	}
}

func TestJSONHabits(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.Channels.MaxSubscriptionsPerConn = 3; o.Version = "1.2.3" })
	sub := func(ch string) string { return `["sente-lite/subscribe", {"channel-id": ` + ch + `}]` }
	unsub := func(ch string) string { return `["sente-lite/unsubscribe", {"channel-id": ` + ch + `}]` }
	yes := func(ch string) string {
		return `["sente-lite/subscribed",{"channel-id":` + ch + `,"success":true}]`
	}
	no := func(ch, kw string) string {
		return `["sente-lite/subscribed",{"channel-id":` + ch + `,"success":false,"error":"` + kw + `"}]`
	}
	tests := []struct {
		name string
		send []string
		want []string
	}{
		{name: "pings", send: []string{`["chsk/ws-ping"]`, `[":chsk/ws-ping"]`, `[["chsk/ws-ping"], "cb"]`, `["chsk/ws-pong"]`}, want: []string{
			`["chsk/ws-pong"]`, `["chsk/ws-pong"]`, `["chsk/ws-pong"]`,
		}},
		{name: "subscribe", send: []string{sub(`"a"`)}, want: []string{yes(`"a"`)}},
		{name: "subscribe, with a colon", send: []string{`[":sente-lite/subscribe", {"channel-id": "a"}]`}, want: []string{yes(`"a"`)}},
		{name: "keyword", send: []string{sub(`":chat/room"`), sub(`"\u003achat\/room"`)}, want: []string{yes(`":chat/room"`), yes(`":chat/room"`)}},
		{name: "keyword that is none", send: []string{sub(`":a b"`), sub(`":"`)}, want: []string{no(`":a b"`, "bad-request"), no(`":"`, "bad-request")}},
		{name: "other values", send: []string{sub(`["doc" , 7]`), sub(`{"b": 1.0, "a": [null]}`), sub(`12`)}, want: []string{yes(`["doc",7]`), yes(`{"a":[null],"b":1.0}`), yes(`12`)}},
		{name: "twice is one membership", send: []string{sub(`"a"`), sub(`"\u0061"`), unsub(`"a"`), unsub(`"a"`)}, want: []string{
			yes(`"a"`), yes(`"a"`), yes(`"a"`),
			`["sente-lite/subscribed",{"channel-id":"a","success":null,"error":"not-subscribed"}]`,
		}},
		{name: "escapes", send: []string{sub(`"a\"b\\\n\u0001é\ud83d\ude00"`)}, want: []string{yes(`"a\"b\\\n\u0001é😀"`)}},
		{name: "half of a pair", send: []string{sub(`"a\ud83d"`)}, want: []string{no(`"a\ud83d"`, "bad-request")}},
		{name: "with a callback, no event as well", send: []string{`[` + sub(`"a"`) + `, "c1"]`, `["chsk/ws-ping"]`}, want: []string{
			`[{"success":true},"c1"]`, `["chsk/ws-pong"]`,
		}},
		{name: "unsubscribe with a callback", send: []string{`[` + unsub(`"a"`) + `, {"n": 1}]`}, want: []string{
			`[{"success":false,"error":"not-subscribed"},{"n": 1}]`,
		}},
		{name: "limit", send: []string{sub("1"), sub("2"), sub("3"), sub("4"), unsub("2"), sub("4")}, want: []string{
			yes("1"), yes("2"), yes("3"), no("4", "max-subscriptions-per-conn"), yes("2"), yes("4"),
		}},
		{name: "no channel", send: []string{`["sente-lite/subscribe", {}]`}, want: []string{no("null", "bad-request")}},
		{name: "no object", send: []string{`["sente-lite/subscribe"]`, `["sente-lite/subscribe", "a"]`}, want: []string{no("null", "bad-request"), no("null", "bad-request")}},
		{name: "null", send: []string{sub("null")}, want: []string{no("null", "bad-request")}},
		{name: "empty string", send: []string{sub(`""`)}, want: []string{no(`""`, "bad-request")}},
		{name: "too long", send: []string{sub(`"` + strings.Repeat("x", 256) + `"`)}, want: []string{no(`"`+strings.Repeat("x", 256)+`"`, "bad-request")}},
		{name: "publish with a callback", send: []string{`[["sente-lite/publish", {"channel-id": "z", "data": 1}], "p"]`}, want: []string{`[{"success":true},"p"]`}},
		{name: "bad publish with a callback", send: []string{`[["sente-lite/publish", {"data": 1}], "p"]`}, want: []string{`[{"success":false,"error":"bad-request"},"p"]`}},
		{name: "bad publish without one", send: []string{`["sente-lite/publish", null]`, `["chsk/ws-ping"]`}, want: []string{`["chsk/ws-pong"]`}},
		{name: "reserved, with a callback", send: []string{`[["chsk/uidport-open", {}], "cb"]`}, want: []string{`["chsk/error","cb"]`}},
		{name: "nobody takes it", send: []string{`[["nobody/listens"], 7]`}, want: []string{`["chsk/error",7]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cl := c.Dial(t, 0, inJSON+"&uid=alice")
			want := `["chsk/handshake",["alice",null,{"sente-lite-version":"2.0.0","conn-id":"` + cl.ConnID + `","hoshi":"1.2.3"},true]]`
			if cl.Handshake != want {
				t.Errorf("handshake %s, want %s", cl.Handshake, want)
			}
			cl.Send(tt.send...)
			cl.Expect(tt.want...)
			cl.Nothing()
		})
	}
}

func TestJSONChannelData(t *testing.T) {
	c := one(t, nil)
	a, b, e := c.Dial(t, 0, inJSON), c.Dial(t, 0, inJSON), c.Dial(t, 0, "/")
	for _, cl := range []*testkit.Client{a, b} {
		cl.Subscribe(`":news/all"`)
	}
	e.Subscribe(":news/all")
	tests := []struct {
		name            string
		from            *testkit.Client
		data, json, edn string
	}{
		{name: "from JSON, byte for byte to JSON", from: a, data: `{ "msg" : "h\u0069", "big": 12345678901234567890, "f": 1.50 }`, json: `{ "msg" : "h\u0069", "big": 12345678901234567890, "f": 1.50 }`, edn: `{:msg "hi", :big 12345678901234567890N, :f 1.5}`},
		{name: "from EDN, byte for byte to EDN", from: e, data: `{:msg  #{:a/b}, :at #inst "2024-01-01T00:00:00.000-00:00"}`, json: `{"msg":["a/b"],"at":"2024-01-01T00:00:00.000Z"}`, edn: `{:msg  #{:a/b}, :at #inst "2024-01-01T00:00:00.000-00:00"}`},
		{name: "null", from: b, data: "null", json: "null", edn: "nil"},
		{name: "nil", from: e, data: "nil", json: "null", edn: "nil"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			channel := ":news/all"
			if tt.from.JSON {
				channel = `":news/all"`
			}
			tt.from.Publish(channel, tt.data)
			a.Expect(testkit.MessageJSON(`":news/all"`, tt.json, tt.from.ConnID))
			b.Expect(testkit.MessageJSON(`":news/all"`, tt.json, tt.from.ConnID))
			e.Expect(testkit.Message(":news/all", tt.edn, tt.from.ConnID))
		})
	}
	t.Run("without data", func(t *testing.T) {
		a.Send(`["sente-lite/publish", {"channel-id": ":news/all", "exclude-sender?": true}]`)
		b.Expect(testkit.MessageJSON(`":news/all"`, "null", a.ConnID))
		e.Expect(testkit.Message(":news/all", "nil", a.ConnID))
		a.Nothing()
	})
	t.Run("what JSON cannot say", func(t *testing.T) {
		e.Publish(":news/all", `#{"\ud83d"}`)
		e.Publish(":news/all", `:next`)
		e.Expect(testkit.Message(":news/all", `#{"\ud83d"}`, e.ConnID), testkit.Message(":news/all", ":next", e.ConnID))
		a.Expect(testkit.MessageJSON(`":news/all"`, `"next"`, e.ConnID))
		if s := c.Nodes[0].Stats(); s.Unconverted["edn>json"] != 1 {
			t.Errorf("unconverted: %v", s.Unconverted)
		}
	})
}

// A client in EDN, one in JSON, and a backend in both, each on a node of its
// own.
func TestFormatsAcrossNodes(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 3, func(_ int, o *edge.Options) { o.RequestTimeout = 5 * time.Second }) // one is waited for
	e := c.Dial(t, 0, "/ws?uid=alice")
	j := c.Dial(t, 1, inJSON+"&uid=alice")
	nc := foreign(t, c, 2)
	declared := nats.Header{"Content-Type": {"application/json"}}

	t.Run("pushes", func(t *testing.T) {
		must(t, nc.Publish("hoshi.user.alice", []byte(`[:shop/shipped {:order #{7}, :by :k/w}]`)))
		e.Expect(`[:shop/shipped {:order #{7}, :by :k/w}]`)
		j.Expect(`["shop/shipped",{"order":[7],"by":"k/w"}]`)
		must(t, nc.Publish("hoshi.user.alice", []byte(`["shop/shipped", {"order": 7}]`)))
		e.Expect(`[:shop/shipped {:order 7}]`)
		j.Expect(`["shop/shipped", {"order": 7}]`)
		must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.all", Header: declared, Data: []byte(` [ ":site/closes" ] `)}))
		e.Expect(`[:site/closes]`)
		j.Expect(`[ ":site/closes" ]`)
		must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.all", Header: nats.Header{"Hoshi-Exclude": {e.ConnID}}, Data: []byte(`[:for/others]`)}))
		j.Expect(`["for/others"]`)
		e.Nothing()
	})
	t.Run("channels", func(t *testing.T) {
		e.Subscribe(`"lobby"`)
		j.Subscribe(`"lobby"`)
		j.Publish(`"lobby"`, `{"n": 1}`)
		e.Expect(testkit.Message(`"lobby"`, "{:n 1}", j.ConnID))
		j.Expect(testkit.MessageJSON(`"lobby"`, `{"n": 1}`, j.ConnID))
		e.Publish(`"lobby"`, `{:n 2}`)
		e.Expect(testkit.Message(`"lobby"`, "{:n 2}", e.ConnID))
		j.Expect(testkit.MessageJSON(`"lobby"`, `{"n":2}`, e.ConnID))
		must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.chan.lobby", Header: declared, Data: []byte(`["x"]`)}))
		must(t, nc.Publish("hoshi.chan.lobby", []byte(`["y"]`))) // EDN
		e.Expect(testkit.Message(`"lobby"`, `["x"]`, ""), testkit.Message(`"lobby"`, `["y"]`, ""))
		j.Expect(testkit.MessageJSON(`"lobby"`, `["x"]`, ""), testkit.MessageJSON(`"lobby"`, `["y"]`, ""))
	})
	t.Run("events and answers", func(t *testing.T) {
		sdk := c.Backend(t, 2)
		seen := make(chan *bus.Event, 10)
		_, err := sdk.Take(t.Context(), "shop.>", "shop", func(ev *bus.Event) {
			seen <- ev
			var err error
			switch string(ev.ID) {
			case ":shop/edn":
				err = ev.Reply([]byte(`{:cents #{1}}`))
			case ":shop/json":
				err = ev.Reply([]byte(`{"cents": 1}`), bus.ContentType(bus.ContentTypeJSON))
			case ":shop/no":
				err = ev.ReplyError(":shop/closed")
			case ":shop/odd":
				err = ev.Reply([]byte(`#{"\ud83d"}`))
			}
			if err != nil && ev.WantsReply() {
				t.Error(err)
			}
		})
		must(t, err)
		tests := []struct {
			client           *testkit.Client
			send, want       string
			event, data, raw string
			format           codec.Format
			rawData          string
		}{
			{client: e, send: `[[:shop/edn {:n 1}] "c"]`, want: `[{:cents #{1}} "c"]`, event: `[:shop/edn {:n 1}]`, data: `{:n 1}`, raw: `[:shop/edn {:n 1}]`, rawData: `{:n 1}`},
			{client: e, send: `[[:shop/json] "c"]`, want: `[{:cents 1} "c"]`, event: `[:shop/json]`, raw: `[:shop/json]`},
			{client: j, send: `[["shop/edn", {"n": 1}], "c"]`, want: `[{"cents":[1]},"c"]`, event: `[:shop/edn {:n 1}]`, data: `{:n 1}`, raw: `["shop/edn", {"n": 1}]`, rawData: `{"n": 1}`, format: codec.JSON},
			{client: j, send: `[[ ":shop/json" , null ], "c"]`, want: `[{"cents": 1},"c"]`, event: `[:shop/json nil]`, data: `nil`, raw: `[ ":shop/json" , null ]`, rawData: `null`, format: codec.JSON},
			{client: j, send: `[["shop/no"], "c"]`, want: `["shop/closed","c"]`, event: `[:shop/no]`, raw: `["shop/no"]`, format: codec.JSON},
			{client: j, send: `[["shop/odd"], "c"]`, want: `["chsk/error","c"]`, event: `[:shop/odd]`, raw: `["shop/odd"]`, format: codec.JSON},
		}
		for _, tt := range tests {
			tt.client.Send(tt.send)
			tt.client.Expect(tt.want)
			ev := <-seen
			if string(ev.Event) != tt.event || string(ev.Data) != tt.data || string(ev.RawEvent) != tt.raw || string(ev.RawData) != tt.rawData || ev.Format != tt.format {
				t.Errorf("%s: event %s, data %s, as they came %s and %s, format %v", tt.send, ev.Event, ev.Data, ev.RawEvent, ev.RawData, ev.Format)
			}
			if string(ev.UID) != `"alice"` || ev.Conn != tt.client.ConnID {
				t.Errorf("%s: uid %s, conn %s", tt.send, ev.UID, ev.Conn)
			}
		}
	})
	t.Run("on the wire", func(t *testing.T) {
		wire, err := nc.SubscribeSync("hoshi.>")
		must(t, err)
		must(t, nc.Flush())
		c.Backend(t, 2) // its barrier: the others know of the subscription
		next := func(subject string) *nats.Msg {
			for {
				m, err := wire.NextMsg(testkit.Patience)
				must(t, err)
				if m.Subject == subject {
					return m
				}
			}
		}
		for _, tt := range []struct {
			client                     *testkit.Client
			send, subject, body, ctype string
		}{
			{client: e, send: `[:a/b [1]]`, subject: "hoshi.event.a.b", body: `[:a/b [1]]`},
			{client: j, send: `["a/b", [1]]`, subject: "hoshi.event.a.b", body: `["a/b", [1]]`},
			{client: j, send: `[ "a/b", [1]]`, subject: "hoshi.event.a.b", body: `[ "a/b", [1]]`, ctype: "application/json"},
			{client: j, send: `[["a/b"], "cb"]`, subject: "hoshi.event.a.b", body: `["a/b"]`},
			{client: e, send: `[:sente-lite/publish {:channel-id "c" :data ["x"]}]`, subject: "hoshi.chan.c", body: `["x"]`},
			{client: j, send: `["sente-lite/publish", {"channel-id": "c", "data": ["x"]}]`, subject: "hoshi.chan.c", body: `["x"]`, ctype: "application/json"},
		} {
			tt.client.Send(tt.send)
			m := next(tt.subject)
			if string(m.Data) != tt.body || m.Header.Get("Content-Type") != tt.ctype {
				t.Errorf("%s: %q as %q", tt.send, m.Data, m.Header.Get("Content-Type"))
			}
		}
		j.Expect(`["chsk/timeout","cb"]`)
	})
	t.Run("close", func(t *testing.T) {
		must(t, nc.Publish("hoshi.user.alice", []byte(`["chsk/close"]`)))
		e.ExpectClose(1000)
		j.ExpectClose(1000)
	})
}

// Two formats cost one frame each and one conversion for each message, however
// many listen.
func TestOneEncodingForEachFormat(t *testing.T) {
	for _, each := range []int{5, 500} {
		t.Run(fmt.Sprintf("subscribers=%d", 2*each), func(t *testing.T) {
			c := one(t, nil)
			node := c.Nodes[0]
			var edns, jsons []*testkit.Client
			for range each {
				e, j := c.Dial(t, 0, "/ws?uid=u"), c.Dial(t, 0, inJSON+"&uid=u")
				e.Subscribe(`"r"`)
				j.Subscribe(`"r"`)
				edns, jsons = append(edns, e), append(jsons, j)
			}
			if v := node.Stats().Voices; v["sente-lite/edn"] != uint64(each) || v["sente-lite/json"] != uint64(each) {
				t.Errorf("voices %v", v)
			}
			nc := foreign(t, c, 0)
			steps := []struct {
				do         func()
				edn, json  string
				conversion string
			}{
				{do: func() { must(t, nc.Publish("hoshi.chan.r", []byte(":x"))) }, edn: testkit.Message(`"r"`, ":x", ""), json: testkit.MessageJSON(`"r"`, `"x"`, ""), conversion: "edn>json"},
				{do: func() { jsons[0].Publish(`"r"`, "1") }, edn: testkit.Message(`"r"`, "1", jsons[0].ConnID), json: testkit.MessageJSON(`"r"`, "1", jsons[0].ConnID), conversion: "json>edn"},
				{do: func() { must(t, nc.Publish("hoshi.user.u", []byte("[:a/b 1]"))) }, edn: "[:a/b 1]", json: `["a/b",1]`, conversion: "edn>json"},
				{do: func() { must(t, nc.Publish("hoshi.all", []byte(`["a/b",2]`))) }, edn: "[:a/b 2]", json: `["a/b",2]`, conversion: "json>edn"},
			}
			for i, step := range steps {
				before := node.Stats()
				step.do()
				for k := range edns {
					edns[k].Expect(step.edn)
					jsons[k].Expect(step.json)
				}
				after := node.Stats()
				for _, voice := range []string{"sente-lite/edn", "sente-lite/json"} {
					if n := after.Rendered[voice] - before.Rendered[voice]; n != 1 {
						t.Errorf("step %d: %d frames of %s", i, n, voice)
					}
				}
				var all uint64
				for name := range after.Conversions {
					all += after.Conversions[name] - before.Conversions[name]
				}
				if all != 1 || after.Conversions[step.conversion]-before.Conversions[step.conversion] != 1 {
					t.Errorf("step %d: %v, then %v", i, before.Conversions, after.Conversions)
				}
			}
			for _, j := range jsons {
				j.Conn.Close()
			}
			testkit.Eventually(t, "those in JSON are gone", func() bool { return node.Stats().Voices["sente-lite/json"] == 0 })
			before := node.Stats()
			must(t, nc.Publish("hoshi.all", []byte(`[:a/b 3]`)))
			must(t, nc.Publish("hoshi.chan.r", []byte(":y")))
			for _, e := range edns {
				for range 2 {
					e.Read()
				}
			}
			after := node.Stats()
			if n := after.Rendered["sente-lite/json"] - before.Rendered["sente-lite/json"]; n != 0 {
				t.Errorf("%d frames that nobody speaks", n)
			}
		})
	}
}

func TestBadJSONWithABystander(t *testing.T) {
	c := one(t, nil)
	bystander, other := c.Dial(t, 0, "/"), c.Dial(t, 0, inJSON)
	bystander.Subscribe(`"b"`)
	other.Subscribe(`"b"`)
	bad := c.Dial(t, 0, inJSON)
	bad.Subscribe(`"b"`)
	tests := []struct{ name, msg, reason string }{
		{"no JSON", `[:sente-lite/publish {:channel-id "b" :data 1}]`, "invalid-syntax"},
		{"nothing", ` `, "empty"},
		{"object", `{"type": "event"}`, "not-vector"},
		{"empty array", `[]`, "empty-vector"},
		{"no namespace", `["publish", 1]`, "invalid-event-id"},
		{"id is a number", `[1, 2]`, "invalid-event-id"},
		{"three elements", `["a/b", 1, 2]`, "invalid-format"},
		{"key twice", `["sente-lite/publish", {"channel-id": "b", "data": {"a": 1, "a": 2}}]`, "duplicate-key"},
		{"key twice, in two spellings", `["sente-lite/publish", {"channel-id": "b", "data": {"a": 1, "\u0061": 2}}]`, "duplicate-key"},
		{"argument twice", `["sente-lite/publish", {"channel-id": "b", "data": 1, "data": 2}]`, "duplicate-key"},
		{"half of a pair in a key", `["sente-lite/publish", {"channel-id": "b", "data": {"\ud83d": 1}}]`, "lone-surrogate"},
		{"two values", `["sente-lite/publish", {"channel-id": "b", "data": 1}] 2`, "extra-value"},
		{"cut off", `["sente-lite/publish", {"channel-id": "b", "data": [1`, "unexpected-end"},
		{"raw control character", "[\"sente-lite/publish\", {\"channel-id\": \"b\", \"data\": \"\x01\"}]", "invalid-string"},
		{"number", `["sente-lite/publish", {"channel-id": "b", "data": 01}]`, "invalid-number"},
		{"too deep", `["sente-lite/publish", {"channel-id": "b", "data": ` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}]`, "too-deep"},
		{"no channel", `["sente-lite/publish", {"data": 1}]`, "publish-refused"},
		{"no keyword", `["sente-lite/publish", {"channel-id": ":b ;", "data": 1}]`, "publish-refused"},
		{"reserved", `["chsk/conn-open", {"conn-id": "x"}]`, "reserved-event-id"},
		{"reserved, with a colon", `[":hoshi/x", 1]`, "reserved-event-id"},
		{"callback too long", `[["a/b"], "` + strings.Repeat("x", 1100) + `"]`, "callback-too-long"},
		{"subject too long", `["` + strings.Repeat("a.", 600) + `a/x", 1]`, "event-subject"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := c.Nodes[0].Stats().RefusedMessages[tt.reason]
			bad.Send(tt.msg)
			bad.Publish(`"b"`, fmt.Sprint(i))
			if tt.reason == "callback-too-long" {
				bad.Read()
			}
			bad.Expect(testkit.MessageJSON(`"b"`, fmt.Sprint(i), bad.ConnID))
			other.Expect(testkit.MessageJSON(`"b"`, fmt.Sprint(i), bad.ConnID))
			bystander.Expect(testkit.Message(`"b"`, fmt.Sprint(i), bad.ConnID))
			if after := c.Nodes[0].Stats().RefusedMessages; after[tt.reason] != before+1 {
				t.Errorf("not counted as %s: %v", tt.reason, after)
			}
		})
	}
}

func TestJSONWrapRecvAndEcho(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.WrapRecv = true; o.Echo = true })
	cl := c.Dial(t, 0, inJSON)
	cl.Send(`["sente-lite/subscribe", {"channel-id": 1}]`, `["chsk/ws-ping"]`)
	cl.Expect(`["chsk/recv",["sente-lite/subscribed",{"channel-id":1,"success":true}]]`, `["chsk/ws-pong"]`)
	cl.Publish("1", "2")
	cl.Expect(`["chsk/recv",` + testkit.MessageJSON("1", "2", cl.ConnID) + `]`)
	cl.Send(`[["a/b", {"n": [1, 2.5]}], "cb"]`)
	cl.Expect(`[{"n":[1,2.5]},"cb"]`)
	cl.Send(`["a/b", "x"]`)
	got := cl.Read()
	want := `["chsk/recv",["sente-lite/echo",{"original-event-id":"a/b","original-data":"x","conn-id":"` + cl.ConnID + `","timestamp":`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s..", got, want)
	}
}
