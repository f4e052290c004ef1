package bus_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// asked is a server that exists only as a taker of barrier questions, which the
// test answers when it likes.
type asked struct {
	t   *testing.T
	sub *nats.Subscription
}

// newAsked makes whoever is connected know the server FAKE, whose questions come
// at level: sync those of nodes, api.sync those of clients.
func newAsked(t *testing.T, s *natsd.Server, level string) *asked {
	t.Helper()
	back := raw(t, s)
	sub, err := back.SubscribeSync("hoshi." + level + ".FAKE")
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Publish("hoshi.nodes", []byte(`{:node "00000000beef" :server "FAKE"}`)); err != nil {
		t.Fatal(err)
	}
	if err := back.Flush(); err != nil {
		t.Fatal(err)
	}
	return &asked{t, sub}
}

// question waits for the next barrier, which then waits for the answer.
func (a *asked) question() *nats.Msg {
	a.t.Helper()
	m, err := a.sub.NextMsg(10 * time.Second)
	if err != nil {
		a.t.Fatalf("no barrier: %v", err)
	}
	return m
}

func (a *asked) answer(m *nats.Msg) {
	a.t.Helper()
	if err := m.Respond([]byte("{}")); err != nil {
		a.t.Fatal(err)
	}
}

// TestUnwantWhileGone: who wants an interest that was just unsubscribed, and
// gives it back before the barrier has gone through, gets an answer all the same.
func TestUnwantWhileGone(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, func(o *bus.NodeOptions) { o.Linger, o.BarrierTimeout = time.Nanosecond, time.Minute })
	want(t, n, bus.KindChan, "c")
	fake := newAsked(t, s, "sync")
	eventually(t, "known", func() bool { return n.Stats().Servers == 2 })
	n.Unwant(bus.KindChan, "c")
	behindUnsub := fake.question()
	answered := make(chan error, 1)
	n.Want(bus.KindChan, "c", func(err error) { answered <- err })
	n.Unwant(bus.KindChan, "c")
	fake.answer(behindUnsub)
	fake.answer(fake.question()) // behind the SUB
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
	}
	fake.answer(fake.question()) // behind the UNSUB
	eventually(t, "zero", func() bool { return n.Stats().Interests == 0 })
}

// TestTakeAgain: a subject that one subscription has given up is not subscribed
// by another before a barrier has gone through.
func TestTakeAgain(t *testing.T) {
	tests := []struct {
		name string
		end  func(*bus.Subscription)
	}{
		{name: "stop", end: func(s *bus.Subscription) { s.Stop() }},
		{name: "drain", end: func(s *bus.Subscription) { _ = s.Drain(t.Context()) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := server(t, natsd.Options{})
			c, err := bus.Connect(t.Context(), bus.Options{
				URLs: []string{s.ClientURL()}, DiscoveryWait: 10 * time.Millisecond, BarrierTimeout: time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Stop()
			first, err := c.Take(t.Context(), "a.>", "g", func(*bus.Event) {})
			if err != nil {
				t.Fatal(err)
			}
			fake := newAsked(t, s, "api.sync")
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			waiting, release := bus.HoldControl(c)
			ended, taken := make(chan struct{}), make(chan error, 1)
			go func() { tt.end(first); close(ended) }()
			eventually(t, "end asked", func() bool { return waiting() == 1 })
			go func() {
				_, err := c.Take(t.Context(), "a.>", "g", func(*bus.Event) {})
				taken <- err
			}()
			eventually(t, "take asked", func() bool { return waiting() == 2 })
			release()
			behindUnsub := fake.question()
			if n, err := s.Subscriptions("hoshi.event.>"); err != nil || n != 0 {
				t.Errorf("%d subscriptions right behind the UNSUB, %v", n, err)
			}
			fake.answer(behindUnsub)
			fake.answer(fake.question())
			if err := <-taken; err != nil {
				t.Fatal(err)
			}
			<-ended
			if n, err := s.Subscriptions("hoshi.event.>"); err != nil || n != 1 {
				t.Errorf("%d subscriptions at the end, %v", n, err)
			}
		})
	}
}

// TestLongReplySubject: what a stranger wants as an answer's subject cannot end
// the node's connection.
func TestLongReplySubject(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, nil)
	back := raw(t, s)
	long, err := back.SubscribeSync("x.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"hoshi.nodes", "hoshi.sync." + s.ID(), "hoshi.api.nodes", "hoshi.api.sync." + s.ID()} {
		if err := back.PublishRequest(subject, "x."+strings.Repeat("y", bus.MaxSubject), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	// The connection keeps the order: an answer would have come before this one.
	if _, err := back.Request("hoshi.sync."+s.ID(), []byte("{}"), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if got, _, err := long.Pending(); err != nil || got != 0 {
		t.Errorf("%d answers on a subject that is too long, %v", got, err)
	}
	if got := n.Stats().Dropped["bad-heartbeat"]; got != 4 {
		t.Errorf("counted %d, want 4", got)
	}
	if _, err := client(t, s).Take(t.Context(), ">", fmt.Sprintf("%05000d", 1), func(*bus.Event) {}); err == nil {
		t.Error("a group that ends the connection was taken")
	}
}
