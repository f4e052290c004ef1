package client_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

func TestBuffer(t *testing.T) {
	type tt struct {
		name     string
		buffer   int
		handler  string // predicate of a handler that sees messages, "" for none
		messages int
		want     string // what is in it
		dropped  uint64
		unseen   uint64
	}
	for _, tt := range []tt{
		{name: "the oldest goes", buffer: 3, messages: 5, want: "2 3 4", dropped: 2, unseen: 2},
		{name: "one", buffer: 1, messages: 5, want: "4", dropped: 4, unseen: 4},
		{name: "none", buffer: -1, messages: 5, dropped: 5, unseen: 5},
		{name: "default", messages: 1003, want: "3..1002", dropped: 3, unseen: 3},
		{name: "what a handler has seen is not unseen", buffer: 2, handler: "0", messages: 4, want: "2 3", dropped: 2, unseen: 1},
		{name: "nor where nothing is kept", buffer: -1, handler: "0", messages: 4, dropped: 4, unseen: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newScene(t, func(o *client.Options) { o.ReceiveBuffer = tt.buffer })
				if tt.handler != "" {
					s.handle("h", client.Handler{Match: has(tt.handler)})
				}
				for i := range tt.messages {
					s.Put(client.Message{ID: ":t/m", Data: client.EDN(fmt.Sprint(i))})
				}
				before := s.stats()
				var rest []string
				s.Handle(client.Handler{Take: true, Func: func(m client.Message, _ error) { rest = append(rest, string(m.Data)) }})
				after := s.stats()
				got := strings.Join(rest, " ")
				if len(rest) > 10 {
					got = rest[0] + ".." + rest[len(rest)-1]
				}
				if got != tt.want || before.Depth != len(rest) || after.Depth != 0 || after.Taken != uint64(len(rest)) {
					t.Errorf("in the buffer: %s, want %s (%+v, then %+v)", got, tt.want, before, after)
				}
				if before.Dropped != tt.dropped || before.Unseen != tt.unseen || before.Buffered != uint64(tt.messages) {
					t.Errorf("%+v, want %d dropped, %d unseen", before, tt.dropped, tt.unseen)
				}
			})
		})
	}
}

// Taking from the middle keeps the order of the rest.
func TestBufferMiddle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newScene(t, func(o *client.Options) { o.ReceiveBuffer = 10 })
		var model []string
		for i := range 200 {
			m := fmt.Sprintf("<%d>", i)
			model = append(model, m)
			model = model[max(len(model)-10, 0):]
			s.put(m)
			if i%3 == 0 {
				k := i * 7 % len(model)
				s.waiter("w", model[k], 0)
				if got := s.logged(); got != "w "+model[k] {
					t.Fatalf("took %s, want %s", got, model[k])
				}
				model = slices.Delete(model, k, k+1)
			}
		}
		s.handle("w", client.Handler{Take: true})
		if got, want := s.logged(), "w "+strings.Join(model, ", w "); got != want {
			t.Errorf("left: %s\nwant: %s", got, want)
		}
	})
}
