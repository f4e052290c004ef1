package edge_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// After NATS has been away thousands of interests are restored, in batches, and
// every one works.
func TestManyInterestsAreRestored(t *testing.T) {
	const channels, clients = 5000, 5
	const each = channels / clients
	c := one(t, func(o *edge.Options) { o.Channels.MaxSubscriptionsPerConn = each })
	node := c.Nodes[0]
	other := testkit.StartNode(t, edge.Options{Bus: bus.Options{URLs: []string{c.NATS[0].ClientURL()}}})
	var all []*testkit.Client
	for k := range clients {
		cl := c.Dial(t, 0, "/")
		for from := 0; from < each; from += 100 {
			var frames, answers []string
			for i := from; i < from+100; i++ {
				frames = append(frames, fmt.Sprintf("[:sente-lite/subscribe {:channel-id [%d %d]}]", k, i))
				answers = append(answers, fmt.Sprintf("[:sente-lite/subscribed {:channel-id [%d %d], :success true}]", k, i))
			}
			cl.Send(frames...)
			cl.Expect(answers...)
		}
		all = append(all, cl)
	}
	c.NATS[0].Shutdown()
	testkit.Eventually(t, "not ready", func() bool { return !node.Ready() && !other.Ready() })
	barriers := node.Stats().Bus.Barriers
	c.Restart(t, 0)
	testkit.Eventually(t, "ready again", func() bool { return node.Ready() && other.Ready() })
	if n := node.Stats().Bus.Barriers - barriers; n < channels/1000 {
		t.Errorf("%d barriers for %d interests, want one for each 1,000", n, channels)
	}
	if n, err := c.NATS[0].Subscriptions("hoshi.chan.>"); err != nil || n != channels {
		t.Errorf("the server has %d interests, %v", n, err)
	}
	publisher := testkit.Dial(t, other.Addr().String(), "/")
	for k, cl := range all {
		for i := range each {
			publisher.Publish(fmt.Sprintf("[%d %d]", k, i), "7")
		}
		seen := map[string]bool{} // order is promised for each channel alone
		for range each {
			seen[cl.Read()] = true
		}
		for i := range each {
			if m := testkit.Message(fmt.Sprintf("[%d %d]", k, i), "7", publisher.ConnID); !seen[m] {
				t.Fatalf("client %d did not get %s", k, m)
			}
		}
		cl.Nothing()
	}
}

// spoiler stands between a node and its NATS server and speaks for it.
type spoiler struct {
	net.Listener
	done sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // to nodes
}

func spoil(t *testing.T, target string) *spoiler {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &spoiler{Listener: l}
	s.done.Go(func() {
		for {
			node, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				node.Close()
				continue
			}
			s.mu.Lock()
			s.conns = append(s.conns, node)
			s.mu.Unlock()
			for from, to := range map[net.Conn]net.Conn{node: server, server: node} {
				s.done.Go(func() {
					io.Copy(to, from) //nolint:errcheck // ends with either of them
					from.Close()
					to.Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		s.done.Wait()
	})
	return s
}

// say writes to the node as if its server did.
func (s *spoiler) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		io.WriteString(c, text) //nolint:errcheck // earlier ones are closed
	}
}

// An -ERR that the NATS client does not know closes its connection for good;
// the node builds another, its clients stay, and what they had works.
func TestNATSConnectionIsRebuilt(t *testing.T) {
	t.Parallel()
	server := testkit.StartNATS(t, 1)[0]
	between := spoil(t, server.Addr().String())
	node := testkit.StartNode(t, edge.Options{
		InsecureUIDParam: "uid",
		Bus:              bus.Options{URLs: []string{"nats://" + between.Addr().String()}},
	})
	cl := testkit.Dial(t, node.Addr().String(), "/ws?uid=alice")
	cl.Subscribe(`"a"`)
	backend, err := bus.Connect(t.Context(), bus.Options{URLs: []string{server.ClientURL()}})
	must(t, err)
	defer backend.Stop()
	asked := hear(t, backend, "my.>", "silent", nil)
	for i, text := range []string{"-ERR 'Something Nobody Knows'\r\n", "-ERR 'Maximum Control Line Exceeded'\r\n"} {
		cl.Send(`[[:my/ask] "cb"]`)
		next(t, asked)
		connects := node.Stats().Bus.Connects
		between.say(text)
		cl.Expect(`[:chsk/error "cb"]`) // nobody knows whether it will be answered
		testkit.Eventually(t, "another connection", func() bool { return node.Stats().Bus.Connects > connects && node.Ready() })
		cl.Publish(`"a"`, fmt.Sprint(i))
		cl.Expect(testkit.Message(`"a"`, fmt.Sprint(i), cl.ConnID))
		must(t, backend.PublishUser(bus.String("alice"), []byte("[:still/here]")))
		must(t, backend.PublishConn(cl.ConnID, []byte("[:still/you]")))
		got := map[string]bool{cl.Read(): true, cl.Read(): true} // of two subjects
		if !got["[:still/here]"] || !got["[:still/you]"] {
			t.Errorf("got %v", got)
		}
		cl.Subscribe(fmt.Sprintf(`"new-%d"`, i))
	}
}

// Backends hear of a socket's life in order with its events: all travel on one
// NATS connection.
func TestLifeInOrderWithEvents(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, nil)
	const sockets, each = 50, 20
	heard := make(chan [2]string, sockets*(each+2)+10)
	_, err := c.Backend(t, 1).Tap(t.Context(), "hoshi.event.>", func(_ string, h bus.Header, body []byte) {
		if conn := h["Hoshi-Conn"]; len(conn) == 1 {
			heard <- [2]string{conn[0], string(body)}
		}
	})
	must(t, err)
	want := map[string][]string{} // by conn-id: how each event begins
	for range sockets {
		cl := c.Dial(t, 0, "/")
		list := []string{"[:chsk/conn-open "}
		var frames []byte
		for i := range each {
			event := fmt.Sprintf("[:app/n %d]", i)
			list = append(list, event)
			frames = testkit.AppendFrame(frames, ws.OpText, []byte(event))
		}
		want[cl.ConnID] = append(list, "[:chsk/conn-close ")
		cl.Write(testkit.AppendFrame(frames, ws.OpClose, []byte{0x03, 0xe8}))
	}
	for range sockets * (each + 2) {
		var got [2]string
		select {
		case got = <-heard:
		case <-time.After(testkit.Patience):
			t.Fatalf("missing: %v", want)
		}
		list := want[got[0]]
		if len(list) == 0 || !strings.HasPrefix(got[1], list[0]) {
			t.Fatalf("%s: got %s, want %q", got[0], got[1], list)
		}
		want[got[0]] = list[1:]
	}
}
