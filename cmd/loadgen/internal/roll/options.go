package roll

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Options say what to run. Zero values mean the default that is named.
type Options struct {
	// Program is the server's.
	Program string
	// NodeArgs are more arguments of the nodes.
	NodeArgs []string
	// Nodes is how many are restarted; default 3.
	Nodes int
	// Clients is how many there are; default 10,000. Each subscribes to one channel.
	Clients int
	// Channels is how many there are; default 100.
	Channels int
	// Rate is how many messages are published in a second, on all channels together;
	// default 100.
	Rate float64
	// DrainTime and DrainRate are those of the nodes; defaults 30 s and 500.
	DrainTime time.Duration
	DrainRate int
	// Timeout bounds each step beyond DrainTime; default a minute.
	Timeout time.Duration
	// Dir receives the nodes' logs. It must exist.
	Dir string
	// Log takes what is being done, line by line. Default: nobody.
	Log io.Writer
}

func (o *Options) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.Nodes, 3)
	def(&o.Clients, 10_000)
	def(&o.Channels, min(100, max(o.Clients, 1)))
	def(&o.DrainRate, 500)
	if o.Rate == 0 {
		o.Rate = 100
	}
	if o.DrainTime == 0 {
		o.DrainTime = 30 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
}

// validate reports all that is wrong.
func (o *Options) validate() error {
	var errs []error
	bad := func(cond bool, format string, args ...any) {
		if cond {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(o.Nodes < 2 || o.Nodes > 16, "nodes: %d, want 2 to 16: clients must find another one", o.Nodes)
	bad(o.Clients < 1 || o.Clients > 1_000_000, "clients: %d, want 1 to 1,000,000", o.Clients)
	bad(o.Channels < 1 || o.Channels > max(o.Clients, 1), "channels: %d, want 1 to the number of clients", o.Channels)
	bad(!(o.Rate > 0 && o.Rate <= 1000), "rate: %g, want more than 0 and at most 1,000", o.Rate)
	bad(o.DrainTime < 0 || o.DrainTime > time.Hour, "drain-time: %v, want up to 1h", o.DrainTime)
	bad(o.DrainRate < 1, "drain-rate: %d, want at least 1", o.DrainRate)
	bad(o.Timeout <= 0, "timeout: %v, want more than 0", o.Timeout)
	return errors.Join(errs...)
}
