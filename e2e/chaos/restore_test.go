package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/thin"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// holder is a client that holds many channels of its own.
type holder struct {
	conn *thin.Conn
	node *node
	name string // of its channels, before their numbers
}

func (h *holder) channel(i int) string { return fmt.Sprintf("%s-%d", h.name, i) }

// hold subscribes to all of them.
func (h *holder) hold(channels int) error {
	for i := range channels {
		if err := h.conn.Subscribe(h.channel(i)); err != nil {
			return err
		}
	}
	for i := range channels {
		m, err := h.conn.Read(time.Now().Add(patience))
		if err != nil {
			return fmt.Errorf("subscribe %s: %w", h.channel(i), err)
		}
		if string(m) != thin.Subscribed(h.channel(i)) {
			return fmt.Errorf("subscribe %s: %s", h.channel(i), m)
		}
	}
	return nil
}

// hears reads one message of each channel, in any order, each once.
func (h *holder) hears(channels, round int) error {
	heard := map[string]bool{}
	for len(heard) < channels {
		m, err := h.conn.Read(time.Now().Add(patience))
		if err != nil {
			return fmt.Errorf("%s has heard %d of %d: %w", h.name, len(heard), channels, err)
		}
		ch, _, n, ok := parseMessage(m)
		if !ok || n != round || heard[ch] {
			return fmt.Errorf("%s heard %s", h.name, m)
		}
		heard[ch] = true
	}
	return nil
}

// Nine thousand interests of three nodes on three servers come back, in batches,
// after one server is killed and after all are, which have forgotten everything.
// No client loses its connection, and as soon as the nodes are ready nothing that
// is published through any server is lost.
func TestInterestsComeBack(t *testing.T) {
	const holders, each = 30, 100 // of each node
	const own = holders * each
	dir := t.TempDir()
	bin, err := build(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c, err := startCluster(ctx, dir, "", bin, false)
	defer func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, n := range c.nodes {
				t.Logf("%s:\n%s", n.Name, n.Tail(4<<10))
			}
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	backends, err := connectBackends(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, b := range backends {
			b.Stop()
		}
	}()
	life, die := context.WithCancel(ctx)
	p := probe(life, c, backends)
	defer func() { die(); p.done.Wait() }()

	var all []*holder
	for _, n := range c.nodes {
		for k := range holders {
			conn, err := thin.Dial(n.addr, "", dialTimeout)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Abort()
			all = append(all, &holder{conn, n, fmt.Sprintf("%s-%d", n.Name, k)})
		}
	}
	together(t, all, func(h *holder) error { return h.hold(each) })

	kill := func(list ...*natsServer) func(*testing.T) {
		return func(t *testing.T) {
			for _, s := range list {
				if err := s.End(syscall.SIGKILL, patience); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	revive := func(list ...*natsServer) func(*testing.T) {
		return func(t *testing.T) {
			for _, s := range list {
				if err := s.Start(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	round := 0
	for _, tt := range []struct {
		name        string
		away, again func(*testing.T)
		moved       func() uint32
	}{
		{name: "one server", away: kill(c.nats[0]), again: revive(c.nats[0]), moved: func() uint32 { return c.nodesOn(ctx, c.nats[0]) }},
		{name: "all servers", away: kill(c.nats...), again: revive(c.nats...), moved: func() uint32 { return 1<<nodes - 1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := p.works(ctx); err != nil {
				t.Fatal(err)
			}
			moved := tt.moved()
			before := make([]nodeStats, nodes)
			for i, n := range c.nodes {
				if before[i], err = n.stats(ctx); err != nil {
					t.Fatal(err)
				}
			}
			tt.away(t)
			began := time.Now()
			if tt.name == "all servers" { // all notice before one comes back
				notReady(ctx, t, c)
			}
			tt.again(t)
			if err := p.works(ctx); err != nil {
				t.Fatal(err)
			}
			t.Logf("everything works after %v", time.Since(began))
			for i, n := range c.nodes {
				s, err := n.stats(ctx)
				if err != nil {
					t.Fatal(err)
				}
				connects, barriers := s.Bus.Connects-before[i].Bus.Connects, s.Bus.Barriers-before[i].Bus.Barriers
				// One of its own, one for each thousand; what comes in the meantime takes some.
				least, most := connects*(1+own/1000), connects*(1+own/1000+1)+5
				switch {
				case moved&(1<<i) == 0:
					if connects != 0 {
						t.Errorf("%s has connected again, and its server was not touched", n.Name)
					}
				case connects == 0 || barriers < least || barriers > most:
					t.Errorf("%s: %d connections, %d barriers for %d interests, want %d to %d", n.Name, connects, barriers, own, least, most)
				}
				if s.Connections != holders+1 || s.Bus.Interests != own+1 {
					t.Errorf("%s: %d clients with %d interests, want %d with %d", n.Name, s.Connections, s.Bus.Interests, holders+1, own+1)
				}
			}
			for _, b := range backends {
				round++
				for _, h := range all {
					for i := range each {
						if err := b.PublishChannel(bus.String(h.channel(i)), fmt.Appendf(nil, "[0 %d]", round)); err != nil {
							t.Fatal(err)
						}
					}
				}
				together(t, all, func(h *holder) error { return h.hears(each, round) })
			}
		})
	}
}

// together does something with all holders at once.
func together(t *testing.T, all []*holder, do func(*holder) error) {
	t.Helper()
	var wg sync.WaitGroup
	for _, h := range all {
		wg.Go(func() {
			if err := do(h); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func notReady(ctx context.Context, t *testing.T, c *cluster) {
	t.Helper()
	if err := await(ctx, "no node is ready", func() error {
		for _, n := range c.nodes {
			s, err := n.stats(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", n.Name, err)
			}
			if s.Ready {
				return errors.New(n.Name + " is ready")
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
