package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
	"github.com/hoshi-ws/hoshi/pkg/client"
)

const (
	// settled is how long nothing may have changed before all count as back, and
	// nothing have come before all that comes has come.
	settled = time.Second
	// stopping bounds how many clients are stopped at once.
	stopping = 256
)

// Run runs the clients and returns what they have counted. When ctx ends, or
// something fails, it returns what there is until then together with the error,
// which the result holds too. Only faulty options give no result. Run leaves no
// goroutine and no descriptor behind.
func Run(ctx context.Context, o Options) (*report.Result, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	res := o.result()
	f := newFleet(&o)
	err := f.run(ctx, res)
	f.stop()
	if ctx.Err() != nil {
		res.Interrupted, err = true, report.ErrInterrupted
	} else if err != nil {
		res.Error = err.Error()
	}
	return res, err
}

// fleet is all clients of a run.
type fleet struct {
	// fixed after newFleet
	opt      *Options
	tally    *tally
	channels []string
	ctx      context.Context // ends with stop
	cancel   context.CancelFunc
	slots    chan struct{} // one for each client without its first connection
	members  []*member     // fixed after start

	strays atomic.Int64
	wg     sync.WaitGroup

	mu struct {
		sync.Mutex
		latency *report.Latency
	}

	// owned by the publisher's goroutine until it has ended
	sent, rejected, expected int64
}

func newFleet(o *Options) *fleet {
	f := &fleet{opt: o, tally: newTally(), slots: make(chan struct{}, o.Connecting)}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.mu.latency = report.NewLatency()
	run := rand.Uint32()
	for i := range o.Channels {
		f.channels = append(f.channels, fmt.Sprintf("fleet-%08x-%05d", run, i))
	}
	return f
}

func (f *fleet) record(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.latency.Record(d, 1)
}

func (f *fleet) run(ctx context.Context, res *report.Result) error {
	o := f.opt
	if err := host.Descriptors(o.Clients); err != nil {
		return err
	}
	if err := f.serverBefore(res); err != nil {
		return err
	}
	if err := f.start(ctx, res); err != nil {
		res.Clients = f.tally.end(o.Clients)
		return err
	}
	if err := f.serverFull(res); err != nil {
		return err
	}
	self, began := host.SelfCPU(), time.Now()
	quit := make(chan struct{})
	f.wg.Go(func() { host.WatchStalls(quit, f.tally.stalled) }) // ends with quit
	if o.Rate > 0 {
		f.wg.Go(func() { f.publish(quit) }) // ends with quit
	}
	err := f.hold(ctx, began)
	close(quit)
	f.wg.Wait()
	if o.Rate > 0 && err == nil {
		f.drain(ctx)
	}
	res.Seconds = time.Since(began).Seconds()
	res.ClientCPU = (host.SelfCPU() - self).Seconds()
	res.Clients = f.tally.end(o.Clients)
	f.count(res)
	if err == nil && res.Lost > 0 && res.Clients.Disconnects == 0 {
		return fmt.Errorf("%d of %d deliveries are missing, and nobody has lost a connection", res.Lost, f.expected)
	}
	return err
}

// start starts the clients and returns when all are connected and subscribed.
func (f *fleet) start(ctx context.Context, res *report.Result) error {
	n := f.opt.Clients
	for i := range n {
		m, err := newMember(f, i)
		if err != nil {
			return err
		}
		f.members = append(f.members, m)
	}
	began := f.tally.now()
	starting, cancel := context.WithCancel(ctx)
	f.wg.Go(func() { // ends when all are started, or below
		for _, m := range f.members {
			select {
			case f.slots <- struct{}{}:
				m.client.Start()
			case <-starting.Done():
				return
			}
		}
	})
	defer f.wg.Wait()
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		g := f.tally.look()
		res.Connections, res.ConnectSeconds = g.here, max(0, g.lastHere-began).Seconds()
		f.opt.Progress(report.Progress{Phase: "connect", Done: int64(g.here), Total: int64(n)})
		if g.here == n {
			return nil
		}
		// An attempt, and the wait behind one that has failed.
		if quiet := f.tally.now() - max(g.lastHere, began); quiet > 2*f.opt.Timeout {
			return fmt.Errorf("%d of %d clients are connected, and none came for %v%s", g.here, n, quiet.Round(time.Second), f.why())
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// why returns what keeps the first client that is away, as it says itself.
func (f *fleet) why() string {
	for _, m := range f.members {
		if s := m.client.Status(); s.State != client.Connected && s.Err != nil {
			return ": " + s.Err.Error()
		}
	}
	return ""
}

// hold lets the clients be.
func (f *fleet) hold(ctx context.Context, began time.Time) error {
	o := f.opt
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		g, elapsed := f.tally.look(), time.Since(began)
		f.opt.Progress(report.Progress{Phase: "run", Done: min(elapsed, o.Duration).Milliseconds(), Total: o.Duration.Milliseconds(), Deliveries: f.received()})
		switch {
		case o.UntilBack && g.lost && g.here == o.Clients && g.still >= settled:
			return nil
		case elapsed < o.Duration:
		case o.UntilBack && !g.lost:
			return fmt.Errorf("nobody has lost a connection within %v", o.Duration)
		case o.UntilBack && g.here < o.Clients:
			return fmt.Errorf("%d of %d clients are not back after %v%s", o.Clients-g.here, o.Clients, o.Duration, f.why())
		default:
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// publish sends on a fixed schedule; the publishers take turns.
func (f *fleet) publish(quit <-chan struct{}) {
	o := f.opt
	subscribers := make([]int64, o.Channels)
	for i := range f.members {
		subscribers[i%o.Channels]++
	}
	numbers := make([]uint32, o.Publishers)
	var data []byte
	timer := time.NewTimer(0)
	defer timer.Stop()
	began := f.tally.now()
	for k := 0; ; k++ {
		intended := began + time.Duration(float64(k)*float64(time.Second)/o.Rate)
		if wait := intended - f.tally.now(); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-quit:
				return
			}
		}
		select {
		case <-quit:
			return
		default:
		}
		p := k % o.Publishers
		i := p * o.Clients / o.Publishers
		numbers[p]++
		data = appendData(data[:0], p, numbers[p], int64(intended), o.Size)
		m := f.members[i]
		result, err := m.client.Publish(m.channel, client.EDN(data))
		if err != nil || result != client.OK {
			f.rejected++
			continue
		}
		f.sent++
		f.expected += subscribers[i%o.Channels]
	}
}

// drain waits for what is under way.
func (f *fleet) drain(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, moved := int64(-1), time.Now()
	for {
		n := f.received()
		if n != last {
			last, moved = n, time.Now()
		}
		if n >= f.expected || time.Since(moved) > settled {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (f *fleet) received() (n int64) {
	for _, m := range f.members {
		n += m.received.Load()
	}
	return n
}

// count puts together what the clients have counted.
func (f *fleet) count(res *report.Result) {
	for _, m := range f.members {
		res.Deliveries += m.received.Load()
		res.BytesIn += m.bytes.Load()
		res.OutOfOrder += m.disorder.Load()
		res.Notices += m.notices.Load()
		res.Dropped += m.dropped.Load()
	}
	res.Sent, res.Lost, res.Unexpected = f.sent, max(0, f.expected-res.Deliveries), f.strays.Load()
	res.Clients.Rejected = f.rejected
	if res.Seconds > 0 {
		res.Rate = float64(res.Deliveries) / res.Seconds
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	res.Latency = f.mu.latency.Quantiles()
}

// stop ends every client.
func (f *fleet) stop() {
	f.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), f.opt.Timeout)
	defer cancel()
	var next atomic.Int64
	for range min(stopping, len(f.members)) {
		f.wg.Go(func() { // ends when all are stopped, which ctx bounds
			for {
				i := int(next.Add(1)) - 1
				if i >= len(f.members) {
					return
				}
				f.members[i].client.Stop(ctx)
			}
		})
	}
	f.wg.Wait()
}

func (f *fleet) serverBefore(res *report.Result) (err error) {
	if f.opt.ServerPID == 0 {
		return nil
	}
	res.Server = &report.Server{PID: f.opt.ServerPID}
	res.Server.RSSEmpty, err = host.RSS(f.opt.ServerPID)
	return err
}

func (f *fleet) serverFull(res *report.Result) (err error) {
	s := res.Server
	if s == nil {
		return nil
	}
	if s.RSSFull, err = host.RSS(s.PID); err != nil {
		return err
	}
	s.PerConnection = float64(s.RSSFull-s.RSSEmpty) / float64(f.opt.Clients)
	return nil
}
