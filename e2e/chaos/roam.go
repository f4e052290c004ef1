package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/book"
	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/thin"
)

// roamer is a tab of Sente that goes from node to node, each time after a proper
// close, and hears what is pushed to its user meanwhile from the next one.
type roamer struct {
	// Fixed after start.
	run      *run
	name     string
	number   int
	listener *book.Listener // one for its whole life

	client string // client-id
}

// startRoamers starts the tabs and returns when all have been there once.
func (r *run) startRoamers(ctx context.Context) {
	opened := make(chan struct{}, roamers)
	for k := range roamers {
		tab := &roamer{run: r, number: k, name: fmt.Sprintf("tab %d", k+1), client: "tab-" + strconv.Itoa(k)}
		r.roamers = append(r.roamers, tab)
		r.clients.Go(func() {
			for ctx.Err() == nil {
				tab.visit(ctx, r.cluster.nodes[rand.IntN(nodes)], opened)
				_ = sleep(ctx, 50*time.Millisecond+rand.N(500*time.Millisecond))
			}
		})
	}
	for range roamers {
		select {
		case <-opened:
		case <-ctx.Done():
			return
		}
	}
}

// visit is one socket.
func (t *roamer) visit(ctx context.Context, n *node, opened chan<- struct{}) {
	b := t.run.book
	began := b.Now()
	c, err := thin.DialTab(n.addr, "u"+strconv.Itoa(nodes*steadies+t.number), t.client, dialTimeout)
	if err != nil {
		if ctx.Err() == nil {
			b.Denied(t.name+" at "+n.Name, n.number, false, began, err)
		}
		return
	}
	defer c.Abort()
	stop := context.AfterFunc(ctx, c.Abort)
	defer stop()
	if t.listener == nil {
		t.listener = b.Roam(t.name, t.topic())
		opened <- struct{}{}
	}
	stay := time.Now().Add(500*time.Millisecond + rand.N(3*time.Second))
	goes := time.AfterFunc(time.Until(stay), func() { _ = c.Close() }) // the reader goes on
	defer goes.Stop()
	for {
		m, err := c.Read(time.Now().Add(patience))
		if err != nil {
			closed, ok := errors.AsType[*thin.Closed](err)
			asked := !time.Now().Before(stay) && ok && closed.Code == 1000
			if !asked && ctx.Err() == nil {
				b.CutTab(t.name+" at "+n.Name, n.number, err)
			}
			return
		}
		t.hear(m)
	}
}

func (t *roamer) topic() int { return channels + nodes*steadies + t.number }

// hear takes a vector of events.
func (t *roamer) hear(m []byte) {
	events := 0
	for rest := m; ; events++ {
		i := bytes.Index(rest, []byte("[:chaos/push ["))
		if i < 0 {
			break
		}
		rest = rest[i:]
		t.run.hear(t.listener, t.topic(), rest)
		rest = rest[1:]
	}
	if events == 0 && !strings.HasPrefix(string(m), "[[:chsk/") {
		t.run.book.Failf("garbage", "%s heard %.80s", t.name, m)
	}
}
