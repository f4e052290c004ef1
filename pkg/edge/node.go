package edge

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/certs"
	"github.com/hoshi-ws/hoshi/internal/hub"
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// Node is a running edge node. Make it with [Start]. All methods are safe for
// concurrent use.
type Node struct {
	// Fixed after Start.
	opts          Options
	maxOwed       int // subscribes of one connection that wait for interests at once
	log           zerolog.Logger
	started       time.Time
	hungAfter     time.Duration // loopHangs, but in tests
	access        *access
	ids           *id.Generator
	channels      *hub.Hub[*session]
	users         *hub.Hub[*session]
	clients       *hub.Hub[*session] // of Sente, by client-id
	joiners       []joiner           // one for each loop, owned by it
	conns         *hub.Table[*session]
	ws            *wsconn.Server
	bus           *bus.Node
	echo          *bus.Client // nil without Echo
	handoff       *handoff    // plain HTTP of the main listener
	mainHTTP      *http.Server
	adminHTTP     *http.Server
	adminListener net.Listener
	metricsHTTP   *http.Server
	// metricsListener is nil without MetricsListen.
	metricsListener net.Listener
	certs           *certs.Store // nil without TLS
	voices          [voiceCount]*voice
	outbound        []outbound     // one for each shard of the bus, owned by its goroutine
	badPush         zerolog.Logger // at a bounded rate, like large
	large           zerolog.Logger
	pushes          wsconn.Class // of what backends push to users, connections and everyone

	counts     *counts
	replies    conversions              // of the answers to callbacks
	speakers   [voiceCount]atomic.Int32 // open connections of each voice
	held       heldBack
	tabs       tabs
	asks       *asks
	limits     limits
	panics     atomic.Uint64 // in sessions that poll
	callouts   *callouts
	revoker    *revoker
	security   securityLog
	tracing    tracing
	observed   observed
	watches    watches
	slots      atomic.Uint32 // the last number given to a latest-only channel
	maxMessage atomic.Int64  // bytes; lowered by a NATS server with a smaller limit
	connected  atomic.Bool   // the bus has been started: its goroutines may use it
	ready      atomic.Bool
	readiness  readiness
	stopping   atomic.Bool
	drain      drainState

	serving sync.WaitGroup // the two goroutines that serve HTTP
	stop    struct {
		sync.Once
		err error
	}
}

// fromBus is Node as package bus sees it: these methods stay out of Node's,
// which programs see.
type fromBus Node

var _ bus.Handler = (*fromBus)(nil)

// The five of [bus.Handler].
func (h *fromBus) Deliver(shard int, m *bus.Message) { (*Node)(h).deliver(shard, m) }
func (h *fromBus) Flush(shard int)                   { h.outbound[shard].flush() }
func (h *fromBus) Reply(r bus.Reply)                 { (*Node)(h).reply(r) }
func (h *fromBus) State(up bool)                     { (*Node)(h).state(up) }
func (h *fromBus) Room()                             { (*Node)(h).room() }

// Start listens, connects to NATS and serves. It returns when the node takes
// clients, after its first barrier; ctx bounds that. Both addresses in use are
// reported together, each as a [*ListenError]. The node runs until Stop.
//
// Where Options.Bus has a ConnectWait, and NATS is not there within a moment, the node
// serves meanwhile as one whose NATS is away: clients are refused with 503, it is not
// ready, and the admin listener answers. Options.OnDrain may be called then: who
// runs the node ends ctx.
func Start(ctx context.Context, o Options) (*Node, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	access, err := newAccess(&o.Access)
	if err != nil {
		return nil, err
	}
	access.certUID = certs.Field(o.TLS.ClientUID)
	n := &Node{
		opts:    o,
		log:     o.Logger.With().Str("component", "edge").Logger(),
		started: time.Now(),
		access:  access,
		ids:     id.NewGenerator(o.ID),
		users:   hub.New[*session](nil),
		clients: hub.New[*session](nil),
		conns:   hub.NewTable[*session](),
		counts:  newCounts(),

		hungAfter: loopHangs,
	}
	n.drain.setUp()
	n.asks = newAsks(n)
	n.revoker = newRevoker(n)
	n.security.setUp(o.Logger, n.started)
	n.tabs.away, n.tabs.relays = hub.NewTable[*session](), hub.NewTable[*relay]()
	n.setUpVoices()
	n.callouts = newCallouts(n)
	n.channels = hub.New[*session](n.setUpOverflow())
	n.badPush = n.log.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second})
	n.large = n.log.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second})
	n.maxMessage.Store(int64(o.MaxMessage))
	n.limits.setUp(&o)
	n.tracing.setUp(&o)
	n.readiness.follow(false, 0)
	// A connection can have so many channels, and may ask for each twice.
	n.maxOwed = max(min(o.QueueMessages/2, 2*o.Channels.MaxSubscriptionsPerConn), 1)
	if err := n.listen(); err != nil {
		return nil, err
	}
	n.access.start()
	serve := sync.OnceFunc(n.serve)
	if err := n.attach(ctx, serve); err != nil {
		n.abandon(ctx)
		return nil, err
	}
	if o.Echo {
		if err := n.startEcho(ctx); err != nil {
			n.abandon(ctx)
			return nil, err
		}
	}
	n.readiness.begun.Store(true) // behind all that ctx may still end
	serve()
	return n, nil
}

const (
	// serveEarly is how long a start without NATS leaves those who ask for the node's
	// health waiting. A start with NATS takes less, mostly.
	serveEarly = 500 * time.Millisecond
	// abandonTime is for who is being answered when a start fails.
	abandonTime = time.Second
)

// abandon ends a node that could not be started.
func (n *Node) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTime)
	defer cancel()
	n.Stop(ctx)  //nolint:errcheck // why it could not be started is worse
	n.closeOwn() // where nothing has been served
}

// listen opens all addresses, and reports all that fail.
func (n *Node) listen() error {
	o := &n.opts
	secure, err := n.loadTLS()
	if err != nil {
		return err
	}
	var mainErr error
	n.ws, mainErr = wsconn.New(wsconn.Options{
		Addr:             o.Listen,
		Loops:            o.Loops,
		Portable:         o.Portable,
		TLS:              secure,
		ProxyFrom:        o.ProxyFrom,
		ForwardedFrom:    o.ForwardedFrom,
		NewConn:          n.newSession,
		MaxMessage:       o.MaxMessage,
		QueueMessages:    o.QueueMessages,
		QueueBytes:       o.QueueBytes,
		SendBuffer:       o.SendBuffer,
		Deflate:          o.Deflate,
		DeflateMin:       o.DeflateMin,
		HandshakeTimeout: o.HandshakeTimeout,
		PingInterval:     o.PingInterval,
		IdleTimeout:      o.IdleTimeout,
		StallTimeout:     o.StallTimeout,
		CloseTimeout:     o.CloseTimeout,
		Limits:           o.Limits.ofSockets(),
		Refused:          n.refusedByServer,
		Notice:           n.notice,
		Join:             n.joinParts,
		Logger:           *o.Logger,
	})
	var errs []error
	if mainErr != nil {
		errs = append(errs, &ListenError{Listener: Main, Addr: o.Listen, Err: mainErr})
	}
	own := func(l Listener, addr string) net.Listener {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			errs = append(errs, &ListenError{Listener: l, Addr: addr, Err: err})
			return nil
		}
		return ln
	}
	admin := own(Admin, o.AdminListen)
	var metrics net.Listener
	if o.MetricsListen != "" {
		metrics = own(Metrics, o.MetricsListen)
	}
	if len(errs) > 0 {
		for _, ln := range []net.Listener{admin, metrics} {
			if ln != nil {
				ln.Close()
			}
		}
		if mainErr == nil {
			n.ws.Stop(context.Background(), wsconn.StatusServiceRestart, "") //nolint:errcheck // nothing was accepted
		}
		return errors.Join(errs...)
	}
	n.joiners = make([]joiner, n.ws.Loops())
	if err := n.setUpHTTP(admin, metrics); err != nil {
		n.closeListeners()
		return err
	}
	n.mainHTTP.ConnContext = withCertificate
	return nil
}

func (n *Node) newSession() (wsconn.Handler, *wsconn.Conn) {
	s := &session{node: n}
	return s, &s.Conn
}

// setUpBus makes the node's end of the bus, which connect starts.
func (n *Node) setUpBus() error {
	o := n.opts.Bus
	o.Name = "hoshi-" + n.opts.ID.String()
	o.Logger = n.opts.Logger
	o.BarrierTimeout = n.opts.BarrierTimeout
	shards := n.ws.Loops()
	n.outbound = make([]outbound, shards)
	for i := range n.outbound {
		n.outbound[i].node, n.outbound[i].batch = n, n.ws.NewBatch()
	}
	b, err := bus.NewNode(bus.NodeOptions{
		Options:        o,
		ID:             n.opts.ID,
		Handler:        (*fromBus)(n),
		Joined:         n.joined,
		Observer:       (*observer)(n),
		Version:        n.opts.Version,
		Shards:         shards,
		RequestTimeout: n.opts.RequestTimeout,
		Linger:         n.opts.Linger,
	})
	n.bus = b
	return err
}

// attach connects the node to NATS. serve is called where that takes long, and may; it
// has returned then.
func (n *Node) attach(ctx context.Context, serve func()) error {
	if err := n.setUpBus(); err != nil {
		return err
	}
	if n.opts.Bus.ConnectWait == 0 {
		return n.connect(ctx)
	}
	early := time.AfterFunc(serveEarly, func() {
		n.log.Info().Stringer("listen", n.Addr()).Stringer("admin_listen", n.AdminAddr()).Msg("node waits for nats, and refuses clients meanwhile")
		serve()
	})
	err := n.connect(ctx)
	if !early.Stop() {
		serve() // waits for the one that has begun
	}
	return err
}

// connect returns when clients may come.
func (n *Node) connect(ctx context.Context) error {
	if err := n.bus.Start(ctx); err != nil {
		return err
	}
	n.connected.Store(true)
	n.fitToPayload()
	n.revoker.start()
	return n.learnFirst(ctx)
}

// Addr returns the address that clients connect to, AdminAddr the one for
// operators.
func (n *Node) Addr() net.Addr { return n.ws.Addr() }

// AdminAddr returns the address of /stats, /channels and profiling.
func (n *Node) AdminAddr() net.Addr { return n.adminListener.Addr() }

// MetricsAddr returns the address of [Options.MetricsListen], nil without one.
func (n *Node) MetricsAddr() net.Addr {
	if n.metricsListener == nil {
		return nil
	}
	return n.metricsListener.Addr()
}

// ID returns the node-id.
func (n *Node) ID() id.Node { return n.opts.ID }

// Ready reports whether the node takes clients: NATS is there, its barrier has
// gone through, and neither Drain nor Stop has been called. /health/ready goes on
// saying so for Options.ReadyGrace while NATS is away.
func (n *Node) Ready() bool { return n.attached() && !n.draining() }

// Connections returns how many connections are open, their handshake done;
// clients that poll count as one each.
func (n *Node) Connections() int { return n.conns.Len() + int(n.tabs.sessions.Load()) }

// state follows the bus. It runs on its control goroutine.
func (n *Node) state(up bool) {
	n.readiness.follow(up, time.Since(n.started))
	n.revoker.state(up)
	if !up {
		n.log.Warn().Msg("nats is away, clients stay connected")
		return
	}
	if n.connected.Load() {
		n.fitToPayload()
	}
}

const (
	// headerRoom is kept free below NATS's limit for headers.
	headerRoom = 16 << 10
	// usualPayload is the max_payload of a NATS server that is told nothing else.
	usualPayload = 1 << 20
)

// fitToPayload lowers the message limit to what the NATS server takes, and
// says so.
func (n *Node) fitToPayload() {
	limit := int64(n.opts.MaxMessage)
	payload := int64(n.bus.MaxPayload())
	if carried := payload - headerRoom; carried < limit {
		limit = max(carried, 1024)
	}
	old := n.maxMessage.Swap(limit)
	if old == limit {
		return
	}
	n.ws.SetMaxMessage(int(limit))
	level := zerolog.WarnLevel
	// The defaults of both differ by what headers take, which nobody has to mend.
	usual := n.opts.MaxMessage == DefaultMaxMessage && limit >= usualPayload-headerRoom
	if usual || limit == int64(n.opts.MaxMessage) {
		level = zerolog.InfoLevel
	}
	n.log.WithLevel(level).Int64("max_message_bytes", limit).Int("configured_bytes", n.opts.MaxMessage).
		Int64("nats_max_payload_bytes", payload).
		Msg("message limit follows the nats server, raise its max_payload to have the configured one")
}

// Stop ends the node: it is not ready from now on, takes no more connections,
// closes its clients with 1012, all at once where [Node.Drain] has not let them go
// before, hands over what they sent, and leaves NATS last. ctx bounds the waiting; what has not ended then is cut. Later
// calls wait for the first and return what it returned.
func (n *Node) Stop(ctx context.Context) error {
	n.stop.Do(func() {
		n.stopping.Store(true)
		close(n.drain.stopped)
		var (
			errs    []error
			echoErr error
			echo    sync.WaitGroup
		)
		if n.echo != nil { // not first: where NATS stands still it takes all the time there is
			echo.Go(func() { echoErr = n.echo.Drain(ctx) })
		}
		n.endTabs()
		errs = append(errs, n.ws.Stop(ctx, wsconn.StatusServiceRestart, drainReason))
		n.endTabs() // of sockets that were closing
		echo.Wait()
		errs = append(errs, echoErr)
		n.asks.stop()
		n.revoker.stop()
		n.access.stop()
		if n.bus != nil {
			errs = append(errs, n.bus.Stop(ctx))
		}
		errs = append(errs, n.stopHTTP(ctx))
		n.serving.Wait()
		n.stop.err = errors.Join(errs...)
	})
	return n.stop.err
}

func (n *Node) now() time.Time { return time.Now() }
