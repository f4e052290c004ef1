package edge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// JSON clients are asked by a backend that speaks EDN, and the reverse: each
// format is written once, whatever the number of those who speak it.
func TestAskAcrossFormats(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, nil)
	backend := c.Backend(t, 0)
	var all []*testkit.Client
	for i := range 6 {
		path := "/ws?uid=a"
		if i%2 == 1 {
			path += "&format=json"
		}
		cl := c.Dial(t, 0, path)
		cl.Subscribe(`"room"`)
		all = append(all, cl)
	}
	for name, ask := range map[string]func() (bus.Answers, error){
		"event in edn": func() (bus.Answers, error) {
			return backend.AskUser(t.Context(), bus.String("a"), []byte("[:my/ask {:n 1}]"))
		},
		"event in json": func() (bus.Answers, error) {
			return backend.AskUser(t.Context(), bus.String("a"), []byte(`["my/ask",{"n":1}]`), bus.ContentType(bus.ContentTypeJSON))
		},
		"data in edn": func() (bus.Answers, error) {
			return backend.AskChannel(t.Context(), bus.String("room"), []byte("{:n 1}"))
		},
		"data in json": func() (bus.Answers, error) {
			return backend.AskChannel(t.Context(), bus.String("room"), []byte(`{"n":1}`), bus.ContentType(bus.ContentTypeJSON))
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.Nodes[0].Stats()
			got := asking(ask)
			for _, cl := range all {
				event, cb := asked(t, cl)
				want := "[:my/ask {:n 1}]"
				switch isChannel := strings.HasPrefix(name, "data"); {
				case cl.JSON && isChannel:
					want = testkit.MessageJSON(`"room"`, `{"n":1}`, "")
				case isChannel:
					want = testkit.Message(`"room"`, "{:n 1}", "")
				case cl.JSON:
					want = `["my/ask",{"n":1}]`
				}
				if event != want {
					t.Errorf("got %s, want %s", event, want)
				}
				if cl.JSON {
					reply(cl, cb, `["a","b"]`)
				} else {
					reply(cl, cb, `["a" "b"]`)
				}
			}
			o := ended(t, got)
			checkCounts(t, o, 6, 6, 0)
			inJSON := 0
			for i := range o.All {
				a := &o.All[i]
				if string(a.Data) != `["a" "b"]` {
					t.Errorf("answer %s", a.Data)
				}
				if a.Format == codec.JSON {
					inJSON++
					if string(a.RawData) != `["a","b"]` {
						t.Errorf("raw answer %s", a.RawData)
					}
				}
			}
			if inJSON != 3 {
				t.Errorf("%d answers in JSON", inJSON)
			}
			after := c.Nodes[0].Stats()
			sum := func(m map[string]uint64) (n uint64) {
				for _, v := range m {
					n += v
				}
				return n
			}
			if n := sum(after.Conversions) - sum(before.Conversions); n != 1 {
				t.Errorf("%d conversions", n)
			}
			if n := sum(after.Rendered) - sum(before.Rendered); n != 2 {
				t.Errorf("%d frames made, want one for each voice", n)
			}
		})
	}
}

// A backend that has a NATS client and nothing of ours.
func TestAskByPlainNATS(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, nil)
	one, two := c.Dial(t, 0, "/ws?uid=alice&format=json"), c.Dial(t, 1, "/ws?uid=alice")
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	inbox, err := nc.SubscribeSync(nats.NewInbox())
	must(t, err)
	publish := func(subject, ask, body string) {
		t.Helper()
		m := &nats.Msg{Subject: subject, Reply: inbox.Subject, Data: []byte(body), Header: nats.Header{"Hoshi-Ask": {ask}}}
		must(t, nc.PublishMsg(m))
	}
	read := func() *nats.Msg {
		t.Helper()
		m, err := inbox.NextMsg(testkit.Patience)
		must(t, err)
		return m
	}

	publish("hoshi.user.alice", "5000", "[:my/ask 1]")
	_, cb := asked(t, one)
	reply(one, cb, `["x"]`)
	_, cb = asked(t, two)
	reply(two, cb, ":yes")
	heard := map[string][]string{} // by node
	for range 6 {
		m := read()
		node := m.Header.Get("Hoshi-Node")
		switch {
		case m.Header.Get("Hoshi-Conn") != "":
			text := m.Header.Get("Hoshi-Conn") + " " + m.Header.Get("Hoshi-Uid") + " " + m.Header.Get("Content-Type") + " " + string(m.Data)
			heard[node] = append(heard[node], text)
		case len(m.Data) != 0:
			t.Errorf("a body with %v", m.Header)
		case m.Header.Get("Hoshi-Asked") != "":
			heard[node] = append(heard[node], "asked "+m.Header.Get("Hoshi-Asked"))
		default:
			heard[node] = append(heard[node], "answered "+m.Header.Get("Hoshi-Answered"))
		}
	}
	for i, want := range []string{
		one.ConnID + ` alice application/json ["x"]`,
		two.ConnID + " alice  :yes",
	} {
		got := heard[c.Nodes[i].ID().String()]
		if !slices.Equal(got, []string{"asked 1", want, "answered 1"}) {
			t.Errorf("node %d said %q", i, got)
		}
	}

	// What is refused, by every node that hears it.
	for _, tt := range []struct{ name, subject, ask, body string }{
		{"everyone", "hoshi.all", "100", "[:my/ask]"},
		{"no time", "hoshi.conn." + c.Nodes[0].ID().String() + "." + one.ConnID, "0", "[:my/ask]"},
		{"too long", "hoshi.conn." + c.Nodes[0].ID().String() + "." + one.ConnID, "60001", "[:my/ask]"},
		{"no number", "hoshi.conn." + c.Nodes[0].ID().String() + "." + one.ConnID, "1e3", "[:my/ask]"},
		{"no event", "hoshi.conn." + c.Nodes[0].ID().String() + "." + one.ConnID, "100", "7"},
		{"a close", "hoshi.conn." + c.Nodes[0].ID().String() + "." + one.ConnID, "100", "[:chsk/close]"},
	} {
		publish(tt.subject, tt.ask, tt.body)
		n := 1
		if tt.name == "everyone" {
			n = 2
		}
		for range n {
			if m := read(); m.Header.Get("Hoshi-Error") != ":bad-request" || len(m.Data) != 0 {
				t.Errorf("%s: got %v %q", tt.name, m.Header, m.Data)
			}
		}
	}
	// Without a reply subject there is nobody to answer to.
	must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.user.alice", Data: []byte("[:my/ask]"), Header: nats.Header{"Hoshi-Ask": {"100"}}}))
	testkit.Eventually(t, "refusals", func() bool {
		return c.Nodes[0].Stats().Bus.Dropped["bad-ask"] == 5 && c.Nodes[1].Stats().Bus.Dropped["bad-ask"] == 2
	})
	one.Nothing()
	two.Nothing()
	if m, err := inbox.NextMsg(time.Millisecond); err == nil {
		t.Errorf("one more: %v %q", m.Header, m.Data)
	}
}

// What asks is not wrapped, for clients that want everything else to be.
func TestAskUnwrapped(t *testing.T) {
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.WrapRecv = true })
	backend := c.Backend(t, 0)
	cl := c.Dial(t, 0, "/")
	cl.Send(`[[:sente-lite/subscribe {:channel-id "room"}] "s"]`)
	cl.Expect(`[{:success true} "s"]`)
	for want, ask := range map[string]func() (bus.Answers, error){
		"[:my/ask 1]": func() (bus.Answers, error) {
			return backend.AskConn(t.Context(), cl.ConnID, []byte("[:my/ask 1]"))
		},
		testkit.Message(`"room"`, "1", ""): func() (bus.Answers, error) {
			return backend.AskChannel(t.Context(), bus.String("room"), []byte("1"))
		},
	} {
		got := asking(ask)
		event, cb := asked(t, cl)
		if event != want {
			t.Errorf("got %s, want %s", event, want)
		}
		reply(cl, cb, "1")
		checkCounts(t, ended(t, got), 1, 1, 0)
	}
}

// Each node says how many it asks, passes answers on, and says that it is done,
// in this order: also when clients answer while others are still being asked.
func TestAskOrder(t *testing.T) {
	const clients = 200
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
		o.QueueMessages = 1 // so that the delivery waits for the loop with every client
	})
	for range clients {
		cl := c.Dial(t, 0, "/")
		cl.Subscribe(`"room"`)
		go func() { // ends with the connection
			for {
				text, err := cl.TryRead(testkit.Patience)
				if err != nil {
					return
				}
				if at := strings.LastIndex(text, `"ask-`); at > 0 {
					cl.Send("[:chsk/reply {:cb-uuid " + text[at:len(text)-1] + " :data 1}]")
				}
			}
		}()
	}
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	inbox, err := nc.SubscribeSync(nats.NewInbox())
	must(t, err)
	for range 5 {
		must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.chan.room", Reply: inbox.Subject, Data: []byte("1"), Header: nats.Header{"Hoshi-Ask": {"30000"}}}))
		for i := range clients + 2 {
			m, err := inbox.NextMsg(testkit.Patience)
			must(t, err)
			asked, answered := m.Header.Get("Hoshi-Asked"), m.Header.Get("Hoshi-Answered")
			switch {
			case i == 0 && asked == fmt.Sprint(clients) && answered == "":
			case i == clients+1 && answered == fmt.Sprint(clients) && asked == "":
			case i > 0 && i <= clients && m.Header.Get("Hoshi-Conn") != "" && string(m.Data) == "1":
			default:
				t.Fatalf("message %d is %v %q", i, m.Header, m.Data)
			}
		}
	}
	if s := c.Nodes[0].Stats().Asks; s.Ended["complete"] != 5 || s.Answers != 5*clients || s.Lost != 0 {
		t.Errorf("counted %+v", s)
	}
}

// A client that speaks Transit is asked in it, and its answer goes out as it is.
func TestAskTransit(t *testing.T) {
	c := testkit.StartCluster(t, 1, nil)
	backend := c.Backend(t, 0)
	cl := testkit.DialRaw(t, c.Nodes[0].Addr().String(), "/ws?format=transit&uid=alice")
	if !strings.HasPrefix(cl.Handshake, `["~:chsk/handshake"`) {
		t.Fatal(cl.Handshake)
	}
	got := asking(func() (bus.Answers, error) {
		return backend.AskUser(t.Context(), bus.String("alice"), []byte("[:my/ask {:n 1}]"))
	})
	event, cb := asked(t, cl)
	if want := `["~:my/ask",["^ ","~:n",1]]`; event != want {
		t.Errorf("got %s, want %s", event, want)
	}
	cl.Send(`["~:chsk/reply",["^ ","~:cb-uuid","` + cb + `","~:data",["~#set",["~:a"]]]]`)
	o := ended(t, got)
	checkCounts(t, o, 1, 1, 0)
	if a := o.All[0]; string(a.Data) != "#{:a}" || string(a.RawData) != `["~#set",["~:a"]]` {
		t.Errorf("answer %s, raw %s", a.Data, a.RawData)
	}
}
