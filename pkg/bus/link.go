package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// How a stalled server is noticed. A server that is only slow, or stopped for
// some seconds, must not be left: everything under way would be lost. The third
// ping finds two unanswered, so a silent server is left 10 to 15 s after its last
// word; or, where a write stands still when that is due, which holds the ping up,
// when the write gives up: after 25 s at most.
const (
	pingInterval  = 5 * time.Second
	pingsOut      = 2
	writeDeadline = 10 * time.Second
)

// link keeps one connection to NATS. nats.go may close a connection for good
// whatever its options say (any -ERR that it does not know), and restores all
// subscriptions of a lost one in one burst before anybody could ask whether
// they are in force. So its own reconnecting is off: every loss ends a
// connection, and the link dials a new one. There is one way back, not two.
type link struct {
	// Fixed after newLink.
	o       *Options
	ctx     context.Context // the link's own lifetime
	cancel  context.CancelFunc
	events  chan linkEvent               // to the control goroutine
	done    chan struct{}                // closed when run has ended
	onSlow  func(*nats.Subscription)     // counts what is dropped of one whose queue is full
	ofNode  bool                         // which cannot do without what it asks for
	refused func(*nats.Conn, error) bool // takes what NATS refuses that a node can do without; may be nil
	log     zerolog.Logger               // sampled: what it tells may happen with each message

	connects atomic.Uint64

	// Owned by run (and by the first dial before it).
	learned []string // servers of the cluster that the last connection knew

	mu struct {
		sync.Mutex
		raw     net.Conn // of the latest dial: closing it frees whoever is stuck in a write
		dialled bool     // the latest attempt has come so far
		dialErr error    // why the latest dial failed; nats.go hides it
	}
}

// linkEvent tells that nc is connected, or (nil) that it is gone.
type linkEvent struct{ nc *nats.Conn }

func newLink(o *Options, onSlow func(*nats.Subscription)) *link {
	l := &link{o: o, onSlow: onSlow, events: make(chan linkEvent, 1), done: make(chan struct{})}
	l.log = o.Logger.With().Str("component", "bus").Logger().
		Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second})
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// start makes the first connection and then the goroutine that keeps one. On an
// error nothing is left running.
func (l *link) start(ctx context.Context) error {
	nc, closed, err := l.first(ctx)
	if err != nil {
		l.cancel()
		close(l.done)
		return err
	}
	go l.run(nc, closed) // ends after l.cancel
	return nil
}

// run tells of each connection's begin and end, and dials the next. It ends,
// with the connection closed, after l.cancel.
func (l *link) run(nc *nats.Conn, closed <-chan struct{}) {
	defer close(l.done)
	for nc != nil {
		l.connects.Add(1)
		if !l.tell(linkEvent{nc}) {
			nc.Close()
			<-closed
			return
		}
		select {
		case <-closed:
		case <-l.ctx.Done():
			nc.Close()
			<-closed
			return
		}
		l.o.Logger.Warn().Str("component", "bus").AnErr("cause", nc.LastError()).Msg("connection to nats lost")
		if l.o.InProcess == nil {
			l.learned = nc.Servers()
		}
		if !l.tell(linkEvent{}) {
			return
		}
		nc, closed = l.redial()
	}
}

func (l *link) tell(e linkEvent) bool {
	select {
	case l.events <- e:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// redial tries until it has a connection; nil means that the link stops.
func (l *link) redial() (*nats.Conn, <-chan struct{}) {
	pause := l.newPause()
	var told complaint
	for {
		ctx, cancel := context.WithTimeout(l.ctx, l.o.ConnectTimeout)
		nc, closed, err := l.dial(ctx)
		cancel()
		if err == nil {
			return nc, closed
		}
		l.o.Logger.WithLevel(told.level(time.Now(), err)).Str("component", "bus").Err(err).Msg("nats is still away")
		if !pause.wait(l.ctx) {
			return nil, nil
		}
	}
}

// dial makes one attempt over all known servers. The channel is closed when the
// connection is over.
func (l *link) dial(ctx context.Context) (*nats.Conn, <-chan struct{}, error) {
	closed := make(chan struct{})
	l.mu.Lock()
	l.mu.dialled, l.mu.dialErr = false, nil
	l.mu.Unlock()
	opts, err := l.o.natsOptions()
	if err != nil {
		return nil, nil, err
	}
	servers := l.servers()
	// One server that is silent must leave time for the others.
	each := max(l.o.ConnectTimeout/time.Duration(len(servers)), time.Millisecond)
	d := dialer{ctx: ctx, l: l, timeout: each}
	opts = append(opts,
		nats.NoReconnect(),
		nats.ReconnectBufSize(-1),
		nats.Timeout(each),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsOut),
		nats.FlusherTimeout(writeDeadline),
		nats.ReconnectOnFlusherError(), // with NoReconnect: close, so that a new one is made
		nats.SetCustomDialer(d),
		nats.SkipHostLookup(), // the dialer does it, and can be told to stop
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }),
		nats.ErrorHandler(l.asyncError),
	)
	if l.o.InProcess != nil {
		opts = append(opts, nats.InProcessServer(d))
	}
	// The handshake reads without a context: the connection is closed under it.
	stop := context.AfterFunc(ctx, l.cut)
	nc, err := nats.Connect(strings.Join(servers, ","), opts...)
	if !stop() && err == nil {
		nc.Close()
		<-closed
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, nil, l.explain(ctx, err)
	}
	return nc, closed, nil
}

// servers is what is configured and what the last connection learned.
func (l *link) servers() []string {
	all := slices.Clone(l.o.URLs)
	var user *url.Userinfo
	hosts := map[string]bool{}
	for _, s := range all {
		if u, err := url.Parse(s); err == nil {
			hosts[u.Host] = true
			if user == nil {
				user = u.User
			}
		}
	}
	for _, s := range l.learned {
		u, err := url.Parse(s)
		if err != nil || hosts[u.Host] {
			continue
		}
		hosts[u.Host] = true
		u.User = user // learned addresses carry none
		all = append(all, u.String())
	}
	return all
}

// explain names what was dialled and why it failed. No secret is in it: what
// stands before the @ may be a token as well as a user, and a URL that cannot
// be read is not quoted, since nobody knows which part of it is a password.
func (l *link) explain(ctx context.Context, err error) error {
	l.mu.Lock()
	why := l.mu.dialErr
	l.mu.Unlock()
	_, unnamed := errors.AsType[*net.DNSError](why) // a name server that is silent is worth telling
	over := ctx.Err() != nil
	switch {
	case over && unnamed && errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = why
	case over:
		err = context.Cause(ctx)
	case why != nil && errors.Is(err, nats.ErrNoServers):
		err = why
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		err = errors.New("malformed URL")
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() && !over && !unnamed {
		err = fmt.Errorf("no answer within %v", l.o.ConnectTimeout)
	}
	if l.o.InProcess != nil {
		return fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	shown := make([]string, len(l.o.URLs))
	for i, s := range l.o.URLs {
		shown[i] = s
		if j := strings.LastIndexByte(s, '@'); j >= 0 {
			scheme, _, ok := strings.Cut(s[:j], "://")
			if shown[i] = s[j+1:]; ok {
				shown[i] = scheme + "://" + shown[i]
			}
		}
	}
	return fmt.Errorf("connect to NATS at %s: %w", strings.Join(shown, ", "), err)
}

// cut closes the socket itself, which frees everyone who is stuck in a write.
func (l *link) cut() {
	l.mu.Lock()
	raw := l.mu.raw
	l.mu.Unlock()
	if raw != nil {
		_ = raw.Close() // the connection is given up: nothing to tell
	}
}

// stop ends the link and waits for it. When ctx ends first the socket is cut.
func (l *link) stop(ctx context.Context) {
	l.cancel()
	stop := context.AfterFunc(ctx, l.cut)
	<-l.done
	stop()
}

// asyncError is called by nats.go, on a goroutine of its own, once for each run
// of drops of one subscription, and for refused subscriptions and publishes.
func (l *link) asyncError(nc *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) && sub != nil {
		l.onSlow(sub)
		l.log.Warn().Str("subject", sub.Subject).Msg("queue is full, messages are dropped")
		return
	}
	if l.refused != nil && l.refused(nc, err) {
		return
	}
	if l.ofNode && errors.Is(err, nats.ErrPermissionViolation) {
		l.log.Error().Err(err).Msg("nats does not permit what a node needs, see NATS permissions in SECURITY.md")
		return
	}
	l.log.Warn().Err(err).Msg("nats reports an error")
}

// natsOptions are the name, credentials and TLS. The files are read anew for
// each connection, so that they can be exchanged.
func (o *Options) natsOptions() ([]nats.Option, error) {
	var opts []nats.Option
	if o.Name != "" {
		opts = append(opts, nats.Name(o.Name))
	}
	switch {
	case o.CredentialsFile != "":
		opts = append(opts, nats.UserCredentials(o.CredentialsFile))
	case o.Username != "":
		opts = append(opts, nats.UserInfo(o.Username, o.Password))
	case o.Token != "":
		opts = append(opts, nats.Token(o.Token))
	case o.NKeyFile != "":
		nk, err := nats.NkeyOptionFromSeed(o.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read nkey file %s: %w", o.NKeyFile, err)
		}
		opts = append(opts, nk)
	}
	if o.TLSCAFile != "" {
		opts = append(opts, nats.RootCAs(o.TLSCAFile))
	}
	if o.TLSCertFile != "" {
		opts = append(opts, nats.ClientCert(o.TLSCertFile, o.TLSKeyFile))
	}
	if o.TLSRequired || o.TLSCAFile != "" || o.TLSCertFile != "" {
		opts = append(opts, nats.Secure())
	}
	return opts, nil
}
