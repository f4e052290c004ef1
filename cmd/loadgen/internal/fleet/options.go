package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// Options say what to run. Zero values mean the default that is named.
type Options struct {
	// URLs of the nodes. Clients begin in turn with each, and have all of them, each
	// in an order of its own.
	URLs []string
	// Clients is how many there are.
	Clients int
	// Channels is the number of channels; each client subscribes to one. 0: to none.
	Channels int
	// Publishers is how many of the clients publish, on their own channel, and Rate how
	// many messages a second they publish together; 0: none. Default 10 publishers.
	Publishers int
	Rate       float64
	// Size is the length of a message's data in bytes, at least; default 128.
	Size int
	// Connecting is how many may be without their first connection at once, of those
	// that were started; default 256.
	Connecting int
	// Duration is how long the clients run once all are connected.
	Duration time.Duration
	// UntilBack ends the run when clients have lost their connection and all are back,
	// at the latest after Duration.
	UntilBack bool
	// Timeout is how long any one answer may take; default 10 s.
	Timeout time.Duration
	// Sources are the local addresses that connections come from, in turn.
	Sources []netip.Addr
	// ServerPID is a server's process, whose memory and CPU time are read; 0 for none.
	ServerPID int
	// Progress, when set, is told how far the run is, by the goroutine that called Run.
	Progress func(report.Progress)
}

// Bounds.
const (
	maxPublishers = 1000 // each client keeps a number for each that publishes on its channel
	maxRate       = 100_000
	maxSize       = 512 << 10
)

func (o *Options) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.Size, 128)
	def(&o.Connecting, 256)
	def(&o.Publishers, min(10, max(o.Clients, 1)))
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func(report.Progress) {}
	}
}

// Check says what is wrong with the options, all of it, and does nothing else.
func Check(o Options) error {
	o.setDefaults()
	return o.validate()
}

func (o *Options) validate() error {
	var errs []error
	bad := func(cond bool, format string, args ...any) {
		if cond {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(o.Clients < 1, "clients: %d, want at least 1", o.Clients)
	bad(o.Channels < 0 || o.Channels > max(o.Clients, 0), "channels: %d, want 0 to the number of clients", o.Channels)
	bad(o.Publishers < 1 || o.Publishers > min(maxPublishers, max(o.Clients, 1)), "publishers: %d, want 1 to the number of clients, at most %d", o.Publishers, maxPublishers)
	bad(!(o.Rate >= 0 && o.Rate <= maxRate), "rate: %g, want 0 to %d", o.Rate, maxRate)
	bad(o.Rate > 0 && o.Channels == 0, "rate: %g, and no channels to publish on", o.Rate)
	bad(o.Size < 1 || o.Size > maxSize, "size: %d, want 1 to %d", o.Size, maxSize)
	bad(o.Connecting < 1, "connecting: %d, want at least 1", o.Connecting)
	bad(o.Duration <= 0, "duration: %v, want more than 0", o.Duration)
	bad(o.Timeout <= 0, "timeout: %v, want more than 0", o.Timeout)
	bad(len(o.URLs) == 0, "url: none")
	for _, s := range o.URLs {
		u, err := url.Parse(s)
		bad(err != nil || u.Scheme != "ws" || u.Hostname() == "", "url: %q, want ws://host:port/path", s)
	}
	return errors.Join(errs...)
}

// urls returns the nodes in the order in which client i tries them. Those that begin
// with the same node go on to different ones, so that the loss of a node is shared by
// all others.
func (o *Options) urls(i int) []string {
	n := len(o.URLs)
	first := i % n
	rest := make([]string, 0, n-1)
	for k := 1; k < n; k++ {
		rest = append(rest, o.URLs[(first+k)%n])
	}
	order := []string{o.URLs[first]}
	for k := range rest {
		order = append(order, rest[(i/n+k)%len(rest)])
	}
	return order
}

func (o *Options) result() *report.Result {
	c := map[string]any{
		"clients": o.Clients, "channels": o.Channels, "urls": len(o.URLs), "connecting": o.Connecting,
		"duration_seconds": o.Duration.Seconds(), "until_back": o.UntilBack,
	}
	if o.Rate > 0 {
		c["rate"], c["publishers"], c["size"] = o.Rate, o.Publishers, o.Size
	}
	if len(o.Sources) > 0 {
		c["sources"] = len(o.Sources)
	}
	return &report.Result{Scenario: Scenario, Started: time.Now(), Config: c}
}

// Scenario is its name.
const Scenario = "clients"
