package bus

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/histogram"
)

// phase is where a connection stands between its begin and ready.
type phase uint8

const (
	// phaseAway: no connection.
	phaseAway phase = iota
	// phaseDiscovering: the nodes were asked who they are, answers come in.
	phaseDiscovering
	// phaseJoining: the first barrier of a connection that comes after a lost
	// one. It has no interests yet: the lost one's end was an UNSUB of each.
	phaseJoining
	// phaseRestoring: interests are subscribed in batches, a barrier each.
	phaseRestoring
	phaseReady
)

// batchSize bounds the SUBs before one barrier.
const batchSize = 1000

// controlOptions is what tells a node's control from a client's. Fixed.
type controlOptions struct {
	*Options
	subjects  Subjects
	node      string // node-id; empty: a client, which answers no barrier
	linger    time.Duration
	heartbeat time.Duration
	// early lets interests be wanted before the node is ready: a client has no
	// promise to keep to others.
	early   bool
	shardOf func(subject string) chan *nats.Msg
	// base subscribes what the connection needs besides the control's own.
	base func(nc *nats.Conn) error
	// joined is [NodeOptions.Joined], nil for none.
	joined func(node string)
	// state is called when the node becomes ready and when it stops being so;
	// nc is nil then.
	state func(nc *nats.Conn)
}

// command is what other goroutines ask of the control goroutine.
type command struct {
	op      commandOp
	subject string
	own     *ownQueue
	done    func(error)
	fn      func()
}

type commandOp uint8

const (
	opWant commandOp = iota
	opUnwant
	opBarrier
	opCall
)

// control owns the interests, the set of known servers and the barrier. One
// goroutine, run, does everything; others hand it commands and never wait for
// it under a lock.
type control struct {
	// Fixed after newControl.
	o     controlOptions
	log   zerolog.Logger
	link  *link
	inbox string         // replies to barriers and hellos: inbox + ".b.*"
	ch    chan *nats.Msg // questions, heartbeats, answers
	wake  chan struct{}
	quit  chan struct{}
	done  chan struct{}
	slow  slowSubs
	known known // nodes; written by run

	// Read by any goroutine.
	stats     controlStats
	current   atomic.Pointer[nats.Conn] // nil unless connected
	ready     atomic.Bool
	connected atomic.Bool

	mu struct {
		sync.Mutex
		commands []command
		stopped  bool
	}

	// Owned by run.
	nc           *nats.Conn
	serverID     string
	phase        phase
	rejoin       bool // the connection follows a lost one
	leaving      bool
	syncSubs     []*nats.Subscription
	now          time.Time
	helloAt      time.Time // second hello; zero: sent
	discoveredAt time.Time // discovery ends
	beatAt       time.Time
	beatSent     time.Time           // of the own heartbeat that has not come back; zero: none
	peers        map[string]struct{} // ids of servers that a barrier asks
	interests    map[string]*interest
	queue        []*interest // to be subscribed
	gone         []*interest // in the order of their UNSUB
	lingers      []lingering
	lingerNumber uint64
	lingerCount  int
	begun        uint64 // barriers begun so far: the number of the latest
	flight       flight
	waiters      []func(error) // for the next barrier, no interest of their own
	scratch      []byte
}

// controlStats is read by any goroutine.
type controlStats struct {
	servers, interests, pending, lingering  atomic.Int64
	barriers, voided, struckOff, passedOver atomic.Uint64
	badBeats                                atomic.Uint64
	serverID                                atomic.Pointer[string]
	rtt, barrierTime                        *histogram.Histogram
}

func newControl(o controlOptions) *control {
	c := &control{
		o:         o,
		log:       o.Logger.With().Str("component", "bus").Logger(),
		inbox:     nats.NewInbox(),
		ch:        make(chan *nats.Msg, 8192),
		wake:      make(chan struct{}, 1),
		quit:      make(chan struct{}),
		done:      make(chan struct{}),
		peers:     map[string]struct{}{},
		interests: map[string]*interest{},
	}
	c.link = newLink(o.Options, c.slow.add)
	c.link.ofNode = o.node != ""
	c.stats.rtt, c.stats.barrierTime = histogram.New(timeScale), histogram.New(timeScale)
	return c
}

// push hands a command over; false when the control has stopped.
func (c *control) push(cmd command) bool {
	c.mu.Lock()
	if c.mu.stopped {
		c.mu.Unlock()
		return false
	}
	c.mu.commands = append(c.mu.commands, cmd)
	first := len(c.mu.commands) == 1
	c.mu.Unlock()
	if first {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// stop ends run and then the connection; when ctx ends first, the socket is cut.
// Commands that were not carried out are answered with ErrStopped.
func (c *control) stop(ctx context.Context) {
	// The control goroutine may be stuck in a write that only the end of the
	// connection frees.
	cut := context.AfterFunc(ctx, c.link.cut)
	defer cut()
	close(c.quit)
	<-c.done
	c.link.stop(ctx)
}

// run is the control goroutine. It ends after stop.
func (c *control) run() {
	defer close(c.done)
	defer c.refuseAll()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		c.now = time.Now()
		c.tick()
		c.begin()
		c.publishGauges()
		timer.Reset(max(c.next().Sub(c.now), 0))
		select {
		case <-c.quit:
			return
		case e := <-c.link.events:
			c.now = time.Now()
			if e.nc != nil {
				c.up(e.nc)
			} else {
				c.down()
			}
		case m := <-c.ch:
			c.message(m)
			c.drainMessages()
		case <-c.wake:
			c.now = time.Now()
			c.drainCommands()
		case <-timer.C:
		}
	}
}

func (c *control) drainMessages() {
	for range 256 {
		select {
		case m := <-c.ch:
			c.message(m)
		default:
			return
		}
	}
}

func (c *control) drainCommands() {
	c.mu.Lock()
	commands := c.mu.commands
	c.mu.commands = nil
	c.mu.Unlock()
	for i := range commands {
		c.do(&commands[i])
	}
}

func (c *control) do(cmd *command) {
	open := c.phase == phaseReady || (c.o.early && c.phase != phaseAway)
	switch cmd.op {
	case opWant:
		if !open {
			cmd.done(ErrUnavailable)
			return
		}
		c.want(cmd.subject, cmd.own, cmd.done)
	case opUnwant:
		c.unwant(cmd.subject)
	case opBarrier:
		if c.phase == phaseAway {
			cmd.done(ErrUnavailable)
			return
		}
		c.waiters = append(c.waiters, cmd.done)
	case opCall:
		cmd.fn()
	}
}

// refuseAll answers everyone who will get no other answer.
func (c *control) refuseAll() {
	c.ready.Store(false)
	c.connected.Store(false)
	c.current.Store(nil)
	c.mu.Lock()
	c.mu.stopped = true
	commands := c.mu.commands
	c.mu.commands = nil
	c.mu.Unlock()
	for _, done := range c.flight.waiters {
		done(ErrStopped)
	}
	for _, done := range c.waiters {
		done(ErrStopped)
	}
	for _, in := range c.interests {
		for _, done := range in.waiters {
			done(ErrStopped)
		}
		in.waiters = nil
	}
	for _, cmd := range commands {
		if cmd.done != nil {
			cmd.done(ErrStopped)
		}
		if cmd.fn != nil {
			cmd.fn()
		}
	}
}

// up begins a connection: the base subscriptions, the one that answers
// barriers first, then the question who else is there.
func (c *control) up(nc *nats.Conn) {
	c.nc = nc
	c.beatSent = time.Time{}
	c.known.clear()
	c.connected.Store(true)
	c.serverID = nc.ConnectedServerId()
	server := c.serverID
	c.stats.serverID.Store(&server)
	if c.o.node != "" && c.serverID != "" { // empty: lost already
		c.peers[c.serverID] = struct{}{}
	}
	c.phase = phaseDiscovering
	c.discoveredAt = c.now.Add(c.o.DiscoveryWait)
	c.helloAt = c.now.Add(c.o.DiscoveryWait * 2 / 3)
	c.beatAt = c.now.Add(c.o.heartbeat)
	if err := c.subscribeBase(); err != nil {
		// Only a connection that is lost already refuses these.
		c.log.Warn().Err(err).Msg("base subscriptions refused")
		nc.Close()
		return
	}
	c.hello()
	// The server's name is its id where it was given none.
	c.log.Info().Str("server", nc.ConnectedServerName()).Int64("max_payload", nc.MaxPayload()).Msg("connected to nats")
	if c.o.early {
		c.current.Store(nc)
	}
}

func (c *control) subscribeBase() error {
	if c.o.node != "" {
		c.syncSubs = c.syncSubs[:0]
		for _, subject := range []string{c.syncSubject(c.serverID), c.apiSyncSubject(c.serverID)} {
			sub, err := c.nc.ChanQueueSubscribe(subject, "sync", c.ch)
			if err != nil {
				return err
			}
			c.syncSubs = append(c.syncSubs, sub)
		}
		if _, err := c.nc.ChanSubscribe(c.apiNodesSubject(), c.ch); err != nil {
			return err
		}
	}
	if _, err := c.nc.ChanSubscribe(c.inbox+".b.*", c.ch); err != nil {
		return err
	}
	if _, err := c.nc.ChanSubscribe(c.nodesSubject(), c.ch); err != nil {
		return err
	}
	return c.o.base(c.nc)
}

// leave stops answering for the server. The barrier that follows carries that
// to every other server, where a question gets its 503 at once then; without
// it, the next barriers of the others would wait for an answer in vain.
func (c *control) leave() {
	c.leaving = true
	if c.nc == nil {
		return
	}
	for _, sub := range c.syncSubs {
		if err := sub.Unsubscribe(); err != nil {
			c.log.Debug().Err(err).Msg("leave on a lost connection")
		}
	}
}

// down ends a connection. Interests are queued for the next one; whoever waits
// joins the first barrier after the restore.
func (c *control) down() {
	c.nc = nil
	c.connected.Store(false)
	c.ready.Store(false)
	c.current.Store(nil)
	c.phase = phaseAway
	c.rejoin = true
	if c.flight.active {
		c.stats.voided.Add(1)
		c.waiters = append(c.flight.waiters, c.waiters...)
		c.flight = flight{}
	}
	c.voidInterests()
	c.o.state(nil)
}

// becomeReady is called when the last barrier of the restore has gone through.
func (c *control) becomeReady() {
	c.phase = phaseReady
	c.rejoin = false
	c.current.Store(c.nc)
	c.ready.Store(true)
	c.o.state(c.nc)
}

// tick does what is due.
func (c *control) tick() {
	if c.nc == nil {
		return
	}
	if !c.helloAt.IsZero() && !c.now.Before(c.helloAt) {
		c.helloAt = time.Time{}
		c.hello()
	}
	if c.phase == phaseDiscovering && !c.now.Before(c.discoveredAt) {
		c.phase = phaseRestoring
		if c.rejoin {
			c.phase = phaseJoining
		}
	}
	if c.o.node != "" && !c.now.Before(c.beatAt) {
		c.beatAt = c.now.Add(c.o.heartbeat)
		if !c.leaving {
			if c.beatSent.IsZero() { // or the last one is late: what comes next is that
				c.beatSent = time.Now()
			}
			c.heartbeat("")
		}
	}
	if c.flight.active && !c.now.Before(c.flight.deadline) {
		c.passOver()
	}
	if len(c.lingers) > 0 && (!c.lingers[0].deadline.After(c.now) || c.lingers[0].in.lingers != c.lingers[0].number) {
		c.expire()
	}
}

// next is when tick has something to do again.
func (c *control) next() time.Time {
	t := c.now.Add(time.Hour)
	sooner := func(u time.Time) {
		if u.Before(t) {
			t = u
		}
	}
	if c.nc == nil {
		return t
	}
	if !c.helloAt.IsZero() {
		sooner(c.helloAt)
	}
	if c.phase == phaseDiscovering {
		sooner(c.discoveredAt)
	}
	if c.o.node != "" {
		sooner(c.beatAt)
	}
	if c.flight.active {
		sooner(c.flight.deadline)
	}
	if len(c.lingers) > 0 {
		// A little late, so that neighbours go together.
		sooner(c.lingers[0].deadline.Add(10 * time.Millisecond))
	}
	return t
}

func (c *control) publishGauges() {
	c.stats.servers.Store(int64(len(c.peers)))
	c.stats.interests.Store(int64(len(c.interests) - len(c.gone)))
	c.stats.pending.Store(int64(len(c.queue) + len(c.flight.batch)))
	c.stats.lingering.Store(int64(c.lingerCount))
}
