package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/proc"
)

// footprint is what a node holds while only those are there that stay.
type footprint struct {
	proc.Usage
	heap       int64
	goroutines int
	conns      int
}

// Bounds of what a node may hold more at the end than before the faults.
const (
	moreDescriptors = 8
	moreGoroutines  = 8
	moreHeap        = 16 << 20 // and half of what it was
)

// footprints collects the garbage of each node and looks at what is left.
func (r *run) footprints(ctx context.Context) ([]footprint, error) {
	var list []footprint
	for _, n := range r.cluster.nodes {
		f, err := n.footprint(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		list = append(list, f)
	}
	return list, nil
}

func (n *node) footprint(ctx context.Context) (footprint, error) {
	var f footprint
	for range 2 { // what a finalizer holds goes with the second
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.admin+"/debug/pprof/heap?gc=1", nil)
		if err != nil {
			return f, err
		}
		resp, err := web.Do(req)
		if err != nil {
			return f, err
		}
		_ = resp.Body.Close()
	}
	s, err := n.stats(ctx)
	if err != nil {
		return f, err
	}
	f.heap, f.goroutines, f.conns = s.Process.HeapBytes, s.Process.Goroutines, s.Connections
	f.Usage, err = n.Usage()
	return f, err
}

// quiet waits until each node has only the clients that stay: the steady ones, the
// prober's, the publisher, and whatever tabs are there at the moment.
func (r *run) quiet(ctx context.Context) error {
	return await(ctx, "those who came and went are gone", func() error {
		for _, n := range r.cluster.nodes {
			s, err := n.stats(ctx)
			if err != nil {
				return err
			}
			if s.Connections < steadies+2 || s.Connections > steadies+2+roamers {
				return fmt.Errorf("%s has %d connections, want %d and at most %d tabs", n.Name, s.Connections, steadies+2, roamers)
			}
		}
		return nil
	})
}

// compare fails the run where a node holds more than it did.
func (r *run) compare(before, after []footprint) {
	for i, n := range r.cluster.nodes {
		b, a := before[i], after[i]
		if a.Descriptors > b.Descriptors+moreDescriptors {
			r.book.Failf("leak", "%s has %d descriptors open, before the faults %d", n.Name, a.Descriptors, b.Descriptors)
		}
		if a.goroutines > b.goroutines+moreGoroutines {
			r.book.Failf("leak", "%s has %d goroutines, before the faults %d", n.Name, a.goroutines, b.goroutines)
		}
		if a.heap > b.heap+b.heap/2+moreHeap {
			r.book.Failf("leak", "%s has a heap of %d KiB, before the faults %d KiB", n.Name, a.heap>>10, b.heap>>10)
		}
	}
}
