package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// feature is what a node does beside its work in a case, whose reference is the same
// load without it.
type feature uint8

const (
	plainly feature = iota
	scraped         // its metrics are read each second
	traced          // it traces one event of a hundred, which is the default
)

const scrapeEvery = time.Second

// collect starts who takes traces and looks at none of them, and returns the arguments
// of a node for it.
func (f feature) collect() (args []string, stop func(), err error) {
	if f != traced {
		return nil, func() {}, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("collect traces: %w", err)
	}
	srv := &http.Server{ReadHeaderTimeout: endWait, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf") // nothing at all is an answer that says nothing
	})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(l) }) // ends with stop
	return []string{"--trace-endpoint", "http://" + l.Addr().String(), "--trace-sample", "0.01"}, func() {
		_ = srv.Close()
		wg.Wait()
	}, nil
}

// watch reads n's metrics as Prometheus does, until stop, which tells whether that
// ever failed.
func (f feature) watch(ctx context.Context, n *node) (stop func() error) {
	if f != scraped {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- n.scrape(ctx) }() // ends with stop
	return func() error {
		cancel()
		return <-ended
	}
}

// scrape reads metrics at once and then each second until ctx ends.
func (n *node) scrape(ctx context.Context) error {
	tick := time.NewTicker(scrapeEvery)
	defer tick.Stop()
	client := http.Client{Timeout: endWait}
	defer client.CloseIdleConnections()
	for {
		if err := n.scrapeOnce(ctx, &client); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return fmt.Errorf("read metrics: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (n *node) scrapeOnce(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.admin+"/metrics", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	size, err := io.Copy(io.Discard, res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || size == 0) {
		err = fmt.Errorf("status %d, %d bytes", res.StatusCode, size)
	}
	return err
}
