package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/thin"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// prober knows when everything works: a message from each NATS server and from
// each node has been heard at each node. It has a client at each node, directly.
type prober struct {
	cluster  *cluster   // fixed
	backends []*backend // fixed
	done     sync.WaitGroup

	mu struct {
		sync.Mutex
		conns []*thin.Conn // by node; nil while there is none
		heard [][]int      // by node and source: the last round
		round int
	}
}

// backend is a client of one NATS server, directly. Its connection is repaired by
// pkg/bus.
type backend struct {
	*bus.Client
	server int
}

func connectBackends(ctx context.Context, c *cluster) ([]*backend, error) {
	var list []*backend
	for k, s := range c.nats {
		b, err := bus.Connect(ctx, bus.Options{URLs: []string{"nats://" + s.addr}, Name: "chaos-" + s.Name, MaxReconnectWait: 500 * time.Millisecond})
		if err != nil {
			return list, err
		}
		list = append(list, &backend{b, k})
	}
	return list, nil
}

const probeChannel = "probe"

// probe starts a prober, whose goroutines end with ctx.
func probe(ctx context.Context, c *cluster, backends []*backend) *prober {
	p := &prober{cluster: c, backends: backends}
	p.mu.conns = make([]*thin.Conn, nodes)
	for range nodes {
		p.mu.heard = append(p.mu.heard, make([]int, servers+nodes))
	}
	for i := range nodes {
		p.done.Go(func() {
			for ctx.Err() == nil {
				p.listen(ctx, i)
				_ = sleep(ctx, 100*time.Millisecond)
			}
		})
	}
	return p
}

func (p *prober) listen(ctx context.Context, i int) {
	c, err := thin.Dial(p.cluster.nodes[i].addr, "", 5*time.Second)
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, c.Abort)
	defer stop()
	defer c.Abort()
	if c.Subscribe(probeChannel) != nil {
		return
	}
	defer p.set(i, nil)
	for {
		m, err := c.Read(time.Now().Add(10 * time.Minute))
		if err != nil {
			return
		}
		if string(m) == thin.Subscribed(probeChannel) {
			p.set(i, c)
			continue
		}
		if _, source, round, ok := parseMessage(m); ok {
			p.mu.Lock()
			if source < servers+nodes {
				p.mu.heard[i][source] = round
			}
			p.mu.Unlock()
		}
	}
}

func (p *prober) set(i int, c *thin.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.conns[i] = c
}

// roundTime is how long a round may take; a message that is later has waited for
// something.
const roundTime = 1500 * time.Millisecond

// round sends one message from everywhere and says what of it has not arrived
// everywhere in time.
func (p *prober) round(ctx context.Context) error {
	p.mu.Lock()
	p.mu.round++
	r := p.mu.round
	conns := append([]*thin.Conn(nil), p.mu.conns...)
	p.mu.Unlock()
	for k, b := range p.backends {
		if err := b.PublishChannel(bus.String(probeChannel), fmt.Appendf(nil, "[%d %d]", k, r)); err != nil {
			return fmt.Errorf("publish through %s: %w", p.cluster.nats[k].Name, err)
		}
	}
	for i, c := range conns {
		if c == nil {
			return fmt.Errorf("%s takes no client", p.cluster.nodes[i].Name)
		}
		if err := c.Send(publishText(probeChannel, servers+i, r, "")); err != nil {
			return fmt.Errorf("publish through %s: %w", p.cluster.nodes[i].Name, err)
		}
	}
	deadline := time.Now().Add(roundTime)
	for {
		missing := p.missing(r)
		if missing == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("probe not heard: %s", missing)
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (p *prober) missing(round int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, list := range p.mu.heard {
		for source, r := range list {
			if r != round {
				from := "nats-" + strconv.Itoa(source+1)
				if source >= servers {
					from = "node-" + strconv.Itoa(source-servers+1)
				}
				return from + " at " + p.cluster.nodes[i].Name
			}
		}
	}
	return ""
}

// works waits until every node says that the bus is there and a whole round has
// gone through.
func (p *prober) works(ctx context.Context) error {
	return await(ctx, "everything works", func() error {
		for _, n := range p.cluster.nodes {
			s, err := n.stats(ctx)
			if err != nil {
				return err
			}
			if !s.Ready || s.Bus.Pending > 0 {
				return fmt.Errorf("%s is not ready", n.Name)
			}
		}
		return p.round(ctx)
	})
}

// publishText is a client's publish of message n of a speaker; callback is empty
// for none.
func publishText(channel string, speaker, n int, callback string) string {
	text := `[:sente-lite/publish {:channel-id "` + channel + `" :data [` + strconv.Itoa(speaker) + " " + strconv.Itoa(n) + `]}]`
	if callback == "" {
		return text
	}
	return "[" + text + ` "` + callback + `"]`
}

// parseMessage reads a message of a channel, or a push to a user: whose channel is
// empty.
func parseMessage(m []byte) (channel string, speaker, n int, ok bool) {
	s := string(m)
	rest, ok := strings.CutPrefix(s, `[:sente-lite/channel-msg {:channel-id "`)
	if ok {
		if channel, rest, ok = strings.Cut(rest, `", :data [`); !ok {
			return "", 0, 0, false
		}
	} else if rest, ok = strings.CutPrefix(s, "[:chaos/push ["); !ok {
		return "", 0, 0, false
	}
	first, rest, ok := strings.Cut(rest, " ")
	if !ok {
		return "", 0, 0, false
	}
	second, _, ok := strings.Cut(rest, "]")
	if !ok {
		return "", 0, 0, false
	}
	speaker, err := strconv.Atoi(first)
	if err != nil {
		return "", 0, 0, false
	}
	if n, err = strconv.Atoi(second); err != nil {
		return "", 0, 0, false
	}
	return channel, speaker, n, true
}
