package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// ending is how a node is asked to end: by Ctrl-C at once, by SIGTERM or an
// administrator after it has let its clients go.
type ending struct {
	signals chan os.Signal // as they come, from before the node starts
	asked   context.Context
	ask     context.CancelFunc // by an administrator; any goroutine
	left    sync.Once

	terminated bool      // there has been a SIGTERM; main goroutine, then that of hurry
	signal     os.Signal // the first, nil where an administrator was before it; main goroutine
	hurried    bool      // one has cut the drain short; goroutine of hurry, then the main one
}

func newEnding() *ending {
	e := &ending{signals: make(chan os.Signal, 8)}
	e.asked, e.ask = context.WithCancel(context.Background())
	return e
}

// watch listens for signals until leave is called.
func (e *ending) watch() { signal.Notify(e.signals, os.Interrupt, syscall.SIGTERM) }

// leave lets the next signal end the process the hard way.
func (e *ending) leave() {
	e.left.Do(func() {
		signal.Stop(e.signals)
		e.ask()
	})
}

// either returns a context that ends with ctx, or when the node is asked to end.
func (e *ending) either(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(e.asked, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// signalWait is more than a signal takes that has ended a context already.
const signalWait = time.Second

// slowly reports whether clients are to be let go first. ctx is that of the node;
// it has ended, or the node has been asked.
func (e *ending) slowly(ctx context.Context) bool {
	if ctx.Err() == nil {
		return true
	}
	late := time.NewTimer(signalWait)
	defer late.Stop()
	select {
	case s := <-e.signals:
		e.signal, e.terminated = s, s == syscall.SIGTERM
		return e.terminated
	case <-late.C: // whoever has ended it is in a hurry
		return false
	}
}

// errHurry is why a node does not wait any more.
var errHurry = errors.New("asked again")

// hurry cancels at the next signal; the first SIGTERM, which an administrator has
// come before, changes nothing. It returns when ctx ends.
func (e *ending) hurry(ctx context.Context, cancel context.CancelCauseFunc) {
	for {
		select {
		case s := <-e.signals:
			if s == syscall.SIGTERM && !e.terminated {
				e.terminated = true
				continue
			}
			e.hurried = true
			cancel(errHurry)
			return
		case <-ctx.Done():
			return
		}
	}
}

// forgive has the next signal change nothing, and the one after it end the process: it
// may have been meant for a drain that was over just before. It returns when ctx ends.
func (e *ending) forgive(ctx context.Context) {
	select {
	case <-e.signals:
		e.leave()
	case <-ctx.Done():
	}
}

// finish ends the node, after a drain where it was asked to end slowly. It takes no
// longer than --drain-time and stopTimeout.
func (n *node) finish(ctx context.Context) error {
	end := time.Now().Add(stopTimeout)
	slowly := n.ending.slowly(ctx)
	if s := n.ending.signal; s != nil {
		n.log.Info().Stringer("signal", s).Msg("node is told to end")
	}
	if slowly {
		end = end.Add(n.cli.Run.DrainTime)
		n.letGo(end)
		end = earlier(end, time.Now().Add(stopTimeout))
	}
	if !slowly || n.ending.hurried {
		n.ending.leave()
	}
	ctx, cancel := context.WithCancel(context.Background())
	var forgiving sync.WaitGroup
	forgiving.Go(func() { n.ending.forgive(ctx) }) // ends with ctx
	defer forgiving.Wait()
	defer cancel()
	n.log.Info().Msg("node is stopping")
	return n.stop(end)
}

// letGo drains the node, until end at most.
func (n *node) letGo(end time.Time) {
	bounded, cancelBound := context.WithDeadline(context.Background(), end)
	defer cancelBound()
	ctx, cancel := context.WithCancelCause(bounded)
	var watching sync.WaitGroup
	watching.Go(func() { n.ending.hurry(ctx, cancel) }) // ends with ctx
	err := n.edge.Drain(ctx)
	cancel(nil)
	watching.Wait()
	if err != nil {
		n.log.Warn().Err(err).Int("connections", n.edge.Connections()).Msg("node has not drained, its clients are closed at once")
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
