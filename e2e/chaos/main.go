package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/book"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout))
}

// Exit codes.
const (
	exitFine  = 0
	exitWrong = 1 // something is wrong with what was tested
	exitUsage = 2 // nothing could be tested
)

// command is the whole program.
func command(ctx context.Context, args []string, out io.Writer) int {
	o, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return exitFine
	}
	if err != nil {
		fmt.Fprintln(out, "chaos:", err)
		return exitUsage
	}
	if o.netns && os.Geteuid() != 0 {
		fmt.Fprintln(out, "chaos: network namespaces need root; --no-netns does without, and without partitions")
		return exitUsage
	}
	r := &run{o: o, out: out, book: book.New(channels + users)}
	if o.verbose {
		r.book.Explained = func(text string) { fmt.Fprintln(out, "   lost ", text) }
	}
	fine, err := r.all(ctx)
	switch {
	case err != nil:
		fmt.Fprintln(out, "chaos:", err)
		if !r.under {
			return exitUsage
		}
		return exitWrong
	case !fine:
		return exitWrong
	}
	return exitFine
}

// run is one run. Its fields are set by all, in order, on one goroutine.
type run struct {
	o       *options
	out     io.Writer
	dir     string
	under   bool // the cluster is up, and what goes wrong is its fault
	book    *book.Book
	cluster *cluster

	backends   []*backend
	speakers   []*book.Speaker
	prober     *prober
	steadies   []*steady
	roamers    []*roamer
	churn      *churn
	clients    sync.WaitGroup // goroutines of the steady clients
	publishers sync.WaitGroup
	history    []happened
}

// all does the whole run. Everything has been stopped when it returns.
func (r *run) all(ctx context.Context) (fine bool, err error) {
	r.dir = r.o.dir
	if r.dir == "" {
		if r.dir, err = os.MkdirTemp("", "hoshi-chaos-"); err != nil {
			return false, err
		}
		defer func() {
			if fine && err == nil || !r.under {
				err = errors.Join(err, os.RemoveAll(r.dir))
			} else {
				fmt.Fprintln(r.out, "logs of the processes:", r.dir)
				_ = os.Remove(filepath.Join(r.dir, "hoshi")) // large, and can be built again
				_ = os.Remove(filepath.Join(r.dir, "nats-server"))
			}
		}()
	}
	tag := make([]byte, 3)
	if _, err := rand.Read(tag); err != nil {
		return false, err
	}
	bin, err := build(r.dir)
	if err != nil {
		return false, err
	}
	name := hex.EncodeToString(tag)
	r.sayf("run %s, seed %d", name, r.o.seed)
	r.cluster, err = startCluster(ctx, r.dir, name, bin, r.o.netns)
	defer func() { err = errors.Join(err, r.cluster.stop()) }()
	if err != nil {
		return false, err
	}
	r.under = true
	return r.tested(ctx)
}

// tested lets clients and faults loose on the cluster.
func (r *run) tested(ctx context.Context) (fine bool, err error) {
	life, die := context.WithCancel(ctx) // of clients and backends
	defer func() {
		die()
		r.clients.Wait()
		if r.prober != nil {
			r.prober.done.Wait()
		}
		for _, b := range r.backends {
			b.Stop()
		}
	}()
	if r.backends, err = connectBackends(ctx, r.cluster); err != nil {
		return false, err
	}
	r.prober = probe(life, r.cluster, r.backends)
	r.addSpeakers()
	r.startSteadies(life)
	r.startRoamers(life)
	r.churn = &churn{run: r, open: make(chan struct{}, r.o.open)}
	speaking, silence := context.WithCancel(life)
	defer func() { silence(); r.publishers.Wait() }()
	r.startPublishers(speaking)
	if err := r.prober.works(ctx); err != nil {
		return false, err
	}
	before, err := r.warmUp(ctx)
	if err != nil {
		return false, err
	}

	if err := r.storm(ctx); err != nil {
		return false, err
	}
	if err := sleep(ctx, latest); err != nil {
		return false, err
	}
	if err := r.quiet(ctx); err != nil {
		r.book.Failf("leak", "%v", err)
	}
	after, err := r.footprints(ctx)
	if err != nil {
		return false, err
	}
	r.compare(before, after)
	silence()
	r.publishers.Wait()
	if err := r.settle(ctx); err != nil {
		return false, err
	}
	return r.report(before, after), nil
}

// warmUp lets some clients come and go, so that what a node needs once for many
// clients is there, and returns what the nodes hold then.
func (r *run) warmUp(ctx context.Context) ([]footprint, error) {
	short, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	r.churn.churnFor(short, r.perSecond(), r.lifetime())
	if err := r.quiet(ctx); err != nil {
		return nil, err
	}
	r.sayf("%d clients have come and gone, now the faults", r.churn.came.Load())
	return r.footprints(ctx)
}

func (r *run) perSecond() float64 { return float64(r.o.clients) / r.o.time.Seconds() }

// lifetime is what leaves the bound of open clients some room.
func (r *run) lifetime() time.Duration {
	if r.o.clients == 0 {
		return time.Second
	}
	d := time.Duration(0.8 * float64(r.o.open) / r.perSecond() * float64(time.Second))
	return min(d, 20*time.Second)
}

// storm breaks one thing after the other while clients come and go.
func (r *run) storm(ctx context.Context) error {
	d, err := newDeck(r.cluster, r.o)
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, r.o.time)
	defer cancel()
	var clients sync.WaitGroup
	clients.Go(func() { r.churn.churnFor(short, r.perSecond(), r.lifetime()) })
	defer clients.Wait()
	for short.Err() == nil {
		if sleep(short, calm) != nil {
			break
		}
		f := d.next()
		if deadline, ok := short.Deadline(); ok && time.Until(deadline) < f.lasts {
			continue // there is no time for it any more
		}
		if err := r.suffer(ctx, f); err != nil {
			cancel()
			return err
		}
	}
	return ctx.Err()
}

// settle waits until everybody has heard what was published, and ends the books.
func (r *run) settle(ctx context.Context) error {
	deadline := time.Now().Add(15 * time.Second)
	for {
		err := r.complete()
		if err == nil || time.Now().After(deadline) {
			break
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	for _, s := range r.steadies {
		if l := s.current(); l != nil {
			l.End(0)
		} else {
			r.book.Failf("away", "%s is not there at the end", s.name)
		}
	}
	for _, tab := range r.roamers {
		tab.listener.End(0)
	}
	return nil
}
