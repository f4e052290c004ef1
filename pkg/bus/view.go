package bus

import "time"

// What nodes say of themselves, in JSON, when they are asked over NATS
// (service.go): a backend in any language reads the same.

// NodeView is what a node says of itself. Counters only grow while a node runs, so
// that two views make rates; gauges are of the moment.
type NodeView struct {
	Node     string `json:"node"`
	Host     string `json:"host"` // what the machine, or the container, calls itself; empty where it does not say
	Version  string `json:"version"`
	UptimeMS int64  `json:"uptime_ms"`
	Ready    bool   `json:"ready"`
	Draining bool   `json:"draining"` // it is being stopped

	// Gauges: connections with clients that poll, users and channels with somebody
	// here, connections that are not read since their clients send too fast.
	Connections int   `json:"connections"`
	Users       int   `json:"users"`
	Channels    int   `json:"channels"`
	Throttled   int64 `json:"throttled"`

	// Counters of sockets: WebSocket frames and bytes, write calls, deliveries that
	// were dropped while the connection went on, connections that were closed since
	// their queue was full, or since they took nothing.
	FramesIn   uint64 `json:"frames_in"`
	FramesOut  uint64 `json:"frames_out"`
	BytesIn    uint64 `json:"bytes_in"`
	BytesOut   uint64 `json:"bytes_out"`
	WriteCalls uint64 `json:"write_calls"`
	Dropped    uint64 `json:"dropped"`
	Overflows  uint64 `json:"overflows"`
	Stalled    uint64 `json:"stalled"`

	// Slow are the connections with most bytes in their queues among those whose
	// clients take nothing at the moment, and Blocked how many of these there are. The
	// node looks for them once in two seconds at most, and only if it is asked to.
	Slow    []SlowView `json:"slow,omitempty"`
	Blocked int        `json:"blocked"`

	NATS    LinkView    `json:"nats"`
	Process ProcessView `json:"process"`
}

// SlowView is a connection whose client does not take what waits for it.
type SlowView struct {
	Conn           string `json:"conn"`
	UID            string `json:"uid"` // as EDN; empty where nobody has vouched for one
	QueuedMessages int    `json:"queued_messages"`
	QueuedBytes    int    `json:"queued_bytes"`
	// Frozen: it has taken nothing for a while, and is not just busy.
	Frozen bool `json:"frozen"`
}

// LinkView is about a node's connection to NATS.
type LinkView struct {
	Server     string `json:"server"` // its id
	RTTMicros  int64  `json:"rtt_us"` // of a ping; 0 where it was not answered
	Reconnects uint64 `json:"reconnects"`
	// Pending messages and bytes wait to be published.
	PendingMessages int    `json:"pending_messages"`
	PendingBytes    int    `json:"pending_bytes"`
	Published       uint64 `json:"published"`
	Delivered       uint64 `json:"delivered"` // messages that came from NATS
	Dropped         uint64 `json:"dropped"`   // of these and the like: the sum of DroppedBy, but for DroppedAPI

	// DroppedBy are they by reason, as in [Stats].
	DroppedBy map[string]uint64 `json:"dropped_by,omitempty"`
}

// ProcessView is about the process that a node runs in. What the system does not
// say is 0.
type ProcessView struct {
	Goroutines uint64 `json:"goroutines"`
	HeapBytes  uint64 `json:"heap_bytes"`
	RSSBytes   uint64 `json:"rss_bytes"`
	CPUMS      uint64 `json:"cpu_ms"` // used since the start, on all processors
}

// WhoView are the connections of a user, a tab, or the one that was asked for, on one
// node.
type WhoView struct {
	Node string `json:"node"`
	// Total is how many there are; Conns are the first of them, as far as they have a
	// place in the answer, More how many are left out. Silent is how many of Conns have not
	// answered the node itself in time: nothing but their conn-id is known.
	Total  int        `json:"total"`
	More   int        `json:"more"`
	Silent int        `json:"silent"`
	Conns  []ConnView `json:"conns"`
}

// The states of a connection, in [ConnView].
const (
	StateOpen    = "open"
	StateOpening = "opening" // its handshake is under way
	StateAway    = "away"    // a tab without a socket: its client may come back
	StatePolling = "polling" // a client that polls
	StateSilent  = "silent"  // it has not answered its node
)

// ConnView is a connection.
type ConnView struct {
	Conn      string    `json:"conn"`
	State     string    `json:"state"`
	UID       string    `json:"uid,omitempty"`    // as EDN
	Client    string    `json:"client,omitempty"` // the client-id of a Sente client
	Dialect   string    `json:"dialect,omitempty"`
	Format    string    `json:"format,omitempty"` // such as edn or json-gzip
	Transport string    `json:"transport,omitempty"`
	Since     time.Time `json:"since"` // when its socket, or its first poll, came
	Address   string    `json:"address,omitempty"`

	Channels     int      `json:"channels"`      // that it is subscribed to
	ChannelNames []string `json:"channel_names"` // the first of them, as EDN

	QueuedMessages int `json:"queued_messages"`
	QueuedBytes    int `json:"queued_bytes"`
	// Kept messages and bytes wait for a client that is away.
	KeptMessages int `json:"kept_messages,omitempty"`
	KeptBytes    int `json:"kept_bytes,omitempty"`
	Callbacks    int `json:"callbacks"` // that wait for a backend

	// Throttled: it is not read, since its client sends too fast. Blocked: its client
	// takes nothing at the moment; Frozen: for a while. Held: it is not read until NATS
	// takes more, or a backend has answered.
	Throttled bool `json:"throttled,omitempty"`
	Blocked   bool `json:"blocked,omitempty"`
	Frozen    bool `json:"frozen,omitempty"`
	Held      bool `json:"held,omitempty"`

	Expires *time.Time `json:"expires,omitempty"` // when its token does
}

// ChannelsView are the channels of one node, those with most subscribers first.
type ChannelsView struct {
	Node string `json:"node"`
	// Total is how many match; Subscribers how many subscriptions all of them have; More
	// how many of them are left out.
	Total       int           `json:"total"`
	Subscribers int           `json:"subscribers"`
	More        int           `json:"more"`
	Channels    []ChannelView `json:"channels"`
}

// ChannelView is a channel on one node.
type ChannelView struct {
	Channel     string `json:"channel"` // as EDN
	Subscribers int    `json:"subscribers"`
}
