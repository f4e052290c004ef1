package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/node/internal/board"
	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

type topCmd struct {
	Every time.Duration `name:"every" default:"1s" placeholder:"DURATION" help:"How often nodes are asked, 200ms to 1m." meta:""`
	Once  bool          `name:"once" help:"Print it once, as text. So does standard output that is no terminal." meta:""`
	JSON  bool          `name:"json" help:"Print it once, as JSON." meta:""`
}

// Help implements kong.HelpProvider.
func (topCmd) Help() string {
	return `  hoshi top
  hoshi top --once
  hoshi top --json --every 5s

Rates are of the last --every, so that printing once takes as long. SLOW are
connections whose clients take nothing at the moment, CUT/s those that were closed
for it, DROP/s deliveries that were dropped. q and Ctrl-C end it.`
}

// Bounds of --every.
const (
	minEvery = 200 * time.Millisecond
	maxEvery = time.Minute
	// onceWidth is the width of what is printed as text.
	onceWidth = 177
)

func (t *topCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if t.Every < minEvery || t.Every > maxEvery {
		return fmt.Errorf("--every: %v cannot be: want %v to %v", t.Every, minEvery, maxEvery)
	}
	c, err := connect(ctx, s)
	if err != nil {
		return err
	}
	defer c.Stop()
	v := &topView{client: c, shared: s, every: t.Every, title: "hoshi top  " + printable(natsName(s))}
	// The first answer comes before the screen is taken: what is wrong is said on the
	// ordinary one.
	if err := v.take(v.ask(ctx)); err != nil {
		return lookFault(s, bus.APIStats, err)
	}
	if !t.Once && !t.JSON {
		if screen, ok := board.Open(out.stdout); ok {
			defer screen.Close() // also after a panic
			return v.show(ctx, screen)
		}
	}
	if !wait(ctx, t.Every) {
		return nil
	}
	if err := v.take(v.ask(ctx)); err != nil {
		return lookFault(s, bus.APIStats, err)
	}
	return v.print(out.stdout, t.JSON)
}

// print prints the board once. That nodes have not answered is an error, behind it.
func (v *topView) print(w io.Writer, asJSON bool) (err error) {
	if asJSON {
		err = printJSON(w, v.board.Report())
	} else {
		_, err = io.WriteString(w, strings.Join(v.board.Frame(v.title, "", onceWidth, 1000), "\n")+"\n")
	}
	return errors.Join(err, missing(v.silent, v.refused))
}

// wait is false where ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// topView shows what nodes answer. It belongs to the goroutine that shows it.
type topView struct {
	client  *bus.Client
	shared  *config.Shared
	every   time.Duration
	title   string
	board   board.Board
	silent  []string
	refused map[string]string
}

// round is what nodes have answered, once.
type round struct {
	at     time.Time
	answer bus.Survey[bus.NodeView]
	err    error
	panics any // with what the asking has ended, and where
}

// ask takes one round of answers. A node that is late holds it up, until it is not
// counted on any more.
func (v *topView) ask(ctx context.Context) (r round) {
	ctx, cancel := context.WithTimeoutCause(ctx, pubTimeout, fmt.Errorf("no answer within %v", pubTimeout))
	defer cancel()
	r.answer, r.err = v.client.Nodes(ctx, "", bus.StatsQuery{Slow: board.MaxSlow})
	r.at = time.Now()
	return r
}

// take has the board know of a round, and returns its error.
func (v *topView) take(r round) error {
	v.silent, v.refused = r.answer.Silent, r.answer.Refused
	if r.err == nil || errors.Is(r.err, bus.ErrNobody) || errors.Is(r.err, bus.ErrSilent) {
		v.board.Update(r.at, r.answer.Nodes, r.answer.Silent)
	} else {
		v.board.Lost(r.at)
	}
	return r.err
}

// askAgain asks again and again until ctx ends. It runs on a goroutine of its own, so
// that keys and signals wait for nobody's answer, and leaves a panic to the one that has
// the terminal.
func (v *topView) askAgain(ctx context.Context, rounds chan<- round) {
	defer func() {
		if p := recover(); p != nil {
			select {
			case rounds <- round{panics: fmt.Sprintf("%v\n%s", p, debug.Stack())}:
			case <-ctx.Done():
			}
		}
	}()
	tick := time.NewTicker(v.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		r := v.ask(ctx)
		select {
		case rounds <- r:
		case <-ctx.Done():
			return
		}
	}
}

// show draws until somebody quits, or ctx ends. That nobody answers is shown, and may
// change.
func (v *topView) show(ctx context.Context, screen *board.Screen) error {
	ctx, cancel := context.WithCancel(ctx)
	rounds := make(chan round, 1)
	var asking sync.WaitGroup
	asking.Go(func() { v.askAgain(ctx, rounds) }) // ends with ctx
	defer asking.Wait()
	defer cancel()
	title := v.title
	for {
		width, height := screen.Size()
		lines := v.board.Frame(title, screen.Hint(), width, height)
		if err := screen.Show(lines); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		select {
		case r := <-rounds:
			if r.panics != nil {
				panic(r.panics)
			}
			title = v.title
			if err := v.take(r); err != nil {
				title = printable(oneLine(lookFault(v.shared, bus.APIStats, err).Error()))
			}
		case sig := <-screen.Signals():
			screen.Handle(sig)
		case <-screen.Quit():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
