package edge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// senteNode starts a node whose uid comes from the query.
func senteNode(t *testing.T, count int, change func(o *edge.Options)) *testkit.Cluster {
	t.Helper()
	return testkit.StartCluster(t, count, func(_ int, o *edge.Options) {
		o.InsecureUIDParam = "uid"
		o.Sente.SendBufWS = 5 * time.Millisecond
		if change != nil {
			change(o)
		}
	})
}

func TestSenteHandshake(t *testing.T) {
	c := senteNode(t, 1, nil)
	alice := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1&csrf-token=any")
	if alice.UID != `"alice"` || !strings.HasPrefix(alice.ConnID, "conn-") || !alice.Sente {
		t.Errorf("handshake %s", alice.Handshake)
	}
	nobody := c.Dial(t, 0, "/chsk?client-id=tab-2")
	if nobody.UID != ":sente/nil-uid" {
		t.Errorf("handshake %s", nobody.Handshake)
	}
	elsewhere := c.Dial(t, 0, "/ws?client-id=tab-3")
	if !elsewhere.Sente {
		t.Errorf("handshake %s", elsewhere.Handshake)
	}
	for _, path := range []string{"/chsk", "/chsk?client-id=", "/chsk?client-id=%20", "/chsk?client-id=a&client-id=b", "/ws?client-id=", "/chsk?client-id=" + strings.Repeat("x", 256)} {
		if _, err := testkit.TryDial(t, c.Nodes[0].Addr().String(), path); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("%.40s: %v", path, err)
		}
	}
}

func TestSentePushes(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, nil)
	backend := c.Backend(t, 1)
	tab := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	other := c.Dial(t, 1, "/chsk?uid=alice&client-id=tab-2")
	nobody := c.Dial(t, 0, "/chsk?client-id=tab-3")
	lite := c.Dial(t, 0, "/ws?uid=alice")

	must(t, backend.PublishUser(bus.String("alice"), []byte("[:a/b {:n 1}]")))
	tab.Expect("[[[:a/b {:n 1}]] nil]")
	other.Expect("[[[:a/b {:n 1}]] nil]")
	lite.Expect("[:a/b {:n 1}]")
	nobody.Nothing()

	must(t, backend.PublishClient("tab-2", []byte("[:a/c]")))
	other.Expect("[[[:a/c]] nil]")
	must(t, backend.PublishConn(tab.ConnID, []byte("[:a/d #{1}]")))
	tab.Expect("[[[:a/d #{1}]] nil]")
	must(t, backend.PublishAll([]byte("[:a/e]")))
	for _, cl := range []*testkit.Client{tab, other, nobody} {
		cl.Expect("[[[:a/e]] nil]")
	}
	lite.Expect("[:a/e]")
	tab.Nothing()
}

// What is pushed within the time leaves as one vector, in order, and not before
// the time is over unless there is enough of it or the backend says so.
func TestSenteGathers(t *testing.T) {
	const gather = 400 * time.Millisecond
	c := senteNode(t, 1, func(o *edge.Options) { o.Sente.SendBufWS = gather })
	backend := c.Backend(t, 0)
	tab := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
	push := func(text string, opts ...bus.PublishOption) {
		must(t, backend.PublishUser(bus.String("alice"), []byte(text), opts...))
	}
	settle := func(frames uint64) { // what is pushed while a loop still writes leaves with that
		testkit.Eventually(t, "the frames counted", func() bool { return c.Nodes[0].Stats().Sockets.FramesOut == frames })
	}
	settle(2) // the answer to the upgrade, and the handshake
	begin := time.Now()
	push("[:a/b 1]")
	push("[:a/b 2]")
	push("[:a/b 3]")
	tab.Expect("[[[:a/b 1] [:a/b 2] [:a/b 3]] nil]")
	if took := time.Since(begin); took < gather-50*time.Millisecond {
		t.Errorf("left after %v", took)
	}
	settle(3)
	begin = time.Now()
	push("[:a/b 4]")
	push("[:a/b 5]", bus.Flush())
	tab.Expect("[[[:a/b 4] [:a/b 5]] nil]")
	if took := time.Since(begin); took > gather-50*time.Millisecond {
		t.Errorf("flushed after %v", took)
	}
	settle(4)
	begin = time.Now()
	events := make([]string, 16)
	for i := range events {
		events[i] = "[:a/c]"
		push(events[i])
	}
	tab.Expect("[[" + strings.Join(events, " ") + "] nil]")
	if took := time.Since(begin); took > gather-50*time.Millisecond {
		t.Errorf("sixteen left after %v", took)
	}
}

// A backend closes the sockets of a user, or one socket, and with them what a
// client that polls has.
func TestSenteClose(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, nil)
	backend := c.Backend(t, 1)
	at := 0
	tab, other := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1"), c.Dial(t, 1, "/chsk?uid=alice&client-id=tab-2")
	bystander := c.Dial(t, 0, "/chsk?uid=bob&client-id=tab-3")
	p := newPoller(t, c, "tab-4", func() int { return at })
	p.query.Set("uid", "alice")
	p.Open()
	must(t, backend.PublishConn(other.ConnID, []byte("[:chsk/close]")))
	other.ExpectClose(1000)
	tab.Nothing()
	must(t, backend.PublishUser(bus.String("alice"), []byte("[:chsk/close]")))
	tab.ExpectClose(1000)
	testkit.Eventually(t, "no session of the client that polls", func() bool { return c.Nodes[0].Stats().Sente.Sessions == 0 })
	if got := p.Poll(""); !strings.HasPrefix(got, "[[:chsk/handshake ") {
		t.Errorf("poll %s", got)
	}
	bystander.Nothing()
}

// What backends hear of a client: its life in order with its events, and who
// each of them is from.
func TestSenteEvents(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 1, nil)
	nc := foreign(t, c, 0)
	sub, err := nc.SubscribeSync("hoshi.event.>")
	must(t, err)
	must(t, nc.Flush())
	for _, tt := range []struct{ query, uid, text string }{
		{"uid=alice&", "alice", `"alice"`},
		{"", ":sente/nil-uid", ":sente/nil-uid"},
	} {
		cl := c.Dial(t, 0, "/chsk?"+tt.query+"client-id=tab.1")
		cl.Send("[[:a/b 1] nil]", "[[:no-namespace 2] nil]")
		cl.Write(testkit.AppendFrame(nil, ws.OpClose, []byte{3, 232}))
		cl.ExpectClose(1000)
		life := `{:conn-id "` + cl.ConnID + `", :uid ` + tt.text + `, :dialect :sente, :client-id "tab.1"`
		for _, want := range []string{
			"[:chsk/conn-open " + life + "}]",
			"[:a/b 1]",
			"[:chsk/bad-event [:no-namespace 2]]",
			"[:chsk/conn-close " + life + `, :reason "peer", :code 1000}]`,
		} {
			m, err := sub.NextMsg(testkit.Patience)
			must(t, err)
			if string(m.Data) != want {
				t.Errorf("heard %s, want %s", m.Data, want)
			}
			if h := m.Header; h.Get("Hoshi-Conn") != cl.ConnID || h.Get("Hoshi-Uid") != tt.uid || h.Get("Hoshi-Client") != "tab%2E1" {
				t.Errorf("%s: headers %v", m.Data, h)
			}
		}
	}
}
