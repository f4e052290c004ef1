package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Defaults of [Options].
const (
	DefaultQueueMessages  = 1000
	DefaultFlushInterval  = 10 * time.Millisecond
	DefaultReceiveBuffer  = 1000
	DefaultBacklog        = 1000
	DefaultMaxSend        = 1 << 20 // bytes
	DefaultMaxReceive     = 8 << 20 // bytes
	DefaultReconnectMin   = time.Second
	DefaultReconnectMax   = 30 * time.Second
	DefaultConnectTimeout = 10 * time.Second
	DefaultPingInterval   = 25 * time.Second
	DefaultPeerTimeout    = 60 * time.Second
	DefaultCloseTimeout   = 2 * time.Second
)

// Immediately, as Options.FlushInterval, sends as soon as possible: what is
// enqueued while a write is under way leaves in the next one.
const Immediately time.Duration = -1

// Options configure a [Client]. The zero value of each field means its default;
// only URLs must be set.
type Options struct {
	// URLs of the service, ws:// or wss://, such as ws://127.0.0.1:8080/ws. The first
	// attempt goes to the first, each later one to the next, whatever the reason.
	// Errors name them without their query, which may hold a secret.
	URLs []string

	// Token, if set, is called before each attempt, and what it returns is sent as
	// "Authorization: Bearer", unless it is "". An error is a failed attempt. It has
	// to return when ctx ends, which is after ConnectTimeout or when Stop is done
	// with waiting.
	Token func(ctx context.Context) (string, error)

	// Header is added to each upgrade request. It must not change after New.
	Header http.Header

	// TLS configures wss://; nil means the system's roots. It must not change after
	// New. Without a ServerName the url's host is expected.
	TLS *tls.Config

	// Dial opens the TCP connection; nil means a net.Dialer, which uses no proxy. It
	// has to return when ctx ends, as Token does.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// QueueMessages bounds the send queue, in messages. It keeps them while there
	// is no connection.
	QueueMessages int

	// FlushInterval is how long the send queue gathers before it writes all that is
	// pending at once; see [Immediately].
	FlushInterval time.Duration

	// MaxSend bounds an event to be sent, in bytes: a node closes the connection
	// on a longer one.
	MaxSend int

	// ReceiveBuffer bounds the messages kept that no waiter has taken; beyond it
	// the oldest is dropped and counted. Negative keeps none.
	ReceiveBuffer int

	// Backlog bounds the messages read and not yet handled; beyond it reading
	// pauses, and the node's send queue holds what comes. Neither the backlog nor the
	// receive buffer holds more than 16 MiB, or one message that is longer.
	Backlog int

	// MaxReceive bounds a message from the server, in bytes; beyond it the
	// connection is closed with 1009.
	MaxReceive int

	// ReconnectMin and ReconnectMax bound the time before an attempt: the n-th in a
	// row comes after a random time between 0 and ReconnectMin * 2^(n-1), at most
	// ReconnectMax. A completed handshake begins anew with the first. Two kinds of
	// handshake do not count as one: that of a connection closed with 1013, which
	// asks for more time, so that at least ReconnectMin is waited as well; and the
	// fourth and later in a row of connections that end within ReconnectMin.
	//
	// The Retry-After of a refused upgrade is waited before the random time, up to
	// ReconnectMax of it.
	ReconnectMin, ReconnectMax time.Duration

	// MaxAttempts is how many attempts in a row may fail before the client gives
	// up; 0 means no limit. An attempt that comes to a handshake has not failed,
	// however soon the connection ends. Whatever it is, a client that is kicked (4410)
	// gives up with [ErrKicked].
	MaxAttempts int

	// ConnectTimeout bounds one attempt: token, TCP, TLS, upgrade and handshake.
	ConnectTimeout time.Duration

	// PingInterval is the silence after which the server is pinged, PeerTimeout the
	// silence after which it is taken for dead. Any frame ends a silence. While the
	// application keeps the client from reading, nobody is taken for dead.
	PingInterval, PeerTimeout time.Duration

	// Trace puts the event of each Request, Confirm and EnqueueWait on the trace of
	// the span in its context, if there is one, as [Traced] does; not one that would
	// be longer than MaxSend with it. It is for Hoshi: other servers do not know such
	// events.
	Trace bool

	// CloseTimeout bounds the wait for the server's answer to our close frame.
	CloseTimeout time.Duration

	// OnConnect is called after the first handshake, OnReconnect after every later
	// one, and then OnChannelReady after each: the place to subscribe. Messages of
	// the connection come after them.
	OnConnect, OnReconnect, OnChannelReady func(c *Client, s Session)

	// OnDisconnect is called when a connection that had its handshake has ended,
	// after its last message.
	OnDisconnect func(c *Client, d *Disconnect)

	// OnError is called with what went wrong and has nobody else to tell: a failed
	// attempt, a failed write, a message that is no event, an event refused by
	// OnSend, a panic in a callback.
	OnError func(c *Client, err error)

	// OnSend, if set, is called once with each event right before it leaves, on the
	// goroutine that writes, so that it may run beside other callbacks; a slow one
	// delays the queue and the end of a connection. An error keeps the event from
	// leaving: it is counted and given to OnError.
	OnSend func(e Event) error

	// Clock is the time of timeouts, flushes, pings and attempts; nil means the
	// system's.
	Clock Clock
}

// Session says what the handshake of a connection said.
type Session struct {
	URL     string // which of Options.URLs, as it is there: with its query
	UID     EDN    // the user; the conn-id where nobody has vouched for one
	ConnID  string // of this connection, "" from a server that does not say
	CSRF    string // "" where there is none
	Version string // of the node, "" from a server that does not say
	Data    EDN    // what a backend has to say to this client when it lets it connect, "" for nothing
	Number  int    // 1 for the client's first handshake
}

// withDefaults fills the zero fields and reports every wrong one, joined.
func (o Options) withDefaults() (Options, error) {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrBadOption}, args...)...))
	}
	count := func(name string, p *int, def int) {
		if *p == 0 {
			*p = def
		}
		if *p < 1 {
			bad("%s must be at least 1, not %d", name, *p)
		}
	}
	wait := func(name string, p *time.Duration, def time.Duration) {
		if *p == 0 {
			*p = def
		}
		if *p < 0 {
			bad("%s must not be negative, not %v", name, *p)
		}
	}
	if len(o.URLs) == 0 {
		bad("URLs is empty: name at least one, such as ws://127.0.0.1:8080/ws")
	}
	for i, s := range o.URLs {
		if err := checkURL(s); err != nil {
			bad("URLs[%d]: %w", i, err)
		}
	}
	for name := range o.Header {
		switch key := http.CanonicalHeaderKey(name); {
		case key == "Host":
			bad("Header must not have Host, which is that of the url: let Dial connect to another address")
		case key == "Connection", key == "Upgrade", strings.HasPrefix(key, "Sec-Websocket-"):
			bad("Header must not have %s, which is the protocol's", key)
		}
	}
	count("QueueMessages", &o.QueueMessages, DefaultQueueMessages)
	count("MaxSend", &o.MaxSend, DefaultMaxSend)
	count("MaxReceive", &o.MaxReceive, DefaultMaxReceive)
	count("Backlog", &o.Backlog, DefaultBacklog)
	if o.ReceiveBuffer == 0 {
		o.ReceiveBuffer = DefaultReceiveBuffer
	}
	o.ReceiveBuffer = max(o.ReceiveBuffer, 0)
	switch {
	case o.FlushInterval == 0:
		o.FlushInterval = DefaultFlushInterval
	case o.FlushInterval < 0:
		o.FlushInterval = 0
	}
	// Whoever sets one of two that belong together need not set the other.
	if o.ReconnectMin == 0 && o.ReconnectMax > 0 {
		o.ReconnectMin = min(DefaultReconnectMin, o.ReconnectMax)
	}
	if o.PingInterval == 0 && o.PeerTimeout > 0 {
		o.PingInterval = min(DefaultPingInterval, max(o.PeerTimeout/2, 1))
	}
	wait("ReconnectMin", &o.ReconnectMin, DefaultReconnectMin)
	wait("ReconnectMax", &o.ReconnectMax, max(DefaultReconnectMax, o.ReconnectMin))
	wait("ConnectTimeout", &o.ConnectTimeout, DefaultConnectTimeout)
	wait("PingInterval", &o.PingInterval, DefaultPingInterval)
	wait("PeerTimeout", &o.PeerTimeout, max(DefaultPeerTimeout, 2*o.PingInterval))
	wait("CloseTimeout", &o.CloseTimeout, DefaultCloseTimeout)
	if o.ReconnectMax < o.ReconnectMin {
		bad("ReconnectMax (%v) must not be shorter than ReconnectMin (%v)", o.ReconnectMax, o.ReconnectMin)
	}
	if o.PeerTimeout <= o.PingInterval {
		bad("PeerTimeout (%v) must be longer than PingInterval (%v)", o.PeerTimeout, o.PingInterval)
	}
	if o.MaxAttempts < 0 {
		bad("MaxAttempts must not be negative, not %d", o.MaxAttempts)
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	return o, errors.Join(errs...)
}

// checkURL says what is wrong with one of Options.URLs, and shows nothing of it
// that may be secret.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the url
		}
		return fmt.Errorf("the url is malformed: %w", err)
	}
	switch {
	case u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "":
		return fmt.Errorf("%q must be ws://host:port/path or wss://host:port/path", plain(s))
	case u.User != nil:
		return fmt.Errorf("%q has a user before its host: use Token or Header", plain(s))
	case u.Fragment != "": // RFC 6455, 3
		return fmt.Errorf("%q has a fragment behind a #: no server would see it", plain(s))
	}
	return nil
}
