package keys

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a Remote. The zero value of everything but URL is its default.
type Options struct {
	// URL of the set: https, or http on loopback. Redirects are not followed.
	URL string
	// Algorithm of RSA keys that name none; RS256 by default.
	Algorithm string
	// Refresh is the time after which the set is fetched again; 15 minutes.
	Refresh time.Duration
	// MinRefresh is the least time before a missing key causes another fetch,
	// however many are asked for, and the pause after a failure, which doubles up
	// to Refresh; 10 seconds.
	MinRefresh time.Duration
	// Timeout of a fetch, from the dial to the last byte; 5 seconds.
	Timeout time.Duration
	// MaxStale is how long a set is used after the last fetch that went well;
	// 24 hours. A key that its owner takes back lives that long for who can keep
	// us from the url.
	MaxStale time.Duration
	// TLS is for authorities of one's own; nil is the system's.
	TLS *tls.Config
	// OnFetch, if given, is called after each fetch by the Remote's goroutine,
	// with the number of keys now in use. It must not block for long, nor stop
	// the Remote.
	OnFetch func(url string, keys int, err error)
}

// Remote keeps the set of keys of a url. All its methods may be called
// concurrently.
type Remote struct {
	// Fixed after NewRemote.
	opts   Options
	shown  string // the url for people, without a password
	client *http.Client

	set  atomic.Pointer[Set] // written by the goroutine alone
	wake chan struct{}       // 1: somebody wants the set now
	stop context.CancelFunc  // written by Start
	done sync.WaitGroup

	mu struct {
		sync.Mutex
		round   chan struct{} // closed when the fetch that is due or under way is over
		due     bool          // a fetch is under way, or asked for
		last    time.Time     // when the last one began
		stopped bool
	}
}

// Set is what a fetch brought. It is not changed afterwards.
type Set struct {
	Keys []Key
	Left int       // keys of the document that cannot check signatures
	At   time.Time // when it was fetched
}

// ErrBadURL says that a url is neither https nor http on loopback.
var ErrBadURL = errors.New("bad key set url")

var errRedirect = errors.New("redirects are not followed")

// NewRemote checks the options. Nothing is fetched before Start.
func NewRemote(o Options) (*Remote, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("%w: want https://..., or http:// on loopback", ErrBadURL)
	}
	for _, d := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&o.Refresh, 15 * time.Minute},
		{&o.MinRefresh, 10 * time.Second},
		{&o.Timeout, 5 * time.Second},
		{&o.MaxStale, 24 * time.Hour},
	} {
		if *d.field < 0 {
			return nil, errors.New("a time of a key set is negative")
		}
		if *d.field == 0 {
			*d.field = d.fallback
		}
	}
	r := &Remote{opts: o, shown: u.Redacted(), wake: make(chan struct{}, 1)}
	r.mu.round = make(chan struct{})
	r.client = &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        o.TLS.Clone(),
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true, // one fetch in minutes
			MaxResponseHeaderBytes: 16 << 10,
		},
	}
	return r, nil
}

func loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// Start begins to fetch, and returns at once. It is called once.
func (r *Remote) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	r.mu.Lock()
	r.mu.due = true
	r.mu.Unlock()
	r.done.Go(func() { r.run(ctx) }) // until Stop
}

// Stop ends a fetch under way and waits for the goroutine. Who waits for a
// round is let go. It may be called without Start.
func (r *Remote) Stop() {
	if r.stop != nil {
		r.stop()
	}
	r.done.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.mu.stopped {
		r.mu.stopped = true
		close(r.mu.round)
	}
}

// Set returns the newest set that is not too old, nil where there is none. It
// does not block.
func (r *Remote) Set(now time.Time) *Set {
	s := r.set.Load()
	if s == nil || now.Sub(s.At) > r.opts.MaxStale {
		return nil
	}
	return s
}

// Want asks for a fetch, since a key is missing. It does not block. The channel
// is closed when that fetch is over, however it went; nil says that there will
// be none for now, as the last one began less than MinRefresh ago.
func (r *Remote) Want(now time.Time) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.stopped {
		return nil
	}
	if !r.mu.due {
		if now.Sub(r.mu.last) < r.opts.MinRefresh {
			return nil
		}
		r.mu.due = true
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return r.mu.round
}

func (r *Remote) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.wake:
		}
		r.mu.Lock()
		r.mu.due, r.mu.last = true, time.Now()
		r.mu.Unlock()

		set, err := r.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			r.set.Store(set)
			failures = 0
		} else {
			failures++
		}

		r.mu.Lock()
		r.mu.due = false
		select { // asked for between the timer and the fetch: this was it
		case <-r.wake:
		default:
		}
		close(r.mu.round)
		r.mu.round = make(chan struct{})
		r.mu.Unlock()

		if r.opts.OnFetch != nil {
			keys := 0
			if s := r.set.Load(); s != nil {
				keys = len(s.Keys)
			}
			r.opts.OnFetch(r.shown, keys, err)
		}
		timer.Reset(r.pause(failures))
	}
}

// pause is what to wait before the next fetch: MinRefresh doubled for each
// failure in a row, up to Refresh, less up to a tenth so that nodes that were
// started together do not ask together.
func (r *Remote) pause(failures int) time.Duration {
	d := r.opts.Refresh
	if failures > 0 {
		for d = min(d, r.opts.MinRefresh); failures > 1 && d < r.opts.Refresh; failures-- {
			d = min(2*d, r.opts.Refresh)
		}
	}
	return d - rand.N(d/10+1)
}

func (r *Remote) fetch(ctx context.Context) (*Set, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.opts.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch key set: status %d", resp.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(resp.Body, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("fetch key set: %w", err)
	}
	found, left, err := ParseJWKS(r.opts.Algorithm, document)
	if err != nil {
		return nil, err
	}
	return &Set{Keys: found, Left: left, At: time.Now()}, nil
}
