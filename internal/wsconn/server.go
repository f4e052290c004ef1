package wsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/limit"
	"github.com/hoshi-ws/hoshi/internal/poller"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// Options configure a Server. NewConn is required.
type Options struct {
	// Addr is the address to listen on, as for net.Listen with "tcp"; port 0 takes a free one. Ignored if
	// Listener is set. Default 127.0.0.1:0.
	Addr string
	// Listener is taken over if it is set. Epoll loops need one that is a syscall.Conn.
	Listener net.Listener
	// Loops is the number of event loops. Default GOMAXPROCS at the time of New.
	Loops int
	// Portable selects the loops that use goroutines.
	Portable bool
	// TLS has the listener speak TLS, by that configuration, which must not be changed any more. It implies Portable.
	TLS *tls.Config
	// ProxyFrom are the peers that must begin each connection with a header of the PROXY protocol, which is believed.
	// Nobody else's is looked for. Default none.
	ProxyFrom []netip.Prefix
	// ForwardedFrom are those whose X-Forwarded-For is believed. Default none.
	ForwardedFrom []netip.Prefix
	// NewConn makes the owner of an accepted connection and returns it with the Conn embedded in it. It is
	// called on the connection's loop.
	NewConn func() (Handler, *Conn)
	// MaxMessage is the largest message in bytes that is accepted; beyond it the connection is closed with
	// 1009. Default 1 MiB.
	MaxMessage int
	// QueueMessages and QueueBytes bound the send queue of a connection, in frames and parts, and bytes on the
	// wire. One always fits an empty queue. Defaults 1,000 and 2 MiB.
	QueueMessages int
	QueueBytes    int
	// SendBuffer bounds what the system holds of a connection, in bytes, beyond what is on its way to the peer: what a
	// reader that stands still costs beside its queue, and what no policy can take back any more. Negative leaves it to
	// the system: 4 MiB, mostly. Linux only. Default 128 KiB, which is the most that is joined for one write call.
	SendBuffer int
	// Deflate has offers of permessage-deflate (RFC 7692) accepted, without context takeover. Frames of DeflateMin bytes
	// of payload or more, and no control frames, are compressed when they first leave for a peer who takes them so:
	// once, whoever else is sent them. The send queue is charged with what they are without it. Off by default;
	// DeflateMin is 1 KiB by default.
	Deflate    bool
	DeflateMin int
	// HandshakeTimeout bounds the time from accept to a complete request head. Default 10 s.
	HandshakeTimeout time.Duration
	// PingInterval is the time between pings; the first comes after a random half to whole of it. Default 30 s.
	PingInterval time.Duration
	// IdleTimeout is the silence after which a connection counts as dead. Any received frame is a sign of life,
	// and so is that the peer takes what had to wait. Default 60 s.
	IdleTimeout time.Duration
	// StallTimeout is how long the system may take nothing of a queue that is not empty; then the connection is
	// closed with 1013, although the peer may send. Checked in tenths of it. In the same time a message that the peer
	// has begun must end or gain 16 KiB, or the connection is closed with 1008: bytes that trickle are no sign of life
	// for ever. Default 30 s.
	StallTimeout time.Duration
	// CloseTimeout bounds how long a close waits for the peer to take what is queued, and then again for the
	// peer's own end. Default 5 s.
	CloseTimeout time.Duration
	// MaxRequestHead and MaxHeaders bound a request head. Defaults 16 KiB and 100 lines.
	MaxRequestHead int
	MaxHeaders     int
	// Notice returns what tells the peer of c that so many deliveries were dropped since it was last told: a frame, or
	// a part; nil tells nothing. It is sent before the next delivery or within a second, once a second at most. It is
	// called on the connection's loop and must not block. Without it nobody is told.
	Notice func(c *Conn, dropped int) *Frame
	// Join makes a frame of parts (NewPart) of one connection, in their order: at most 16 of them, with at most 16 KiB
	// of payload together unless there is one alone. It is called when they leave, on the connection's loop, must not
	// block, and must not close c. parts is the loop's, until it returns. The frame may be shared; it is best made once
	// for all connections that get the same parts. It may be asked for again if the system did not take it. A panic in
	// it closes c with 1011. Required if there are parts.
	Join func(c *Conn, parts []*Frame) *Frame
	// Limits are what clients may have and may do.
	Limits Limits
	// Refused hears of limits that are reached: of each socket that is shed, each handshake that is refused for one, and
	// of each connection when it is throttled, once until it has rested. Without limit it hears of each socket whose
	// request is malformed, too slow, or not what TLS or a proxy has before it. reason is as in Stats; addr is not valid
	// where it is not known yet. It is called on a loop, and must not block. Default none.
	Refused func(addr netip.Addr, reason string, limit bool)
	// Logger is used for what should not happen. The zero value logs nothing.
	Logger zerolog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.NewConn == nil {
		return o, errors.New("wsconn: Options.NewConn is missing")
	}
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	defTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	def(&o.Loops, runtime.GOMAXPROCS(0))
	def(&o.MaxMessage, 1<<20)
	def(&o.DeflateMin, 1<<10)
	def(&o.QueueMessages, 1000)
	def(&o.QueueBytes, 2<<20)
	if o.SendBuffer == 0 {
		o.SendBuffer = joinBytes
	}
	defTime(&o.HandshakeTimeout, 10*time.Second)
	defTime(&o.PingInterval, 30*time.Second)
	defTime(&o.IdleTimeout, 60*time.Second)
	defTime(&o.StallTimeout, 30*time.Second)
	defTime(&o.CloseTimeout, 5*time.Second)
	if o.QueueBytes > 1<<31 || o.MaxMessage > 1<<31 {
		return o, fmt.Errorf("wsconn: queue of %d and message of %d bytes: the limit is 2 GiB", o.QueueBytes, o.MaxMessage)
	}
	return o, nil
}

// Server accepts connections and runs them on its loops. Its methods may be called from any goroutine but not on a
// loop, unless they say so.
type Server struct {
	// fixed after New
	opt    Options
	limits handshake.Limits
	gate   *gate
	log    zerolog.Logger
	addr   net.Addr
	ln     net.Listener // taken by the first loop in Start
	loops  []*loop
	epoch  time.Time  // of the loops' clocks
	keep   *Keepalive // for connections that have none of their own

	started atomic.Bool
	stopped atomic.Bool
	done    chan struct{}  // closed when the first Stop has ended
	empty   sync.WaitGroup // one for each loop that is stopping and not yet empty
	turn    atomic.Uint32  // whose turn it is to get a connection
	totals  totals
	drains

	maxMessage atomic.Int64 // bytes
}

type closeWith struct {
	code   ws.StatusCode
	reason string
}

// New listens and makes the loops, without accepting. A *ListenError says that the address cannot be had. A server that
// is never started must be stopped too.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	ln := o.Listener
	if ln == nil {
		if ln, err = net.Listen("tcp", o.Addr); err != nil {
			return nil, &ListenError{Addr: o.Addr, Err: err}
		}
	}
	addr := ln.Addr()
	if o.TLS != nil {
		o.Portable = true
		ln = secure(ln, &o)
	}
	s := &Server{
		opt:    o,
		limits: handshake.Limits{MaxHead: o.MaxRequestHead, MaxHeaders: o.MaxHeaders}.WithDefaults(),
		log: o.Logger.Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Minute}).
			With().Str("component", "wsconn").Logger(),
		addr:  addr,
		ln:    ln,
		epoch: time.Now(),
		keep:  o.keepalive(),
		done:  make(chan struct{}),
		gate:  newGate(&o),
	}
	s.totals.measures = newMeasures()
	s.maxMessage.Store(int64(o.MaxMessage))
	for i := range o.Loops {
		l := &loop{srv: s, index: i, heads: map[*Conn]limit.Place{}, maxFrames: uint32(o.QueueMessages), maxBytes: uint32(o.QueueBytes)}
		l.n.measuring = newMeasuring()
		l.p, err = poller.New(poller.Options{
			Portable:  o.Portable,
			MaxUnsent: o.SendBuffer,
			OnTurn:    l.onTurn,
			OnPanic: func(h poller.Handler, v any, _ []byte) {
				e, _ := h.(*sockEvents)
				l.panicked((*Conn)(e), v)
			},
		})
		if err != nil {
			_ = ln.Close()
			for _, l := range s.loops {
				l.p.Stop()
			}
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	return s, nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.addr }

// Loops returns the number of loops.
func (s *Server) Loops() int { return len(s.loops) }

// Stalled returns the age of the longest turn that a loop is in, 0 where all wait: the histogram of turns knows only those
// that have ended. Any goroutine.
func (s *Server) Stalled() (age time.Duration) {
	for _, l := range s.loops {
		age = max(age, l.p.Busy())
	}
	return age
}

// SetMaxMessage changes Options.MaxMessage for what arrives from now on, but for connections with
// AcceptOptions.FullSize. Any goroutine.
func (s *Server) SetMaxMessage(n int) { s.maxMessage.Store(int64(n)) }

// Start starts the loops and accepts connections.
func (s *Server) Start() {
	if !s.started.CompareAndSwap(false, true) {
		return
	}
	s.empty.Add(len(s.loops))
	for _, l := range s.loops {
		l.p.Start() // ends in Stop
	}
	first := s.loops[0]
	first.p.Post(func() {
		err := first.p.Listen(s.ln, poller.ListenOptions{
			OnAccept: func(ep poller.Endpoint) { s.spread(first, ep) },
			OnError: func(err error, shed bool) {
				first.n.acceptErrors++
				if shed {
					first.n.acceptShed++
				}
				s.log.Warn().Err(err).Bool("shed", shed).Msg("connection could not be accepted")
			},
		})
		if err != nil {
			s.log.Error().Err(err).Msg("listener could not be taken over")
		}
	})
}

// spread gives an accepted connection to the loop whose turn it is.
func (s *Server) spread(first *loop, ep poller.Endpoint) {
	if !s.enter(first) {
		ep.Close()
		return
	}
	l := s.loops[int(s.turn.Add(1)-1)%len(s.loops)]
	if l == first {
		l.attach(ep)
		return
	}
	l.post(job{kind: jobAttach, ep: ep})
}

// StopAccepting closes the listener. Connections go on. It does not wait.
func (s *Server) StopAccepting() {
	first := s.loops[0]
	first.p.Post(first.p.StopListen)
}

// Broadcast queues f for every accepted connection of its group for which except, which may be nil, does not report
// true. It is done on the loops, without memory for each connection, and does not wait; broadcasts by one goroutine
// keep their order. except runs on the loops. May be called on a loop.
func (s *Server) Broadcast(f *Frame, except func(*Conn) bool) {
	for _, l := range s.loops {
		l.post(job{kind: jobBroadcast, frame: f, except: except})
	}
}

// Each calls fn on the loops for the handler of every accepted connection, and does not wait. May be called on a loop.
func (s *Server) Each(fn func(h Handler)) {
	for _, l := range s.loops {
		l.post(job{kind: jobFunc, fn: func() {
			l.p.Each(func(h poller.Handler) {
				if c := (*Conn)(h.(*sockEvents)); c.flags&flagAccepted != 0 {
					fn(c.h)
				}
			})
		}})
	}
}

// Stop stops accepting, closes every connection with code and reason, waits until all handlers have heard OnClosed, and
// ends the loops. Peers that do not answer take up to CloseTimeout, twice if they take nothing. When ctx ends first,
// what is left is reset and the context's error returned. Further calls wait for the first.
func (s *Server) Stop(ctx context.Context, code ws.StatusCode, reason string) error {
	if !s.stopped.CompareAndSwap(false, true) {
		<-s.done
		return nil
	}
	defer close(s.done)
	var err error
	if s.started.Swap(true) {
		s.StopAccepting()
		err = s.closeAll(ctx, closeWith{code, reason})
	} else {
		_ = s.ln.Close()
	}
	for _, l := range s.loops {
		l.p.Stop()
	}
	for _, l := range s.loops {
		l.rest()
	}
	return err
}

func (s *Server) closeAll(ctx context.Context, w closeWith) error {
	for _, l := range s.loops {
		l.post(job{kind: jobStop, stop: w})
	}
	closed := make(chan struct{})
	go func() { // ends with the last connection, at the latest after jobKill
		s.empty.Wait()
		close(closed)
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
	}
	for _, l := range s.loops {
		l.post(job{kind: jobKill})
	}
	<-closed
	return fmt.Errorf("wsconn: stop: %w", context.Cause(ctx))
}

// rest closes sockets that were on their way to a loop when it ended.
func (l *loop) rest() {
	l.inbox.Lock()
	defer l.inbox.Unlock()
	for _, j := range l.inbox.jobs {
		if j.kind == jobAttach {
			j.ep.Close()
			l.srv.turnAway()
		}
	}
	l.inbox.jobs = nil
	l.n.publish(&l.srv.totals)
}

// Named is a Handler that logs can name.
type Named interface {
	// Name says which connection it is: a conn-id. It is called on the loop.
	Name() string
}

// logPanic says which connection a panic has cost. c is nil where it was none's. The value may hold what a client has
// sent, so only its type is told.
func (s *Server) logPanic(c *Conn, v any) {
	e := s.log.Error().Type("value", v).Bytes("stack", debug.Stack())
	if c != nil {
		if h, ok := c.h.(Named); ok {
			e = e.Str("conn", nameOf(h))
		}
	}
	e.Msg("panic in a connection's handler")
}

// nameOf asks a handler that has just panicked for its name.
func nameOf(h Named) (name string) {
	defer func() {
		if recover() != nil {
			name = "unknown"
		}
	}()
	return h.Name()
}
