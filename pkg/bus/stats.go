package bus

import "github.com/hoshi-ws/hoshi/internal/histogram"

// timeScale is what bus measures times in.
var timeScale = histogram.NewScale(1e-9, 100_000, 250_000, 500_000,
	1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
	1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000)

// measure fills in what is measured.
func (n *Node) measure(s *Stats) {
	s.CallbackSeconds = n.requests.took[tookCallback].Snapshot()
	s.RequestSeconds = n.requests.took[tookOwn].Snapshot()
	s.RTTSeconds = n.control.stats.rtt.Snapshot()
	s.BarrierSeconds = n.control.stats.barrierTime.Snapshot()
	for _, sh := range n.shards {
		s.ShardQueueMessages += len(sh.ch)
		s.BadTimes += sh.badTimes.Load()
	}
}

// Stats is a snapshot of a node's counters, which only grow, and gauges. The
// keys of maps are a small fixed set.
type Stats struct {
	Connected bool   `json:"connected"`
	Ready     bool   `json:"ready"`
	ServerID  string `json:"server_id"`
	Connects  uint64 `json:"connects"` // connections made, the first included

	Servers           int    `json:"servers"` // that a barrier would ask
	Barriers          uint64 `json:"barriers"`
	BarriersVoided    uint64 `json:"barriers_voided"`     // by a lost connection
	ServersStruckOff  uint64 `json:"servers_struck_off"`  // no responders
	ServersPassedOver uint64 `json:"servers_passed_over"` // silent for BarrierTimeout

	Interests          int `json:"interests"` // confirmed, pending and lingering
	InterestsPending   int `json:"interests_pending"`
	InterestsLingering int `json:"interests_lingering"`

	PublishQueueMessages int               `json:"publish_queue_messages"`
	PublishQueueBytes    int               `json:"publish_queue_bytes"`
	Published            uint64            `json:"published"`
	PublishRefused       map[string]uint64 `json:"publish_refused"` // told to the caller, by reason
	PublishLost          map[string]uint64 `json:"publish_lost"`    // accepted and not sent, by reason

	Delivered uint64            `json:"delivered"`
	Dropped   map[string]uint64 `json:"dropped"`    // inbound, by reason
	BadTraces uint64            `json:"bad_traces"` // inbound messages whose traceparent is malformed; delivered all the same
	BadTimes  uint64            `json:"bad_times"`  // the same of Hoshi-Time

	ShardQueueMessages int `json:"shard_queue_messages"` // that NATS has brought and that have not been delivered

	Requests        uint64            `json:"requests"`
	RequestsPending int               `json:"requests_pending"`
	Replies         map[string]uint64 `json:"replies"` // by outcome
	RepliesIgnored  map[string]uint64 `json:"replies_ignored"`

	// How long an answer of a backend has taken that a client waited for, and one that the node itself did: for
	// call-outs, and from other nodes. What ended otherwise is in Replies.
	CallbackSeconds histogram.Snapshot `json:"callback_seconds"`
	RequestSeconds  histogram.Snapshot `json:"request_seconds"`

	RTTSeconds     histogram.Snapshot `json:"rtt_seconds"`     // until the node's own heartbeat has come back from NATS, once a second
	BarrierSeconds histogram.Snapshot `json:"barrier_seconds"` // that barriers took

	Panics uint64 `json:"panics"` // recovered; each cost one message, or one reply
}
