package bus_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestBarrier is the promise itself: who hears "confirmed" for a fresh subject
// on one server and publishes at once on another loses nothing.
func TestBarrier(t *testing.T) {
	const fresh, workers = 20_000, 64
	servers := cluster(t, 3)
	var got atomic.Int64
	a := node(t, servers[0], &recorder{onDeliver: func(*bus.Message) { got.Add(1) }}, nil)
	pubs := []*bus.Node{
		node(t, servers[1], &recorder{}, nil),
		node(t, servers[2], &recorder{}, nil),
	}
	eventually(t, "all servers known", func() bool { return a.Stats().Servers == 3 })
	start := time.Now()
	var wg sync.WaitGroup
	var next atomic.Int64
	for range workers {
		wg.Go(func() {
			confirmed := make(chan error, 1)
			for {
				i := next.Add(1)
				if i > fresh {
					return
				}
				token := fmt.Sprint("fresh-", i)
				a.Want(bus.KindChan, token, func(err error) { confirmed <- err })
				if err := <-confirmed; err != nil {
					t.Error(err)
					return
				}
				p := pubs[i%2]
				if err := p.Publish(&bus.Outgoing{Subject: p.Subjects().Chan(token), Body: []byte("1")}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	for _, p := range pubs {
		if err := p.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "delivered", func() bool { return got.Load() >= fresh })
	st := a.Stats()
	if got.Load() != fresh || st.ServersPassedOver != 0 {
		t.Errorf("got %d of %d, passed over %d", got.Load(), fresh, st.ServersPassedOver)
	}
	t.Logf("%d fresh subjects in %v, %d barriers", fresh, took, st.Barriers)
}

// TestBarrierSilentServer: a server whose node does not answer is passed over
// after the timeout, counted, and not waited for again.
func TestBarrierSilentServer(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, func(o *bus.NodeOptions) { o.BarrierTimeout = 100 * time.Millisecond })
	back := raw(t, s)
	silent, err := back.SubscribeSync("hoshi.sync.SILENT")
	if err != nil {
		t.Fatal(err)
	}
	beat := []byte(`{:node "00000000beef" :server "SILENT"}`)
	if err := back.Publish("hoshi.nodes", beat); err != nil {
		t.Fatal(err)
	}
	eventually(t, "heartbeat heard", func() bool { return n.Stats().Servers == 2 })
	want(t, n, bus.KindChan, "x")
	if got := n.Stats().ServersPassedOver; got != 1 {
		t.Errorf("passed over %d, want 1", got)
	}
	want(t, n, bus.KindChan, "y")
	if m, err := silent.NextMsg(time.Second); err != nil || m.Reply == "" {
		t.Errorf("first question: %v", err)
	}
	if n, _, _ := silent.Pending(); n != 0 {
		t.Error("asked again before its next heartbeat")
	}
	if err := back.Publish("hoshi.nodes", beat); err != nil {
		t.Fatal(err)
	}
	eventually(t, "heartbeat heard", func() bool { return n.Stats().Servers == 2 })
	want(t, n, bus.KindChan, "z")
	if got := n.Stats().ServersPassedOver; got != 2 {
		t.Errorf("passed over %d, want 2", got)
	}
}

// TestBarrierBesideASilentNode: a node on the same server that stands still, and is
// given questions there, holds nobody else up.
func TestBarrierBesideASilentNode(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, func(o *bus.NodeOptions) { o.BarrierTimeout = time.Minute })
	silent := raw(t, s)
	for range 20 { // 20 of 21 questions would be theirs
		if _, err := silent.QueueSubscribeSync("hoshi.sync."+s.ID(), "sync"); err != nil {
			t.Fatal(err)
		}
	}
	if err := silent.Flush(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		want(t, n, bus.KindChan, fmt.Sprint("x", i))
	}
	if st := n.Stats(); st.Servers != 1 || st.ServersPassedOver != 0 {
		t.Errorf("passed over %d, servers %d", st.ServersPassedOver, st.Servers)
	}
}

// TestBarrierStrikesOff: no responders strikes a server off at once.
func TestBarrierStrikesOff(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, func(o *bus.NodeOptions) { o.BarrierTimeout = time.Minute })
	back := raw(t, s)
	if err := back.Publish("hoshi.nodes", []byte(`{:node "00000000beef" :server "DEAD"}`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "heartbeat heard", func() bool { return n.Stats().Servers == 2 })
	want(t, n, bus.KindChan, "x")
	if st := n.Stats(); st.ServersStruckOff != 1 {
		t.Errorf("struck off %d", st.ServersStruckOff)
	}
	eventually(t, "one server left", func() bool { return n.Stats().Servers == 1 }) // told at the end of the turn
}

// TestBadHeartbeats: what a stranger says on hoshi.nodes never becomes part of
// a subject.
func TestBadHeartbeats(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, nil)
	back := raw(t, s)
	bad := []string{
		``, `x`, `{`, `{:node "a" :server "b.c"}`, `{:node "a" :server ">"}`, `{:node "a"}`, `{:server "abc"}`,
		`{:node "a" :server ""}`, `[:node "a" :server "b"]`, `{:node "a" :server "b" `, `{:node "a" :server "b c"}`,
		fmt.Sprintf(`{:node "a" :server "%0200d"}`, 1), fmt.Sprintf(`{:node "a" :server "b" :x "%02000d"}`, 1),
	}
	for _, b := range bad {
		if err := back.Publish("hoshi.nodes", []byte(b)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all counted", func() bool { return n.Stats().Dropped["bad-heartbeat"] == uint64(len(bad)) })
	if got := n.Stats().Servers; got != 1 {
		t.Errorf("servers %d, want 1", got)
	}
}

// TestQuestionAddsAsker: who is asked knows the asker's server before it
// answers.
func TestQuestionAddsAsker(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, nil)
	back := raw(t, s)
	m, err := back.Request("hoshi.sync."+s.ID(), []byte(`{:node "00000000beef" :server "ASKER" :later 1}`), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got := n.Stats().ServerID; got != s.ID() || len(m.Data) == 0 {
		t.Errorf("server id %q, answer %q", got, m.Data)
	}
	asked, err := back.SubscribeSync("hoshi.sync.ASKER")
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Flush(); err != nil {
		t.Fatal(err)
	}
	n.Want(bus.KindChan, "x", func(error) {})
	q, err := asked.NextMsg(5 * time.Second)
	if err != nil {
		t.Fatalf("the asker is not asked: %v", err)
	}
	if err := q.RespondMsg(&nats.Msg{}); err != nil {
		t.Fatal(err)
	}
}
