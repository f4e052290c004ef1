package client_test

import (
	"fmt"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// registerByID registers n handlers, each for an event id of its own.
func registerByID(c *client.Client, n int) {
	for i := range n {
		c.On(fmt.Sprintf("bench/id%d", i), func(client.Message) {})
	}
}

func registerRPC(c *client.Client, n int) {
	for i := range n {
		c.Handle(client.RPCWaiter(fmt.Sprintf("waits-%d", i), 0, func(client.Message, error) {}))
	}
}

func registerChannels(b testing.TB, c *client.Client, n int) {
	for i := range n {
		if _, err := c.OnChannel(fmt.Sprintf("room-%d", i), func(client.ChannelMessage) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDispatch(b *testing.B) {
	data := client.EDN(`{:n 1 :text "sixty-four bytes or so are what a chat message has, roughly"}`)
	byID := client.Message{ID: ":bench/id0", Data: data}
	answer := client.Message{ID: ":bench/answer", Data: `{:request-id "waits-not" :text "an answer that a request of another kind wants"}`}
	published := client.Message{ID: client.ChannelMessageID, Data: `{:channel-id "room-0" :data {:n 1 :text "a message"} :from "conn-1"}`}
	for _, bb := range []struct {
		name     string
		register func(c *client.Client, n int)
		m        client.Message
		sizes    []int
	}{
		{name: "ids", register: registerByID, m: byID, sizes: []int{1, 100, 1000}},
		{name: "every", register: func(c *client.Client, n int) {
			for range n {
				c.On("", func(client.Message) {})
			}
		}, m: byID, sizes: []int{1, 100, 1000}},
		{name: "channels", register: func(c *client.Client, n int) { registerChannels(b, c, n) }, m: published, sizes: []int{1, 100, 1000}},
		{name: "rpc-waiters", register: registerRPC, m: answer, sizes: []int{1, 100, 1000}},
		{name: "buffer", register: func(*client.Client, int) {}, m: byID, sizes: []int{0}},
	} {
		for _, n := range bb.sizes {
			b.Run(fmt.Sprintf("%s=%d", bb.name, n), func(b *testing.B) {
				c := newReceiver(b, nil)
				bb.register(c, n)
				b.ReportAllocs()
				for b.Loop() {
					c.Put(bb.m)
				}
				c.Settle(b.Context()) // the clock stops when all has been dispatched
			})
		}
	}
}

// BenchmarkRPC is a waiter and its answer, among others that wait.
func BenchmarkRPC(b *testing.B) {
	for _, others := range []int{0, 100, 1000} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			c := newReceiver(b, nil)
			registerRPC(c, others)
			h := client.RPCWaiter("this-one", 0, func(client.Message, error) {})
			m := client.Message{ID: ":bench/answer", Data: `{:request-id "this-one" :ok true}`}
			b.ReportAllocs()
			for b.Loop() {
				c.Handle(h)
				c.Put(m)
			}
			c.Settle(b.Context())
		})
	}
}

// BenchmarkTake is a message in the buffer, taken out again.
func BenchmarkTake(b *testing.B) {
	for _, depth := range []int{1, 1000} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			c := newReceiver(b, nil)
			for range depth - 1 {
				c.Put(client.Message{ID: ":bench/rest"})
			}
			match := client.MatchID("bench/wanted")
			b.ReportAllocs()
			for b.Loop() {
				c.Put(client.Message{ID: ":bench/wanted"})
				if _, err := c.Take(b.Context(), match); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRemove is a handler among many that comes and goes.
func BenchmarkRemove(b *testing.B) {
	c := newReceiver(b, nil)
	registerByID(c, 1000)
	b.ReportAllocs()
	for b.Loop() {
		c.On("bench/id0", func(client.Message) {}).Remove()
	}
	c.Settle(b.Context())
}

func TestReceiveAllocations(t *testing.T) {
	data := client.EDN(`{:n 1}`)
	type tt struct {
		name     string
		register func(c *client.Client)
		m        client.Message
		most     float64
	}
	for _, tt := range []tt{
		{name: "a handler by id", register: func(c *client.Client) { registerByID(c, 1) }, m: client.Message{ID: ":bench/id0", Data: data}},
		{name: "one of 1,000 handlers by id", register: func(c *client.Client) { registerByID(c, 1000) }, m: client.Message{ID: ":bench/id999", Data: data}},
		{name: "1,000 waiters that do not want it", register: func(c *client.Client) { registerRPC(c, 1000) }, m: client.Message{ID: ":bench/x", Data: data}},
		{name: "the buffer, full", register: func(c *client.Client) {
			for range client.DefaultReceiveBuffer {
				c.Put(client.Message{})
			}
		}, m: client.Message{ID: ":bench/x", Data: data}},
		{name: "one of 100 channels, whose text is copied to be looked through", register: func(c *client.Client) {
			registerChannels(t, c, 100)
		}, m: client.Message{ID: client.ChannelMessageID, Data: `{:channel-id "room-7" :data {:n 1 :text "a message"} :from "conn-1"}`}, most: 10},
		{name: "a lasting waiter", register: func(c *client.Client) {
			c.Handle(client.Handler{Take: true, Func: func(client.Message, error) {}})
		}, m: client.Message{ID: ":bench/x", Data: data}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newReceiver(t, nil)
			tt.register(c)
			done := make(chan bool, 1)
			told := func() { done <- true }
			runs := 200
			if raceEnabled { // it is the calls that count then
				runs = 10
			}
			n := testing.AllocsPerRun(runs, func() {
				for range 10 {
					c.Put(tt.m)
				}
				c.Post(told)
				<-done
			})
			if n > tt.most && !raceEnabled {
				t.Errorf("%v allocations for 10 messages, want %v", n, tt.most)
			}
			c.Settle(t.Context())
		})
	}
}
