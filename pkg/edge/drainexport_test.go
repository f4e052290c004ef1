package edge

import (
	"context"
	"sync"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// HoldLoop has the loop of a connection do nothing until release, and returns its
// number.
func HoldLoop(n *Node, connID string) (loop int, release func()) {
	c, _ := id.ParseConn(connID)
	s := n.conns.Get(c.Key())
	held, gate := make(chan struct{}), make(chan struct{})
	s.Post(func() {
		close(held)
		<-gate
	})
	<-held
	return s.Loop(), sync.OnceFunc(func() { close(gate) })
}

// LatePolls makes a session that polls, and a poll for a session of another node,
// when a node drains and has looked whom it is to let go. It returns whether both
// are let go, and how many have been.
func LatePolls(ctx context.Context, n *Node, client, elsewhere string) (opened, relayed bool, count uint64) {
	token, _ := bus.StringToken(client)
	who := identity{voice: voiceNumber(true, codec.EDN, false), client: client, clientToken: token, conn: n.ids.Next(n.now().UnixMilli())}
	n.drain.began.Store(1)
	defer n.drain.began.Store(0)
	n.openPolls(ctx, who)
	s := n.holderHere(token, nilUID, nil)
	opened = s != nil && !s.tab().stays()
	r, end := n.pollThere(ctx, elsewhere, who, false)
	end(false)
	return opened, r.status == statusElsewhere, n.drain.polls.Load()
}
