package edge_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// A comment behind a backend's value ends with the value, and not with the
// frame that the node puts around it.
func TestCommentsInBodies(t *testing.T) {
	c := one(t, nil)
	backend := c.Backend(t, 0)
	hear(t, backend, "my.>", "answers", func(e *bus.Event) { must(t, e.Reply([]byte("{:n 1} ; one"))) })
	cl := c.Dial(t, 0, "/ws?uid=alice")
	cl.Subscribe(`"c"`)
	must(t, backend.PublishChannel(bus.String("c"), []byte(";before\n 42 #_43 ;behind")))
	cl.Expect(testkit.Message(`"c"`, "42", ""))
	must(t, backend.PublishUser(bus.String("alice"), []byte("[:chat/hi 1] ; behind")))
	cl.Expect("[:chat/hi 1]")
	cl.Send(`[[:my/ask] "cb"]`)
	cl.Expect(`[{:n 1} "cb"]`)
}

// A burst of pushes to everyone costs no reader who is well its connection.
func TestBurstOfBroadcasts(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.QueueMessages = 100 })
	var clients []*testkit.Client
	for range 50 {
		clients = append(clients, c.Dial(t, 0, "/"))
	}
	backend := c.Backend(t, 0)
	const count = 2000
	for i := range count {
		must(t, backend.PublishAll(fmt.Appendf(nil, "[:all/n %d]", i)))
	}
	for _, cl := range clients {
		for i := range count {
			cl.Expect(fmt.Sprintf("[:all/n %d]", i))
		}
	}
}

// A backend that closes a user's sockets but one spares that one.
func TestCloseSparesTheExcluded(t *testing.T) {
	c := one(t, nil)
	this := c.Dial(t, 0, "/ws?uid=alice")
	other := c.Dial(t, 0, "/ws?uid=alice")
	backend := c.Backend(t, 0)
	must(t, backend.PublishUser(bus.String("alice"), []byte("[:chsk/close]"), bus.Exclude(this.ConnID)))
	other.ExpectClose(1000)
	this.Nothing()
}

// Nobody speaks in a channel that does not exist.
func TestPublishToAMissingChannel(t *testing.T) {
	c := one(t, func(o *edge.Options) {
		o.Channels.MustExist = true
		o.Channels.Patterns = []string{"lobby"}
	})
	cl := c.Dial(t, 0, "/")
	cl.Subscribe(`"lobby"`)
	cl.Send(`[[:sente-lite/publish {:channel-id "cellar" :data 1}] "cb"]`)
	cl.Expect(`[{:success false, :error :channel-not-found} "cb"]`)
	cl.Publish(`"lobby"`, "2")
	cl.Expect(testkit.Message(`"lobby"`, "2", cl.ConnID))
}

// Very many callbacks of one client, all answered in one moment, do not
// overflow its queue: what is beyond a bound waits in the client's socket.
func TestManyCallbacks(t *testing.T) {
	t.Parallel()
	c := one(t, func(o *edge.Options) { o.RequestTimeout = 200 * time.Millisecond; o.QueueMessages = 100 })
	hear(t, c.Backend(t, 0), "my.>", "silent", func(*bus.Event) {})
	cl := c.Dial(t, 0, "/")
	const count = 1000
	var frames []byte
	for i := range count {
		frames = testkit.AppendFrame(frames, ws.OpText, fmt.Appendf(nil, `[[:my/ask %d] "cb%[1]d"]`, i))
	}
	go cl.Write(frames)
	seen := map[string]bool{}
	for range count {
		got := cl.Read()
		if !strings.HasPrefix(got, `[:chsk/timeout "cb`) || seen[got] {
			t.Fatalf("got %s", got)
		}
		seen[got] = true
	}
	cl.Nothing()
}

// A callback is what a client sends and gets back: nobody needs a large one,
// and the node keeps it for as long as a backend thinks.
func TestLargeCallback(t *testing.T) {
	c := one(t, nil)
	hear(t, c.Backend(t, 0), "my.>", "silent", func(*bus.Event) {})
	cl := c.Dial(t, 0, "/")
	large := `"` + strings.Repeat("x", 4096) + `"`
	cl.Send("[[:my/ask] " + large + "]")
	cl.Expect("[:chsk/error " + large + "]")
	if n := c.Nodes[0].Stats().RefusedMessages["callback-too-long"]; n != 1 {
		t.Errorf("counted %d", n)
	}
}

// While a subscribe waits, what the node keeps of those behind it is bounded.
func TestWaitingSubscribesAreBounded(t *testing.T) {
	t.Parallel()
	process := testkit.StartProcess(t, nil)
	node := testkit.StartNode(t, edge.Options{
		Bus:            bus.Options{URLs: []string{"nats://" + process.Addrs.Client}},
		BarrierTimeout: time.Minute,
	})
	cl := testkit.Dial(t, node.Addr().String(), "/")
	process.Stop(t)
	cl.Send(`[:sente-lite/subscribe {:channel-id "a"}]`)
	bad := `[:sente-lite/subscribe {:channel-id "` + strings.Repeat("x", 512<<10) + `"}]`
	const count = 50
	sent := make(chan error, 1)
	go func() {
		frame := testkit.AppendFrame(nil, ws.OpText, []byte(bad))
		if err := cl.Conn.SetWriteDeadline(time.Now().Add(2 * testkit.Patience)); err != nil {
			sent <- err
			return
		}
		for range count {
			if _, err := cl.Conn.Write(frame); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	select {
	case err := <-sent:
		t.Errorf("25 MiB were taken while a subscribe waits: %v", err)
		sent <- err
	case <-time.After(2 * time.Second):
	}
	process.Continue(t)
	cl.Expect(`[:sente-lite/subscribed {:channel-id "a", :success true}]`)
	for range count {
		if got := cl.Read(); !strings.HasSuffix(got, ":success false, :error :bad-request}]") {
			t.Fatalf("got %.100s", got)
		}
	}
	must(t, <-sent)
}

// NATS that stands still takes no client its close frame.
func TestStopWithEchoWhileNATSStandsStill(t *testing.T) {
	t.Parallel()
	process := testkit.StartProcess(t, nil)
	o := edge.Options{Echo: true, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0"}
	o.Bus = bus.Options{URLs: []string{"nats://" + process.Addrs.Client}}
	node, err := edge.Start(t.Context(), o)
	must(t, err)
	cl := testkit.Dial(t, node.Addr().String(), "/")
	process.Stop(t)
	defer process.Continue(t)
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		stopped <- node.Stop(ctx)
	}()
	cl.ExpectClose(1012)
	cl.Conn.Close()
	select {
	case err := <-stopped: // an error or none: NATS has not taken the farewell
		t.Log(err)
	case <-time.After(testkit.Patience):
		t.Error("does not stop")
	}
}

// Plain requests do not tie the node down: one for each connection, so that a
// proxy never sends an upgrade down one that net/http has, and so many at once.
func TestPlainRequests(t *testing.T) {
	c := one(t, nil)
	addr := c.Nodes[0].Addr().String()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"))
	must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	resp.Body.Close()
	if !resp.Close {
		t.Error("net/http keeps the connection")
	}
	for range 1100 { // whoever has gone is not counted
		if got := status(t, "http://"+addr+"/health"); got != http.StatusOK {
			t.Fatalf("status %d", got)
		}
	}
}

// upgrade sends an upgrade and does not wait for its answer.
func upgrade(t *testing.T, addr, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
	must(t, err)
	return conn
}

// standStill starts a node whose NATS server then stands still, so that every
// interest waits.
func standStill(t *testing.T) (*testkit.Process, *edge.Node) {
	t.Helper()
	process := testkit.StartProcess(t, nil)
	node, err := edge.Start(t.Context(), edge.Options{
		Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0",
		InsecureUIDParam: "uid",
		Bus:              bus.Options{URLs: []string{"nats://" + process.Addrs.Client}},
		BarrierTimeout:   time.Minute,
		Linger:           50 * time.Millisecond,
	})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
		defer cancel()
		node.Stop(ctx) //nolint:errcheck // NATS may stand still
	})
	process.Stop(t)
	return process, node
}

// Whoever leaves while an interest is on its way leaves nothing behind.
func TestLeavingWhileAnInterestWaits(t *testing.T) {
	t.Parallel()
	process, node := standStill(t)
	addr := node.Addr().String()
	var (
		anonymous []*testkit.Client
		users     []net.Conn
	)
	for i := range 10 {
		cl := testkit.Dial(t, addr, "/")
		cl.Send(fmt.Sprintf(`[:sente-lite/subscribe {:channel-id "c%d"}]`, i%3), `[:sente-lite/subscribe {:channel-id "d"}]`, "[:my/held]")
		anonymous = append(anonymous, cl)
		conn := upgrade(t, addr, fmt.Sprintf("/ws?uid=u%d", i%3))
		if i%2 == 0 {
			conn.Close()
		} else {
			users = append(users, conn)
		}
	}
	testkit.Eventually(t, "all wait", func() bool { s := node.Stats(); return s.Users == 3 && s.Channels == 4 })
	for i, cl := range anonymous {
		if i%2 == 0 {
			cl.Conn.Close()
		}
	}
	process.Continue(t)
	testkit.Eventually(t, "those who stayed", func() bool { return node.Stats().Connections == 10 })
	for i, cl := range anonymous {
		if i%2 == 1 {
			cl.Conn.Close()
		}
	}
	testkit.Eventually(t, "users who stayed", func() bool { return node.Stats().Connections == 5 && node.Stats().Channels == 0 })
	for _, conn := range users {
		conn.Close()
	}
	testkit.Eventually(t, "nothing left", func() bool {
		s := node.Stats()
		return s.Connections == 0 && s.Users == 0 && s.Bus.Interests == 0 && s.Sockets.Open == 0
	})
}

// A node stops while uids and subscribes wait, and NATS says nothing.
func TestStopWhileInterestsWait(t *testing.T) {
	t.Parallel()
	_, node := standStill(t)
	addr := node.Addr().String()
	cl := testkit.Dial(t, addr, "/")
	cl.Send(`[:sente-lite/subscribe {:channel-id "c"}]`, "[:my/held]")
	waits := upgrade(t, addr, "/ws?uid=u")
	testkit.Eventually(t, "both wait", func() bool { s := node.Stats(); return s.Users == 1 && s.Channels == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- node.Stop(ctx) }()
	cl.ExpectClose(1012)
	cl.Conn.Close()
	must(t, waits.SetReadDeadline(time.Now().Add(testkit.Patience)))
	if n, err := waits.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
	select {
	case err := <-stopped: // the same
		t.Log(err)
	case <-time.After(testkit.Patience):
		t.Error("does not stop")
	}
}
