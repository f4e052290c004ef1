package wsconn_test

import (
	"fmt"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// TestBroadcastByGroup: each peer hears what is for its group, in order, whatever the policy and the slot.
func TestBroadcastByGroup(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		clients := map[uint8]*client{}
		for _, group := range []uint8{0, 1, 255} {
			c, se := s.pair()
			set := make(chan struct{})
			se.Post(func() { se.SetGroup(group); close(set) })
			<-set
			clients[group] = c
		}
		for i := range 5 {
			for group := range clients {
				for _, class := range []wsconn.Class{disconnect, dropNewest} {
					s.Broadcast(wsconn.NewDelivery(class.For(group), fmt.Appendf(nil, "%d for %d", i, group)), nil)
				}
			}
		}
		for group, c := range clients {
			for i := range 5 {
				for range 2 {
					c.wantText(fmt.Sprintf("%d for %d", i, group))
				}
			}
		}
	})
	class := latest(7)
	if again := class.For(3).For(0); again != class || class.For(3).Policy() != class.Policy() {
		t.Errorf("class %x became %x", class, again)
	}
}
