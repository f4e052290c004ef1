package edge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// Who is gone is not waited for, and who is not there is said to be so.
func TestAskNobody(t *testing.T) {
	c := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) { o.Linger = time.Minute })
	backend := c.Backend(t, 0)
	event := []byte("[:my/ask]")
	_, err := backend.AskUser(t.Context(), bus.String("nobody"), event, bus.AskTime(bus.MaxAsk))
	if !errors.Is(err, bus.ErrNobody) || !errors.Is(err, bus.ErrNoResponders) {
		t.Errorf("nobody listens: %v", err)
	}
	gone := c.Dial(t, 1, "/ws?uid=alice")
	id := gone.ConnID
	gone.Conn.Close()
	testkit.Eventually(t, "connection to end", func() bool { return c.Nodes[1].Connections() == 0 })
	for name, ask := range map[string]func() (bus.Answers, error){
		"user with an interest that lingers": func() (bus.Answers, error) {
			return backend.AskUser(t.Context(), bus.String("alice"), event, bus.AskTime(bus.MaxAsk))
		},
		"connection of a node that lives": func() (bus.Answers, error) {
			return backend.AskConn(t.Context(), id, event, bus.AskTime(bus.MaxAsk), bus.Settle(0)) // nobody else can speak
		},
	} {
		o := ended(t, asking(ask))
		if !errors.Is(o.err, bus.ErrNobody) || errors.Is(o.err, bus.ErrNoResponders) {
			t.Errorf("%s: %v", name, o.err)
		}
	}
	if s := c.Nodes[1].Stats().Asks; s.Ended["nobody"] != 2 || s.Asks != 0 {
		t.Errorf("counted %+v", s)
	}
}

// A connection that closes is not waited for.
func TestAskClosing(t *testing.T) {
	c := testkit.StartCluster(t, 1, nil)
	backend := c.Backend(t, 0)
	stays, leaves, answers := c.Dial(t, 0, "/ws?uid=a"), c.Dial(t, 0, "/ws?uid=a"), c.Dial(t, 0, "/ws?uid=a")
	got := asking(func() (bus.Answers, error) {
		return backend.AskUser(t.Context(), bus.String("a"), []byte("[:my/ask]"), bus.AskTime(bus.MaxAsk))
	})
	_, cb := asked(t, answers)
	reply(answers, cb, "1")
	answers.Nothing() // it has been taken
	answers.Conn.Close()
	asked(t, leaves)
	leaves.Conn.Close()
	testkit.Eventually(t, "two to close", func() bool { return c.Nodes[0].Connections() == 1 })
	_, cb = asked(t, stays)
	reply(stays, cb, "2")
	o := ended(t, got)
	checkCounts(t, o, 3, 2, 1)
	if want := []string{"1", "2"}; !slices.Equal(data(o.Answers), want) {
		t.Errorf("answers %v", data(o.Answers))
	}
	s := c.Nodes[0].Stats().Asks
	if s.Pending != 0 || s.PendingConnections != 0 || s.Ended["complete"] != 1 || s.Asked != 3 || s.Answers != 2 {
		t.Errorf("counted %+v", s)
	}
}

// Only those who are asked can answer, once, and in time.
func TestAskForeignAnswers(t *testing.T) {
	c := testkit.StartCluster(t, 1, nil)
	backend := c.Backend(t, 0)
	alice, other, mallory := c.Dial(t, 0, "/ws?uid=alice"), c.Dial(t, 0, "/ws?uid=alice"), c.Dial(t, 0, "/ws?uid=mallory")
	got := asking(func() (bus.Answers, error) {
		return backend.AskUser(t.Context(), bus.String("alice"), []byte("[:my/ask]"), bus.AskTime(bus.MaxAsk))
	})
	_, cb := asked(t, alice)
	asked(t, other)
	mallory.Send(`[[:chsk/reply {:cb-uuid "` + cb + `" :data :evil}] "m"]`)
	mallory.Expect(`[{:success false, :error :not-asked} "m"]`)
	reply(mallory, "ask-guessed", ":evil")
	reply(alice, cb, ":first")
	reply(alice, cb, ":second")
	alice.Nothing()
	reply(other, cb, ":other")
	o := ended(t, got)
	checkCounts(t, o, 2, 2, 0)
	if want := []string{":first", ":other"}; !slices.Equal(data(o.Answers), want) {
		t.Errorf("answers %v", data(o.Answers))
	}
	reply(alice, cb, ":late")
	// What is no answer at all.
	alice.Send("[:chsk/reply 7]", "[:chsk/reply]", "[:chsk/reply {}]", `[:chsk/reply {:cb-uuid nil :data 1}]`)
	alice.Nothing()
	s := c.Nodes[0].Stats()
	want := map[string]uint64{"not-asked": 1, "twice": 1}
	for reason, n := range want {
		if s.Asks.Ignored[reason] != n {
			t.Errorf("ignored %v, want %v", s.Asks.Ignored, want)
		}
	}
	if s.Asks.Ignored["late"] < 2 {
		t.Errorf("ignored %v, want late ones", s.Asks.Ignored)
	}
	if s.Bus.Dropped["bad-ask"] != 0 || s.Asks.Answers != 2 {
		t.Errorf("counted %+v, %v", s.Asks, s.Bus.Dropped)
	}
}

// What is beyond the bounds is refused, told, and nobody is asked.
func TestAskLimits(t *testing.T) {
	c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) { o.MaxAsks, o.MaxAsked = 2, 3 })
	backend := c.Backend(t, 0)
	var all []*testkit.Client
	for i := range 4 {
		cl := c.Dial(t, 0, fmt.Sprintf("/ws?uid=u%d", i))
		cl.Subscribe(`"room"`)
		all = append(all, cl)
	}
	ask := func(i int) <-chan outcome {
		return asking(func() (bus.Answers, error) {
			return backend.AskConn(t.Context(), all[i].ConnID, []byte("[:my/ask]"), bus.AskTime(bus.MaxAsk))
		})
	}
	refused := func(o outcome) {
		t.Helper()
		if remote, ok := errors.AsType[*bus.RemoteError](o.err); !ok || remote.Keyword != ":too-many-asks" {
			t.Errorf("error %v", o.err)
		}
	}
	refused(ended(t, asking(func() (bus.Answers, error) {
		return backend.AskChannel(t.Context(), bus.String("room"), []byte("1"), bus.AskTime(bus.MaxAsk))
	})))
	first := ask(0)
	_, cb0 := asked(t, all[0])
	second := ask(1)
	_, cb1 := asked(t, all[1])
	refused(ended(t, ask(2)))
	// All that who asks is told is the refusal.
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	inbox, err := nc.SubscribeSync(nats.NewInbox())
	must(t, err)
	for range 2 {
		must(t, nc.PublishMsg(&nats.Msg{Subject: "hoshi.chan.room", Reply: inbox.Subject, Data: []byte("1"), Header: nats.Header{"Hoshi-Ask": {"1000"}}}))
		m, err := inbox.NextMsg(testkit.Patience)
		must(t, err)
		if m.Header.Get("Hoshi-Error") != ":too-many-asks" || len(m.Header) != 1 {
			t.Errorf("told %v", m.Header)
		}
	}
	s := c.Nodes[0].Stats().Asks
	if s.Pending != 2 || s.PendingConnections != 2 || s.Refused["too-many-asks"] != 3 || s.Refused["too-many-connections"] != 1 {
		t.Errorf("counted %+v", s)
	}
	reply(all[0], cb0, "0")
	checkCounts(t, ended(t, first), 1, 1, 0)
	third := ask(2) // there is room again
	_, cb2 := asked(t, all[2])
	reply(all[1], cb1, "1")
	reply(all[2], cb2, "2")
	checkCounts(t, ended(t, second), 1, 1, 0)
	checkCounts(t, ended(t, third), 1, 1, 0)
	for _, cl := range all {
		cl.Nothing()
	}
	if s := c.Nodes[0].Stats().Asks; s.Pending != 0 || s.PendingConnections != 0 {
		t.Errorf("counted %+v", s)
	}
}

// Asks of different times end in their order, each at its own; and one node that
// stops says how far it has come.
func TestAskTimes(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, nil)
	backend := c.Backend(t, 0)
	cl := c.Dial(t, 0, "/")
	times := []time.Duration{2500 * time.Millisecond, 300 * time.Millisecond, 1400 * time.Millisecond, time.Minute}
	var got []<-chan outcome
	for _, d := range times {
		got = append(got, asking(func() (bus.Answers, error) {
			return backend.AskConn(t.Context(), cl.ConnID, []byte("[:my/ask]"), bus.AskTime(d))
		}))
		asked(t, cl)
	}
	// The shortest ends while the others go on, though it was not the first.
	testkit.Eventually(t, "the shortest to end", func() bool {
		s := c.Nodes[0].Stats().Asks
		return s.Ended["time"] == 1 && s.Pending == 3
	})
	for i, d := range times[:3] {
		o := ended(t, got[i])
		checkCounts(t, o, 1, 0, 1)
		if o.took < d || o.took > d+4*time.Second {
			t.Errorf("an ask of %v took %v", d, o.took)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	must(t, c.Nodes[0].Stop(ctx))
	o := ended(t, got[3])
	checkCounts(t, o, 1, 0, 1)
	if s := c.Nodes[0].Stats().Asks; s.Ended["time"] != 3 || s.Pending != 0 {
		t.Errorf("counted %+v", s)
	}
}

// A node that is far behind is waited for as long as the backend likes: nobody
// knows of it before it speaks.
func TestAskSlowNode(t *testing.T) {
	t.Parallel()
	c := testkit.StartClusterWithProcess(t, 3, nil)
	backend := c.Backend(t, 0)
	var all []*testkit.Client
	for i := range c.Nodes {
		cl := c.Dial(t, i, "/")
		cl.Subscribe(`"room"`)
		all = append(all, cl)
	}
	ask := func(opts ...bus.PublishOption) <-chan outcome {
		return asking(func() (bus.Answers, error) {
			return backend.AskChannel(t.Context(), bus.String("room"), []byte("1"), append(opts, bus.AskTime(bus.MaxAsk))...)
		})
	}
	answer := func(clients ...*testkit.Client) {
		for _, cl := range clients {
			_, cb := asked(t, cl)
			reply(cl, cb, ":yes")
		}
	}
	c.Process.Stop(t)
	quick := ask(bus.Settle(50 * time.Millisecond))
	answer(all[:2]...)
	checkCounts(t, ended(t, quick), 2, 2, 0)
	patient := ask(bus.Settle(time.Minute), bus.Enough(3))
	answer(all[:2]...)
	c.Process.Continue(t)
	answer(all[2], all[2]) // the one that nobody waits for any more comes first
	o := ended(t, patient)
	checkCounts(t, o, 3, 3, 0)
}
