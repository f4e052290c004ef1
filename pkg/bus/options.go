package bus

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/id"
)

// Defaults of [Options] and [NodeOptions].
const (
	DefaultPrefix               = "hoshi"
	DefaultURL                  = "nats://127.0.0.1:4222"
	DefaultConnectTimeout       = 5 * time.Second
	DefaultReconnectWait        = 100 * time.Millisecond
	DefaultMaxReconnectWait     = 2 * time.Second
	DefaultBarrierTimeout       = time.Second
	DefaultDiscoveryWait        = 150 * time.Millisecond
	DefaultRequestTimeout       = 15 * time.Second
	DefaultLinger               = 5 * time.Second
	DefaultHeartbeat            = time.Second
	DefaultPublishQueueMessages = 8192
	DefaultPublishQueueBytes    = 16 << 20
	DefaultShardQueueMessages   = 65536
	DefaultMaxPendingRequests   = 65536
)

// Options says how to reach NATS. The zero value dials nats://127.0.0.1:4222.
type Options struct {
	// URLs of NATS servers, tried in random order; more of the cluster are
	// learned from the first. Default nats://127.0.0.1:4222.
	URLs []string
	// InProcess, when not nil, is asked for the connection instead of dialling
	// URLs: the embedded server.
	InProcess nats.InProcessConnProvider
	// Name is shown by the server in its list of connections.
	Name string
	// Prefix is the first token of every subject. Default "hoshi".
	Prefix string

	// Credentials. At most one kind; a user in a URL wins.
	CredentialsFile    string // a .creds file: JWT and seed
	Username, Password string
	Token              string
	NKeyFile           string // a file with an nkey seed

	// TLS. TLSRequired, or any of the files, asks for a TLS connection.
	TLSRequired bool
	TLSCAFile   string
	TLSCertFile string
	TLSKeyFile  string

	// Logger takes the log; nil means none.
	Logger *zerolog.Logger

	// ConnectTimeout bounds one attempt to connect, and with several URLs all
	// attempts of the first connect together. Default 5 s.
	ConnectTimeout time.Duration
	// ConnectWait is for how long the first connect is tried again, with pauses as
	// after a loss, while there is no NATS; what no waiting mends, such as refused
	// credentials or a file that cannot be read, ends it at once. Default 0: it is
	// tried once. Negative: until ctx ends. Why there is none is logged meanwhile.
	ConnectWait time.Duration
	// ReconnectWait is the first pause between attempts after a connection was
	// lost; it doubles up to MaxReconnectWait, with jitter. The first attempt
	// has no pause. Defaults 100 ms and 2 s.
	ReconnectWait    time.Duration
	MaxReconnectWait time.Duration
	// BarrierTimeout is when a barrier passes over a server that stays silent.
	// Default 1 s.
	BarrierTimeout time.Duration
	// DiscoveryWait is how long answers of the nodes are gathered after each
	// connect, before the first barrier. Default 150 ms.
	DiscoveryWait time.Duration
}

// NodeOptions says how a node uses the bus. ID and Handler must be set.
type NodeOptions struct {
	Options

	ID      id.Node
	Handler Handler
	// Shards is the number of goroutines that deliver. Default 1.
	Shards int
	// ShardQueueMessages is the number of messages that may wait for one
	// shard; more are dropped and counted. Default 65,536.
	ShardQueueMessages int
	// PublishQueueMessages and PublishQueueBytes bound what waits for the
	// publisher; one message always fits an empty queue. Defaults 8,192
	// messages and 16 MiB.
	PublishQueueMessages int
	PublishQueueBytes    int
	// RequestTimeout is when a request without a valid reply ends with
	// ErrTimeout. Default 15 s.
	RequestTimeout time.Duration
	// MaxPendingRequests bounds the requests that wait, but for those of [Node.Call]
	// and Urgent ones, which may be a quarter more. Default 65,536, at most 786,432.
	MaxPendingRequests int
	// Linger is how long an interest stays after its last Unwant. Default 5 s.
	Linger time.Duration
	// Heartbeat is the period of heartbeats. Default 1 s.
	Heartbeat time.Duration
	// Joined, if it is not nil, is called on the control goroutine when, while this
	// node is ready, another one is heard of that was not known, or silent for three
	// heartbeats: what was said meanwhile one of the two may have missed. It must not
	// block.
	Joined func(node string)
	// Observer, if it is not nil, makes the node a micro service of NATS, which answers
	// who asks about it; Version is what that says.
	Observer Observer
	Version  string
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (o *Options) fill() error {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if !goodPrefix(o.Prefix) {
		return fmt.Errorf("%w: prefix %q", ErrBadOption, o.Prefix)
	}
	if len(o.URLs) == 0 {
		o.URLs = []string{DefaultURL}
	}
	if o.Logger == nil {
		nop := zerolog.Nop()
		o.Logger = &nop
	}
	kinds := 0
	for _, s := range []string{o.CredentialsFile, o.Username, o.Token, o.NKeyFile} {
		if s != "" {
			kinds++
		}
	}
	if kinds > 1 {
		return fmt.Errorf("%w: more than one of credentials file, user, token and nkey", ErrBadOption)
	}
	if (o.TLSCertFile == "") != (o.TLSKeyFile == "") {
		return fmt.Errorf("%w: a TLS certificate and its key go together", ErrBadOption)
	}
	orDefault(&o.ConnectTimeout, DefaultConnectTimeout)
	orDefault(&o.ReconnectWait, DefaultReconnectWait)
	orDefault(&o.MaxReconnectWait, max(DefaultMaxReconnectWait, o.ReconnectWait))
	orDefault(&o.BarrierTimeout, DefaultBarrierTimeout)
	orDefault(&o.DiscoveryWait, DefaultDiscoveryWait)
	return nil
}

func (o *NodeOptions) fill() error {
	if err := o.Options.fill(); err != nil {
		return err
	}
	if o.Handler == nil {
		return fmt.Errorf("%w: no handler", ErrBadOption)
	}
	if o.ID == (id.Node{}) {
		return fmt.Errorf("%w: no node id", ErrBadOption)
	}
	orDefault(&o.Shards, 1)
	orDefault(&o.ShardQueueMessages, DefaultShardQueueMessages)
	orDefault(&o.PublishQueueMessages, DefaultPublishQueueMessages)
	orDefault(&o.PublishQueueBytes, DefaultPublishQueueBytes)
	orDefault(&o.RequestTimeout, DefaultRequestTimeout)
	orDefault(&o.MaxPendingRequests, DefaultMaxPendingRequests)
	orDefault(&o.Linger, DefaultLinger)
	orDefault(&o.Heartbeat, DefaultHeartbeat)
	return nil
}

// goodPrefix: one token, so that a prefix can be told from a level by counting
// dots.
func goodPrefix(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}
