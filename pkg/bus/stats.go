package bus

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

	Requests        uint64            `json:"requests"`
	RequestsPending int               `json:"requests_pending"`
	Replies         map[string]uint64 `json:"replies"` // by outcome
	RepliesIgnored  map[string]uint64 `json:"replies_ignored"`

	Panics uint64 `json:"panics"` // recovered; each cost one message, or one reply
}
