package bus_test

import (
	"fmt"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// counter is a Handler that keeps a window of messages in flight.
type counter struct{ window chan struct{} }

func newCounter(window int) *counter { return &counter{make(chan struct{}, window)} }

func (c *counter) Deliver(int, *bus.Message) { <-c.window }
func (c *counter) Flush(int)                 {}
func (c *counter) Reply(bus.Reply)           { <-c.window }
func (c *counter) State(bool)                {}
func (c *counter) Room()                     {}

// send waits for a place in the window; settle waits until it is empty.
func (c *counter) send() { c.window <- struct{}{} }

func (c *counter) settle() {
	for range cap(c.window) {
		c.send()
	}
}

// BenchmarkPublishDeliver: publish, through the embedded server, to the same
// node's shard; window messages in flight.
func BenchmarkPublishDeliver(b *testing.B) {
	for _, window := range []int{1, 64} {
		for _, from := range []bool{false, true} {
			b.Run(fmt.Sprintf("window=%d/from=%v", window, from), func(b *testing.B) {
				s := server(b, natsd.Options{NoListen: true})
				c := newCounter(window)
				n := node(b, s, c, func(o *bus.NodeOptions) { o.InProcess = s; o.Shards = 1 })
				want(b, n, bus.KindChan, "x")
				out := bus.Outgoing{Subject: n.Subjects().Chan("x"), Body: make([]byte, 0, 128)}
				out.Body = fmt.Appendf(out.Body, `"%0126d"`, 1)
				if from {
					out.From = id.NewGenerator(id.Node{1}).Next(1).String()
				}
				b.ReportAllocs()
				for b.Loop() {
					c.send()
					if err := n.Publish(&out); err != nil {
						b.Fatal(err)
					}
				}
				c.settle()
			})
		}
	}
}

// BenchmarkUserPush: a backend over loopback TCP to 10,000 users with an
// interest each, 64 in flight.
func BenchmarkUserPush(b *testing.B) {
	const users = 10_000
	s := server(b, natsd.Options{})
	c := newCounter(64)
	n := node(b, s, c, func(o *bus.NodeOptions) { o.InProcess = s })
	tokens := make([]string, users)
	for i := range users {
		tokens[i] = n.Subjects().User(fmt.Sprint("user-", i))
		n.Want(bus.KindUser, fmt.Sprint("user-", i), func(error) {})
	}
	want(b, n, bus.KindUser, "last")
	back := raw(b, s)
	body := []byte(`[:chat/hi {:n 1 :text "hello there"}]`)
	b.ReportAllocs()
	sent := 0
	for b.Loop() {
		c.send()
		if err := back.Publish(tokens[sent%users], body); err != nil {
			b.Fatal(err)
		}
		sent++
	}
	c.settle()
}

// BenchmarkRequest: an event with a callback and its reply, 64 in flight.
func BenchmarkRequest(b *testing.B) {
	s := server(b, natsd.Options{})
	c := newCounter(64)
	n := node(b, s, c, func(o *bus.NodeOptions) { o.InProcess = s })
	sdk := client(b, s)
	if _, err := sdk.Take(b.Context(), ">", "g", func(e *bus.Event) { _ = e.Reply(e.Data) }); err != nil {
		b.Fatal(err)
	}
	out := bus.Outgoing{Subject: "hoshi.event.my.app.ask", Body: []byte("[:my.app/ask {:n 1}]"), Conn: "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"}
	b.ReportAllocs()
	for b.Loop() {
		c.send()
		if err := n.Request(&out, &out); err != nil {
			b.Fatal(err)
		}
	}
	c.settle()
}

// BenchmarkWant: fresh subjects, 1,000 waiting at a time, two servers.
func BenchmarkWant(b *testing.B) {
	servers := cluster(b, 2)
	c := newCounter(1000)
	n := node(b, servers[0], c, nil)
	node(b, servers[1], newCounter(1), nil)
	done := func(error) { <-c.window }
	sent := 0
	b.ReportAllocs()
	for b.Loop() {
		c.send()
		n.Want(bus.KindChan, fmt.Sprint("c", sent), done)
		sent++
	}
	c.settle()
}
