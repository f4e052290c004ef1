package roll

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
	"github.com/hoshi-ws/hoshi/pkg/client"
)

// Scenario is its name.
const Scenario = "roll"

const (
	connecting = 256         // clients without their first connection, at once
	settled    = time.Second // for how long nobody may have come or gone before the next node
	look       = 20 * time.Millisecond
)

// run is one run.
type run struct {
	// fixed after the start
	opt      *Options
	tally    *tally
	channels []*channel
	hub      *node // NATS, and the publisher's
	nodes    []*node
	members  []*member
	ctx      context.Context // ends when the clients are to be stopped
	cancel   context.CancelFunc
	slots    chan struct{}
}

// Run starts everything, restarts each node, and ends everything. What was measured
// is returned also with an error, which the result holds too; only faulty options give
// none. When ctx ends the error is its cause.
func Run(ctx context.Context, o Options) (*Result, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	res := &Result{
		Scenario: Scenario, Started: time.Now(), Clients: o.Clients, Channels: o.Channels, Rate: o.Rate,
		DrainTime: o.DrainTime.Seconds(), DrainRate: o.DrainRate,
	}
	r := &run{opt: &o, tally: newTally(), slots: make(chan struct{}, connecting)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	for i := range o.Channels {
		r.channels = append(r.channels, &channel{name: fmt.Sprintf("roll-%d", i)})
	}
	err := r.all(ctx, res)
	r.stopClients()
	for _, m := range r.members {
		if err == nil {
			m.finish()
		}
	}
	for _, n := range append(r.nodes, r.hub) {
		if n != nil {
			n.stop()
		}
	}
	r.tally.fill(res)
	for _, c := range r.channels {
		res.Messages.Published += c.published()
	}
	for _, n := range res.Nodes {
		res.Reconnects.EvenPerSecond = max(res.Reconnects.EvenPerSecond, n.Even)
	}
	if err != nil {
		res.Error = err.Error()
	}
	return res, err
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.opt.Log, format+"\n", args...) }

func (r *run) all(ctx context.Context, res *Result) error {
	o := r.opt
	if err := host.Descriptors(o.Clients); err != nil {
		return err
	}
	if err := r.startNodes(ctx); err != nil {
		return err
	}
	if err := r.startClients(ctx); err != nil {
		return err
	}
	publisher, err := client.Connect(ctx, client.Options{URLs: []string{"ws://" + r.hub.listen + "/"}, ReceiveBuffer: -1})
	if err != nil {
		return fmt.Errorf("connect the publisher: %w", err)
	}
	quit := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { host.WatchStalls(quit, r.tally.stalled) }) // ends with quit
	began := time.Now()
	publish := func(quit <-chan struct{}) error { return r.publish(publisher, quit) }
	err = r.rolling(ctx, publish, func(ctx context.Context, n *node) error {
		one, err := r.restart(ctx, n)
		if err == nil {
			res.Nodes = append(res.Nodes, one)
		}
		return err
	})
	res.Seconds = time.Since(began).Seconds()
	close(quit)
	watching.Wait()
	stopping, cancel := context.WithTimeout(context.Background(), o.Timeout)
	defer cancel()
	publisher.Stop(stopping)
	if err == nil {
		r.settle(ctx)
	}
	return err
}

// rolling has the nodes restarted in turn while publish goes on, until one of them cannot
// be. A publisher that fails ends that at once: what comes behind it measures nothing.
func (r *run) rolling(ctx context.Context, publish func(quit <-chan struct{}) error, restart func(context.Context, *node) error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quit, published := make(chan struct{}), make(chan error, 1)
	go func() { // ends with quit
		err := publish(quit)
		if err != nil {
			cancel(err)
		}
		published <- err
	}()
	for _, n := range r.nodes {
		if err = restart(ctx, n); err != nil {
			break
		}
	}
	close(quit)
	if failed := <-published; failed != nil && !errors.Is(err, failed) {
		err = errors.Join(err, failed)
	}
	return err
}

// startNodes starts the hub and the nodes.
func (r *run) startNodes(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.opt.Timeout)
	defer cancel()
	r.say("starting %d nodes", r.opt.Nodes)
	if r.hub, err = r.opt.newNode("hub", ""); err != nil {
		return err
	}
	if err = r.hub.start(ctx); err != nil {
		return err
	}
	for i := range r.opt.Nodes {
		n, err := r.opt.newNode(fmt.Sprintf("node-%d", i+1), r.hub.nats)
		if err != nil {
			return err
		}
		r.nodes = append(r.nodes, n)
		if err := n.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// urls returns the nodes in the order in which client i tries them. Those that begin
// with the same one go on to different ones.
func (r *run) urls(i int) []string {
	n := len(r.nodes)
	urls := make([]string, 0, n)
	step := 1
	if n > 2 && i/n%2 == 1 {
		step = n - 1
	}
	for k := range n {
		urls = append(urls, "ws://"+r.nodes[(i+k*step)%n].listen+"/")
	}
	return urls
}

// startClients starts the clients and returns when all are subscribed.
func (r *run) startClients(ctx context.Context) error {
	r.say("connecting %d clients", r.opt.Clients)
	for i := range r.opt.Clients {
		m, err := newMember(r, i)
		if err != nil {
			return err
		}
		r.members = append(r.members, m)
	}
	var starting sync.WaitGroup
	starting.Go(func() { // ends when all are started, or with the run
		for _, m := range r.members {
			select {
			case r.slots <- struct{}{}:
				m.client.Start()
			case <-r.ctx.Done():
				return
			}
		}
	})
	err := r.await(ctx, 0)
	if err != nil {
		r.cancel()
	}
	starting.Wait()
	return err
}

// await waits until all clients are here, and have been for a while.
func (r *run) await(ctx context.Context, still time.Duration) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		here, quiet, last := r.tally.all()
		if here == r.opt.Clients && quiet >= still {
			return nil
		}
		if quiet > r.opt.Timeout {
			return fmt.Errorf("%d of %d clients are there, and none came for %v: %w", here, r.opt.Clients, quiet.Round(time.Second), last)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// restart lets the clients of a node go, starts it again, and returns when all are back.
func (r *run) restart(ctx context.Context, n *node) (res NodeResult, err error) {
	o := r.opt
	bounded, cancel := context.WithTimeout(ctx, o.DrainTime+o.Timeout)
	defer cancel()
	res.Name = n.name
	if res.Connections, err = n.connections(bounded); err != nil {
		return res, err
	}
	res.Even = float64(res.Connections) / max(o.DrainTime.Seconds(), 1)
	r.say("%s: %d clients", n.name, res.Connections)
	from := r.tally.now()
	if err = n.drain(bounded); err != nil {
		return res, err
	}
	ended := r.tally.now()
	if err = n.start(bounded); err != nil {
		return res, err
	}
	res.DrainSeconds, res.StartSeconds = (ended - from).Seconds(), (r.tally.now() - ended).Seconds()
	if err = r.await(ctx, settled); err != nil {
		return res, err
	}
	res.PeakPerSecond = r.tally.peak(time.Second, from, r.tally.now())
	r.say("%s: all are back, at most %d in a second", n.name, res.PeakPerSecond)
	return res, nil
}

// publish sends on a fixed schedule until quit. The channels take turns.
func (r *run) publish(c *client.Client, quit <-chan struct{}) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	began := r.tally.now()
	for k := 0; ; k++ {
		due := began + time.Duration(float64(k)*float64(time.Second)/r.opt.Rate)
		timer.Reset(max(due-r.tally.now(), 0))
		select {
		case <-timer.C:
		case <-quit:
			return nil
		}
		to := r.channels[k%len(r.channels)]
		now := r.tally.now()
		data := appendData(nil, to.next(now), now)
		switch result, err := c.Publish(to.name, client.EDN(data)); {
		case err != nil:
			return fmt.Errorf("publish: %w", err)
		case result != client.OK:
			return fmt.Errorf("publish: %v", result)
		}
	}
}

// settle waits until nothing has come for a while.
func (r *run) settle(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	last, moved := int64(-1), time.Now()
	for time.Since(moved) < settled {
		if n := r.tally.delivered.Load(); n != last {
			last, moved = n, time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// stopClients ends every client.
func (r *run) stopClients() {
	r.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), r.opt.Timeout)
	defer cancel()
	var next atomic.Int64
	var stopping sync.WaitGroup
	for range min(connecting, len(r.members)) {
		stopping.Go(func() { // ends when all are stopped, which ctx bounds
			for {
				i := int(next.Add(1)) - 1
				if i >= len(r.members) {
					return
				}
				r.members[i].client.Stop(ctx)
			}
		})
	}
	stopping.Wait()
}
