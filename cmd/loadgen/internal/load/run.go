package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// Check says what is wrong with the options, all of it, and does nothing else.
func Check(opt Options) error {
	opt.setDefaults()
	return opt.validate()
}

// Run runs one scenario and returns what it measured. When ctx ends, or
// something fails, it returns what was measured until then together with the
// error, which the result holds too: [ErrInterrupted], [ErrTimeout],
// *[ClosedError], *wsclient.RefusedError or what the system said. Only faulty
// options give no result. Run leaves no goroutine and no descriptor behind.
func Run(ctx context.Context, opt Options) (*report.Result, error) {
	opt.setDefaults()
	if err := opt.validate(); err != nil {
		return nil, err
	}
	c, err := newClient(&opt)
	if err != nil {
		return nil, err
	}
	defer c.close()
	r := &run{client: c, opt: &opt, res: opt.result()}
	err = r.phases(ctx)
	r.lagged()
	if ctx.Err() != nil && !(err == nil && opt.Keep) {
		r.res.Interrupted, err = true, ErrInterrupted
	} else if err != nil {
		r.res.Error = err.Error()
	}
	return r.res, err
}

// run is one call of Run.
type run struct {
	client *client
	opt    *Options
	res    *report.Result
}

func (r *run) phases(ctx context.Context) error {
	if err := r.serverStart(); err != nil {
		return err
	}
	if err := r.connect(ctx); err != nil {
		return err
	}
	if !r.opt.sends() {
		return r.hold(ctx)
	}
	r.client.call(r.client.freeze)
	if err := r.silence(ctx, "ready", r.opt.Pause); err != nil {
		return err
	}
	if r.opt.Flood > 0 {
		f, err := r.startFlood(ctx)
		if err != nil {
			return err
		}
		defer func() {
			f.stop()
			r.res.Flood = f.result(r.opt.Size)
		}()
	}
	if r.opt.Warmup > 0 {
		if err := r.phase(ctx, "warm up", r.opt.Warmup); err != nil {
			return err
		}
	}
	if err := r.measure(ctx); err != nil {
		return err
	}
	if err := r.silence(ctx, "finished", r.opt.Pause); err != nil {
		return err
	}
	return r.thaw(ctx)
}

// thaw lets the slow and the frozen read what there is for them, to learn how it
// ended.
func (r *run) thaw(ctx context.Context) error {
	c := r.client
	if c.opt.Slow == 0 && c.opt.Frozen == 0 {
		return nil
	}
	c.call(c.thaw)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(r.opt.Timeout)
	for start := time.Now(); ; {
		done := false
		c.call(func() { done = c.thawed() })
		if done {
			return nil
		}
		r.opt.Progress(Progress{Phase: "thaw", Done: time.Since(start).Milliseconds(), Total: r.opt.Timeout.Milliseconds()})
		select {
		case <-tick.C:
		case <-c.failed:
			return c.failure()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			return nil
		}
	}
}

// lagged notes what the slow and the frozen have got so far, and what the healthy
// were told that they will not get.
func (r *run) lagged() {
	c, o := r.client, r.opt
	c.call(func() {
		if o.Slow > 0 {
			r.res.Slow = c.lags[slow].result()
		}
		if o.Frozen > 0 {
			r.res.Frozen = c.lags[frozen].result()
		}
		r.res.Notices, r.res.Dropped = c.lags[healthy].notices, c.lags[healthy].dropped
	})
}

// hold keeps the connections open.
func (r *run) hold(ctx context.Context) error {
	began := time.Now()
	err := r.silence(ctx, "hold", r.opt.Hold)
	r.res.Seconds = time.Since(began).Seconds()
	if err == nil {
		err = r.serverFull()
	}
	if err == nil && r.opt.Keep {
		r.opt.Progress(Progress{Phase: "keep"})
		select {
		case <-ctx.Done():
		case <-r.client.failed:
			err = r.client.failure()
		}
		r.res.Seconds = time.Since(began).Seconds()
	}
	r.stormed()
	return err
}

// stormed notes what a storm has measured so far.
func (r *run) stormed() {
	r.client.call(func() {
		if s, ok := r.client.scenario.(*storm); ok {
			r.res.Storm = s.result(r.opt.Connections, r.res.Connections, r.res.ConnectSeconds)
		}
	})
}

// connect makes the scenario and opens what it needs.
func (r *run) connect(ctx context.Context) error {
	c, o := r.client, r.opt
	plans := make([]plan, 0, o.Connections+o.Publishers)
	readers, dialects := o.readers(), dialect.Spread(o.Dialects, o.Connections)
	for i := range o.Connections {
		t, err := parseTarget(o.URLs[i%len(o.URLs)])
		if err != nil {
			return err
		}
		ch := -1
		if o.Channels > 0 && (o.Scenario == Idle || o.Scenario == Fanout || o.Scenario == Storm) {
			ch = i % o.Channels
		}
		plans = append(plans, plan{target: t, channel: ch, reader: readers[i], dialect: dialects[i]})
	}
	var push *userpush
	switch o.Scenario {
	case Idle:
		c.scenario = idle{names: c.names()}
	case Storm:
		c.scenario = newStorm(c.names())
	case Fanout:
		c.scenario = newFanout(c)
		dialects := dialect.Spread(o.Dialects, o.Publishers)
		for i := range o.Publishers {
			t, err := parseTarget(o.PublishURLs[i%len(o.PublishURLs)])
			if err != nil {
				return err
			}
			plans = append(plans, plan{target: t, channel: -1, dialect: dialects[i]})
		}
	case PingPong:
		c.scenario = newPingpong(c)
	case UserPush:
		b, err := c.dialNATS(ctx, o.NATS)
		if err != nil {
			return err
		}
		push = newUserpush(c, b)
		c.scenario = push
	default:
		return fmt.Errorf("scenario: %q is unknown", o.Scenario)
	}
	start := c.clock()
	for _, k := range readers {
		c.lags[k].connections++
	}
	before, errBefore := r.serverCPU()
	err := c.open(ctx, plans)
	if after, errAfter := r.serverCPU(); r.res.Server != nil {
		r.res.Server.CPUConnecting = after - before
		err = errors.Join(err, errBefore, errAfter)
	}
	var last int64
	c.call(func() { r.res.Connections, last = c.ready, c.lastOpen })
	if last > start {
		r.res.ConnectSeconds = time.Duration(last - start).Seconds()
	}
	if s, ok := c.scenario.(*storm); ok {
		r.stormed()
		if err == nil && r.res.Connections == 0 {
			err = s.nobody(o.Connections)
		}
	}
	if err != nil || push == nil {
		return err
	}
	return r.probe(ctx, push)
}

// probe waits until a push reaches every user.
func (r *run) probe(ctx context.Context, u *userpush) error {
	deadline := time.After(r.opt.Timeout)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		silent := 0
		r.client.call(func() {
			if silent = u.silent; silent > 0 && i%20 == 0 {
				u.probe()
			}
		})
		r.opt.Progress(Progress{Phase: "probe", Done: int64(len(u.users) - silent), Total: int64(len(u.users))})
		if silent == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-r.client.failed:
			return r.client.failure()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			return fmt.Errorf("a push on %s.user.<uid> did not reach %d of %d users within %v (is --nats the server's?): %w",
				r.opt.Prefix, silent, len(u.users), r.opt.Timeout, ErrTimeout)
		}
	}
}

// silence keeps the connections open for d and sends nothing.
func (r *run) silence(ctx context.Context, name string, d time.Duration) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); time.Since(start) < d; {
		r.opt.Progress(Progress{Phase: name, Done: time.Since(start).Milliseconds(), Total: d.Milliseconds()})
		select {
		case <-tick.C:
		case <-r.client.failed:
			return r.client.failure()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// measure runs the counted phase and takes its numbers, however it ends.
func (r *run) measure(ctx context.Context) error {
	before, errBefore := r.serverCPU()
	self := host.SelfCPU()
	err := r.phase(ctx, "measure", r.opt.Duration)
	r.res.ClientCPU = (host.SelfCPU() - self).Seconds()
	after, errAfter := r.serverCPU()
	c, p := r.client, r.client.pump
	c.call(func() {
		p.sending = false
		p.record()
		r.res.Seconds = time.Duration(p.latest - p.start).Seconds()
		r.res.Sent, r.res.Deliveries, r.res.BytesIn = p.sent, p.deliveries, p.bytes
		r.res.Lost, r.res.OutOfOrder = p.owed, p.disorder
		r.res.Unexpected = c.strays
		r.res.Latency = p.latency.Quantiles()
	})
	if r.res.Seconds > 0 {
		r.res.Rate = float64(r.res.Deliveries) / r.res.Seconds
	}
	if s := r.res.Server; s != nil {
		s.CPUSeconds = after - before
		if r.res.Deliveries > 0 {
			s.CPUPerMillion = s.CPUSeconds / float64(r.res.Deliveries) * 1e6
		}
		err = errors.Join(err, errBefore, errAfter, r.serverFull())
	}
	return err
}

// phase sends for d and waits until all has been received.
func (r *run) phase(ctx context.Context, name string, d time.Duration) error {
	c, p := r.client, r.client.pump
	var done <-chan struct{}
	c.call(func() {
		c.strays = 0
		done = p.begin(c.clock(), d)
	})
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	start, moved, last := time.Now(), time.Now(), int64(-1)
	for {
		select {
		case <-done:
			return nil
		case <-c.failed:
			return c.failure()
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-tick.C:
			var deliveries, owed, dropped int64
			var inflight int
			c.call(func() {
				deliveries, owed, inflight, dropped = p.deliveries, p.owed, p.inflight, c.lags[healthy].dropped
			})
			if deliveries != last || inflight == 0 {
				last, moved = deliveries, now
			}
			if now.Sub(moved) > r.opt.Timeout {
				return fmt.Errorf("%s: %d messages are under way, %d receipts are missing (%d dropped, says the server), and none came for %v: %w",
					name, inflight, owed, dropped, r.opt.Timeout, ErrTimeout)
			}
			r.opt.Progress(Progress{Phase: name, Done: min(now.Sub(start), d).Milliseconds(), Total: d.Milliseconds(), Deliveries: deliveries})
		}
	}
}

// serverStart notes the server's memory while it has no connection of ours.
func (r *run) serverStart() (err error) {
	if r.opt.ServerPID == 0 {
		return nil
	}
	r.res.Server = &report.Server{PID: r.opt.ServerPID}
	r.res.Server.RSSEmpty, err = host.RSS(r.opt.ServerPID)
	return err
}

// serverFull notes the server's memory with all connections open.
func (r *run) serverFull() (err error) {
	s := r.res.Server
	if s == nil {
		return nil
	}
	if s.RSSFull, err = host.RSS(s.PID); err != nil {
		return err
	}
	s.PerConnection = float64(s.RSSFull-s.RSSEmpty) / float64(max(r.res.Connections, 1))
	return nil
}

func (r *run) serverCPU() (float64, error) {
	if r.opt.ServerPID == 0 {
		return 0, nil
	}
	return host.CPUSeconds(r.opt.ServerPID)
}
