package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/thin"
)

// churn lets clients come and go: at a rate, so many open at once.
type churn struct {
	run  *run
	open chan struct{} // one for each that is open
	done sync.WaitGroup

	came, denied, most atomic.Int64
}

// Every listenEach-th client subscribes to a channel, every relayEach-th comes
// through the relay; one in abortEach goes without a word.
const (
	listenEach = 4
	relayEach  = 4
	abortEach  = 3
)

// churnFor lets clients come for a time, so many a second, and waits until all
// have gone. What a fault holds up is made up for, at twice the rate.
func (c *churn) churnFor(ctx context.Context, perSecond float64, life time.Duration) {
	if perSecond <= 0 {
		<-ctx.Done()
		return
	}
	began := time.Now()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	burst := max(int(perSecond*2*0.02), 1)
	for started := 0; ctx.Err() == nil; {
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		due := int(time.Since(began).Seconds()*perSecond) - started
		for range min(due, burst) {
			select {
			case c.open <- struct{}{}:
			default:
				due = 0
			}
			if due == 0 {
				break
			}
			started++
			c.most.Store(max(c.most.Load(), int64(len(c.open))))
			c.done.Go(func() {
				defer func() { <-c.open }()
				c.client(ctx, life/2+rand.N(life))
			})
		}
	}
	c.done.Wait()
}

// client is one client, from its coming to its going.
func (c *churn) client(ctx context.Context, life time.Duration) {
	number := c.came.Add(1)
	n := c.run.cluster.nodes[rand.IntN(nodes)]
	relayed := number%relayEach == 0
	name := "client " + strconv.FormatInt(number, 10) + " of " + n.Name
	b := c.run.book
	began := b.Now()
	conn, err := thin.Dial(n.address(relayed), "", dialTimeout)
	if err != nil {
		c.denied.Add(1)
		if ctx.Err() == nil {
			b.Denied(name, n.number, relayed, began, err)
		}
		return
	}
	goes := conn.Leave
	if number/3%abortEach == 0 {
		goes = conn.Abort
	}
	defer goes()
	until := time.Now().Add(life)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	if number/relayEach%listenEach == 0 {
		err = c.listen(conn, n, relayed, name, until)
	} else {
		var m []byte
		if m, err = conn.Read(until); err == nil {
			b.Failf("garbage", "%s heard %.80s", name, m)
		}
	}
	if closed, ok := errors.AsType[*thin.Closed](err); ok && ctx.Err() == nil {
		b.Cut(name, n.number, relayed, closed)
	}
}

// listen hears a channel until it is time to go; the error is of the connection.
func (c *churn) listen(conn *thin.Conn, n *node, relayed bool, name string, until time.Time) error {
	b := c.run.book
	topic := rand.IntN(channels)
	began := b.Now()
	if err := conn.Subscribe(channelName(topic)); err != nil {
		return &thin.Closed{Err: err}
	}
	m, err := conn.Read(time.Now().Add(dialTimeout))
	if err != nil {
		if _, ok := errors.AsType[*thin.Closed](err); !ok {
			b.Denied(name, n.number, relayed, began, fmt.Errorf("no answer to a subscribe: %w", err))
		}
		return err
	}
	if string(m) != thin.Subscribed(channelName(topic)) {
		b.Denied(name, n.number, relayed, began, fmt.Errorf("subscribe: %s", m))
		return nil
	}
	l := b.Listen(name, n.number, relayed, topic)
	for {
		m, err := conn.Read(until)
		if err != nil {
			// A connection that ended is judged by the caller.
			l.End(latest)
			return err
		}
		c.run.hear(l, -1, m)
	}
}

// latest is how late a message may come in a run without faults, on a busy machine.
const latest = 3 * time.Second
