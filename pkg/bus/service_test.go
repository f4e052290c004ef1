package bus_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// observed answers as a test says, and is its own Gatherer.
type observed struct {
	onStats func()
	who     bus.WhoView
	level   func(bus.LevelQuery) error

	mu    sync.Mutex
	lines []bus.TraceLine
	ended int
}

func (o *observed) Stats(bus.StatsQuery) bus.NodeView {
	if o.onStats != nil {
		o.onStats()
	}
	return bus.NodeView{}
}

func (o *observed) Who(bus.WhoQuery) bus.WhoView                { return o.who }
func (o *observed) Channels(bus.ChannelsQuery) bus.ChannelsView { return bus.ChannelsView{} }
func (o *observed) Trace(bus.TraceQuery) (bus.Gatherer, error)  { return o, nil }
func (o *observed) Drain() error                                { return nil }
func (o *observed) Level(q bus.LevelQuery) error                { return o.level(q) }
func (o *observed) Stop()                                       { o.mu.Lock(); o.ended++; o.mu.Unlock() }

func (o *observed) gather(l bus.TraceLine) { o.mu.Lock(); o.lines = append(o.lines, l); o.mu.Unlock() }

func (o *observed) Take() (lines []bus.TraceLine, suppressed int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines, o.lines = o.lines, nil
	return lines, 0
}

func observedNode(t *testing.T, s *natsd.Server, o *observed) (*bus.Node, string) {
	t.Helper()
	var me string
	n := node(t, s, &recorder{}, func(no *bus.NodeOptions) { no.Observer, me = o, no.ID.String() })
	return n, me
}

// TestQuestionsAreNoMessages: what the service is asked while it is busy is counted, and
// not as messages that are lost.
func TestQuestionsAreNoMessages(t *testing.T) {
	t.Parallel()
	s := server(t, natsd.Options{})
	gate, asked := make(chan struct{}), make(chan struct{}, 1)
	n, _ := observedNode(t, s, &observed{onStats: func() {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-gate
	}})
	defer close(gate)
	nc := raw(t, s)
	ask := func(count int) {
		for range count {
			if err := nc.PublishRequest("hoshi.api.stats", "somebody", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask(1)
	<-asked
	const waiting, more = 255, 100 // beside the one that is being answered
	ask(waiting + more)
	eventually(t, "drops", func() bool { return n.Stats().Dropped[bus.DroppedAPI] == more })
	if got := n.Stats().Dropped; got["queue-full"] != 0 || sum(got) != more {
		t.Errorf("dropped %v", got)
	}
}

// TestViewOfDrops: how many messages were dropped is told with why, and without questions.
func TestViewOfDrops(t *testing.T) {
	t.Parallel()
	s := server(t, natsd.Options{})
	n, me := observedNode(t, s, &observed{})
	nc := raw(t, s)
	for range 3 {
		if err := nc.Publish("hoshi.all", []byte("[:a/b")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "drops", func() bool { return sum(n.Stats().Dropped) == 3 })
	got, err := client(t, s).Nodes(t.Context(), me, bus.StatsQuery{})
	if v := got.Nodes[me].NATS; err != nil || v.Dropped != 3 || !maps.Equal(v.DroppedBy, n.Stats().Dropped) || v.DroppedBy["invalid"] != 3 {
		t.Errorf("%v, dropped %d, %v", err, v.Dropped, v.DroppedBy)
	}
}

// TestTraceStops: a node that is stopped tells what it has gathered, and that it has
// stopped; who traces ends with the last.
func TestTraceStops(t *testing.T) {
	t.Parallel()
	s := server(t, natsd.Options{})
	var observers [2]*observed
	var nodes [2]*bus.Node
	var ids [2]string
	for i := range nodes {
		observers[i] = &observed{}
		nodes[i], ids[i] = observedNode(t, s, observers[i])
	}
	begun := make(chan struct{})
	over, lines := map[string]string{}, 0
	done := make(chan error, 1)
	c := client(t, s)
	go func() {
		done <- c.Trace(t.Context(), bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}, Time: time.Hour}, func(b bus.TraceBatch) {
			lines += len(b.Lines)
			if b.Over != "" {
				over[b.Node] += b.Over
			}
		}, bus.TraceBegun(func(bus.Survey[struct{}]) { close(begun) }))
	}()
	<-begun
	for i, n := range nodes {
		observers[i].gather(bus.TraceLine{Kind: bus.TraceClose})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := n.Stop(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		if observers[i].ended != 1 { // as nothing of it runs any more
			t.Errorf("%d traces have ended", observers[i].ended)
		}
	}
	select {
	case err := <-done:
		if err != nil || lines != 2 || over[ids[0]] != bus.OverStopped || over[ids[1]] != bus.OverStopped {
			t.Errorf("%v, %d lines, over %v", err, lines, over)
		}
	case <-time.After(5 * time.Second):
		t.Error("the trace goes on")
	}
}

// TestLevelOfAll: who has not taken a level is named, and all take one for a time alone.
func TestLevelOfAll(t *testing.T) {
	t.Parallel()
	s := server(t, natsd.Options{})
	var mu sync.Mutex
	var taken []bus.LevelQuery
	_, takes := observedNode(t, s, &observed{level: func(q bus.LevelQuery) error {
		mu.Lock()
		defer mu.Unlock()
		taken = append(taken, q)
		return nil
	}})
	_, refuses := observedNode(t, s, &observed{level: func(bus.LevelQuery) error {
		return &bus.RemoteError{Keyword: ":unavailable", Text: "it is the program's"}
	}})
	c := client(t, s)
	debug := bus.LevelQuery{Level: "debug", For: time.Minute}
	got, err := c.LogLevel(t.Context(), "", debug)
	if _, has := got.Nodes[takes]; err != nil || !has || len(got.Nodes) != 1 || !maps.Equal(got.Refused, map[string]string{refuses: ":unavailable"}) {
		t.Errorf("%v, %+v", err, got)
	}
	_, err = c.LogLevel(t.Context(), refuses, debug)
	if remote, ok := errors.AsType[*bus.RemoteError](err); !ok || *remote != (bus.RemoteError{Keyword: ":unavailable", Text: "it is the program's"}) {
		t.Errorf("%v", err)
	}
	warn := bus.LevelQuery{Level: "warn"}
	if _, err = c.LogLevel(t.Context(), takes, warn); err != nil {
		t.Error(err)
	}
	mu.Lock()
	if !slices.Equal(taken, []bus.LevelQuery{debug, warn}) {
		t.Errorf("taken %+v", taken)
	}
	mu.Unlock()
	const why = ":for must be there for all nodes"
	if _, err = c.LogLevel(t.Context(), "", warn); !errors.Is(err, bus.ErrBadBody) || !strings.Contains(err.Error(), why) {
		t.Errorf("for good: %v", err)
	}
	m, err := raw(t, s).Request("hoshi.api.log-level", []byte(`{:level "debug"}`), 10*time.Second)
	if err != nil || m.Header.Get(bus.HeaderError) != ":bad-request" || !strings.HasPrefix(m.Header.Get(micro.ErrorHeader), why) {
		t.Errorf("for good, of the node: %v, %v", m, err)
	}
}

// TestWrongQuestions: what a node would refuse the client does, with the name of what is
// wrong.
func TestWrongQuestions(t *testing.T) {
	t.Parallel()
	c := client(t, server(t, natsd.Options{}))
	level := func(q bus.LevelQuery) error { _, err := c.LogLevel(t.Context(), "000000000001", q); return err }
	stats := func(slow int) error { _, err := c.Nodes(t.Context(), "", bus.StatsQuery{Slow: slow}); return err }
	for want, err := range map[string]error{
		":level must be there":                      level(bus.LevelQuery{}),
		":level must be debug, info, warn or error": level(bus.LevelQuery{Level: "loud"}),
		":slow is out of range":                     stats(bus.MaxSlow + 1),
	} {
		if !errors.Is(err, bus.ErrBadBody) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, lasts := range []time.Duration{-1, time.Millisecond - 1, bus.MaxLevelTime + 1} {
		if err := level(bus.LevelQuery{Level: "debug", For: lasts}); !errors.Is(err, bus.ErrBadBody) || !strings.HasSuffix(err.Error(), ":for is out of range") {
			t.Errorf("for %v: %v", lasts, err)
		}
	}
	if err := stats(-1); !errors.Is(err, bus.ErrBadBody) {
		t.Errorf("slow -1: %v", err)
	}
}

// TestAnswersThatDoNotFit: what cannot be written is refused, and what NATS does not
// carry is cut, to nothing if need be.
func TestAnswersThatDoNotFit(t *testing.T) {
	t.Parallel()
	of := bus.WhoQuery{Target: bus.Target{UID: bus.String("alice")}}
	never := time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) // has no JSON
	s := server(t, natsd.Options{})
	observedNode(t, s, &observed{who: bus.WhoView{Total: 1, Conns: []bus.ConnView{{Since: never}}}})
	_, err := client(t, s).Who(t.Context(), of)
	if remote, ok := errors.AsType[*bus.RemoteError](err); !ok || remote.Keyword != ":internal-error" {
		t.Errorf("%v", err)
	}
	s = server(t, natsd.Options{MaxPayload: 2048})
	_, me := observedNode(t, s, &observed{who: bus.WhoView{Total: 100, Conns: make([]bus.ConnView, 100)}})
	got, err := client(t, s).Who(t.Context(), of)
	if v := got.Nodes[me]; err != nil || v.Total != 100 || v.More != 100 || len(v.Conns) != 0 {
		t.Errorf("%v, %+v", err, got)
	}
}
