package bus

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// Node is a node's end of the bus: one NATS connection, its interests, its
// publisher. All methods are safe for concurrent use.
type Node struct {
	// Fixed after StartNode.
	o        NodeOptions
	subjects Subjects
	control  *control
	pub      *publisher
	requests *requests
	shards   []*shard
	answer   askSaid // what all answers of this node say
	panics   panics
	service  *service
	started  chan struct{} // closed behind the first barrier

	stop sync.Once
	err  error // of Stop
}

// StartNode is NewNode and Start.
func StartNode(ctx context.Context, o NodeOptions) (*Node, error) {
	n, err := NewNode(o)
	if err != nil {
		return nil, err
	}
	if err := n.Start(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// NewNode returns a node that is to be started. Until then it runs nothing, and
// only Stats, Ready, MaxPayload, Subjects and Start may be called.
func NewNode(o NodeOptions) (*Node, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	n := &Node{o: o, subjects: NewSubjects(o.Prefix), answer: newAnswer(o.ID), started: make(chan struct{})}
	// What others send can be wrong thousands of times a second.
	sampled := o.Logger.With().Str("component", "bus").Logger().
		Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second})
	n.panics.log = sampled
	quit := make(chan struct{})
	for i := range o.Shards {
		n.shards = append(n.shards, &shard{
			index:   i,
			prefix:  o.Prefix,
			handler: o.Handler,
			ch:      make(chan *nats.Msg, o.ShardQueueMessages),
			quit:    quit,
			done:    make(chan struct{}),
			refuse:  n.ReplyError,
			log:     sampled,
			panics:  &n.panics,
		})
	}
	n.service = newService(n, o.Observer, o.Version)
	var once sync.Once
	n.control = newControl(controlOptions{
		Options:   &n.o.Options,
		subjects:  n.subjects,
		node:      o.ID.String(),
		linger:    o.Linger,
		heartbeat: o.Heartbeat,
		shardOf:   n.shardOf,
		base:      n.subscribeBase,
		joined:    o.Joined,
		state: func(nc *nats.Conn) {
			n.state(nc)
			if nc != nil {
				once.Do(func() { close(n.started) })
			}
		},
	})
	inbox := n.control.inbox + ".r."
	n.control.link.refused = n.service.refused
	n.control.link.onSlow = n.dropped
	n.requests = newRequests(&n.o, inbox, sampled)
	n.requests.panics = &n.panics
	n.pub = newPublisher(&n.o, inbox, n.requests)
	return n, nil
}

// Start connects to NATS and returns when the node's own first barrier has gone
// through, so that it may take clients. It fails when NATS cannot be reached within
// ConnectTimeout, or ConnectWait; later losses are repaired. ctx bounds only the
// start. Handler.State(true) has been called when it returns, and Deliver may
// have been: pushes to everyone do not wait for the first client. It may be called
// once; on an error nothing is left running, and Stop need not follow.
func (n *Node) Start(ctx context.Context) error {
	if err := n.control.link.start(ctx); err != nil {
		n.stop.Do(func() {}) // there is nothing to stop
		return err
	}
	// Each ends in close, in this order reversed.
	for _, s := range n.shards {
		go s.run()
	}
	go n.requests.run()
	go n.pub.run()
	go n.control.run()
	select {
	case <-n.started:
		return nil
	case <-ctx.Done():
		n.stop.Do(func() { n.close(ctx) })
		return context.Cause(ctx)
	}
}

// dropped counts what nats.go drops of a subscription whose queue is full. The node's
// own have channels; nats.go calls the service's, of which a loss is no message of
// anybody's.
func (n *Node) dropped(sub *nats.Subscription) {
	if sub.Type() == nats.AsyncSubscription {
		n.service.slow.add(sub)
		return
	}
	n.control.slow.add(sub)
}

func (n *Node) shardOf(subject string) chan *nats.Msg {
	return n.shards[fnv1a(subject)%uint32(len(n.shards))].ch
}

// subscribeBase subscribes what every node hears: its connections, what
// nodes say of them, everyone, and the replies to its requests.
func (n *Node) subscribeBase(nc *nats.Conn) error {
	if _, err := nc.ChanSubscribe(n.pub.inbox+"*", n.requests.ch); err != nil {
		return err
	}
	conns := n.subjects.connDot + n.o.ID.String() + ".*"
	if _, err := nc.ChanSubscribe(conns, n.shardOf(conns)); err != nil {
		return err
	}
	// On the shard of the connections: what is said of them keeps its order with
	// what is pushed to them.
	if _, err := nc.ChanSubscribe(n.subjects.nodeDot+n.o.ID.String()+".*", n.shardOf(conns)); err != nil {
		return err
	}
	if err := n.subscribeAPI(nc, n.shardOf(conns)); err != nil {
		return err
	}
	n.service.begin(nc)
	_, err := nc.ChanSubscribe(n.subjects.all, n.shardOf(n.subjects.all))
	return err
}

// state runs on the control goroutine. Publishes are refused before requests
// are failed: a request that was added in between finds the queue closed.
func (n *Node) state(nc *nats.Conn) {
	n.pub.connected(nc)
	if nc == nil {
		n.service.end()
		n.requests.failAll(ErrUnavailable, false)
	}
	n.o.Handler.State(nc != nil)
}

// Subjects makes the subjects of this node's prefix.
func (n *Node) Subjects() *Subjects { return &n.subjects }

// Want counts one more reference to the interest in a user, client or channel.
// done is called exactly once, on the control goroutine: with nil when a
// barrier has confirmed the interest (at once when it is confirmed or lingers),
// with ErrUnavailable when the node is not ready, ErrBadSubject, or ErrStopped;
// on an error nothing was counted, so no Unwant must follow. A wait that was
// accepted outlasts a lost connection. done must not block; it may call Want
// and Unwant. After Stop it is called within Want. Want never blocks.
func (n *Node) Want(k Kind, token string, done func(error)) {
	subject, part := n.subjects.Interest(k, token)
	n.WantSubject(subject, part, done)
}

// WantSubject is Want for who has made the subject, by [Subjects.Interest].
func (n *Node) WantSubject(subject, token string, done func(error)) {
	cmd := command{op: opWant, subject: subject, done: done}
	if subject == "" || !goodToken(token) {
		cmd = command{op: opCall, fn: func() { done(ErrBadSubject) }}
	}
	if !n.control.push(cmd) {
		done(ErrStopped)
	}
}

// Unwant gives back one reference of a Want that did not fail. It may follow
// Want before done was called. It never blocks.
func (n *Node) Unwant(k Kind, token string) {
	subject, _ := n.subjects.Interest(k, token)
	n.control.push(command{op: opUnwant, subject: subject})
}

// Publish hands a message or event to the publisher. It never blocks. Order is
// kept with everything that the same goroutine hands over, requests included.
// Errors: ErrFull (Room follows), ErrUnavailable, ErrTooLarge, ErrBadSubject,
// ErrStopped.
func (n *Node) Publish(p *Outgoing) error {
	if !n.goodSubject(p.Subject) {
		n.pub.refused.add(refusedSubject)
		return ErrBadSubject
	}
	return n.pub.put(item{Outgoing: *p})
}

// Request publishes an event whose sender waits for a reply.
// Handler.Reply gets key exactly once if Request returns nil, never otherwise.
// Errors as of Publish, and ErrTooManyRequests, sooner for what is not Urgent. It
// never blocks.
func (n *Node) Request(p *Outgoing, key any) error {
	if !n.goodSubject(p.Subject) {
		n.pub.refused.add(refusedSubject)
		return ErrBadSubject
	}
	id, err := n.requests.add(key, p.Urgent)
	if err != nil {
		n.pub.refused.add(refusedRequests)
		return err
	}
	if err := n.pub.put(item{Outgoing: *p, request: id}); err != nil {
		if _, ok := n.requests.take(id); ok {
			return err
		}
		// The connection was lost in between and the key has had its Reply.
		return nil
	}
	n.requests.made.Add(1)
	return nil
}

// goodSubject guards the connection: the server ends one whose control line is
// too long, and nats.go lets dots at the ends pass that reach nobody.
func (n *Node) goodSubject(s string) bool {
	return len(s) <= MaxSubject && goodLevels(s, true)
}

// ReplyError answers a message that asked for a reply with Hoshi-Error. keyword
// is EDN text with the colon. It is dropped, and counted, when the publish
// queue has no room. It never blocks.
func (n *Node) ReplyError(replyTo, keyword string) {
	if !n.goodSubject(replyTo) || n.pub.put(item{Outgoing: Outgoing{Subject: replyTo}, err: keyword}) != nil {
		n.pub.lost.add(lostReplyError)
	}
}

// Ready says whether the node may take clients and publishes.
func (n *Node) Ready() bool { return n.control.ready.Load() }

// Barrier returns when every server that has a node has everything that was
// published through this node before the call, and every interest whose Want
// had been answered.
// Errors: ErrUnavailable when NATS is away, ErrStopped, or ctx's cause.
func (n *Node) Barrier(ctx context.Context) error {
	answer := make(chan error, 1)
	done := func(err error) { answer <- err }
	ask := func() {
		if !n.control.push(command{op: opBarrier, done: done}) {
			done(ErrStopped)
		}
	}
	if err := n.pub.mark(ask); err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Settle is Barrier, and then waits until all that NATS had brought by then has
// been delivered: every message that was published before the call on a server
// that has a node, to a subject of which the interest was in force, has been
// given to Handler.Deliver. Errors as of Barrier.
func (n *Node) Settle(ctx context.Context) error {
	// The barrier's last answer comes on the connection that brings the messages,
	// behind them, and nats.go puts those into the queues before it goes on.
	if err := n.Barrier(ctx); err != nil {
		return err
	}
	for _, s := range n.shards {
		if err := s.pass(ctx); err != nil {
			return err
		}
	}
	return nil
}

// MaxPayload is the server's max_payload in bytes, headers included. It may
// change with each reconnect; [Handler.State] tells of those. 0 before the
// first connection.
func (n *Node) MaxPayload() int {
	n.pub.mu.Lock()
	defer n.pub.mu.Unlock()
	return n.pub.mu.limit
}

// Interests lists the subjects that the node holds an interest in for its
// clients, lingering ones included, sorted. It is for people: it visits all of
// them on the control goroutine.
func (n *Node) Interests(ctx context.Context) ([]string, error) {
	answer := make(chan []string, 1)
	fn := func() {
		c := n.control
		list := make([]string, 0, len(c.interests))
		for subject, in := range c.interests {
			if in.state != interestGone {
				list = append(list, subject)
			}
		}
		answer <- list
	}
	if !n.control.push(command{op: opCall, fn: fn}) {
		return nil, ErrStopped
	}
	select {
	case list := <-answer:
		slices.Sort(list)
		return list, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Stats is a snapshot of the counters. They are read one after the other.
func (n *Node) Stats() Stats {
	cs := &n.control.stats
	s := Stats{
		Connected:          n.control.connected.Load(),
		Ready:              n.Ready(),
		Connects:           n.control.link.connects.Load(),
		Servers:            int(cs.servers.Load()),
		Barriers:           cs.barriers.Load(),
		BarriersVoided:     cs.voided.Load(),
		ServersStruckOff:   cs.struckOff.Load(),
		ServersPassedOver:  cs.passedOver.Load(),
		Interests:          int(cs.interests.Load()),
		InterestsPending:   int(cs.pending.Load()),
		InterestsLingering: int(cs.lingering.Load()),
		Published:          n.pub.published.Load(),
		PublishRefused:     n.pub.refused.snapshot(refusalNames),
		PublishLost:        n.pub.lost.snapshot(lossNames),
		Requests:           n.requests.made.Load(),
		RequestsPending:    n.requests.pending(),
		Replies:            n.requests.outcome.snapshot(outcomeNames),
		RepliesIgnored:     n.requests.ignored.snapshot(ignoredNames),
		Panics:             n.panics.count.Load(),
	}
	if id := cs.serverID.Load(); id != nil {
		s.ServerID = *id
	}
	n.measure(&s)
	s.PublishQueueMessages, s.PublishQueueBytes = n.pub.queued()
	s.Dropped = map[string]uint64{"bad-heartbeat": cs.badBeats.Load()}
	for _, sh := range n.shards {
		s.Delivered += sh.delivered.Load()
		s.BadTraces += sh.badTraces.Load()
		for k, v := range sh.dropped.snapshot(dropNames) {
			s.Dropped[k] += v
		}
	}
	s.Dropped[dropNames[dropQueueFull]] += n.control.slow.total()
	s.Dropped[DroppedAPI] = n.service.slow.total()
	return s
}

// Stop takes no more publishes, sends what was accepted, waits for a barrier so
// that every server has it, delivers what was under way to this node, and
// closes the connection. ctx bounds the waiting; its end closes at once, with
// what was lost counted, and its cause is returned. Requests that still wait
// get ErrStopped. When Stop returns no method of the Handler is running or will
// be called. More than one call waits for the first.
func (n *Node) Stop(ctx context.Context) error {
	n.stop.Do(func() {
		n.pub.close()
		if n.Ready() {
			n.control.push(command{op: opCall, fn: n.control.leave})
			if err := n.Barrier(ctx); err != nil && ctx.Err() != nil {
				n.err = context.Cause(ctx)
			}
		}
		n.close(ctx)
	})
	return n.err
}

// close ends everything: who feeds others ends before them.
func (n *Node) close(ctx context.Context) {
	n.pub.close()
	n.requests.failAll(ErrStopped, true)
	n.service.stop(ctx, n.control.link.cut)
	n.control.stop(ctx)
	n.pub.stop()
	n.requests.stop()
	close(n.shards[0].quit) // the same for all
	for _, s := range n.shards {
		<-s.done
	}
}
