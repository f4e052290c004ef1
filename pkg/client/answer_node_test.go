package client_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/client"
)

// Clients on two real nodes answer a backend that asks a user, and a channel.
func TestAnswerThroughNodes(t *testing.T) {
	cluster := testkit.StartCluster(t, 2, nil)
	backend := cluster.Backend(t, 0)
	ctx, cancel := contextIn(t, testkit.Patience)
	defer cancel()
	for i, n := range cluster.Nodes {
		c := mustNew(t, client.Options{URLs: []string{"ws://" + n.Addr().String() + "/ws?uid=alice"}})
		c.On("my/ask", func(m client.Message) {
			if err := m.Answer(ctx, map[string]int{"node": i}); err != nil {
				t.Error(err)
			}
		})
		if _, err := c.OnChannel("room", func(m client.ChannelMessage) {
			if err := m.Answer(ctx, m.Data); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		c.Start()
		t.Cleanup(func() { c.Stop(ctx) })
		if err := c.Subscribe(ctx, "room"); err != nil {
			t.Fatal(err)
		}
	}
	user, err := backend.AskUser(ctx, bus.String("alice"), []byte("[:my/ask]"), bus.AskTime(10*time.Second))
	if err != nil || len(user.All) != 2 || user.Missing != 0 {
		t.Fatalf("got %+v, %v", user, err)
	}
	seen := map[string]bool{}
	for i := range user.All {
		var v map[string]int
		if err := user.All[i].Decode(&v); err != nil {
			t.Error(err)
		}
		seen[fmt.Sprint(v)] = true
	}
	if !seen["map[node:0]"] || !seen["map[node:1]"] {
		t.Errorf("answers %v", seen)
	}
	channel, err := backend.AskChannel(ctx, bus.String("room"), []byte("[:doc 7]"), bus.AskTime(10*time.Second))
	if err != nil || len(channel.All) != 2 || string(channel.All[0].Data) != "[:doc 7]" {
		t.Fatalf("got %+v, %v", channel, err)
	}
}
