package bus_test

import (
	"context"
	"fmt"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// A backend pushes to a user, and answers the events of clients.
func Example() {
	ctx := context.Background()
	// A node started without --nats-url runs such a server; a backend would
	// connect to nats://127.0.0.1:4222.
	server, err := natsd.Start(ctx, natsd.Options{Listen: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Shutdown()

	client, err := bus.Connect(ctx, bus.Options{URLs: []string{server.ClientURL()}, Name: "orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Stop()

	// Of all backends in the group "orders", one gets each event of the
	// namespace my.shop.
	_, err = client.Take(ctx, "my.shop.>", "orders", func(e *bus.Event) {
		fmt.Printf("%s from %s\n", e.ID, e.UID)
		if e.WantsReply() {
			if err := e.Reply([]byte(`{:ok true}`)); err != nil {
				fmt.Println(err)
			}
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// Every socket of alice, on every node.
	var heard bool
	err = client.PublishUser(bus.String("alice"), []byte(`[:my.shop/shipped {:order 7}]`), bus.Heard(ctx, &heard))
	fmt.Println("somebody hears it:", heard, err)

	// Everyone who is in the room, and the fault when the data is not EDN.
	fmt.Println(client.PublishChannel(bus.Keyword("chat/room"), []byte(`{:text "hello"}`)))
	fmt.Println(client.PublishChannel(bus.Keyword("chat/room"), []byte(`{:text}`)) != nil)

	if err := client.Drain(ctx); err != nil {
		fmt.Println(err)
		return
	}
	// Output:
	// somebody hears it: false <nil>
	// <nil>
	// true
}
