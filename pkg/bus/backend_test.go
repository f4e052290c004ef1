package bus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestQuestionsOfClients: where backends ask who is there, they are told, and
// what they say of themselves is not believed.
func TestQuestionsOfClients(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, nil)
	back := raw(t, s)
	asked, err := back.SubscribeSync("hoshi.sync.LIAR")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"hoshi.api.nodes", "hoshi.api.sync." + s.ID()} {
		m, err := back.Request(subject, []byte(`{:node "00000000beef" :server "LIAR"}`), 5*time.Second)
		if err != nil || !strings.Contains(string(m.Data), s.ID()) {
			t.Errorf("%s: %v, %v", subject, m, err)
		}
	}
	if err := n.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := n.Stats().Servers; got != 1 {
		t.Errorf("%d servers are known", got)
	}
	if count, _, err := asked.Pending(); err != nil || count != 0 {
		t.Errorf("a server that a backend made up was asked %d times, %v", count, err)
	}
}

// TestSpeakingAsNode: what nodes say to each other has a subject that backends
// may be kept from, and is taken nowhere else; nor does a node answer for a
// backend on subjects of ours.
func TestSpeakingAsNode(t *testing.T) {
	s := server(t, natsd.Options{})
	got := &recorder{}
	n := node(t, s, got, func(o *bus.NodeOptions) { o.ID = id.Node{1} })
	back := raw(t, s)
	overheard, err := back.SubscribeSync("hoshi.event.>")
	if err != nil {
		t.Fatal(err)
	}
	conn := id.NewGenerator(id.Node{1}).Next(1)
	tab := nats.Header{bus.HeaderTab: []string{"say alice"}}
	for _, m := range []*nats.Msg{
		{Subject: n.Subjects().Conn(conn), Header: tab, Data: []byte("[[:a/b] nil]")},
		{Subject: n.Subjects().All(), Header: tab, Data: []byte("[:a/b]")},
		{Subject: n.Subjects().Node(conn), Data: []byte("[:a/b]")},
		{Subject: n.Subjects().All(), Reply: "hoshi.event.a.b", Data: []byte("[:a/b]")},
		{Subject: n.Subjects().All(), Reply: "hoshi.event.a.b", Data: []byte("[:a/b")},
		{Subject: n.Subjects().Node(conn), Header: tab, Data: []byte("[[:a/b] nil]")},
		{Subject: n.Subjects().All(), Reply: "hoshi-backend.1", Data: []byte("[:a/b 1]")},
	} {
		if err := back.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "delivered", func() bool { return got.count() == 2 && n.Stats().Dropped["bad-header"] == 5 })
	if bodies := got.bodies(); bodies[0]+bodies[1] != "[[:a/b] nil][:a/b 1]" && bodies[1]+bodies[0] != "[[:a/b] nil][:a/b 1]" {
		t.Errorf("delivered %q", bodies)
	}
	if err := n.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if count, _, err := overheard.Pending(); err != nil || count != 0 {
		t.Errorf("the node has published %d events for a backend, %v", count, err)
	}
}
