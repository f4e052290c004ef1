package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
	"github.com/hoshi-ws/hoshi/internal/poller"
)

// How long the server gets to end connections after our close frames: less when
// the run has failed, since it may be the server that is stuck.
const (
	closeWait       = 3 * time.Second
	closeWaitFailed = 200 * time.Millisecond
)

// upgradeKey is the Sec-WebSocket-Key of every upgrade: it need not be random to
// tell a server from a proxy that repeats old answers.
const upgradeKey = "aG9zaGkgbG9hZGdlbmVyYQ=="

// scenario is what differs between the kinds of load. All methods are called on
// the loop.
type scenario interface {
	// query returns what connection i adds to the url's query.
	query(i int) string
	// greeted looks at the handshake frame of c.
	greeted(c *conn, msg []byte) error
	// message takes a text message on a connection in use; false leaves it to conn.
	message(c *conn, f wsclient.Frame, now int64) bool
	// send sends one message that was to leave at intended. It is only called when
	// the pump says so.
	send(intended int64)
	// passed is told that what c waited for in state from has come, and c.state is
	// the next.
	passed(c *conn, from state, now int64)
	// lost is told of a connection that could not be made, or has ended, and why;
	// false ends the run.
	lost(c *conn, reason string) bool
}

// plain is what most scenarios do.
type plain struct{}

func (plain) query(int) string                          { return "" }
func (plain) greeted(*conn, []byte) error               { return nil }
func (plain) message(*conn, wsclient.Frame, int64) bool { return false }
func (plain) send(int64)                                {}
func (plain) passed(*conn, state, int64)                {}
func (plain) lost(*conn, string) bool                   { return false }

// client holds the loop and everything on it.
type client struct {
	// fixed after newClient
	opt      *Options
	loop     *poller.Loop
	base     time.Time
	accept   string
	tag      [tagLen]byte
	channels []string
	failed   chan struct{} // closed by the first fail
	slots    chan struct{} // one for each connection in its handshake

	// owned by the loop
	scenario scenario
	pump     *pump
	pacer    *pacer // nil without a rate
	conns    []*conn
	backend  *backend // nil but for user pushes
	dirty    []flusher
	ready    int // connections that have been made
	refused  int // connections that could not be made
	lastOpen int64
	strays   int64
	lags     [frozen + 1]lag // by reader
	err      error
	closed   chan struct{} // while closing: closed when the last connection is gone
}

func newClient(o *Options) (*client, error) {
	tag := newTag()
	c := &client{
		opt:    o,
		base:   time.Now(),
		tag:    tag,
		failed: make(chan struct{}),
		slots:  make(chan struct{}, o.Connecting),
		pump:   newPump(o),
	}
	for i := range c.lags {
		c.lags[i].ended = make(map[string]int64)
	}
	c.accept = wsclient.Accept(upgradeKey)
	for i := range o.Channels {
		c.channels = append(c.channels, fmt.Sprintf("load-%s-%05d", tag[:4], i))
	}
	var err error
	c.loop, err = poller.New(poller.Options{Portable: o.Portable, ReadBuffer: 256 << 10, OnTurn: c.turn})
	if err != nil {
		return nil, fmt.Errorf("start the loop: %w", err)
	}
	if o.Rate > 0 {
		if c.pacer, err = newPacer(c.loop.Wake); err != nil {
			c.loop.Stop()
			return nil, fmt.Errorf("start the pacer: %w", err)
		}
	}
	c.loop.Start()
	return c, nil
}

// clock returns nanoseconds of monotonic time since the client was made.
func (c *client) clock() int64 { return int64(time.Since(c.base)) }

// turn ends every turn of the loop: send what is due, then write.
func (c *client) turn() {
	if c.pump.sending {
		c.push(c.clock())
	}
	if c.pump.sending && c.pump.interval > 0 {
		c.pacer.arm(c.pump.next() - c.clock())
	}
	for _, f := range c.dirty {
		f.flush()
	}
	c.dirty = c.dirty[:0]
}

func (c *client) push(now int64) {
	for {
		at, ok := c.pump.due(now)
		if !ok {
			return
		}
		c.scenario.send(at)
	}
}

// fail ends the run with err, unless it has failed already. Loop only.
func (c *client) fail(err error) {
	if c.err == nil {
		c.err = err
		close(c.failed)
	}
}

// call runs fn on the loop and waits for it; false when the loop has ended.
func (c *client) call(fn func()) bool {
	done := make(chan struct{})
	if !c.loop.Post(func() { fn(); close(done) }) {
		return false
	}
	select {
	case <-done:
		return true
	case <-c.loop.Done():
		return false
	}
}

// opened is called when cn is ready for use.
func (c *client) opened(cn *conn, now int64) {
	cn.advance(stReady, now)
	c.loop.SetTimer(&cn.sock, 0)
	c.ready++
	c.lastOpen = now
	c.release(cn)
}

// release lets the next connection begin.
func (c *client) release(cn *conn) {
	if cn.slot {
		cn.slot = false
		<-c.slots
	}
}

// finders returns one for each dialect, in whose frames the mark has its own place.
func (c *client) finders() []finder {
	f := make([]finder, len(c.opt.Dialects))
	for i := range f {
		f[i] = newFinder(c.tag)
	}
	return f
}

// forget closes cn's socket.
func (c *client) forget(cn *conn) {
	c.release(cn)
	if !cn.sock.Attached() {
		return
	}
	c.loop.Close(&cn.sock)
	cn.out = nil
	if c.closed != nil && c.loop.Len() == 0 {
		close(c.closed)
		c.closed = nil
	}
}

// plan is one connection to be opened.
type plan struct {
	target  target
	channel int
	reader  reader
	dialect int // number in Options.Dialects
}

// open opens the connections and returns when each is ready or has failed in a way
// that the scenario puts up with; any other failure ends it. Connection i gets
// plans[i].
func (c *client) open(ctx context.Context, plans []plan) error {
	if err := host.Descriptors(len(plans)); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next atomic.Int64
	var wg sync.WaitGroup
	began := c.clock()
	for range min(c.opt.Connecting, len(plans)) {
		// Ends when all are dialed, or ctx is done.
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(plans) {
					return
				}
				intended, ok := c.due(ctx, began, i)
				if !ok {
					return
				}
				select {
				case c.slots <- struct{}{}:
				case <-ctx.Done():
					return
				case <-c.failed:
					return
				}
				if c.opt.ConnectRate == 0 {
					intended = c.clock()
				}
				c.dial(ctx, i, plans[i], intended)
			}
		})
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var err error
	for n := 0; n < len(plans) && err == nil; {
		select {
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-c.failed:
			err = c.failure()
		case <-tick.C:
			c.call(func() { n = c.ready + c.refused })
			c.opt.Progress(Progress{Phase: "connect", Done: int64(n), Total: int64(len(plans))})
		}
	}
	cancel()
	wg.Wait()
	return err
}

// due waits until connection i is due and returns when that was. A sleep may end
// up to a millisecond late, which the latency from the intended time includes.
func (c *client) due(ctx context.Context, began int64, i int) (intended int64, ok bool) {
	if c.opt.ConnectRate == 0 {
		return 0, true
	}
	intended = began + int64(float64(i)*float64(time.Second)/c.opt.ConnectRate)
	wait := intended - c.clock()
	if wait <= 0 {
		return intended, true
	}
	timer := time.NewTimer(time.Duration(wait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return intended, true
	case <-ctx.Done():
	case <-c.failed:
	}
	return 0, false
}

// failure returns the first error on the loop.
func (c *client) failure() (err error) {
	c.call(func() { err = c.err })
	return err
}

// dial connects and hands the socket to the loop, with the upgrade on its way.
func (c *client) dial(ctx context.Context, i int, p plan, intended int64) {
	cn := &conn{link: link{client: c}, index: i, channel: p.channel, reader: p.reader, dialect: uint8(p.dialect), slot: true, began: intended, mark: c.clock()}
	ep, err := c.connect(ctx, i, p)
	now := c.clock()
	posted := c.loop.Post(func() {
		if err == nil {
			err = c.loop.Attach(ep, cn)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil: // the run has ended: not the server's doing
			c.release(cn)
			return
		default:
			cn.fault(dialReason(err), fmt.Errorf("connection %d: %w", i, err))
			return
		}
		c.conns = append(c.conns, cn)
		c.loop.SetTimer(&cn.sock, c.opt.Timeout)
		cn.advance(stUpgrade, now)
		cn.write(func(dst []byte) []byte {
			return wsclient.AppendUpgrade(dst, p.target.addr, p.target.with(cn.speaks().Query()).with(c.scenario.query(i)).request(), upgradeKey)
		})
	})
	if !posted {
		ep.Close()
	}
}

// connect opens the TCP connection.
func (c *client) connect(ctx context.Context, i int, p plan) (poller.Endpoint, error) {
	d := host.Dialer(c.opt.Sources, i)
	d.Timeout = c.opt.Timeout
	if size := c.opt.receiveBuffer(p.reader); size > 0 {
		host.Buffered(d, size)
	}
	nc, err := d.DialContext(ctx, "tcp", p.target.addr)
	if err != nil {
		return poller.Endpoint{}, dialError(p.target.addr, err)
	}
	return c.adopt(nc)
}

func (c *client) adopt(nc net.Conn) (poller.Endpoint, error) {
	if c.opt.Portable {
		return poller.AdoptConn(nc), nil
	}
	ep, err := poller.Adopt(nc)
	if err != nil {
		return poller.Endpoint{}, errors.Join(err, nc.Close())
	}
	return ep, nil
}

// close ends every connection, politely as far as the server goes along within
// closeWait, and the loop.
func (c *client) close() {
	done := make(chan struct{})
	posted := c.loop.Post(func() {
		c.pump.sending = false
		c.closed = done
		if c.backend != nil {
			c.loop.Close(&c.backend.sock)
		}
		wait := closeWait
		if c.err != nil {
			wait = closeWaitFailed
		}
		for _, cn := range c.conns {
			if !cn.sock.Attached() {
				continue
			}
			if cn.state == stUpgrade {
				c.forget(cn)
				continue
			}
			cn.state = stClosing
			c.loop.ResumeRead(&cn.sock)
			c.loop.SetTimer(&cn.sock, wait)
			cn.write(func(dst []byte) []byte { return wsclient.AppendClose(dst, 1000) })
		}
		if c.loop.Len() == 0 && c.closed != nil {
			close(done)
			c.closed = nil
		}
	})
	if posted {
		select {
		case <-done:
		case <-time.After(closeWait + time.Second):
		}
	}
	c.loop.Stop()
	if c.pacer != nil {
		c.pacer.stop()
	}
}
