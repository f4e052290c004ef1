package load

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// Names of the scenarios.
const (
	Idle     = "idle"
	Fanout   = "fanout"
	PingPong = "pingpong"
	UserPush = "userpush"
	Storm    = "storm"
)

// maxOutstanding bounds the messages in flight where a rate sets the pace.
const maxOutstanding = 1 << 16

// maxConnecting bounds the connections in their handshake where a rate sets the
// pace: each may take a goroutine that waits for TCP.
const maxConnecting = 1 << 12

// Options say what to run. Zero values mean the default that is named.
type Options struct {
	Scenario string
	// URLs of the server, "ws://host:port/path"; connections take turns.
	URLs []string
	// PublishURLs are where fan-out's publishers connect, in turn; default URLs[0].
	PublishURLs []string
	// Connections is the number of subscribers, users or sockets.
	Connections int
	// Slow and Frozen are percentages of the subscribers or users: the former read
	// SlowRate bytes a second (default 10,000), the latter nothing. Nobody waits for
	// them, and what they get is counted apart. Fan-out and user pushes only.
	Slow, Frozen float64
	SlowRate     int
	// Flood is how many clients, beside all others, send events for backends as fast as
	// the server takes them. Ping-pong and fan-out only.
	Flood int
	// Publishers is the number of sockets that publish in fan-out; default one for
	// each of PublishURLs. Where channels are fewer than publishers, those of a channel
	// take turns.
	Publishers int
	// Channels is the number of channels; each connection subscribes to one. Default 1,
	// in a storm 0: then nobody subscribes.
	Channels int
	// Size is the length in bytes of a payload's EDN text; default 128.
	Size int
	// InFlight is how many messages are under way at most; default 1, with a Rate
	// 65,536. Ping-pong has one for each connection instead.
	InFlight int
	// Rate is the number of sends a second, on a fixed schedule; 0 sends as soon as
	// InFlight allows.
	Rate float64
	// Warmup is not counted, Duration is; after both everything is awaited.
	Warmup, Duration time.Duration
	// Hold is how long idle and storm wait after the last connection.
	Hold time.Duration
	// Keep makes a storm's connections stay until the context ends, which is then no
	// interruption.
	Keep bool
	// Pause is a time of silence before the first send and after the last receipt,
	// with the connections open, for whoever counts the server's calls from outside.
	Pause time.Duration
	// Users gives each socket of idle and storm a uid of its own, in the query.
	Users bool
	// Bare makes a storm's connections ready with the answer to the upgrade: the
	// server need not greet them.
	Bare bool
	// Sources are the local addresses that connections come from, in turn; with none
	// the system chooses. An address has some 28,000 ports for each server.
	Sources []netip.Addr
	// Timeout is how long any one answer may take; default 10 s.
	Timeout time.Duration
	// Connecting is how many connections may be in their handshake at once; default 64,
	// with a ConnectRate 4,096.
	Connecting int
	// ConnectRate is the number of connections to be begun in a second, on a fixed
	// schedule; 0 begins as many as Connecting allows.
	ConnectRate float64
	// Dialects are what the clients speak, and how many each; default all sente-lite.
	Dialects []dialect.Share
	// NATS is the address of the server that user pushes are published on, and
	// Prefix the subjects' first token; default "hoshi".
	NATS, Prefix string
	// ServerPID is the server's process, whose memory and CPU time are read; 0 for none.
	ServerPID int
	// Portable selects the poller's portable loop.
	Portable bool
	// Progress, when set, is told about once a second how far the run is, by the
	// goroutine that called Run.
	Progress func(Progress)
}

// Progress is a glimpse of a run.
type Progress = report.Progress

func (o *Options) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	if o.Scenario == Fanout && len(o.PublishURLs) == 0 && len(o.URLs) > 0 {
		o.PublishURLs = o.URLs[:1]
	}
	def(&o.Publishers, max(1, len(o.PublishURLs)))
	def(&o.SlowRate, 10_000)
	if o.Scenario != Storm {
		def(&o.Channels, 1)
	}
	def(&o.Size, 128)
	if o.ConnectRate > 0 {
		def(&o.Connecting, maxConnecting)
	}
	def(&o.Connecting, 64)
	if o.Scenario == PingPong {
		o.InFlight = o.Connections
	}
	if o.Rate > 0 {
		def(&o.InFlight, maxOutstanding)
	}
	def(&o.InFlight, 1)
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if len(o.Dialects) == 0 {
		o.Dialects = []dialect.Share{{Dialect: dialect.SenteLite{}, Weight: 1}}
	}
	if o.Prefix == "" {
		o.Prefix = "hoshi"
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
}

func (o *Options) validate() error {
	var errs []error
	bad := func(cond bool, format string, args ...any) {
		if cond {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(o.Connections < 1, "connections: %d, want at least 1", o.Connections)
	least := 1
	if o.Scenario == Storm {
		least = 0
	}
	bad(o.Channels < least || o.Channels > max(o.Connections, 1), "channels: %d, want %d to the number of connections", o.Channels, least)
	bad(o.Connecting < 1, "connecting: %d, want at least 1", o.Connecting)
	least = max(1, len(o.PublishURLs))
	bad(o.Publishers < least, "publishers: %d, want at least %d: one for each url", o.Publishers, least)
	least = dialect.MinEDN
	for _, share := range o.Dialects {
		least = max(least, share.Dialect.MinSize())
	}
	bad(o.Size < least, "size: %d, want at least %d", o.Size, least)
	bad(o.InFlight < 1 || o.InFlight > maxOutstanding, "in flight: %d, want 1 to %d", o.InFlight, maxOutstanding)
	bad(o.Rate < 0 || o.ConnectRate < 0, "rate: %g, want 0 or more", o.Rate+o.ConnectRate)
	bad(len(o.URLs) == 0, "url: none")
	bad(o.sends() && o.Duration <= 0, "duration: %v, want more than 0", o.Duration)
	bad(o.Scenario == UserPush && o.NATS == "", "nats: no address to publish on")
	bad(o.Users && o.Scenario != Idle && o.Scenario != Storm, "users: not in %s", o.Scenario)
	bad(o.Bare && (o.Scenario != Storm || o.Channels > 0 || o.Users), "bare: only in a storm without channels and users")
	bad(o.Flood < 0, "flood: %d, want 0 or more", o.Flood)
	bad(o.Flood > 0 && o.Scenario != Fanout && o.Scenario != PingPong, "flood: not in %s", o.Scenario)
	if err := o.checkReaders(); err != nil {
		errs = append(errs, err)
	}
	for _, u := range slices.Concat(o.URLs, o.PublishURLs) {
		if _, err := parseTarget(u); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// target is where a connection goes.
type target struct {
	addr  string // host:port
	path  string
	query string
}

func parseTarget(s string) (target, error) {
	u, err := url.Parse(s)
	if err != nil {
		return target{}, fmt.Errorf("url: %w", err)
	}
	if u.Scheme != "ws" || u.Hostname() == "" {
		return target{}, fmt.Errorf("url: %q, want ws://host:port/path", s)
	}
	t := target{addr: u.Host, path: u.EscapedPath(), query: u.RawQuery}
	if u.Port() == "" {
		t.addr = net.JoinHostPort(u.Hostname(), "80")
	}
	if t.path == "" {
		t.path = "/"
	}
	return t, nil
}

// with returns t with q added to the query.
func (t target) with(q string) target {
	switch {
	case t.query == "":
		t.query = q
	case q != "":
		t.query += "&" + q
	}
	return t
}

// request returns the request target.
func (t target) request() string {
	if t.query == "" {
		return t.path
	}
	return t.path + "?" + t.query
}

// sends tells whether the scenario has a phase of sending.
func (o *Options) sends() bool { return o.Scenario != Idle && o.Scenario != Storm }

func (o *Options) result() *report.Result {
	c := map[string]any{"connections": o.Connections}
	dialects := make(map[string]any)
	for _, share := range o.Dialects {
		dialects[share.Dialect.Name()] = share.Weight
	}
	c["dialects"] = dialects
	if len(o.Sources) > 0 {
		c["sources"] = len(o.Sources)
	}
	if o.sends() {
		c["in_flight"], c["rate"] = o.InFlight, o.Rate
		c["warmup_seconds"], c["duration_seconds"] = o.Warmup.Seconds(), o.Duration.Seconds()
	}
	switch o.Scenario {
	case Idle:
		c["channels"], c["hold_seconds"], c["users"] = o.Channels, o.Hold.Seconds(), o.Users
	case Storm:
		c["users"], c["bare"] = o.Users, o.Bare
		c["channels"], c["hold_seconds"], c["keep"] = o.Channels, o.Hold.Seconds(), o.Keep
		c["connecting"], c["rate"], c["urls"] = o.Connecting, o.ConnectRate, len(o.URLs)
	case Fanout:
		c["channels"], c["publishers"], c["size"] = o.Channels, o.Publishers, o.Size
		c["urls"], c["publish_urls"] = len(o.URLs), len(o.PublishURLs)
	case UserPush:
		c["size"] = o.Size
	}
	if o.Slow > 0 || o.Frozen > 0 {
		c["slow_percent"], c["slow_rate"], c["frozen_percent"] = o.Slow, o.SlowRate, o.Frozen
	}
	if o.Flood > 0 {
		c["flood"] = o.Flood
	}
	return &report.Result{Scenario: o.Scenario, Started: time.Now(), Config: c}
}
