package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/client"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// service is one node with a NATS server of its own, as `hoshi --dev` starts
// it, and a backend that answers :shop/price and pushes.
type service struct {
	url     string
	nats    *natsd.Server
	node    *edge.Node
	backend *bus.Client
}

func start() *service {
	ctx := context.Background()
	nats, err := natsd.Start(ctx, natsd.Options{Listen: "127.0.0.1:0"})
	check(err)
	s := &service{nats: nats}
	s.node, err = edge.Start(ctx, edge.Options{
		Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", InsecureUIDParam: "uid",
		Bus: bus.Options{URLs: []string{nats.ClientURL()}, DiscoveryWait: time.Millisecond}, // there is one server
	})
	check(err)
	s.url = "ws://" + s.node.Addr().String() + "/ws?uid=alice"
	s.backend, err = bus.Connect(ctx, bus.Options{URLs: []string{nats.ClientURL()}})
	check(err)
	_, err = s.backend.Take(ctx, "shop.>", "shop", func(e *bus.Event) {
		switch string(e.ID) {
		case ":shop/price":
			check(e.Reply([]byte("{:cents 1250}")))
		case ":shop/order": // answered by an event, as one without callbacks would
			id := e.Data
			s.push(fmt.Sprintf("[:shop/confirmed %s]", id))
		}
	})
	check(err)
	return s
}

func (s *service) stop() {
	s.backend.Stop()
	check(s.node.Stop(context.Background()))
	s.nats.Shutdown()
}

// push is what a backend does.
func (s *service) push(event string) {
	check(s.backend.PublishUser(bus.String("alice"), []byte(event)))
}

func (s *service) connect() *client.Client {
	c, err := client.Connect(context.Background(), client.Options{URLs: []string{s.url}})
	check(err)
	return c
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A client that subscribes to a channel on every connection, publishes, and
// asks a backend.
func Example() {
	s := start()
	defer s.stop()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()

	subscribed := make(chan error, 1)
	c, err := client.New(client.Options{
		URLs: []string{s.url}, // several are tried in turn
		OnChannelReady: func(c *client.Client, _ client.Session) {
			// After every handshake: nothing is restored behind the application's back.
			subscribed <- c.Subscribe(ctx, "room")
		},
	})
	check(err)
	said := make(chan client.ChannelMessage)
	_, err = c.OnChannel("room", func(m client.ChannelMessage) { said <- m })
	check(err)
	c.Start()
	defer c.Stop(ctx)

	fmt.Println("subscribed:", <-subscribed)

	price, err := c.Request(ctx, client.MustEvent("shop/price", client.EDN("{:item 7}")))
	fmt.Println(price, err)

	result, err := c.Publish("room", map[client.Keyword]string{"text": "hello"})
	fmt.Println(result, err)
	m := <-said
	fmt.Println(m.Channel, m.Data)
	// Output:
	// subscribed: <nil>
	// {:cents 1250} <nil>
	// ok <nil>
	// "room" {"text""hello"}
}

// Events are checked when they are made.
func ExampleNewEvent() {
	type order struct {
		Item  int
		Notes []string
	}
	for _, data := range []any{
		nil, "text", client.Keyword("status/open"), client.EDN("#{1 2/3 \\a}"), order{7, []string{"gift"}}, client.EDN("{:a"),
	} {
		event, err := client.NewEvent("shop/order", data)
		fmt.Println(event, err != nil)
	}
	// Output:
	// [:shop/order] false
	// [:shop/order "text"] false
	// [:shop/order :status/open] false
	// [:shop/order #{1 2/3 \a}] false
	// [:shop/order {:item 7 :notes["gift"]}] false
	//  true
}

// Enqueue never waits. While there is no connection the queue keeps what it has
// room for.
func ExampleClient_Enqueue() {
	c, err := client.New(client.Options{URLs: []string{"ws://127.0.0.1:8080/ws"}, QueueMessages: 2})
	check(err)
	for i := range 3 {
		fmt.Println(c.Enqueue(client.MustEvent("shop/order", i)))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // do not wait for a connection
	stats := c.Stop(ctx).Send
	fmt.Printf("enqueued %d, sent %d, dropped %d\n", stats.Enqueued, stats.Sent, stats.Dropped)
	// Output:
	// ok
	// ok
	// rejected
	// enqueued 2, sent 0, dropped 3
}

// Waiting for room, first come first served.
func ExampleClient_EnqueueWait() {
	s := start()
	defer s.stop()
	c, err := client.New(client.Options{URLs: []string{s.url}, QueueMessages: 1})
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	event := client.MustEvent("shop/order", 1)
	fmt.Println(c.EnqueueWait(ctx, event))
	fmt.Println(errors.Is(c.EnqueueWait(ctx, event), context.DeadlineExceeded)) // nobody empties the queue
	c.Start()
	fmt.Println(c.EnqueueWait(context.Background(), event))
	fmt.Println(c.Stop(context.Background()).Send.Sent)
	// Output:
	// <nil>
	// true
	// <nil>
	// 2
}

// Being told when there is room, or that there was none in time.
func ExampleClient_EnqueueAsync() {
	s := start()
	defer s.stop()
	c, err := client.New(client.Options{URLs: []string{s.url}, QueueMessages: 1})
	check(err)
	told := make(chan error)
	tell := func(err error) { told <- err }
	c.EnqueueAsync(client.MustEvent("shop/order", 1), time.Second, tell)
	fmt.Println(<-told)
	c.EnqueueAsync(client.MustEvent("shop/order", 2), 10*time.Millisecond, tell)
	fmt.Println(<-told)
	c.EnqueueAsync(client.MustEvent("shop/order", 3), time.Minute, tell)
	c.Start()
	fmt.Println(<-told)
	fmt.Println(c.Stop(context.Background()).Send.Sent)
	// Output:
	// <nil>
	// client: timed out
	// <nil>
	// 2
}

// OnSend sees each event right before it leaves, and may keep it from leaving;
// OnError is told of that, and of whatever else goes wrong on its own.
func ExampleOptions_onSend() {
	s := start()
	defer s.stop()
	ctx := context.Background()
	errSecret := errors.New("not for the network")
	told := make(chan error, 1)
	c, err := client.Connect(ctx, client.Options{
		URLs: []string{s.url},
		OnSend: func(e client.Event) error {
			if e.String() == `[:shop/note "secret"]` {
				return errSecret
			}
			return nil
		},
		OnError: func(_ *client.Client, err error) { told <- err },
	})
	check(err)
	c.Enqueue(client.MustEvent("shop/note", "plain"))
	c.Enqueue(client.MustEvent("shop/note", "secret"))
	stats := c.Stop(ctx).Send
	fmt.Printf("sent %d, errors %d\n", stats.Sent, stats.Errors)
	fmt.Println(<-told)
	// Output:
	// sent 1, errors 1
	// send event :shop/note: not for the network
}

// Stop sends what is queued, closes with 1000 and returns the statistics.
func ExampleClient_Stop() {
	s := start()
	defer s.stop()
	c := s.connect()
	for i := range 1000 {
		c.Enqueue(client.MustEvent("shop/note", i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stats := c.Stop(ctx).Send
	fmt.Printf("depth %d, enqueued %d, sent %d, dropped %d, errors %d\n",
		stats.Depth, stats.Enqueued, stats.Sent, stats.Dropped, stats.Errors)
	fmt.Println(c.Enqueue(client.MustEvent("shop/note", 1000)), c.Err())
	// Output:
	// depth 0, enqueued 1000, sent 1000, dropped 0, errors 0
	// rejected client: stopped
}

// Handlers see every message that matches; waiters take one.
func ExampleClient_Handle() {
	s := start()
	defer s.stop()
	c := s.connect()
	defer c.Stop(context.Background())

	end := make(chan struct{})
	c.On("shop/news", func(m client.Message) { fmt.Println("handler:", m.Data) })
	c.Handle(client.Handler{
		Match: func(m client.Message) bool { return m.Data == "2" },
		Take:  true, Once: true,
		Func: func(m client.Message, err error) { fmt.Println("waiter:", m.Data, err) },
	})
	c.Once("shop/end", time.Minute, func(client.Message, error) { close(end) })
	for i := range 3 {
		s.push(fmt.Sprintf("[:shop/news %d]", i))
	}
	s.push("[:shop/end]")
	<-end
	fmt.Println("kept for waiters to come:", c.Stats().Receive.Depth)
	// Output:
	// handler: 0
	// handler: 1
	// handler: 2
	// waiter: 2 <nil>
	// kept for waiters to come: 3
}

// A handler can be removed at any time, also by itself.
func ExampleRegistration_Remove() {
	s := start()
	defer s.stop()
	c := s.connect()
	defer c.Stop(context.Background())

	end := make(chan struct{})
	var twice *client.Registration
	seen := 0
	twice = c.On("shop/news", func(client.Message) {
		if seen++; seen == 2 {
			fmt.Println("removed:", twice.Remove())
		}
	})
	c.On("shop/end", func(client.Message) { close(end) })
	for i := range 5 {
		s.push(fmt.Sprintf("[:shop/news %d]", i))
	}
	s.push("[:shop/end]")
	<-end
	fmt.Println("seen:", seen)
	fmt.Println("once more:", twice.Remove())
	fmt.Println("by id:", c.Off("shop/end"), "left:", c.Handlers())
	// Output:
	// removed: true
	// seen: 2
	// once more: false
	// by id: 1 left: 0
}

// Taking the next message that matches, also one that has come already.
func ExampleClient_Take() {
	s := start()
	defer s.stop()
	c := s.connect()
	defer c.Stop(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s.push("[:shop/news 1]")
	s.push("[:shop/offer {:cents 990}]")
	m, err := c.Take(ctx, client.MatchID("shop/offer"))
	fmt.Println(m.ID, m.Data, err)
	m, err = c.Take(ctx, nil) // anything
	fmt.Println(m.ID, m.Data, err)
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = c.Take(short, nil)
	fmt.Println(err)
	// Output:
	// :shop/offer {:cents 990} <nil>
	// :shop/news 1 <nil>
	// context deadline exceeded
}

// A waiter as a channel, with a timeout of its own.
func ExampleClient_TakeChan() {
	s := start()
	defer s.stop()
	c := s.connect()
	defer c.Stop(context.Background())

	offer, _ := c.TakeChan(client.MatchID("shop/offer"), time.Minute)
	never, _ := c.TakeChan(client.MatchID("shop/never"), 10*time.Millisecond)
	s.push("[:shop/offer {:cents 990}]")
	fmt.Println((<-offer).Message.Data)
	fmt.Println((<-never).Err)
	// Output:
	// {:cents 990}
	// client: timed out
}

// Requests and answers matched by :request-id, for backends that answer with an
// event instead of using the callback.
func ExampleRPCWaiter() {
	s := start()
	defer s.stop()
	c := s.connect()
	defer c.Stop(context.Background())

	done := make(chan struct{})
	c.Handle(client.RPCWaiter("req-1", time.Minute, func(m client.Message, err error) {
		fmt.Println(m.ID, m.Data, err)
		close(done)
	}))
	c.Enqueue(client.MustEvent("shop/order", client.EDN(`{:request-id "req-1" :item 7}`)))
	<-done
	// Output:
	// :shop/confirmed {:request-id "req-1" :item 7} <nil>
}

// The answer, or the error keyword as an error.
func ExampleClient_Request() {
	s := start()
	defer s.stop()
	c, err := client.New(client.Options{URLs: []string{s.url}})
	check(err)
	c.Start() // Request waits for the handshake
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer c.Stop(ctx)

	value, err := c.Request(ctx, client.MustEvent("shop/price", client.EDN("{:item 7}")))
	var price struct{ Cents int }
	check(value.Decode(&price))
	fmt.Println(price.Cents, err)

	_, err = c.Request(ctx, client.MustEvent("nobody/listens", nil))
	if refused, ok := errors.AsType[*client.ReplyError](err); ok {
		fmt.Println(refused.Keyword)
	}
	// Output:
	// 1250 <nil>
	// :chsk/error
}

// What the node refuses is an error with the keyword that says why.
func ExampleClient_Subscribe() {
	s := start()
	defer s.stop()
	c := s.connect()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer c.Stop(ctx)

	fmt.Println(c.Subscribe(ctx, client.Keyword("chat/room")))
	fmt.Println(c.Unsubscribe(ctx, client.Keyword("chat/room")))
	err := c.Unsubscribe(ctx, client.Keyword("chat/room"))
	fmt.Println(errors.Is(err, &client.ReplyError{Keyword: ":not-subscribed"}))
	// Output:
	// <nil>
	// <nil>
	// true
}

// The hooks of a connection's life. A node that ends says so with 1012, and the
// client goes on with the next url.
func ExampleOptions_hooks() {
	first, second := start(), start()
	defer second.stop()
	steps := make(chan string, 10)
	c, err := client.New(client.Options{
		URLs:           []string{first.url, second.url},
		ReconnectMin:   10 * time.Millisecond,
		OnConnect:      func(_ *client.Client, s client.Session) { steps <- fmt.Sprint("connected as ", s.UID) },
		OnReconnect:    func(_ *client.Client, s client.Session) { steps <- fmt.Sprint("reconnected, ", s.Number) },
		OnChannelReady: func(*client.Client, client.Session) { steps <- "ready" },
		OnDisconnect: func(_ *client.Client, d *client.Disconnect) {
			steps <- fmt.Sprint("ended by the ", d.Cause, ", ", d.Code)
		},
	})
	check(err)
	c.Start()
	fmt.Println(<-steps)
	fmt.Println(<-steps)
	first.stop()
	for range 3 {
		fmt.Println(<-steps)
	}
	c.Stop(context.Background())
	fmt.Println(<-steps)
	// Output:
	// connected as "alice"
	// ready
	// ended by the server, 1012
	// reconnected, 2
	// ready
	// ended by the requested, 1000
}

// Watching where the client stands.
func ExampleClient_Watch() {
	s := start()
	defer s.stop()
	c, err := client.New(client.Options{URLs: []string{s.url}})
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for status := range c.Watch(ctx) {
		switch status.State {
		case client.Idle:
			fmt.Println("idle")
			c.Start()
		case client.Connected:
			fmt.Println("connected as", status.Session.UID)
			go c.Stop(ctx)
		case client.Stopped:
			fmt.Println("stopped:", status.Err)
		default: // connecting, or waiting for the next attempt
		}
	}
	// Output:
	// idle
	// connected as "alice"
	// stopped: client: stopped
}

// How a client comes back: several urls, a fresh token for each attempt, its
// own times, and an end to it.
func ExampleOptions_reconnect() {
	attempts := 0
	c, err := client.New(client.Options{
		URLs: []string{"ws://127.0.0.1:1/ws", "ws://127.0.0.2:1/ws"}, // nobody listens there
		Token: func(context.Context) (string, error) {
			attempts++
			return fmt.Sprintf("token-%d", attempts), nil
		},
		ReconnectMin: 2 * time.Millisecond, // 1 s unless set
		ReconnectMax: 8 * time.Millisecond, // 30 s unless set
		MaxAttempts:  4,                    // no limit unless set
	})
	check(err)
	c.Start()
	<-c.Closed()
	fmt.Println(errors.Is(c.Err(), client.ErrAttempts), attempts)
	// Output:
	// true 4
}

// A peer that is silent is asked, and then taken for dead.
func ExampleOptions_heartbeat() {
	s := start()
	defer s.stop()
	c, err := client.Connect(context.Background(), client.Options{
		URLs:         []string{s.url},
		PingInterval: 5 * time.Millisecond, // 25 s unless set
		PeerTimeout:  10 * time.Second,     // 60 s unless set
	})
	check(err)
	before := c.Stats().BytesRead
	for c.Stats().BytesRead == before { // the pong
		time.Sleep(time.Millisecond)
	}
	fmt.Println(c.Status().State)
	c.Stop(context.Background())
	// Output:
	// connected
}

// Knowing that the node has a publish, and not getting it back.
func ExampleClient_Confirm() {
	s := start()
	defer s.stop()
	c := s.connect()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer c.Stop(ctx)

	check(c.Subscribe(ctx, "room"))
	_, err := c.OnChannel("room", func(m client.ChannelMessage) { fmt.Println("came back:", m.Data) })
	check(err)
	event, err := client.NewPublish("room", "hello", client.ExcludeSender())
	check(err)
	fmt.Println(event)
	fmt.Println(c.Confirm(ctx, event))
	// Output:
	// [:sente-lite/publish {:channel-id "room" :data "hello" :exclude-sender? true}]
	// <nil>
}

// Waiters end with their connection, and are told why; handlers stay.
func ExampleDisconnect() {
	s := start()
	c := s.connect()
	told := make(chan error)
	c.Once("shop/confirmed", time.Hour, func(_ client.Message, err error) { told <- err })
	s.stop()
	err := <-told
	fmt.Println(errors.Is(err, client.ErrClosed))
	if d, ok := errors.AsType[*client.Disconnect](err); ok {
		fmt.Println(d.Cause, d.Code)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Stop(ctx)
	// Output:
	// true
	// server 1012
}

// hurry is a clock on which an hour takes a few milliseconds.
type hurry struct{}

func (hurry) Now() time.Time { return time.Now() }

func (hurry) AfterFunc(d time.Duration, f func()) client.Timer { return time.AfterFunc(d/1e6, f) }

// A clock of one's own. Inside of a bubble of testing/synctest there is no need
// for one.
func ExampleClock() {
	c, err := client.New(client.Options{URLs: []string{"ws://127.0.0.1:8080/ws"}, Clock: hurry{}})
	check(err)
	told := make(chan error)
	c.Once("shop/confirmed", time.Hour, func(_ client.Message, err error) { told <- err })
	fmt.Println(<-told)
	// Output:
	// client: timed out
}
