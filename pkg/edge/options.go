package edge

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"github.com/hoshi-ws/hoshi/internal/dialect/sente"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// Defaults of [Options].
const (
	DefaultListen                  = "127.0.0.1:8080"
	DefaultAdminListen             = "127.0.0.1:8081"
	DefaultMaxMessage              = 1 << 20 // bytes
	DefaultQueueMessages           = 1000
	DefaultQueueBytes              = 2 << 20
	DefaultSendBuffer              = 128 << 10
	DefaultDeflateMin              = 1 << 10 // bytes
	DefaultMaxSubscriptionsPerConn = 100
	DefaultMaxAsks                 = 1024
	DefaultMaxAsked                = 1 << 18
	DefaultMaxRevocations          = 100_000
	DefaultPingInterval            = 30 * time.Second
	DefaultIdleTimeout             = 60 * time.Second
	DefaultStallTimeout            = 30 * time.Second
	DefaultHandshakeTimeout        = 10 * time.Second
	DefaultCloseTimeout            = 5 * time.Second

	DefaultSenteWSKalive      = 25 * time.Second
	DefaultSenteWSPingTimeout = 10 * time.Second
	DefaultSenteSendBufWS     = 30 * time.Millisecond
	DefaultSenteSendBufAjax   = 100 * time.Millisecond
	DefaultSenteLPTimeout     = 20 * time.Second
	DefaultSenteReconnectWS   = 2500 * time.Millisecond
	DefaultSenteReconnectAjax = 5 * time.Second
	DefaultSenteMaxPolls      = 10_000
)

// Options configure a [Node]. The zero value of each field means its default.
type Options struct {
	// Listen and AdminListen are the addresses, host:port; port 0 lets the
	// system choose. Defaults [DefaultListen] and [DefaultAdminListen].
	Listen, AdminListen string

	// MetricsListen is the address of a third listener, for who may look and not
	// touch: it serves GET /health, /health/ready and, if it is among AdminRoutes,
	// /metrics, and nothing else. Empty, the default, is none.
	MetricsListen string

	// AdminRoutes, where set, returns what else the admin listener serves, by
	// patterns of [http.ServeMux] that begin with a method, like "GET /metrics". It
	// is called once, by Start, before anything is served, with a node whose
	// methods may be used from the first request on. A pattern that the node has
	// itself fails the start. Pages of browsers are kept from what is not GET.
	AdminRoutes func(*Node) map[string]http.Handler

	// TLS has Listen speak TLS.
	TLS TLSOptions

	// ProxyFrom are the proxies that begin each connection with a header of the
	// PROXY protocol, version 1 or 2: it is required of them, and looked for from
	// nobody else. ForwardedFrom are those whose X-Forwarded-For is believed.
	ProxyFrom, ForwardedFrom []netip.Prefix

	// Bus says how to reach NATS; its Logger and Name are set by Start.
	Bus bus.Options

	// ID is the node-id; the zero value means a random one.
	ID id.Node

	// Echo runs the built-in demo backend, queue group "echo".
	Echo bool

	// InsecureUIDParam names the query parameter whose value is believed to be
	// the uid; empty, the default, believes none. For development only.
	InsecureUIDParam string

	// MaxMessage bounds a client's message, in bytes; beyond it the connection
	// is closed with 1009. A NATS server with a smaller limit lowers it.
	MaxMessage int

	// QueueMessages and QueueBytes bound the send queue of each connection.
	QueueMessages, QueueBytes int

	// SendBuffer bounds the bytes that the system holds of a connection, beyond what
	// is on its way to the client: what a client that stands still costs beside its
	// queue, and what no policy can take back. Negative leaves it to the system.
	// Linux only. Default [DefaultSendBuffer].
	SendBuffer int

	// Deflate agrees to permessage-deflate (RFC 7692) with clients that offer it,
	// but for those that use the gzip wrapper. A frame of DeflateMin bytes or more
	// is compressed once for all who take it so. Off by default.
	Deflate    bool
	DeflateMin int

	// WSEcho is a path, such as /echo, where WebSocket messages of up to MaxMessage
	// bytes, whatever NATS carries, are sent back as they came: for measurements and
	// conformance suites. Origins and tokens count as for all others, and nothing
	// else of Access does. Empty, the default, is none.
	WSEcho string

	// Overflow is the policy for what does not fit that queue, of channels
	// that Channels.Overflow says nothing of and of pushes.
	Overflow Overflow

	// Limits are what clients may have and may do.
	Limits LimitOptions

	// Access says who may come, and what for.
	Access AccessOptions

	// Channels are the rules for channels.
	Channels ChannelOptions

	// Callouts say what backends are asked before clients may do it.
	Callouts CalloutOptions

	// WrapRecv wraps every event but those of namespace chsk in
	// [:chsk/recv ..], for clients set to wrap-recv-evs?.
	WrapRecv bool

	// Dialect is that of every client, "sente" or "sente-lite". Empty, the default,
	// lets each be told by its request: clients of Sente send a client-id, or come
	// to /chsk.
	Dialect string

	// Format is that of connections that name none, by the query's format=json and
	// the like or by a subprotocol like hoshi.json; Gzip says that they use the
	// wrapper of Sente's gzip packer too. The default is EDN without it.
	Format codec.Format
	Gzip   bool

	// Sente is about clients of Sente.
	Sente SenteOptions

	// PingInterval is the time between pings to a client, IdleTimeout the time
	// without any frame after which it is cut.
	PingInterval, IdleTimeout time.Duration

	// StallTimeout is how long the system may take nothing of a queue that is
	// not empty: then the client is cut, whatever the policy and whatever it
	// sends. So is one that has begun a message which neither ends nor gains
	// 16 KiB in that time.
	StallTimeout time.Duration

	// HandshakeTimeout bounds the whole request head, CloseTimeout the closing
	// of a connection whose peer does not read.
	HandshakeTimeout, CloseTimeout time.Duration

	// RequestTimeout bounds the wait for a backend's answer to a callback,
	// BarrierTimeout the wait for another server's answer to a barrier; Linger
	// is how long an interest outlives its last subscriber.
	RequestTimeout, BarrierTimeout, Linger time.Duration

	// DrainTime is how long [Node.Drain] takes to let all clients go, evenly.
	// DrainRate is how many may go in a second: where the time is too short for
	// that, the time counts, and the log says so. Defaults [DefaultDrainTime] and
	// [DefaultDrainRate]; a negative time means all at once.
	DrainTime time.Duration
	DrainRate int

	// OnDrain is called once when the node is asked to drain and end, by POST /drain
	// or an administrator on NATS. It must not block, and is to have Drain and then
	// Stop called: the node does neither by itself. Nil refuses such requests.
	OnDrain func()

	// OnLogLevel is called when an administrator on NATS wants the node to log at
	// another level, for a time or with 0 for good. Nil, or an error, refuses it. Any
	// goroutine.
	OnLogLevel func(level string, lasts time.Duration) error

	// ReadyGrace is how long NATS may be away before /health/ready says 503. New
	// handshakes are refused meanwhile, clients stay connected in any case.
	// Negative means none, the default is [DefaultReadyGrace].
	ReadyGrace time.Duration

	// MaxRevocations bounds the revocations that are remembered; more are refused
	// with :too-many-revocations. Default [DefaultMaxRevocations].
	MaxRevocations int

	// MaxAsks bounds the asks of backends that wait for answers of this node's
	// clients, MaxAsked the connections that all of them have asked. More are
	// refused with :too-many-asks.
	MaxAsks, MaxAsked int

	// Loops is the number of event loops; the default is GOMAXPROCS.
	Loops int

	// Portable runs the loops that need no epoll. They cost goroutines for each
	// connection.
	Portable bool

	// Tracer makes the spans of what clients send, and of deliveries: nil, the
	// default, makes none. It decides which are recorded, must not block, and is used
	// until Stop has returned. TraceClients is how many spans a second are recorded
	// because a client says that its own trace is; others of these are traced no
	// further. The default is none.
	Tracer       trace.Tracer
	TraceClients int

	// Version is announced in the handshake and the health answer, Commit, which
	// may be empty, in the latter alone.
	Version, Commit string

	// Logger receives the node's log; nil means none.
	Logger *zerolog.Logger

	// locate is how long the holder of a tab may take to say so, locateTimeout unless
	// a test says otherwise.
	locate time.Duration
}

// SenteOptions are about clients of Sente. Their names are those of the
// reference, and so are the defaults.
type SenteOptions struct {
	// WSKalive, half of which without a frame brings a ping, and WSPingTimeout,
	// the silence after that for which a socket is cut. Defaults
	// [DefaultSenteWSKalive] and [DefaultSenteWSPingTimeout].
	WSKalive, WSPingTimeout time.Duration

	// SendBufWS and SendBufAjax are how long a push may wait for others, so that
	// they leave as one vector: 16 of them, or 16 KiB, leave at once. Negative
	// means not at all. Defaults [DefaultSenteSendBufWS] and
	// [DefaultSenteSendBufAjax].
	SendBufWS, SendBufAjax time.Duration

	// LPTimeout is how long a poll waits for a push. Default
	// [DefaultSenteLPTimeout].
	LPTimeout time.Duration

	// ReconnectWS and ReconnectAjax are how long what is pushed waits for a client
	// whose socket has closed, or that has been answered and has not polled again.
	// Defaults [DefaultSenteReconnectWS] and [DefaultSenteReconnectAjax].
	ReconnectWS, ReconnectAjax time.Duration

	// MaxPolls bounds the polls that wait at this node, each of which costs a
	// goroutine, a connection of net/http and its buffers, some 20 KiB in all.
	// Default [DefaultSenteMaxPolls].
	MaxPolls int
}

// ChannelOptions are the rules for channels.
type ChannelOptions struct {
	// MustExist, with Patterns, makes only the channels exist that match one:
	// others are refused with :channel-not-found. In a pattern, matched with a
	// string's own text or the EDN text of any other channel id, * stands for
	// any run of characters. The default: every channel exists.
	MustExist bool
	Patterns  []string

	// Overflow gives channels a policy of their own; the first rule whose
	// pattern matches counts.
	Overflow []ChannelOverflow

	// Batch lets the messages of channels wait for others, for fewer and larger
	// writes; the first rule whose pattern matches counts. The default is not to.
	Batch []ChannelBatch

	// MaxSubscriptionsPerConn bounds one connection's channels, default
	// [DefaultMaxSubscriptionsPerConn]; MaxSubscribers bounds one channel's
	// subscribers on this node, 0 means no bound.
	MaxSubscriptionsPerConn, MaxSubscribers int
}

// withDefaults fills the zero fields and reports every wrong one, joined.
func (o Options) withDefaults() (Options, error) {
	var errs []error
	set := func(name string, p *int, def, low, high int) {
		if *p == 0 {
			*p = def
		}
		if *p < low || *p > high {
			errs = append(errs, fmt.Errorf("%s must be from %d to %d, not %d", name, low, high, *p))
		}
	}
	wait := func(name string, p *time.Duration, def time.Duration) {
		if *p == 0 {
			*p = def
		}
		if *p < 0 {
			errs = append(errs, fmt.Errorf("%s must not be negative, not %v", name, *p))
		}
	}
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.AdminListen == "" {
		o.AdminListen = DefaultAdminListen
	}
	if o.ID == (id.Node{}) {
		o.ID = id.NewNode()
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.Logger == nil {
		nop := zerolog.Nop()
		o.Logger = &nop
	}
	set("MaxMessage", &o.MaxMessage, DefaultMaxMessage, 1024, 64<<20)
	set("QueueMessages", &o.QueueMessages, DefaultQueueMessages, 1, 1<<20)
	set("QueueBytes", &o.QueueBytes, DefaultQueueBytes, 1024, 1<<30)
	if o.SendBuffer = max(o.SendBuffer, -1); o.SendBuffer != -1 {
		set("SendBuffer", &o.SendBuffer, DefaultSendBuffer, 1, 1<<30)
	}
	set("DeflateMin", &o.DeflateMin, DefaultDeflateMin, 1, 1<<30)
	set("MaxSubscriptionsPerConn", &o.Channels.MaxSubscriptionsPerConn, DefaultMaxSubscriptionsPerConn, 1, 1<<15)
	set("MaxAsks", &o.MaxAsks, DefaultMaxAsks, 1, 1<<16)
	set("MaxRevocations", &o.MaxRevocations, DefaultMaxRevocations, 1, 10_000_000)
	set("MaxAsked", &o.MaxAsked, DefaultMaxAsked, 1, 1<<24)
	if err := o.Limits.withDefaults(o.QueueMessages); err != nil {
		errs = append(errs, err)
	}
	if o.Channels.MaxSubscribers < 0 {
		errs = append(errs, fmt.Errorf("MaxSubscribers must not be negative, not %d", o.Channels.MaxSubscribers))
	}
	wait("PingInterval", &o.PingInterval, DefaultPingInterval)
	wait("IdleTimeout", &o.IdleTimeout, DefaultIdleTimeout)
	wait("StallTimeout", &o.StallTimeout, DefaultStallTimeout)
	wait("HandshakeTimeout", &o.HandshakeTimeout, DefaultHandshakeTimeout)
	wait("CloseTimeout", &o.CloseTimeout, DefaultCloseTimeout)
	wait("Sente.WSKalive", &o.Sente.WSKalive, DefaultSenteWSKalive)
	wait("Sente.WSPingTimeout", &o.Sente.WSPingTimeout, DefaultSenteWSPingTimeout)
	wait("Sente.LPTimeout", &o.Sente.LPTimeout, DefaultSenteLPTimeout)
	wait("Sente.ReconnectWS", &o.Sente.ReconnectWS, DefaultSenteReconnectWS)
	wait("Sente.ReconnectAjax", &o.Sente.ReconnectAjax, DefaultSenteReconnectAjax)
	set("Sente.MaxPolls", &o.Sente.MaxPolls, DefaultSenteMaxPolls, 1, 1<<20)
	if o.Sente.SendBufWS == 0 {
		o.Sente.SendBufWS = DefaultSenteSendBufWS
	}
	if o.Sente.SendBufAjax == 0 {
		o.Sente.SendBufAjax = DefaultSenteSendBufAjax
	}
	if o.DrainTime == 0 {
		o.DrainTime = DefaultDrainTime
	}
	set("DrainRate", &o.DrainRate, DefaultDrainRate, 1, 1<<30)
	if o.ReadyGrace == 0 {
		o.ReadyGrace = DefaultReadyGrace
	}
	if o.Dialect != "" && o.Dialect != sente.Name && o.Dialect != sentelite.Name {
		errs = append(errs, fmt.Errorf("the Dialect must be %q, %q or empty, not %q", sente.Name, sentelite.Name, o.Dialect))
	}
	var tlsErr error
	if o.TLS, tlsErr = o.TLS.withDefaults(); tlsErr != nil {
		errs = append(errs, tlsErr)
	}
	errs = append(errs, o.checkOverflow()...)
	errs = append(errs, o.Callouts.check()...)
	if err := o.checkWSEcho(); err != nil {
		errs = append(errs, err)
	}
	if o.Format >= codec.Formats {
		errs = append(errs, fmt.Errorf("unknown Format %d", o.Format))
	}
	if o.IdleTimeout < o.PingInterval {
		errs = append(errs, fmt.Errorf("IdleTimeout (%v) must not be shorter than PingInterval (%v)", o.IdleTimeout, o.PingInterval))
	}
	return o, errors.Join(errs...)
}
