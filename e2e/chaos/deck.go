package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/book"
)

const (
	// afterwards is how long after everything works something may still be lost.
	afterwards = 2 * time.Second
	// calm follows each fault, and in it nothing is lost.
	calm = 3 * time.Second
)

// deck deals faults: all kinds, in random order, again and again. The order and
// the particulars depend on the seed alone.
type deck struct {
	c     *cluster
	rng   *rand.Rand
	usual []int // into kinds
	left  []int
}

func newDeck(c *cluster, o *options) (*deck, error) {
	d := &deck{c: c, rng: rand.New(rand.NewPCG(o.seed, 1))}
	for i, k := range kinds {
		if (len(o.only) == 0 || slices.Contains(o.only, k.name)) && (!k.netns || o.netns) {
			d.usual = append(d.usual, i)
		}
	}
	for _, name := range o.only {
		if !slices.ContainsFunc(d.usual, func(i int) bool { return kinds[i].name == name }) {
			var known []string
			for _, k := range kinds {
				known = append(known, k.name)
			}
			return nil, fmt.Errorf("there is no fault %q here, only %s", name, strings.Join(known, ", "))
		}
	}
	return d, nil
}

func (d *deck) next() fault {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.usual)
		d.rng.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	k := kinds[d.left[0]]
	d.left = d.left[1:]
	f := k.make(d.c, d.rng)
	f.kind = k.name
	return f
}

// happened is a fault that has been.
type happened struct {
	fault  fault
	window *book.Window
	back   time.Duration // from its end until everything worked
}

// suffer breaks something, mends it, and waits until everything works.
func (r *run) suffer(ctx context.Context, f fault) error {
	scope := f.scope(ctx)
	w := r.book.Begin(f.kind, scope)
	text := f.text
	if f.lasts > 0 {
		text += fmt.Sprintf(", for %v", f.lasts)
	}
	r.sayf("%s: %s", f.kind, text)
	if err := f.begin(); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	slept := sleep(ctx, f.lasts)
	if f.end != nil {
		if err := f.end(); err != nil {
			return fmt.Errorf("undo %s: %w", text, err)
		}
	}
	if slept != nil {
		return slept
	}
	mended := time.Now()
	if err := r.prober.works(ctx); err != nil {
		return fmt.Errorf("after %s: %w", text, err)
	}
	h := happened{fault: f, window: w, back: time.Since(mended)}
	r.history = append(r.history, h)
	if err := sleep(ctx, afterwards); err != nil {
		return err
	}
	r.book.End(w)
	return nil
}
